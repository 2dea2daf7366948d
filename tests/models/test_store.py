"""The contract of a model store, and what is special to the one in a folder."""

from __future__ import annotations

import json
import shutil
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.errors import DeclarationError, NotFound, VersionRefused
from sluice.models.aliases import Table
from sluice.models.folder import FolderStore
from sluice.models.store import ModelStore, open_store, resolve
from tests.models.samples import FILES, GRAPH, draft
from tests.servers import REGION, aws, bucket, let_in, name_of


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ModelStore:
    """Each kind of store, for the contract."""
    if request.param == "folder":
        return opened(tmp_path / "models")
    request.getfixturevalue("monkeypatch").setenv("AWS_DEFAULT_REGION", REGION)
    let_in(request.getfixturevalue("monkeypatch"))
    return opened(f"s3://{bucket()}/{name_of(tmp_path)}?endpoint={aws()}&timeout=10")


@pytest.fixture
def in_folder(tmp_path: Path) -> ModelStore:
    """The one in a folder."""
    return opened(tmp_path / "models")


def opened(url: str | Path) -> ModelStore:
    ticks = count(1_357_020_000)
    return open_store(url, lambda: float(next(ticks)))


def folder_of(store: ModelStore) -> Path:
    assert isinstance(store, FolderStore)
    return store.root / GRAPH


def logged(store: ModelStore, number: int) -> ModelStore:
    for _ in range(number):
        store.log(GRAPH, draft(), FILES)
    return store


def test_versions_count_up_and_come_back_as_logged(store: ModelStore) -> None:
    assert store.versions(GRAPH) == []
    assert [store.log(GRAPH, draft(), FILES) for _ in range(11)] == [str(n) for n in range(1, 12)]
    assert store.versions(GRAPH) == [str(n) for n in range(1, 12)]
    stored = store.read(GRAPH, "11")
    assert (stored.files, stored.manifest) == (FILES, store.manifest(GRAPH, "11"))


def test_graphs_do_not_meet(store: ModelStore) -> None:
    logged(store, 2)
    assert store.log("other", draft(), FILES) == "1"
    assert store.versions("other") == ["1"]


@pytest.mark.parametrize("version", ["2", "0", "01", "..", "1/../1", "champion", "", "1\n"])
def test_an_unknown_version_is_not_found(store: ModelStore, version: str) -> None:
    logged(store, 1)
    for ask in (store.read, store.manifest, store.promote):
        with pytest.raises(NotFound, match="has no version"):
            ask(GRAPH, version)


@pytest.mark.parametrize("graph", ["..", "a/b", ".hidden", ""])
def test_a_graph_cannot_lead_out_of_the_store(store: ModelStore, graph: str) -> None:
    with pytest.raises(NotFound, match="name of a graph"):
        store.versions(graph)


def test_a_deleted_version_that_was_ever_promoted_is_not_replaced(in_folder: ModelStore) -> None:
    logged(in_folder, 2).promote(GRAPH, "2")
    shutil.rmtree(folder_of(in_folder) / "2")
    assert in_folder.log(GRAPH, draft(), FILES) == "3"


def test_a_draft_that_breaks_the_rules_leaves_nothing(store: ModelStore) -> None:
    with pytest.raises(VersionRefused, match="cannot have 0 classes"):
        store.log(GRAPH, draft(classes=[]), FILES)
    assert store.versions(GRAPH) == []


def test_a_champion_moves_and_says_who_when_and_from_where(store: ModelStore) -> None:
    logged(store, 2)
    first = store.promote(GRAPH, "1", evidence={"auc": 0.67}, by="ann")
    second = store.promote(GRAPH, "2", by="bob")
    assert (first.version, first.previous, first.by) == ("1", None, "ann")
    assert (second.version, second.previous, second.by) == ("2", "1", "bob")
    assert store.aliases(GRAPH) == {"champion": second}
    assert first.since < second.since
    moves = store.history(GRAPH)
    assert [(m.number, m.action, m.version, m.previous, m.by) for m in moves] == [
        (1, "promote", "1", None, "ann"),
        (2, "promote", "2", "1", "bob"),
    ]
    assert moves[0].evidence == {"auc": 0.67}


