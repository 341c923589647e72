"""Frames from tables with DeepLabCut's columns. Knows pandas only by what it is handed."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from vibrissa_rig.stream import Stream

if TYPE_CHECKING:
    import pandas as pd

_COORDS = ("x", "y", "likelihood")
#: Levels of the columns by how many there are, where they bear no names.
_LEVELS = {
    2: ("bodyparts", "coords"),
    3: ("scorer", "bodyparts", "coords"),
    4: ("scorer", "individuals", "bodyparts", "coords"),
}


class TableError(ValueError):
    """A table without the columns of the stream; says what was expected and what came."""


def frames_of_table(
    table: pd.DataFrame | pd.Series[Any], stream: Stream, prefixes: Sequence[str] | None = None
) -> tuple[npt.NDArray[np.float64], list[int]]:
    """F x I x K x 3 points of a table's rows, and their numbers: from 0 on, with the gaps of an ascending integer
    index.

    Tables without likelihood have a confidence of 1; individuals that a table without individuals cannot hold are
    missing.

    # Errors
    `TableError` on columns that are missing, of other levels, or there twice.
    """
    columns, values, index = _opened(table)
    places = _places(columns, stream, prefixes)
    frames = np.full((len(values), *stream.shape, 3), np.nan)
    frames[..., 2] = 1.0
    for (individual, keypoint, coord), column in places.items():
        frames[:, individual, keypoint, coord] = values[:, column]
    return frames, _numbers(index)


def _opened(table: Any) -> tuple[Any, npt.NDArray[np.float64], Any]:
    """Columns, R x C values and row index. A Series is one row, whose index are the columns."""
    if hasattr(table, "columns"):
        columns, values, index = table.columns, table.to_numpy(), table.index
    else:
        columns, values, index = table.index, table.to_numpy()[None], [0]
    if len(values) == 0:
        raise TableError("expected a row or more, got none")
    return columns, values.astype(np.float64), index


def _levels(columns: Any) -> tuple[str, ...]:
    names = tuple(columns.names)
    if "bodyparts" in names and "coords" in names:
        return names
    if len(names) not in _LEVELS:
        expected = "(scorer, [individuals,] bodyparts, coords)"
        raise TableError(f"expected columns of the levels {expected}, got {len(names)} levels {list(names)}")
    return _LEVELS[len(names)]


def _places(columns: Any, stream: Stream, prefixes: Sequence[str] | None) -> dict[tuple[int, int, int], int]:
    """By (individual, keypoint, coord): the column."""
    levels = _levels(columns)
    body, coord = levels.index("bodyparts"), levels.index("coords")
    animal = levels.index("individuals") if "individuals" in levels else None
    by_name: dict[tuple[Hashable, Hashable, Hashable], int] = {}
    for column, name in enumerate(columns):
        key = (None if animal is None else name[animal], name[body], name[coord])
        if key in by_name:
            raise TableError(f"expected every column once, got {name} twice")
        by_name[key] = column
    places = {}
    for individual, named in enumerate(_named(stream, animal is not None, prefixes)):
        for keypoint, (who, part) in enumerate(named):
            for index, word in enumerate(_COORDS):
                if (who, part, word) in by_name:
                    places[individual, keypoint, index] = by_name[who, part, word]
                elif word != "likelihood":
                    there = sorted({str(key[:2] if animal is not None else key[1]) for key in by_name})
                    wanted = (who, part) if animal is not None else part
                    raise TableError(f"expected a column {word} of {wanted!r}, got those of {', '.join(there)}")
    return places


def _named(stream: Stream, has_individuals: bool, prefixes: Sequence[str] | None) -> list[list[tuple[str | None, str]]]:
    """For each individual that the table holds: the individual and bodypart that each keypoint is called there."""
    if has_individuals:
        return [[(name, keypoint) for keypoint in stream.keypoints] for name in stream.individuals]
    if prefixes is None:
        return [[(None, keypoint) for keypoint in stream.keypoints]]
    if len(prefixes) != len(stream.individuals):
        raise TableError(f"expected {len(stream.individuals)} prefixes, one for each individual, got {len(prefixes)}")
    return [[(None, prefix + keypoint) for keypoint in stream.keypoints] for prefix in prefixes]


def _numbers(index: Any) -> list[int]:
    numbers = np.asarray(index)
    if numbers.dtype.kind not in "iu" or np.any(np.diff(numbers.astype(np.int64)) <= 0):
        return list(range(len(numbers)))
    return [int(number) for number in numbers - numbers[0]]
