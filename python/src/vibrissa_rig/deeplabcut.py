"""DeepLabCut-Live: a `Processor` that publishes every pose and changes none.

`VibrissaProcessor` is made from `dlclive.Processor` when it is first asked for, so this module can be imported without
DeepLabCut-Live; `PosePublisher` is all of it but that base class.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import zenoh

from vibrissa_rig._instances import best
from vibrissa_rig.publisher import Publisher
from vibrissa_rig.session import ENDPOINT
from vibrissa_rig.stream import Stream

_logger = logging.getLogger(__name__)


@dataclass
class ProcessorCounts:
    """What became of the poses, besides what `publisher.counts` says."""

    #: Given to `process`.
    poses: int = 0
    #: Not published; `last_error` says why.
    refused: int = 0
    #: Published without a capture time: none was given, or one that is none on the stream's clock.
    untimed: int = 0
    #: Detections beyond the stream's individuals, the least confident of their frame.
    surplus: int = 0


class PosePublisher:
    """Publishes the poses that DeepLabCut-Live hands to its processor. Never raises into the camera's loop.

    `stream`: a `Stream`, or a mapping for `Stream.from_mapping`. `bodyparts`: those of the DeepLabCut model, in its
    order; keypoints are found among them by name, and the model may have more. Without it they must be the stream's.
    `prefixes`: for a model of one animal that was trained on several, how the bodyparts of each begin (`["B_", "W_"]`).
    `publisher`: one of your own instead of `rig`, `cage`, `stream`, `connect` and `session`.

    A pose is one of:

    - K x 3: one animal, the stream's first individual; the others are missing.
    - (I K) x 3: a model of one animal with the bodyparts of all, individual by individual or by `prefixes`.
    - D x K x 3: D detections. Of more than I in an unordered stream the most confident are kept, fewer leave
      individuals missing. Places are animals in a stable stream, so there D must be I.

    K being the number of `bodyparts` where they are given.

    # Errors
    At construction: `ValueError` on keypoints that are not among `bodyparts`, and what `Publisher` and `Stream` refuse.
    """

    def __init__(
        self,
        rig: str | None = None,
        cage: str | None = None,
        stream: Stream | Mapping[str, Any] | None = None,
        *,
        bodyparts: Sequence[str] | None = None,
        prefixes: Sequence[str] | None = None,
        connect: str | list[str] = ENDPOINT,
        session: zenoh.Session | None = None,
        publisher: Publisher | None = None,
    ) -> None:
        super().__init__()
        if publisher is None and (rig is None or cage is None or stream is None):
            raise ValueError("expected rig, cage and stream, or a publisher")
        if publisher is not None:
            stream = publisher.stream
        elif not isinstance(stream, Stream):
            stream = Stream.from_mapping(stream or {})
        assert stream is not None
        self._places, self._parts = _places(stream, bodyparts, prefixes)
        self.stream = stream
        self.publisher = publisher or Publisher(rig or "", cage or "", stream, connect=connect, session=session)
        self.counts = ProcessorCounts()
        #: Why the last pose that was not published was not.
        self.last_error: str | None = None
        #: From the capture of a frame to its pose, in seconds, where the last call said both times.
        self.pose_age_secs: float | None = None
        self._told: set[type[Exception]] = set()
        self._processing = threading.Lock()

    def process(self, pose: Any, **kwargs: Any) -> Any:
        """Publishes the pose and gives it back, the same object, unchanged.

        `frame_time`: when the camera took the frame, in seconds of `time.time()`; the capture time. `pose_time`: when
        the pose was there; it only tells `pose_age_secs`. A pose without `frame_time` is published without a capture
        time.
        """
        with self._processing:
            self.counts.poses += 1
            try:
                self._publish(pose, kwargs.get("frame_time"), kwargs.get("pose_time"))
            # Whatever it is, the camera goes on.
            except Exception as error:
                self.counts.refused += 1
                self.last_error = str(error)
                if type(error) not in self._told:
                    self._told.add(type(error))
                    _logger.error("a pose was not published (more of the kind are only counted): %s", error)
        return pose

    def close(self) -> None:
        """Says that no more poses come. The end of the program does so as well."""
        self.publisher.close()

    def _publish(self, pose: Any, frame_time: Any, pose_time: Any) -> None:
        points = self._frame(np.asarray(pose))
        self.pose_age_secs = None if frame_time is None or pose_time is None else float(pose_time) - float(frame_time)
        if frame_time is not None and self.stream.clock is not None:
            try:
                self.publisher.publish(points, capture_time=float(frame_time))
                return
            except ValueError as error:
                self.last_error = str(error)
        self.counts.untimed += 1
        self.publisher.publish(points)

    def _frame(self, pose: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        individuals, keypoints = self.stream.shape
        frame = np.full((individuals, keypoints, 3), np.nan)
        if pose.ndim == 3 and pose.shape[1:] == (self._parts, 3) and len(self._places) == 1:
            detections = pose[:, self._places[0]]
            if self.stream.identities == "unordered":
                kept = best(detections, individuals)
                self.counts.surplus += sum(np.isfinite(one[:, :2]).any() for one in detections) - len(kept)
                frame[: len(kept)] = detections[kept]
                return frame
            if len(detections) == individuals:
                return detections.astype(np.float64)
        elif pose.shape == (self._parts, 3):
            for individual, places in enumerate(self._places):
                frame[individual] = pose[places]
            return frame
        elif pose.shape == (individuals * self._parts, 3) and len(self._places) == 1:
            return pose.reshape(individuals, self._parts, 3)[:, self._places[0]].astype(np.float64)
        one = f"{self._parts} x 3"
        several = f"{individuals if self.stream.identities == 'stable' else 'D'} x {one}"
        raise ValueError(f"expected a pose of {one} or {several}, got shape {pose.shape}")


def _places(
    stream: Stream, bodyparts: Sequence[str] | None, prefixes: Sequence[str] | None
) -> tuple[list[list[int]], int]:
    """For each animal that a row of bodyparts holds, where its keypoints are; and how long such a row is."""
    if bodyparts is None and prefixes is None:
        return [list(range(len(stream.keypoints)))], len(stream.keypoints)
    if bodyparts is None:
        raise ValueError("expected bodyparts with prefixes, got prefixes alone")
    if prefixes is not None and len(prefixes) != len(stream.individuals):
        raise ValueError(f"expected {len(stream.individuals)} prefixes, one for each individual, got {len(prefixes)}")
    bodyparts = list(bodyparts)
    places = []
    for prefix in prefixes or [""]:
        wanted = [prefix + keypoint for keypoint in stream.keypoints]
        if absent := [name for name in wanted if name not in bodyparts]:
            raise ValueError(f"expected the keypoints {absent} among the model's bodyparts, got {bodyparts}")
        places.append([bodyparts.index(name) for name in wanted])
    return places, len(bodyparts)


def __getattr__(name: str) -> Any:
    if name != "VibrissaProcessor":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dlclive.processor.processor import Processor

    doc = "PosePublisher as a `dlclive.Processor`: hand it to `DLCLive(..., processor=...)`."
    made = type(name, (PosePublisher, Processor), {"__doc__": doc, "__module__": __name__})
    globals()[name] = made
    return made


VibrissaProcessor: type[PosePublisher]
