"""Choosing among instances, of which a pose estimator may find more or fewer than there are animals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def best(instances: npt.NDArray[Any], count: int, scores: Sequence[float] | None = None) -> list[int]:
    """The `count` instances of the highest scores, in their own order; those without any point are left out.

    `instances`: D x K x (x, y, confidence). Without a score (or where it is NaN) it is the mean confidence of the
    points that are there.
    """
    there = [index for index, one in enumerate(instances) if np.isfinite(one[:, :2]).all(axis=1).any()]

    def score(index: int) -> float:
        if scores is not None and np.isfinite(scores[index]):
            return float(scores[index])
        one = instances[index]
        confidence = one[np.isfinite(one[:, :2]).all(axis=1), 2]
        confidence = confidence[np.isfinite(confidence)]
        return float(confidence.mean()) if len(confidence) else 0.0

    return sorted(sorted(there, key=score, reverse=True)[:count])
