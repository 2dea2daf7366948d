"""A stand-in for MovieLens 100k: a package `recbole` with tables of the same form, made up.

The real set may not be passed on, so tests make their own: users who like two genres of six.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

USERS, FILMS, RATINGS = 60, 80, 30
GENRES = ["Action", "Comedy", "Drama", "Horror", "Sci-Fi", "War"]


MARK = "made-up"


def real(path: list[str]) -> list[str]:
    """The path to import from, without stand-ins."""
    return [folder for folder in path if not (Path(folder) / MARK).is_file()]


def write(folder: Path) -> Path:
    """The package in a folder, which goes on the path."""
    data = folder / "recbole" / "dataset_example" / "ml-100k"
    data.mkdir(parents=True)
    (folder / MARK).touch()
    (folder / "recbole" / "__init__.py").write_text("raise ImportError('needs PyTorch')\n")
    random = np.random.default_rng(8)
    genres = [sorted({f % 6, (f * 7 // 6) % 6}) for f in range(FILMS)]
    items = [
        f"{f + 1}\tFilm {f + 1}\t{1930 + f * 68 // FILMS}\t{' '.join(GENRES[g] for g in genres[f])}"
        for f in range(FILMS)
    ]
    _table(data / "ml-100k.item", "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq", items)  # fmt: skip  # noqa: E501
    users = [f"{u + 1}\t{20 + u % 40}\t{'MF'[u % 2]}\twriter\t00000" for u in range(USERS)]
    _table(data / "ml-100k.user", "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token", users)  # fmt: skip  # noqa: E501
    ratings = []
    for u in range(USERS):
        likes = np.array([1 + 4 * bool({u % 6, (u // 6) % 6} & set(g)) for g in genres], float)
        chance = likes / np.arange(3, FILMS + 3)
        chosen = random.choice(FILMS, RATINGS, replace=False, p=chance / chance.sum())
        for place, film in enumerate(chosen.tolist()):
            rating = 4 + place % 2 if likes[film] > 1 else 1 + place % 3
            at = 880_000_000 + u * 1000 + place // 3  # three in the same second
            ratings.append(f"{u + 1}\t{film + 1}\t{rating}\t{at}")
    _table(data / "ml-100k.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float", ratings)  # fmt: skip  # noqa: E501
    return folder


def _table(file: Path, head: str, rows: list[str]) -> None:
    file.write_text("\n".join([head, *rows]) + "\n", "utf-8")
