"""Rendered resources as files that can be read, compared and applied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

HEAD = "# Written by `sluice render`: change graph.yaml or function.yaml, and render anew.\n"
LIST = "kustomization.yaml"


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """YAML without anchors: what is used twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Lists stand further in than their names."""
        super().increase_indent(flow, False)


def as_yaml(resource: Any) -> str:
    """A resource as YAML, its fields in their own order."""
    text: str = yaml.dump(resource, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def as_files(resources: Mapping[str, Any]) -> dict[str, str]:
    """Each resource as a file, and Kustomize's list of them."""
    names = [f"{name}.yaml" for name in resources]
    files = {n: HEAD + as_yaml(r) for n, r in zip(names, resources.values(), strict=True)}
    head = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
    return {**files, LIST: HEAD + as_yaml({**head, "resources": sorted(names)})}


def write(resources: Mapping[str, Any], folder: Path) -> list[str]:
    """Write the files; those of an earlier rendering that are no more go. Names what changed."""
    files = as_files(resources)
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for path in sorted(folder.glob("*.yaml")):
        if path.name not in files and path.read_text("utf-8").startswith(HEAD):
            path.unlink()
            changed.append(path.name)
    for name, text in files.items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            changed.append(name)
    return sorted(changed)
