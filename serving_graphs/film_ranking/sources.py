"""The tables behind the ranking graph: MovieLens 100k, as the package recbole brings it.

The data may be used for research only and not be passed on (GroupLens' README of the set), so it
is read from the installed package, and nothing of it is kept in this project: docs/film-ranking.md.
The package's folder is found without importing it, which needs PyTorch.

Each user's ratings are in the order of their times, of one time in the order of film ids. The last
fifth of them is the test split, the last fifth of the others the validation split.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from serving_graphs.film_ranking.times import TICK

if TYPE_CHECKING:
    import pandas as pd

RELEVANT = 4  # a rating from which on a user liked a film
TAIL = 0.8  # of the films, those rated least
Part = Literal["train", "validation", "test"]
_NAMES = {
    "inter": ["user", "film", "rating", "timestamp"],
    "item": ["film", "title", "year", "genres"],
    "user": ["user", "age", "gender", "occupation", "zip_code"],
}


def table(name: str) -> pd.DataFrame:
    """One of the set's tables: `inter`, `item` or `user`; all columns are texts.

    Raises:
        ModuleNotFoundError: when recbole is not installed; says how to install it.
    """
    import pandas as pd

    spec = importlib.util.find_spec("recbole")
    if spec is None or not spec.submodule_search_locations:
        hint = "pip install --no-deps recbole==1.2.1 (research use only: docs/film-ranking.md)"
        raise ModuleNotFoundError(f"recbole is not installed: {hint}", name="recbole")
    folder = Path(spec.submodule_search_locations[0]) / "dataset_example" / "ml-100k"
    file, names = folder / f"ml-100k.{name}", _NAMES[name]
    return pd.read_csv(file, sep="\t", header=0, names=names, dtype=str, keep_default_na=False)


def ratings() -> pd.DataFrame:
    """All ratings, a row each: user, film, rating, `at` (UTC), and the `part` that it is in.

    Thousands were given in the same second as others of the user. Each gets a moment of its own,
    a millisecond after the one before, so that «before this one» means something.
    """
    import numpy as np
    import pandas as pd

    found = table("inter").astype({"rating": int, "timestamp": int})
    found = found.assign(number=found["film"].astype(int))
    found = found.sort_values(["user", "timestamp", "number"], ignore_index=True)
    place, of_user = found.groupby("user").cumcount(), found.groupby("user")["film"]
    test = of_user.transform("size") * 4 // 5
    validation = test * 4 // 5
    part = np.select([place < validation, place < test], ["train", "validation"], "test")
    tick = found.groupby(["user", "timestamp"]).cumcount() * TICK
    at = pd.to_datetime(found["timestamp"], unit="s", utc=True) + pd.to_timedelta(tick, unit="s")
    return found[["user", "film", "rating"]].assign(at=at, part=part)


def users() -> pd.DataFrame:
    """Who the users are."""
    found = table("user")
    return found.assign(age=found["age"].astype(float))


def histories() -> pd.DataFrame:
    """For each rating the films that its user had rated by then, that one among them."""
    found = ratings()
    films: list[str] = []
    for _, of_user in found.groupby("user", sort=False)["film"]:
        so_far = ""
        for film in of_user:
            so_far = f"{so_far} {film}" if so_far else film
            films.append(so_far)
    return found[["user", "at"]].assign(films=films)


def catalogue() -> pd.DataFrame:
    """The films of each shelf: `all`, and one per genre."""
    import pandas as pd

    found = table("item")
    shelves = {"all": found["film"]}
    genres = found.assign(genre=found["genres"].str.split()).explode("genre")
    shelves |= {str(genre): films for genre, films in genres.groupby("genre")["film"]}
    return pd.DataFrame(
        {"shelf": list(shelves), "films": [" ".join(films) for films in shelves.values()]}
    )


def films() -> pd.DataFrame:
    """What is known of a film; how often it was rated before the test split."""
    import pandas as pd

    found, known = table("item"), ratings()
    counts = known[known["part"] != "test"]["film"].value_counts()
    rated = found["film"].map(counts).fillna(0.0)
    place = rated.rank(method="first", ascending=False)
    return found.assign(
        genres=found["genres"].str.replace(" ", "|"),
        year=pd.to_numeric(found["year"], errors="coerce"),
        ratings=rated,
        tail=place > int(len(found) * (1 - TAIL)),
    )


def requests(part: Part = "validation", at: Part = "test") -> pd.DataFrame:
    """A row per rating of a part, asked at the beginning of each user's part `at`.

    Columns: the fields of a record, and `liked` (1 for a rating of at least 4, else 0).
    """
    found = ratings()
    begin = found[found["part"] == at].groupby("user")["at"].min()
    asked = found[found["part"] == part]
    return asked[["user", "film"]].assign(
        at=asked["user"].map(begin).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        liked=(asked["rating"] >= RELEVANT).astype("int64"),
    )
