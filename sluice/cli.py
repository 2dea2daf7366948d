"""The command `sluice`. Each group of commands is a file in sluice/commands."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

import sluice
from sluice.errors import DeclarationError, SluiceError
from sluice.lines import line_of

# The files in sluice/commands, in the order of the help.
GROUPS = (
    "serve", "host", "run", "models", "keys", "features", "replay", "simulate", "ingest", "stream",
    "dead_letters", "batch", "advise", "render", "deploy", "new", "import_", "check", "audit",
    "expire", "forget", "lineage", "learn", "monitor", "alerts", "loop", "history", "dashboard",
    "tune_rules", "route", "stack", "evaluate_policy", "router", "correction", "canary", "upgrade",
)  # fmt: skip
# The commands whose group is not called as they are.
_ELSEWHERE = {
    "import": "import_", "deployments": "deploy", "materialise": "run", "train": "run",
    "gate": "run",
}  # fmt: skip

# What a command may need beside the serving core, and the extra of pyproject.toml that has it.
_EXTRAS = {
    "boto3": "stores", "confluent_kafka": "kafka", "jwt": "auth", "matplotlib": "train",
    "mlrun": "mlrun", "nuclio": "mlrun", "onnx": "train", "pandas": "train", "psycopg": "batch",
    "pyarrow": "batch", "redis": "stores", "sklearn": "train", "skl2onnx": "train",
    "sqlalchemy": "batch", "xgboost": "train",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is named, 2 for usage."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser(groups_of(arguments)).parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        status: int | None = options.command(options)
    except SluiceError as error:
        print(f"sluice: {error}{place_of(error)}", file=sys.stderr)  # noqa: T201
        return 1
    except ModuleNotFoundError as error:
        if error.name not in _EXTRAS:
            raise
        extra = _EXTRAS[error.name]
        text = f"{error.name} is not installed: pip install -e '.[{extra}]' in the project's folder"
        print(f"sluice: {text}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return status or 0


def place_of(error: SluiceError) -> str:
    """The file and line of an error in a declaration, on a line of its own."""
    line = line_of(error) if isinstance(error, DeclarationError) else None
    return "" if line is None else f"\n  at {vars(error)['file']}:{line}"


def groups_of(arguments: Sequence[str]) -> Iterable[str]:
    """The groups that a call needs: to import one of them takes half as long as all."""
    name = arguments[0] if arguments else ""
    group = _ELSEWHERE.get(name, name.replace("-", "_"))
    return [group] if group in GROUPS else GROUPS


def parser(groups: Iterable[str] = GROUPS) -> argparse.ArgumentParser:
    """The commands of these groups, with their options."""
    top = argparse.ArgumentParser(prog="sluice", description=sluice.__doc__)
    top.add_argument("--version", action="version", version=f"sluice {sluice.__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for group in groups:
        import_module(f"sluice.commands.{group}").add_to(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
