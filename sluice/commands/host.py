"""sluice host pkg.mod:handler: any Nuclio handler over HTTP, as its function.yaml says."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from sluice.errors import DeclarationError
from sluice.host import HostOptions, Logger
from sluice.host import serve as run
from sluice.host.function_yaml import FunctionFile
from sluice.settings import variables


def add_to(groups: Any) -> None:
    """Declare the command."""
    text = "answer HTTP requests with any Nuclio handler"
    parser = groups.add_parser("host", help=text, description=text)
    parser.add_argument("handler", nargs="?", default="", help="package.module:function")
    parser.add_argument("--config", type=Path, help="the function's function.yaml")
    add_options(parser)
    parser.set_defaults(command=host)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of each command that serves; one that is not given is None."""
    parser.add_argument("--host", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, help="default: 8080")
    parser.add_argument("--descriptor", type=int, help=argparse.SUPPRESS)  # a deployment's
    parser.add_argument("--workers", type=int, help="worker processes; default: 2")
    parser.add_argument("--log-level", choices=("debug", "info", "warn", "error"))
    parser.add_argument("--log-format", choices=("text", "json"))
    parser.add_argument("--reload", action="store_true", help="new workers after a change of code")


def host(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    file = FunctionFile.read(options.config) if options.config else FunctionFile("")
    handler = options.handler or file.handler
    if not handler:
        hint = "name it on the command line, or in spec.handler of --config"
        raise DeclarationError(options.config or "handler", "", "no handler is named", hint)
    if options.config:
        sys.path.insert(0, str(options.config.resolve().parent))
    sys.path.insert(0, str(Path.cwd()))
    apply_environment(file)
    settled = host_options(file.options, options, Path.cwd())
    log_unused(file, settled)
    run(handler, options=settled)


def host_options(known: dict[str, Any], given: argparse.Namespace, folder: Path) -> HostOptions:
    """Options for the host: what is given on the command line wins over what is known.

    Raises DeclarationError for a value that makes no sense.
    """
    names = ("host", "port", "descriptor", "workers", "log_level", "log_format")
    values = known | {n: v for n in names if (v := getattr(given, n)) is not None}
    if "max_body_bytes" in values:
        held = max(HostOptions.max_held_bytes, 4 * values["max_body_bytes"])
        values["max_held_bytes"] = held
    try:
        return HostOptions(**values, reload=str(folder) if given.reload else "")
    except ValueError as problem:
        raise DeclarationError("options", "", str(problem)) from None


def apply_environment(file: FunctionFile) -> None:
    """Set the variables of spec.env; one that is set already stays as it is."""
    os.environ.update(file.env | variables())


def log_unused(file: FunctionFile, options: HostOptions) -> None:
    """Say what a function.yaml has that is of no use here."""
    logger = Logger(options.log_level, options.log_format, "host")
    if file.not_run:
        logger.warn_with(
            "triggers that are not run here", function=file.name, triggers=file.not_run
        )
    if file.unused:
        logger.debug_with("fields not used here", function=file.name, fields=file.unused)
