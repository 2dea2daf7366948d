"""Settings: who wins, what is refused, and that each is on its page."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError
from sluice.settings import Settings, unknown_variables

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
SETTINGS = [f for f in fields(Settings) if not f.metadata.get("internal")]


def test_the_environment_wins_over_the_project_over_the_default() -> None:
    assert Settings.load({}, {}).port == 8080
    assert Settings.load({"port": 1}, {}).port == 1
    assert Settings.load({"port": 1}, {"PORT": "2"}).port == 2
    assert Settings.load({"port": 1}, {"PORT": "2", "SLUICE_PORT": "3"}).port == 3


@pytest.mark.parametrize("text", ["1", "true", "Yes", "TRUE"])
def test_true_and_false(text: str) -> None:
    assert Settings.load({"monitoring": False}, {"SLUICE_MONITORING": text}).monitoring is True
    assert Settings.load({}, {"SLUICE_MONITORING": "no"}).monitoring is False


@pytest.mark.parametrize(
    ("params", "environ", "problem"),
    [
        ({"prot": 1}, {}, "spec.params.sluice.prot: no such setting .did you mean 'port'"),
        ({"serving_spec": "x"}, {}, "no such setting"),
        (
            {"port": "eighty"},
            {},
            "spec.params.sluice.port: expected a whole number, found 'eighty'",
        ),
        ({"port": 80.5}, {}, "port: expected a whole number, found 80.5"),
        ({"workers": True}, {}, "workers: expected a whole number, found True"),
        ({"timeout": False}, {}, "timeout: expected a number, found False"),
        ({"timeout": "soon"}, {}, "timeout: expected a number"),
        ({"timeout": "nan"}, {}, "timeout: expected a number"),
        ({"monitoring": "perhaps"}, {}, "monitoring: expected true or false"),
        ({"monitoring": 2}, {}, "monitoring: expected true or false"),
        ({"state": None}, {}, "state: expected text, found None"),
        ({"state": {"a": 1}}, {}, "state: expected text"),
        ([1], {}, "spec.params.sluice: expected a mapping"),
        ({}, {"SLUICE_PORT": ""}, "environment: SLUICE_PORT: expected a whole number, found ''"),
        ({"refresh": 0}, {}, "spec.params.sluice.refresh: expected at least 0.01, found 0"),
        ({}, {"SLUICE_REFRESH": "inf"}, "SLUICE_REFRESH: expected at most 86400.0, found 'inf'"),
        ({"max_records": 0}, {}, "max_records: expected at least 1, found 0"),
        ({}, {"PORT": "http"}, "environment: PORT: expected a whole number"),
    ],
)
def test_what_is_wrong_is_named(params: Any, environ: dict[str, str], problem: str) -> None:
    with pytest.raises(DeclarationError, match=problem):
        Settings.load(params, environ)


def test_a_variable_that_is_no_setting_is_warned_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    environ = {"SLUICE_REFRSH": "a value", "SLUICE_PROJECT": "/", "SLUICE_PORT": "1", "OTHER": ""}
    assert Settings.load({}, environ) == Settings.load({}, environ) == Settings(port=1)
    [said] = caplog.messages
    assert said.startswith("environment: SLUICE_REFRSH: no such setting (did you mean 'SLUICE_REF")
    assert "a value" not in said
    [error] = unknown_variables(environ)
    assert error.where == "SLUICE_REFRSH"


def test_the_environment_of_settings_gives_them_back() -> None:
    settings = Settings.load({"port": 99, "monitoring": False, "timeout": 1.5, "salt": "x y"}, {})
    environ = settings.environment()
    assert set(environ) == {"SLUICE_PORT", "SLUICE_MONITORING", "SLUICE_TIMEOUT", "SLUICE_SALT"}
    assert Settings.load({}, environ) == settings


def test_mlruns_specification_comes_from_its_variable() -> None:
    assert Settings.load({}, {"SERVING_SPEC_ENV": "{}"}).serving_spec == "{}"


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda f: f.name)
def test_each_setting_has_a_heading_with_its_default_and_meaning(setting: Any) -> None:
    found = re.search(
        rf"^#+ `?{setting.name}`?$(.*?)(?=^#|\Z)", PAGE.read_text("utf-8"), re.M | re.S
    )
    assert found, f"{setting.name} has no heading in docs/settings.md"
    default = setting.default
    shown = str(default).lower() if isinstance(default, bool) else str(default)
    assert f"`{shown}`" in found[1] or (default == "" and "empty" in found[1])
    assert len(found[1].split()) > 5


def test_every_setting_says_what_it_is() -> None:
    assert [f.name for f in SETTINGS if not f.metadata.get("help")] == []


def test_settings_are_not_told_by_accident() -> None:
    settings = Settings.load({"salt": "a secret", "database": "postgresql://u:a-secret@h/d"}, {})
    assert "secret" not in f"{settings} {settings!r}"
