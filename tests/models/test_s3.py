"""What is special to the model store in S3: sums, races, lost answers, the cache, its errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sluice.errors import DeclarationError, StoreUnavailable, VersionRefused
from sluice.models.s3 import S3Store
from tests.models.samples import FILES, GRAPH, draft
from tests.servers import ACCESS, REGION, aws, bucket, client, free_port, let_in, name_of


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    let_in(monkeypatch)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return name_of(tmp_path)


def opened(prefix: str, cache: Path | None = None) -> S3Store:
    ticks = count(1_357_020_000)
    url = f"s3://{bucket()}/{prefix}?endpoint={aws()}&timeout=10"
    return S3Store(url, lambda: float(next(ticks)), cache)


@pytest.fixture
def store(prefix: str) -> S3Store:
    store = opened(prefix)
    for _ in range(2):
        store.log(GRAPH, draft(), FILES)
    return store


def keys(prefix: str) -> list[str]:
    found = client("s3").list_objects_v2(Bucket=bucket(), Prefix=f"{prefix}/{GRAPH}/")
    return [item["Key"].removeprefix(f"{prefix}/{GRAPH}/") for item in found.get("Contents", ())]


def change(prefix: str, key: str, data: bytes | None) -> None:
    place = {"Bucket": bucket(), "Key": f"{prefix}/{GRAPH}/{key}"}
    if data is None:
        client("s3").delete_object(**place)
    else:
        client("s3").put_object(**place, Body=data)


def file_key(store: S3Store, name: str) -> str:
    return f"files/{store.manifest(GRAPH, '1').files[name].sha256}"


def test_equal_files_of_versions_are_kept_once(store: S3Store, prefix: str) -> None:
    found = keys(prefix)
    assert [key for key in found if key.startswith("versions/")] == [
        "versions/1.json",
        "versions/2.json",
    ]
    assert len([key for key in found if key.startswith("files/")]) == len(set(FILES.values()))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_that_was_changed_or_lost_is_refused(store: S3Store, prefix: str, name: str) -> None:
    key = file_key(store, name)
    change(prefix, key, FILES[name][:-1] + b"\0")
    with pytest.raises(VersionRefused, match=rf"{name}: was changed"):
        store.read(GRAPH, "1")
    with pytest.raises(VersionRefused, match=rf"{name}: was changed"):
        store.promote(GRAPH, "1")
    change(prefix, key, None)
    with pytest.raises(VersionRefused, match=rf"{name}: is missing"):
        store.read(GRAPH, "1")
    assert store.aliases(GRAPH) == {}


def test_a_manifest_that_was_changed_is_refused(store: S3Store, prefix: str) -> None:
    place = {"Bucket": bucket(), "Key": f"{prefix}/{GRAPH}/versions/1.json"}
    found = client("s3").get_object(**place)
    text = found["Body"].read()
    changed = text.replace(b"0.69", b"0.99")
    client("s3").put_object(**place, Body=changed, Metadata=found["Metadata"])
    with pytest.raises(VersionRefused, match=r"manifest\.json: does not match manifest\.sha256"):
        store.read(GRAPH, "1")
    client("s3").put_object(**place, Body=text)
    with pytest.raises(VersionRefused, match=r"manifest\.sha256: is not a SHA-256 sum"):
        store.read(GRAPH, "1")


def test_a_damaged_version_is_not_rolled_back_to(store: S3Store, prefix: str) -> None:
    store.promote(GRAPH, "1")
    store.log(GRAPH, draft(), {**FILES, "transform.json": b"another one"})
    store.promote(GRAPH, "3")
    change(prefix, file_key(store, "transform.json"), b"damaged")
    with pytest.raises(VersionRefused, match=r"transform\.json"):
        store.rollback(GRAPH)
    assert store.aliases(GRAPH)["champion"].version == "3"
    assert len(store.history(GRAPH)) == 2


def test_a_deleted_version_that_was_ever_promoted_is_not_replaced(
    store: S3Store, prefix: str
) -> None:
    store.promote(GRAPH, "1")
    store.promote(GRAPH, "2")
    store.rollback(GRAPH)
    change(prefix, "versions/2.json", None)
    assert store.log(GRAPH, draft(), FILES) == "3"


def test_what_a_killed_process_left_is_not_a_version(store: S3Store, prefix: str) -> None:
    change(prefix, "files/" + "0" * 64, b"no manifest names it")
    change(prefix, "moves/000001-dead.json", b"aliases.json does not name it")
    assert store.versions(GRAPH) == ["1", "2"]
    store.promote(GRAPH, "2")
    assert [move.version for move in store.history(GRAPH)] == ["2"]


def test_a_lost_move_is_noticed(store: S3Store, prefix: str) -> None:
    store.promote(GRAPH, "1")
    [move] = [key for key in keys(prefix) if key.startswith("moves/")]
    change(prefix, move, None)
    with pytest.raises(DeclarationError, match="move 1: is missing or damaged"):
        store.history(GRAPH)


def test_aliases_of_a_newer_format_are_refused(store: S3Store, prefix: str) -> None:
    change(prefix, "aliases.json", json.dumps({"format": 2, "new": 1}).encode())
    with pytest.raises(DeclarationError, match=r"aliases\.json: is of format 2.*upgrade Sluice"):
        store.aliases(GRAPH)


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(works)) as threads:
        return [future.result() for future in [threads.submit(work) for work in works]]


def test_two_that_log_at_once_get_two_numbers(prefix: str) -> None:
    stores = [opened(prefix) for _ in range(4)]
    made = at_once([partial(s.log, GRAPH, draft(), FILES) for s in stores])
    assert sorted(made) == ["1", "2", "3", "4"]


def test_two_that_move_aliases_at_once_both_do(store: S3Store, prefix: str) -> None:
    names = ["champion", "challenger", "shadow", "other"]
    stores = [opened(prefix) for _ in names]
    pairs = zip(stores, names, strict=True)
    at_once([partial(s.promote, GRAPH, "1", n) for s, n in pairs])
    assert sorted(store.aliases(GRAPH)) == sorted(names)
    assert sorted(move.alias for move in store.history(GRAPH)) == sorted(names)
    assert [move.number for move in store.history(GRAPH)] == [1, 2, 3, 4]


class Lossy:
    """The SDK's client, which does what a put asks and then says that it does not hold."""

    def __init__(self, inner: Any, ending: str) -> None:
        self._inner, self._ending, self.lost = inner, ending, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def put_object(self, **fields: Any) -> Any:
        answer = self._inner.put_object(**fields)
        if fields["Key"].endswith(self._ending) and not self.lost:
            self.lost += 1
            return self._inner.put_object(**fields)
        return answer


