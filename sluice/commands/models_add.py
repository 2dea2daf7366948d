"""sluice models add|inspect: ONNX files that were made elsewhere."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import orjson
import yaml

from sluice.application import Application
from sluice.commands.show import as_json, json_option, say, table
from sluice.errors import DeclarationError, SluiceError
from sluice.gate import Gate
from sluice.models.add import Adding, Wanted, open_file
from sluice.models.onnx_file import read_signature, record_section
from sluice.models.sample import sample_records
from sluice.parameters import Parameters
from sluice.project import Project
from sluice.service import read_spec

T = TypeVar("T")
_SAMPLES = 20


def add_to(commands: Any) -> None:
    """Declare the commands."""
    text = "log an ONNX file as a version of a graph"
    add = commands.add_parser("add", help=text, description=text)
    add.add_argument("graph", help="the graph's name")
    _file_options(add)
    add.add_argument("--input", action="append", default=[], metavar="NAME=COLUMN,…",
                     help="what an input is made of; default: the column of its name")  # fmt: skip
    add.add_argument("--task", choices=("tensors", "classification", "regression"),
                     help="default: tensors, the outputs by name")  # fmt: skip
    add.add_argument("--classes", default="", metavar="A,B,…",
                     help="of a classification: the labels, as its probabilities are")  # fmt: skip
    add.add_argument("--records", type=Path, metavar="FILE",
                     help="golden requests, a record a line; default: made up")  # fmt: skip
    add.set_defaults(command=add_version)
    json_option(add)
    text = "what an ONNX file takes and gives, and what features.yaml declares for it"
    inspect = commands.add_parser("inspect", help=text, description=text)
    _file_options(inspect)
    inspect.set_defaults(command=inspect_file)
    json_option(inspect)


def _file_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the ONNX file")
    parser.add_argument("--outputs", nargs="+", default=[], metavar="NAME",
                        help="the outputs that are answered; default: all")  # fmt: skip
    parser.add_argument("--shape", action="append", default=[], metavar="NAME=SIZE,…",
                        help="what a record has, where the file leaves sizes open")  # fmt: skip


def add_version(options: argparse.Namespace) -> None:
    """Ask the file as it would be served, and log it with its answers; no alias moves."""
    project = Project.find()
    spec = read_spec(project, options.graph)
    parameters = Parameters.parse(spec.parameters.get("sluice"), spec.file)
    application = Application.open(project, parameters)
    definitions, now = application.definitions, time.time()
    wanted = Wanted(
        outputs=options.outputs,
        columns=named(options.input, "--input", str),
        shapes=named(options.shape, "--shape", int),
        task=options.task or ("classification" if options.classes else "tensors"),
        classes=[_label(text) for text in options.classes.split(",") if text],
    )
    if options.records is None:
        records = sample_records(definitions.record, _SAMPLES, project.settings.seed, now)
    else:
        records = read_records(options.records)
    adding = Adding(Gate.of(project, application), options.graph, definitions)
    draft, files = adding.make(options.file, wanted, records, now)
    number = application.models.log(options.graph, draft, files)
    application.close()
    if options.json:
        as_json({"graph": options.graph, "version": number})
    else:
        say(f"{options.graph}: version {number}, with {len(records)} records that it answers")


def inspect_file(options: argparse.Namespace) -> None:
    """Show a file's tensors, and the section that a graph's features.yaml needs."""
    shapes = named(options.shape, "--shape", int)
    signature = read_signature(open_file(options.file), options.outputs, shapes)
    if options.json:
        as_json(orjson.loads(signature.dump()))
        return
    both = (("input", signature.inputs), ("output", signature.outputs))
    rows = [[what, t.name, t.dtype, t.shape] for what, tensors in both for t in tensors]
    table(rows, ["", "name", "type", "shape of a record"])
    declared = {"format": 1, "record": record_section(signature)}
    say(yaml.safe_dump(declared, sort_keys=False, default_flow_style=None).rstrip())


def read_records(file: Path) -> list[dict[str, Any]]:
    """The records in a file of JSON lines. Raises SluiceError with the line."""
    records = []
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise SluiceError(f"{file}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        try:
            record = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            raise SluiceError(f"{file}: line {number}: not JSON: {error}") from None
        if not isinstance(record, dict):
            raise SluiceError(f"{file}: line {number}: expected a record, an object with fields")
        records.append(record)
    if not records:
        raise SluiceError(f"{file}: has no records")
    return records


def named(given: Iterable[str], option: str, kind: Callable[[str], T]) -> dict[str, list[T]]:
    """The options NAME=VALUE,… by name."""
    made = {}
    for text in given:
        name, mark, values = text.rpartition("=")
        try:
            made[name] = [kind(value) for value in values.split(",") if value]
        except ValueError:
            raise DeclarationError("options", option, f"{text!r} is no NAME=SIZE,…") from None
        if not mark or not made[name]:
            raise DeclarationError("options", option, f"{text!r} is no NAME=VALUE,…")
    return made


def _label(text: str) -> int | str:
    """A class as its labels are: whole numbers are numbers."""
    return int(text) if text.lstrip("-").isdigit() else text
