from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from sluice.host import HostOptions


@pytest.mark.parametrize(
    "wrong",
    [{"workers": 0}, {"port": -1}, {"port": 65536}, {"event_timeout_s": 0.0}, {"log_level": "loud"},
     {"log_format": "xml"}, {"max_connections": 0}],
)  # fmt: skip
def test_wrong_value_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HostOptions(**wrong)


def test_each_option_is_documented() -> None:
    text = HostOptions.__doc__ or ""
    for field in dataclasses.fields(HostOptions):
        assert f"        {field.name}: " in text