def test_a_put_whose_answer_was_lost_counts_once(store: S3Store, prefix: str) -> None:
    for ending in ("versions/3.json", "aliases.json"):
        # The SDK tries again by itself what had no answer, and is then told "precondition failed".
        lossy = Lossy(store._bucket._client, ending)
        store._bucket._clients._clients = (lossy, lossy)
        if ending == "aliases.json":
            assert store.promote(GRAPH, "3").version == "3"
            assert [move.version for move in store.history(GRAPH)] == ["3"]
        else:
            assert store.log(GRAPH, draft(), FILES) == "3"
            assert store.versions(GRAPH) == ["1", "2", "3"]
        assert lossy.lost == 1


class Counting:
    """The SDK's client, with a count of what is fetched."""

    def __init__(self, inner: Any) -> None:
        self._inner, self.fetched = inner, list[str]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def get_object(self, **fields: Any) -> Any:
        self.fetched.append(fields["Key"])
        return self._inner.get_object(**fields)


def counting(store: S3Store) -> Counting:
    made = Counting(store._bucket._client)
    store._bucket._clients._clients = (made, made)
    return made


def test_a_file_is_fetched_once_and_a_damaged_copy_again(
    store: S3Store, prefix: str, tmp_path: Path
) -> None:
    cache = tmp_path / "cache" / "models"
    first = opened(prefix, cache)
    assert first.read(GRAPH, "1").files == FILES
    second = opened(prefix, cache)
    seen = counting(second)
    assert second.read(GRAPH, "1").files == FILES
    assert [key for key in seen.fetched if "/files/" in key] == []
    copy = cache / store.manifest(GRAPH, "1").files["model.onnx"].sha256
    copy.write_bytes(b"damaged")
    assert second.read(GRAPH, "1").files == FILES
    assert len([key for key in seen.fetched if "/files/" in key]) == 1
    assert copy.read_bytes() == FILES["model.onnx"]


def test_promoting_reads_the_bucket_and_not_the_cache(
    store: S3Store, prefix: str, tmp_path: Path
) -> None:
    cached = opened(prefix, tmp_path)
    cached.read(GRAPH, "1")
    change(prefix, file_key(store, "model.onnx"), b"damaged")
    assert cached.read(GRAPH, "1").files == FILES
    with pytest.raises(VersionRefused, match=r"model\.onnx"):
        cached.promote(GRAPH, "1")


def test_a_cache_that_cannot_be_written_is_done_without(
    store: S3Store, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert opened(prefix, tmp_path / "file" / "cache").read(GRAPH, "1").files == FILES
    assert "are not kept" in caplog.text


def test_errors_say_what_would_do_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    away = S3Store(f"s3://b/p?endpoint=http://u:pw@127.0.0.1:{free_port()}&timeout=1")
    with pytest.raises(StoreUnavailable, match=r"s3://b/p: EndpointConnectionError") as told:
        away.aliases(GRAPH)
    assert "pw" not in str(told.value)
    with pytest.raises(DeclarationError, match="there is no such bucket"):
        S3Store(f"s3://nowhere/p?endpoint={aws()}&timeout=10").aliases(GRAPH)
    with pytest.raises(DeclarationError, match=r"has no option 'endpont'.*'endpoint'"):
        S3Store("s3://b/p?endpont=x")
    with pytest.raises(DeclarationError, match="names no bucket"):
        S3Store("s3:///p")
    for name in ACCESS:
        monkeypatch.delenv(name.upper())
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(DeclarationError, match="NoCredentialsError"):
        S3Store(f"s3://b/p?endpoint={aws()}").aliases(GRAPH)
