"""Training's side: an ONNX model that is a forest, as the file that formats/trees.py loads.

The operators are https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsembleClassifier.html and its
sister for regressions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson

from sluice.models.formats.trees import FORMAT, NODE, WEIGHT

_CLASSIFIER, _REGRESSOR = "TreeEnsembleClassifier", "TreeEnsembleRegressor"
_MOST_FEATURES = 1 << 16
# By a node's mode: whether its true branch is that of the smaller values, and whether a value that
# equals the threshold is one of them.
_MODES = {
    b"BRANCH_LEQ": (True, True),
    b"BRANCH_LT": (True, False),
    b"BRANCH_GT": (False, True),
    b"BRANCH_GTE": (False, False),
}
_LEAF = b"LEAF"


class NoForest(ValueError):
    """Why a model is left to ONNX Runtime."""


class _Scores(NamedTuple):
    """What is made of the sums: `targets` by class or target id, which sum it is added to."""

    targets: Mapping[int, int]
    transform: str
    base: list[float]


def forest_of(model: bytes) -> bytes:
    """The file of an ONNX model that is one ensemble of trees and nothing else.

    Needs the package onnx. Raises NoForest for any other model, and for what an ensemble may hold
    that ours does not: branches on equality, other aggregates than sum and mean, scores that are
    neither probabilities nor one prediction.
    """
    import onnx

    graph = onnx.load_from_string(model).graph
    kinds = [(node.domain, node.op_type) for node in graph.node]
    if len(kinds) != 1 or kinds[0] not in {("ai.onnx.ml", k) for k in (_CLASSIFIER, _REGRESSOR)}:
        raise NoForest(f"its nodes are {', '.join(kind for _, kind in kinds)}")
    node = graph.node[0]
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    if any(name.endswith("_as_tensor") for name in given):
        raise NoForest("its numbers are in double precision")
    width = graph.input[0].type.tensor_type.shape.dim[-1].dim_value
    if not 0 < width < _MOST_FEATURES:
        raise NoForest(f"it has {width or 'any number of'} columns")
    scores = _classes(given) if node.op_type == _CLASSIFIER else _target(given)
    return _pack(given, scores, node.input[0], width)


def _classes(given: Mapping[str, Any]) -> _Scores:
    count = len(given.get("classlabels_int64s") or given.get("classlabels_strings") or ())
    ids = sorted(set(given["class_ids"]))
    transform, base = _transform(given), list(given.get("base_values", ()))
    if count != 2:
        return _Scores({k: k for k in range(count)}, transform, base or [0.0] * count)
    if transform == "softmax" or len(base) > len(ids):
        raise NoForest(f"two classes by {transform} from {len(ids)} sums and {len(base)} bases")
    if len(ids) == 1 and transform == "none" and min(given["class_weights"]) < 0:
        raise NoForest("its scores are no probabilities")
    return _Scores({ids[-1]: 0}, transform, base[-1:] or [0.0])


def _target(given: Mapping[str, Any]) -> _Scores:
    if given.get("n_targets", 1) != 1 or _transform(given) != "none":
        raise NoForest("it predicts more than a number")
    return _Scores({0: 0}, "none", list(given.get("base_values", ())) or [0.0])


def _transform(given: Mapping[str, Any]) -> str:
    name: str = given.get("post_transform", b"NONE").decode().lower()
    if name not in ("none", "logistic", "softmax"):
        raise NoForest(f"its scores are made by {name}")
    return name


def _pack(given: Mapping[str, Any], scores: _Scores, tensor: str, width: int) -> bytes:
    aggregate = given.get("aggregate_function", b"SUM")
    if aggregate not in (b"SUM", b"AVERAGE"):
        raise NoForest(f"it takes the {aggregate.decode()} of its trees")
    nodes, roots, weights = _Layout(given, scores).lay()
    head = {
        "format": FORMAT,
        "input": tensor,
        "width": width,
        "transform": scores.transform,
        "scale": 1.0 / len(roots) if aggregate == b"AVERAGE" else 1.0,
        "base": scores.base,
        "nodes": len(nodes),
        "trees": len(roots),
        "weights": len(weights),
    }
    arrays = np.array(nodes, NODE), np.array(roots, "<i4"), np.array(weights, WEIGHT)
    return orjson.dumps(head) + b"\n" + b"".join(array.tobytes() for array in arrays)


class _Layout:
    """Lays each tree out by levels: children are neighbours, and come after their parent."""

    def __init__(self, given: Mapping[str, Any], scores: _Scores) -> None:
        self._given, self._scores = given, scores
        self._one = len(scores.base) == 1
        tree_ids = given["nodes_treeids"]
        keys = list(zip(tree_ids, given["nodes_nodeids"], strict=True))
        self._at = {key: at for at, key in enumerate(keys)}
        self._tracks = given.get("nodes_missing_value_tracks_true") or [0] * len(keys)
        self._roots = [self._at[tree, 0] for tree in dict.fromkeys(tree_ids)]
        self._leaves = self._by_leaf()

    def _by_leaf(self) -> dict[int, list[tuple[int, float]]]:
        kind = "class" if "class_ids" in self._given else "target"
        lists = (self._given[f"{kind}_{name}"] for name in ("treeids", "nodeids", "ids", "weights"))
        leaves: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for tree, node, target, weight in zip(*lists, strict=True):
            if target in self._scores.targets:
                leaf = leaves[self._at[tree, node]]
                leaf.append((self._scores.targets[target], weight))
        return leaves

    def lay(self) -> tuple[list[Any], list[int], list[Any]]:
        """All nodes, the place of each tree's first, and the weights of leaves."""
        nodes: list[Any] = []
        roots: list[int] = []
        weights: list[Any] = []
        for root in self._roots:
            roots.append(len(nodes))
            nodes += self._tree(root, len(nodes), weights)
        return nodes, roots, weights

    def _tree(self, root: int, first: int, weights: list[Any]) -> Iterator[Any]:
        queue = [root]
        for place, at in enumerate(queue):  # which grows meanwhile
            if self._given["nodes_modes"][at] == _LEAF:
                yield self._leaf(at, first + place, weights)
                continue
            left, right, threshold, nan_left = self._branch(at)
            feature = self._given["nodes_featureids"][at]
            yield threshold, first + len(queue), 0, feature, 1, nan_left
            queue += [left, right]

    def _leaf(self, at: int, place: int, weights: list[Any]) -> Any:
        found = self._leaves[at]
        if self._one:
            total = np.float32(sum(weight for _, weight in found))
            return total, place, 0, 0, 0, 0
        start = len(weights)
        weights += [*found, (-1, 0.0)]
        return 0.0, place, start, 0, 0, 0

    def _branch(self, at: int) -> tuple[int, int, np.float32, bool]:
        """The nodes for values up to the threshold and for larger ones; where NaN goes."""
        mode = self._given["nodes_modes"][at]
        if mode not in _MODES:
            raise NoForest(f"it has {mode.decode()} branches")
        true_is_small, equal_is_small = _MODES[mode]
        tree = self._given["nodes_treeids"][at]
        true = self._at[tree, self._given["nodes_truenodeids"][at]]
        false = self._at[tree, self._given["nodes_falsenodeids"][at]]
        threshold = np.float32(self._given["nodes_values"][at])
        if not equal_is_small:
            threshold = np.nextafter(threshold, np.float32(-np.inf))
        nan_is_true = bool(self._tracks[at])
        if true_is_small:
            return true, false, threshold, nan_is_true
        return false, true, threshold, not nan_is_true
