"""SLEAP: frames from its predictions as they stream, of SLEAP up to 1.4 (TensorFlow), sleap-nn and sleap-io.

None of them is needed here: predictions are known by what they look like. SLEAP's own conventions hold: a node that was
not found is NaN, scores of nodes are heights of a confidence map (cut at 1 here), instances come in any order unless
they bear tracks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vibrissa_rig._instances import best
from vibrissa_rig.publisher import Publisher
from vibrissa_rig.stream import Stream

#: What the parts of raw predictions are called: by SLEAP, and by sleap-nn's `Outputs`.
_PEAKS = ("instance_peaks", "pred_keypoints")
_PEAK_SCORES = ("instance_peak_vals", "pred_peak_values")
_INSTANCE_SCORES = ("instance_scores", "centroid_vals", "pred_centroid_values")


class PredictionError(ValueError):
    """A prediction that does not fit its stream; says what was expected and what came."""


@dataclass(frozen=True)
class Instance:
    """One predicted animal: N x (x, y, score) points, its own score (NaN: not known) and its track."""

    points: npt.NDArray[np.float64]
    score: float = np.nan
    track: str | None = None


@dataclass
class SleapCounts:
    """What was left out of frames, besides what `publisher.counts` says."""

    #: Instances beyond the stream's individuals, or a second one of a track: those of the lowest scores.
    surplus: int = 0
    #: Instances of a stable stream without a track that is one of its individuals.
    untracked: int = 0


class SleapAdapter:
    """Publishes SLEAP's predictions, a frame at a time.

    In an unordered stream the best instances by score are kept, in any order: the detector finds out who is who. In a
    stable stream the track of an instance is its individual, by name or by `tracks` (`{"track_0": "mouse1"}`).

    `nodes`: of the SLEAP skeleton, in its order; keypoints are found among them by name, and there may be more. Without
    it they must be the stream's, unless instances bear their own skeleton, which then counts.

    # Errors
    `PredictionError` on keypoints that are not among the nodes, and tracks that lead to nobody.
    """

    def __init__(
        self, publisher: Publisher, *, nodes: Sequence[str] | None = None, tracks: Mapping[str, str] | None = None
    ) -> None:
        self.publisher, self.counts = publisher, SleapCounts()
        self._individuals = {name: index for index, name in enumerate(publisher.stream.individuals)}
        for track, name in (tracks or {}).items():
            if name not in self._individuals:
                raise PredictionError(f"track {track}: expected one of {list(self._individuals)}, got {name!r}")
        self._tracks = dict(tracks or {})
        self._nodes = None if nodes is None else list(nodes)
        self._places = _places(publisher.stream, self._nodes)

    def publish(self, predictions: Any, *, frame_number: int | None = None, capture_time: Any = None) -> bool:
        """Publishes one frame; `frame_number`, `capture_time` and what it gives as `Publisher.publish`.

        `predictions` are one of:

        - a list of instances, or a `LabeledFrame` with them: SLEAP's or sleap-io's `PredictedInstance`, an `Instance`,
          or a dict with `points` (N x 2, or by node name), and where there are such `scores` (N), `score` and `track`;
        - raw predictions of one frame, with a batch axis of 1 or without: a dict of `instance_peaks`,
          `instance_peak_vals` and `instance_scores` as of `predict_on_batch`, or sleap-nn's `Outputs`. Batches:
          `frames_of_batch`.

        # Errors
        `PredictionError` on what fits neither, or has other nodes.
        """
        frame = self.frame(predictions)
        return self.publisher.publish(frame, frame_number=frame_number, capture_time=capture_time)

    def frame(self, predictions: Any) -> npt.NDArray[np.float64]:
        """I x K x (x, y, confidence) of one frame; what was not found is NaN."""
        stream = self.publisher.stream
        instances = self._instances(predictions)
        frame = np.full((*stream.shape, 3), np.nan)
        if stream.identities == "unordered":
            points = np.array([one.points for one in instances]).reshape(len(instances), stream.shape[1], 3)
            kept = best(points, stream.shape[0], [one.score for one in instances])
            found = sum(bool(np.isfinite(one.points[:, :2]).all(axis=1).any()) for one in instances)
            self.counts.surplus += found - len(kept)
            frame[: len(kept)] = points[kept]
            return frame
        by_individual: dict[int, list[Instance]] = {}
        for one in instances:
            individual = self._individuals.get(self._tracks.get(one.track or "", one.track or ""))
            if individual is None:
                self.counts.untracked += 1
            else:
                by_individual.setdefault(individual, []).append(one)
        for individual, rivals in by_individual.items():
            kept = best(np.array([one.points for one in rivals]), 1, [one.score for one in rivals])
            self.counts.surplus += len(rivals) - 1
            for index in kept:
                frame[individual] = rivals[index].points
        return frame

    def _instances(self, predictions: Any) -> list[Instance]:
        raw = _raw(predictions)
        if raw is not None:
            if len(raw) != 1:
                raise PredictionError(f"expected a batch of one frame, got {len(raw)}: frames_of_batch parts it")
            predictions = raw[0]
        elif hasattr(predictions, "instances"):
            predictions = predictions.instances
        elif isinstance(predictions, Mapping) or not isinstance(predictions, Iterable):
            expected = f"a list of instances, or raw predictions with one of {', '.join(_PEAKS)}"
            raise PredictionError(f"expected {expected}, got {_shown(predictions)}")
        return [self._instance(one) for one in predictions]

    def _instance(self, one: Any) -> Instance:
        """An instance whose points are the stream's keypoints."""
        places = self._places
        if isinstance(one, Mapping):
            instance = _from_mapping(one, self._nodes or list(self.publisher.stream.keypoints))
        elif isinstance(one, Instance):
            instance = one
        elif hasattr(one, "numpy"):
            nodes = getattr(getattr(one, "skeleton", None), "node_names", None)
            if self._nodes is None and nodes is not None:
                places = _places(self.publisher.stream, list(nodes))
            instance = _from_object(one)
        else:
            raise PredictionError(f"expected an instance of SLEAP or a dict with points, got {_shown(one)}")
        expected = len(self._nodes or self.publisher.stream.keypoints) if places is self._places else len(nodes or [])
        if instance.points.shape != (expected, 3):
            raise PredictionError(f"expected {expected} nodes, got {instance.points.shape[0]}")
        return Instance(instance.points[places], instance.score, instance.track)


