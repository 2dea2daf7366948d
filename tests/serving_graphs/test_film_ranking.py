"""The ranking graph: its data, its candidates, what each request is answered, in every pattern."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from serving_graphs.film_ranking import sources
from sluice.batch.scoring import score
from sluice.errors import RecordError
from sluice.message import Message
from sluice.metrics import Registry
from sluice.project import Project
from sluice.protocol.meter import Meter
from sluice.protocol.surface import Surface
from sluice.service import Service
from sluice.streams import open_stream
from tests.conftest import ROOT
from tests.protocol.events import raw
from tests.serving import served
from tests.serving_graphs.films import FILMS, RATINGS, USERS
from tests.streaming.fakes import TOPICS
from tests.streaming.shop import ask, read, work_off

AT = "1997-11-21T00:00:00Z"  # before the ratings of most users, among those of the first
LATER = "1999-01-01T00:00:00Z"


def requests(count: int = 12) -> list[dict[str, Any]]:
    """Requests of many kinds: all films, some, one, none, a user nobody knows, an old moment."""
    kinds: list[dict[str, Any]] = [
        {},
        {"at": AT},
        {"candidates": ["3", "77", "12", "3"]},
        {"film": "5"},
        {"candidates": []},
        {"shelf": "War"},
        {"candidates": ["nobody-knows", "1"]},
        {"user": "nobody"},
    ]
    return [
        {"user": str(1 + i % USERS), "at": LATER, **kinds[i % len(kinds)]} for i in range(count)
    ]


def ids(output: dict[str, Any]) -> list[str]:
    return [item["id"] for item in output["items"]]


def test_a_split_is_by_time_and_every_rating_has_a_moment_of_its_own(stand_in: Path) -> None:
    ratings = sources.ratings()
    assert not ratings.duplicated(["user", "at"]).any()
    assert ratings.equals(ratings.sort_values(["user", "at"]))
    counts = ratings.groupby("user")["part"].value_counts().unstack()
    assert set(counts["test"]) == {6}
    assert set(counts["validation"]) == {5}
    assert counts.sum(axis=1).unique().tolist() == [RATINGS]


def test_a_history_holds_what_came_before_and_nothing_else(ranking: Service) -> None:
    known = sources.ratings()
    asked = sources.requests("test", "test").groupby("user").first().head(20)
    for user, at in asked["at"].items():
        message = Message([{"user": user, "at": at, "candidates": ["1"]}])
        ranking.run(message)
        before = known[(known["user"] == user) & (known["part"] != "test")]["film"].tolist()
        history = message.values[0][list(message.columns).index("history.films")]
        assert history == " ".join(before)


def test_all_films_but_those_that_the_user_rated_are_ranked(ranking: Service) -> None:
    message = Message([{"user": "7", "at": LATER}])
    reply = ranking.run(message)
    seen = set(sources.ratings().query("user == '7'")["film"])
    asked = {row[list(message.columns).index("film")] for row in message.values}
    assert len(seen) == RATINGS
    assert asked == {str(f + 1) for f in range(FILMS)} - seen
    assert len(reply["outputs"][0]["items"]) == 10
    assert reply["stalest"]["entity"] == "history"


def test_a_request_may_bring_its_candidates(ranking: Service) -> None:
    user = {"user": "7", "at": LATER}
    output = ranking.predict({**user, "candidates": ["3", "77", "3", "12"]})
    assert sorted(ids(output)) == ["12", "3", "77"]
    scores = {item["id"]: item["score"] for item in output["items"]}
    alone = ranking.predict({**user, "film": "77"})
    assert {i["id"]: i["score"] for i in alone["items"]} == {"77": scores["77"]}
    assert ranking.predict({**user, "candidates": []})["items"] == []
    war = {str(f) for f in sources.films().query("genres.str.contains('War')")["film"]}
    assert set(ids(ranking.predict({**user, "shelf": "War"}))) <= war


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("3", "candidates: expected a list of up to 10000 texts, found '3'"),
        ([3], "candidates: expected texts, found 3 in the list"),
        (["1"] * 10_001, "found 10001 of them"),
    ],
)
def test_what_is_no_list_of_candidates_is_refused(
    ranking: Service, given: Any, problem: str
) -> None:
    with pytest.raises(RecordError, match=problem):
        ranking.predict({"user": "7", "candidates": given})
    outputs = ranking.predict([{"user": "7", "candidates": given}, {"user": "7"}])
    assert problem in outputs[0]["error"]
    assert len(outputs[1]["items"]) == 10


def test_a_request_that_says_no_time_is_about_now(ranking: Service) -> None:
    late, early = Message([{"user": "7"}]), Message([{"user": "7"}], when=1.0)
    outputs = [ranking.run(message)["outputs"][0] for message in (late, early)]
    named = ranking.predict({"user": "7", "at": LATER})
    assert ids(outputs[0]) == ids(named)
    assert outputs[1]["defaults"]["history.films"] == "missing"  # nothing had happened yet


def test_what_stands_in_for_a_film_that_nobody_knows(ranking: Service) -> None:
    output = ranking.predict({"user": "7", "at": LATER, "candidates": ["1", "999"]})
    known, unknown = sorted(output["items"], key=lambda item: len(item["id"]))
    assert "defaults" not in known
    assert unknown["score"] == 0.0
    assert unknown["defaults"]["film.title"] == "missing"


def test_ties_are_broken_by_id_whatever_the_order(ranking: Service) -> None:
    films = [str(900 + i) for i in range(5)]
    one = ranking.predict({"user": "7", "at": LATER, "candidates": films})
    other = ranking.predict({"user": "7", "at": LATER, "candidates": films[::-1]})
    assert ids(one) == films
    assert one == other


def test_a_row_has_the_same_bits_alone_as_among_many(ranking: Service) -> None:
    message = Message([{"user": "3", "at": LATER}])
    ranking.run(message)
    place = list(message.columns).index("film")
    for row in range(0, len(message.values), 7):
        alone = Message([{"user": "3", "at": LATER, "film": message.values[row][place]}])
        ranking.run(alone)
        assert alone.scores[0] == message.scores[row]


def test_the_patterns_agree(films: Project, ranking: Service, tmp_path: Path) -> None:
    asked = requests()
    expected = [ranking.predict([record])[0] for record in asked]
    assert ranking.predict(asked) == expected  # one list
    together = ranking.run_many([Message([record]) for record in asked])
    assert [reply["outputs"][0] for reply in together if isinstance(reply, dict)] == expected
    assert score(ranking, asked).outputs() == expected  # batch, from records
    names = ("user", "at", "candidates", "film", "shelf")
    table = [{n: v for n, v in r.items() if n in names} for r in asked if "shelf" in r]
    assert score(ranking, pa.Table.from_pylist(table)).outputs() == [
        e for e, r in zip(expected, asked, strict=True) if "shelf" in r
    ]
    url = f"{tmp_path}/stream.log"
    stream = open_stream(url)
    ask(stream, asked)
    assert work_off(ranking, url, tmp_path, batch_records=4).answered == len(asked)
    answers = {record.key: json.loads(record.value) for record in read(stream, TOPICS.predictions)}
    stream.close()
    assert [answers[f"r{i}"]["outputs"][0] for i in range(len(asked))] == expected
    with served("film-ranking", ROOT, SLUICE_MONITORING="false") as client:
        assert [client.post("/", record).body["outputs"][0] for record in asked] == expected
        assert client.post("/", asked).body["outputs"] == expected


def test_what_lists_show_is_in_events_and_metrics(films: Project, tmp_path: Path) -> None:
    """By rule: diversity, age, share of the tail, and the exposure of each group."""
    url = f"{tmp_path}/events.log"
    project = replace(films, settings=replace(films.settings, monitoring=True, events=url))
    with Service.open(project, "film-ranking") as service:
        surface = Surface(service, meter=Meter(Registry(tmp_path), service.application))
        for user in ("7", "8"):
            assert surface.answer(raw({"user": user, "at": LATER})).status == 200
        page = bytes(surface.answer(raw(b"", "/metrics", "GET")).body).decode()
    stream = open_stream(url)
    events = [
        json.loads(event.value) for event in read(stream, f"{films.name}.film-ranking.events")
    ]
    stream.close()
    assert len(events) == 2
    one = events[0]["sluice"]["lists"]
    assert [step["rule"] for step in one] == ["model", "top_k", "mmr", "top_k 2"]
    model, after = one[0], one[2]
    assert after["diversity"] > model["diversity"]
    assert {"age", "tail", "groups"} <= model.keys()
    assert set(after["groups"]) <= {"true", "false"}
    assert sum(after["groups"].values()) == pytest.approx(1.0)
    assert 'sluice_lists_total{graph="film-ranking",rule="mmr"} 2.0' in page
    for labels in ('figure="age",graph="film-ranking",group=""', 'figure="exposure"'):
        assert f"sluice_list_figures_total{{{labels}" in page
    assert 'group="false",rule="mmr"' in page


def test_the_champion_is_the_one_that_ranked_best_on_the_validation_split(
    films: Project, ranking: Service
) -> None:
    manifest = ranking.application.live().champion.manifest
    models = ranking.application.models
    popularity = models.read("film-ranking", "2").manifest
    assert popularity.training["estimator"] == "popularity"
    assert manifest.model_format == "item-item"
    assert manifest.training["estimator"] == "ease"
    assert manifest.metrics["ndcg"] > popularity.metrics["ndcg"] > 0


def test_the_rules_keep_the_list_in_order(ranking: Service) -> None:
    message = Message([{"user": "3", "at": LATER}])
    output = ranking.run(message)["outputs"][0]
    scores = {row[list(message.columns).index("film")]: float(score[0])
              for row, score in zip(message.values, message.scores, strict=True)}  # fmt: skip
    assert {item["id"]: item["score"] for item in output["items"]}.items() <= scores.items()
    assert output["items"][0]["score"] == max(scores.values())
