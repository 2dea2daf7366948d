"""The command `sluice`. Each group of commands is a file in sluice/commands."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import sluice
from sluice.commands import (
    advise,
    alerts,
    audit,
    batch,
    canary,
    check,
    correction,
    dashboard,
    dead_letters,
    deploy,
    evaluate_policy,
    expire,
    features,
    forget,
    history,
    host,
    import_,
    ingest,
    keys,
    learn,
    lineage,
    loop,
    models,
    monitor,
    new,
    render,
    replay,
    route,
    router,
    run,
    serve,
    simulate,
    stack,
    stream,
    tune_rules,
    upgrade,
)
from sluice.errors import DeclarationError, SluiceError
from sluice.lines import line_of

# What a command may need beside the serving core, and the extra of pyproject.toml that has it.
_EXTRAS = {
    "boto3": "stores", "confluent_kafka": "kafka", "jwt": "auth", "matplotlib": "train",
    "mlrun": "mlrun", "nuclio": "mlrun", "onnx": "train", "pandas": "train", "psycopg": "batch",
    "pyarrow": "batch", "redis": "stores", "sklearn": "train", "skl2onnx": "train",
    "sqlalchemy": "batch", "xgboost": "train",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0, 1 for an error that is named, 2 for usage."""
    options = parser().parse_args(arguments)
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


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    top = argparse.ArgumentParser(prog="sluice", description=sluice.__doc__)
    top.add_argument("--version", action="version", version=f"sluice {sluice.__version__}")
    groups = top.add_subparsers(required=True, metavar="COMMAND")
    for group in (
        serve, host, run, models, keys, features, replay, simulate, ingest, stream, dead_letters,
        batch, advise, render, deploy, new, import_, check, audit, expire, forget,
        lineage,
        learn, monitor, alerts, loop, history, dashboard, tune_rules, route, stack,
        evaluate_policy,
        router,
        correction,
        canary,
        upgrade,
    ):  # fmt: skip
        group.add_to(groups)
    return top


if __name__ == "__main__":
    sys.exit(main())