def frames_of_batch(predictions: Any) -> list[list[Instance]]:
    """The instances of each frame of raw predictions: of `predict_on_batch`, or of one `Outputs` of sleap-nn.

    # Shapes
    Peaks B x D x N x 2 (or D x N x 2 of one frame), scores of nodes B x D x N and of instances B x D.

    # Errors
    `PredictionError` on what is none.
    """
    raw = _raw(predictions)
    if raw is None:
        raise PredictionError(f"expected raw predictions with one of {', '.join(_PEAKS)}, got {_shown(predictions)}")
    return raw


def _raw(predictions: Any) -> list[list[Instance]] | None:
    peaks = _part(predictions, _PEAKS)
    if peaks is None:
        return None
    peaks = peaks[None] if peaks.ndim == 3 else peaks
    if peaks.ndim != 4 or peaks.shape[3] != 2:
        raise PredictionError(f"expected peaks of frames x instances x nodes x 2, got shape {peaks.shape}")
    points = np.ones((*peaks.shape[:3], 3))
    points[..., :2] = peaks
    if (node_scores := _part(predictions, _PEAK_SCORES)) is not None:
        points[..., 2] = _shaped("scores of nodes", node_scores, peaks.shape[:3])
    scores = _part(predictions, _INSTANCE_SCORES)
    scores = np.full(peaks.shape[:2], np.nan) if scores is None else _shaped("scores", scores, peaks.shape[:2])
    valid = np.ones(peaks.shape[:2], dtype=bool)
    if (counted := _part(predictions, ("n_valid",))) is not None:
        valid = np.arange(peaks.shape[1]) < counted.reshape(-1, 1)
    elif (marked := _part(predictions, ("instance_valid",))) is not None:
        valid = _shaped("instance_valid", marked, peaks.shape[:2]).astype(bool)
    return [
        [Instance(points[frame, index], float(scores[frame, index])) for index in np.flatnonzero(valid[frame])]
        for frame in range(len(peaks))
    ]


def _part(predictions: Any, names: Sequence[str]) -> npt.NDArray[np.float64] | None:
    """The first of these parts that there is, as an array. Tensors come from wherever they are."""
    for name in names:
        part = predictions.get(name) if isinstance(predictions, Mapping) else getattr(predictions, name, None)
        if part is not None:
            for step in ("detach", "cpu", "to_tensor", "numpy"):
                part = getattr(part, step)() if hasattr(part, step) else part
            return np.asarray(part, dtype=np.float64)
    return None


def _shaped(what: str, values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if values.size != np.prod(shape):
        raise PredictionError(f"expected {what} of {' x '.join(map(str, shape))}, got shape {values.shape}")
    return values.reshape(shape)


def _from_mapping(one: Mapping[str, Any], nodes: list[str]) -> Instance:
    if "points" not in one:
        raise PredictionError(f"expected an instance with points, got one with {', '.join(map(str, one))}")
    points, scores = one["points"], one.get("scores")
    if isinstance(points, Mapping):
        absent = (np.nan, np.nan)
        if unknown := [name for name in points if name not in nodes]:
            raise PredictionError(f"expected points of the nodes {nodes}, got {unknown} as well")
        points = [points.get(name, absent) for name in nodes]
        if isinstance(scores, Mapping):
            scores = [scores.get(name, 0.0) for name in nodes]
    score, track = one.get("score"), one.get("track")
    return _instance(points, scores, score, track)


def _from_object(one: Any) -> Instance:
    """SLEAP's PredictedInstance has `scores`; sleap-io's keeps them in its points."""
    scores: Any = getattr(one, "scores", None)
    points: Any = getattr(one, "points", None)
    if scores is None and "score" in (getattr(getattr(points, "dtype", None), "names", None) or ()):
        scores = points["score"]
    return _instance(one.numpy(), scores, getattr(one, "score", None), getattr(one, "track", None))


def _instance(points: Any, scores: Any, score: Any, track: Any) -> Instance:
    xy = np.asarray(points, dtype=np.float64)
    if xy.ndim != 2 or xy.shape[1] not in (2, 3):
        raise PredictionError(f"expected points of nodes x 2, got shape {xy.shape}")
    full = np.ones((len(xy), 3))
    full[:, : xy.shape[1]] = xy
    if scores is not None:
        full[:, 2] = _shaped("scores of nodes", np.asarray(scores, dtype=np.float64), (len(xy),))
    name = getattr(track, "name", track)
    return Instance(full, np.nan if score is None else float(score), None if name is None else str(name))


def _places(stream: Stream, nodes: list[str] | None) -> list[int]:
    if nodes is None:
        return list(range(len(stream.keypoints)))
    if absent := [name for name in stream.keypoints if name not in nodes]:
        raise PredictionError(f"expected the keypoints {absent} among the nodes, got {nodes}")
    return [nodes.index(name) for name in stream.keypoints]


def _shown(value: Any) -> str:
    return f"a dict of {', '.join(map(str, value))}" if isinstance(value, Mapping) else type(value).__name__
