"""Ranked lists in the Open Inference Protocol, and in the OpenAPI document.

The lists of n records, of which the longest has k items, are tensors of shape [n, k]: `id`, `score`
and each column that the lists show, position by position. `count` [n] says how many items each
list has; behind them stand an empty text, 0 as an id, NaN as a number.

A request may bring candidates as BYTES of shape [n, m], under the name that features.yaml gives
them. Empty texts fill up; a record that has nothing else brings no list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sluice.errors import RequestError
from sluice.features.candidates import MOST
from sluice.features.definitions import Definitions
from sluice.graph.spec import StepSpec
from sluice.protocol.tensors import Tail, read_lists
from sluice.quote import found

if TYPE_CHECKING:
    from sluice.rules.lists import Lists

COUNT = "count"
_EMPTY: Mapping[str, Any] = {"BYTES": "", "INT64": 0, "FP64": float("nan")}


class Ranked:
    """What is known of a graph whose answers are ranked lists.

    Args:
        lists: as the graph declares them.
        definitions: of its records.

    Attributes:
        outputs: the datatype of each output, by name.
        given: the input that brings candidates.
    """

    def __init__(self, lists: Lists, definitions: Definitions) -> None:
        types = lists.types(definitions)
        datatypes = {name: "BYTES" if types[name] == "string" else "FP64" for name in lists.show}
        id_type = "BYTES" if types[lists.id] == "string" else "INT64"
        self.outputs = {COUNT: "INT64", "id": id_type, "score": "FP64", **datatypes}
        self.given = definitions.candidates.given if definitions.candidates else ""

    @classmethod
    def of(cls, steps: Sequence[StepSpec], definitions: Definitions) -> Ranked | None:
        """Of a graph's steps; None where none of them makes lists. Raises DeclarationError."""
        for step in steps:
            if "items" in step.class_args:
                from sluice.rules.lists import Lists  # of no use to other graphs

                lists = Lists(step.class_args["items"], (), f"{step.name}.class_args")
                lists.open(definitions)
                return cls(lists, definitions)
        return None

    def inputs(self) -> list[dict[str, Any]]:
        """The inputs beside the record's fields, as metadata says it."""
        return [{"name": self.given, "datatype": "BYTES", "shape": [-1, -1]}]

    def described(self) -> list[dict[str, Any]]:
        """The outputs, as metadata says it."""
        return [
            {"name": name, "datatype": datatype, "shape": [-1] if name == COUNT else [-1, -1]}
            for name, datatype in self.outputs.items()
        ]

    def candidates(self, tensor: Mapping[str, Any], tail: Tail) -> list[list[str] | None]:
        """The list that each record brings [n]. Raises RequestError naming the tensor."""
        if tensor["datatype"] != "BYTES":
            what = f"datatype {found(tensor['datatype'])}, expected BYTES"
            raise RequestError(f"input {self.given!r}: {what}")
        rows = read_lists(tensor, tail)
        lists = [[item for item in row if item is not None and item != ""] for row in rows]
        return [some if some or not row else None for some, row in zip(lists, rows, strict=True)]

    def values(
        self, name: str, outputs: Sequence[Mapping[str, Any]]
    ) -> tuple[list[int], list[Any]]:
        """The shape and the values of one output for the outputs of some records."""
        lists = [output["items"] for output in outputs]
        if name == COUNT:
            return [len(lists)], list(map(len, lists))
        longest, empty = max(map(len, lists)), _EMPTY[self.outputs[name]]
        values: list[Any] = []
        for items in lists:
            values += [empty if item[name] is None else item[name] for item in items]
            values += [empty] * (longest - len(items))
        return [len(lists), longest], values

    def describe(self, document: dict[str, Any]) -> None:
        """Say in an OpenAPI document what records bring and what is answered."""
        schemas = document["components"]["schemas"]
        failed = schemas["Output"]["anyOf"][-1]
        schemas["Output"] = {"anyOf": [self._list(), failed]}
        text = {"type": "string", "minLength": 1}
        brought = {"type": ["array", "null"], "items": text, "maxItems": MOST}
        why = "the items to rank; without them the graph's own"
        schemas["Record"]["properties"][self.given] = {**brought, "description": why}
        whether = {"type": "boolean", "description": "whether to tell what each rule did"}
        schemas["MLRunRequest"]["properties"]["explain"] = whether
        inputs = schemas["TensorRequest"]["properties"]["inputs"]["items"]["anyOf"]
        like = inputs[0]["properties"]
        names = {"name": {"const": self.given}, "datatype": {"enum": ["BYTES"]}}
        inputs.append({**inputs[0], "properties": {**like, **names}})

    def _list(self) -> dict[str, Any]:
        text, number = {"type": "string"}, {"type": "number"}
        id_type = "string" if self.outputs["id"] == "BYTES" else "integer"
        shown = {
            name: {"type": ["string" if datatype == "BYTES" else "number", "null"]}
            for name, datatype in self.outputs.items()
            if name not in (COUNT, "id", "score")
        }
        why = {"type": "object", "additionalProperties": text}
        item = {**shown, "id": {"type": id_type}, "score": number, "defaults": why}
        count = {"type": "integer", "minimum": 1}
        told = {"rule": text, "moved": count, "dropped": count, "unmet": text}
        properties = {
            "items": _array(item, ["id", "score", *shown]),
            "rules": _array(told, ["rule"]),
            "defaults": why,
            "explain": _array(
                {"rule": text, "reason": text}, ["rule", "before", "after", "reason"]
            ),
        }
        return {"type": "object", "required": ["items"], "properties": properties}


def _array(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    one = {"type": "object", "required": required, "properties": properties}
    return {"type": "array", "items": one}


def beside(outputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is said of lists beside the tensors: by row what rules did, and by row and position,
    as "0/3", where a default stood in for one item."""
    rules = {str(row): o["rules"] for row, o in enumerate(outputs) if "rules" in o}
    defaults = {
        f"{row}/{at}": item["defaults"]
        for row, output in enumerate(outputs)
        for at, item in enumerate(output.get("items", ()))
        if "defaults" in item
    }
    return {n: told for n, told in (("rules", rules), ("item_defaults", defaults)) if told}