def test_aliases_move_on_their_own(store: ModelStore) -> None:
    logged(store, 2).promote(GRAPH, "1")
    store.promote(GRAPH, "2", "challenger")
    store.promote(GRAPH, "1", "challenger")
    store.rollback(GRAPH, "challenger")
    found = {name: alias.version for name, alias in store.aliases(GRAPH).items()}
    assert found == {"champion": "1", "challenger": "2"}


def test_each_rollback_walks_one_promotion_further_back(store: ModelStore) -> None:
    logged(store, 4)
    for version in "123":
        store.promote(GRAPH, version)
    assert [store.rollback(GRAPH).version for _ in range(2)] == ["2", "1"]
    with pytest.raises(NotFound, match="no earlier version"):
        store.rollback(GRAPH)
    assert store.promote(GRAPH, "4").previous == "1"
    assert store.rollback(GRAPH).version == "1"
    assert [m.version for m in store.history(GRAPH)] == ["1", "2", "3", "2", "1", "4", "1"]


def test_promoting_where_it_is_already_changes_nothing(store: ModelStore) -> None:
    logged(store, 2).promote(GRAPH, "1")
    store.promote(GRAPH, "2")
    token = store.aliases_token(GRAPH)
    store.promote(GRAPH, "2")
    assert store.rollback(GRAPH).version == "1"
    assert len(store.history(GRAPH)) == 3
    assert store.aliases_token(GRAPH) != token


@given(st.lists(st.integers(0, 4), max_size=30))
@settings(deadline=None)
def test_a_rollback_undoes_the_last_promotion_that_was_not_undone(moves: list[int]) -> None:
    table, trail = Table(), list[str]()
    for move in moves:
        if move:
            table = table.promote("champion", str(move), "", "")
            trail.append(str(move))
        elif len(trail) > 1:
            table = table.rollback("champion", "", "")
            trail.pop()
    if trail:
        assert table.aliases["champion"].version == trail[-1]
        assert table.aliases["champion"].trail == trail[:-1]


def test_the_token_changes_with_every_move(store: ModelStore) -> None:
    logged(store, 2)
    tokens = {store.aliases_token(GRAPH)}
    for _ in range(5):
        for version in "12":
            store.promote(GRAPH, version)
            tokens.add(store.aliases_token(GRAPH))
    assert len(tokens) == 11


def test_a_damaged_version_is_not_promoted_and_the_champion_stays(in_folder: ModelStore) -> None:
    logged(in_folder, 2).promote(GRAPH, "1")
    damage(folder_of(in_folder) / "2" / "model.onnx")
    with pytest.raises(VersionRefused, match=r"model\.onnx: was changed"):
        in_folder.promote(GRAPH, "2")
    assert in_folder.aliases(GRAPH)["champion"].version == "1"


def test_a_damaged_version_is_not_rolled_back_to(in_folder: ModelStore) -> None:
    logged(in_folder, 2).promote(GRAPH, "1")
    in_folder.promote(GRAPH, "2")
    damage(folder_of(in_folder) / "1" / "transform.json")
    with pytest.raises(VersionRefused, match=r"transform\.json"):
        in_folder.rollback(GRAPH)
    assert in_folder.aliases(GRAPH)["champion"].version == "2"
    assert len(in_folder.history(GRAPH)) == 2


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256", *FILES])
def test_each_file_on_disk_is_guarded(in_folder: ModelStore, name: str) -> None:
    path = folder_of(logged(in_folder, 1)) / "1" / name
    damage(path)
    with pytest.raises(VersionRefused, match=name):
        in_folder.read(GRAPH, "1")
    path.unlink()
    with pytest.raises(VersionRefused, match=f"{name}: is missing"):
        in_folder.read(GRAPH, "1")
    path.symlink_to(folder_of(in_folder) / "aliases.json")
    with pytest.raises(VersionRefused, match=f"{name}: is not a plain file"):
        in_folder.read(GRAPH, "1")


def test_an_added_file_and_an_empty_folder_are_refused(in_folder: ModelStore) -> None:
    folder = folder_of(logged(in_folder, 1))
    (folder / "1" / "notes.txt").write_text("hello")
    with pytest.raises(VersionRefused, match=r"notes\.txt: is not listed"):
        in_folder.read(GRAPH, "1")
    (folder / "2").mkdir()
    with pytest.raises(VersionRefused, match=r"manifest\.json: is missing"):
        in_folder.read(GRAPH, "2")
    assert in_folder.log(GRAPH, draft(), FILES) == "3"


def test_the_files_of_a_version_are_read_only(in_folder: ModelStore) -> None:
    for path in (folder_of(logged(in_folder, 1)) / "1").iterdir():
        assert path.stat().st_mode & 0o222 == 0


def test_aliases_of_a_newer_format_are_refused(in_folder: ModelStore) -> None:
    logged(in_folder, 1).promote(GRAPH, "1")
    path = folder_of(in_folder) / "aliases.json"
    content = json.loads(path.read_bytes())
    path.unlink()
    path.write_text(json.dumps({**content, "format": 2}))
    with pytest.raises(DeclarationError, match=r"aliases\.json: is of format 2.*upgrade Sluice"):
        in_folder.aliases(GRAPH)


def test_a_lost_line_of_the_history_is_noticed(in_folder: ModelStore) -> None:
    logged(in_folder, 2).promote(GRAPH, "1")
    in_folder.promote(GRAPH, "2")
    path = folder_of(in_folder) / "history.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    with pytest.raises(DeclarationError, match="move 1: is missing or damaged"):
        in_folder.history(GRAPH)


@pytest.mark.parametrize("torn", [b'{"format": 1, "numb', b""])
def test_a_move_that_a_crash_cut_short_does_not_count(in_folder: ModelStore, torn: bytes) -> None:
    logged(in_folder, 2).promote(GRAPH, "1")
    path = folder_of(in_folder) / "history.jsonl"
    whole = path.read_bytes().replace(b'"number":1', b'"number":2')
    path.write_bytes(path.read_bytes() + (torn or whole))
    assert [m.number for m in in_folder.history(GRAPH)] == [1]
    in_folder.promote(GRAPH, "2", evidence="after")
    assert [m.evidence for m in in_folder.history(GRAPH)] == [None, "after"]


@pytest.mark.parametrize("alias", ["Champion", "1", "a b", "", "-a", "a\n"])
def test_an_alias_has_a_plain_name(store: ModelStore, alias: str) -> None:
    with pytest.raises(DeclarationError, match="cannot be an alias"):
        logged(store, 1).promote(GRAPH, "1", alias)


def test_asking_for_an_unknown_graph_leaves_no_trace(in_folder: ModelStore) -> None:
    with pytest.raises(NotFound):
        in_folder.rollback("flight-dealy")
    assert (in_folder.aliases(GRAPH), in_folder.history(GRAPH)) == ({}, [])
    assert isinstance(in_folder, FolderStore)
    assert not in_folder.root.exists()


def test_resolve_takes_an_alias_or_a_number(store: ModelStore) -> None:
    logged(store, 2).promote(GRAPH, "2")
    assert (resolve(store, GRAPH, "champion"), resolve(store, GRAPH, "1")) == ("2", "1")
    with pytest.raises(NotFound, match="did you mean 'champion'"):
        resolve(store, GRAPH, "champoin")


def test_open_store_names_what_it_takes(tmp_path: Path) -> None:
    spaced = tmp_path / "my models"
    for url in (spaced, str(spaced), spaced.as_uri()):
        opened = open_store(url)
        assert isinstance(opened, FolderStore)
        assert opened.root == spaced
    with pytest.raises(DeclarationError, match=r"cannot open 'ftp' addresses.*s3://bucket") as told:
        open_store("ftp://me:secret@host/models")
    assert "secret" not in str(told.value)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_document_is_replaced_as_a_whole_by_who_has_seen_the_last_one(store: ModelStore) -> None:
    logged(store, 1)
    nothing, tag = store.document(GRAPH, "plan")
    assert nothing is None
    assert store.replace(GRAPH, "plan", tag, b"one")
    assert not store.replace(GRAPH, "plan", tag, b"other")
    data, later = store.document(GRAPH, "plan")
    assert (data, later == tag, later == store.document_tag(GRAPH, "plan")) == (b"one", False, True)
    assert store.replace(GRAPH, "plan", later, b"two")
    assert store.document(GRAPH, "plan")[0] == b"two"
    assert store.document_tag(GRAPH, "plan") != later
    assert store.versions(GRAPH) == ["1"]
    assert store.aliases(GRAPH) == {}
