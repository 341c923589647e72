"""The rig's side: publishes the poses of one cage."""

from __future__ import annotations

import atexit
import operator
import secrets
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
import zenoh
from zenoh import handlers

from vibrissa_rig._numbering import Numbering, capture_nanos
from vibrissa_rig.messages import MessageError, Status
from vibrissa_rig.session import ENDPOINT, NEARBY, checked_name, direct, open_session
from vibrissa_rig.stream import CLOCK_UNIX, Stream
from vibrissa_rig.tables import frames_of_table
from vibrissa_rig.wire import ENCODING_BINARY, ENCODING_JSON, Encoding, Packet, Points, WireError, as_points

if TYPE_CHECKING:
    import pandas as pd

#: How often the stream description is put again.
DESCRIBE_SECS = 1.0

#: How often that is at the beginning, and for how long: whoever subscribes beside a subscriber that is there already
#: makes no difference to a publisher, and sees no description until the next time.
DESCRIBE_AT_FIRST_SECS, AT_FIRST_SECS = 0.1, 5.0

#: Further behind its schedule than this, a replay begins a new one at the present: a camera does not catch up.
BEHIND_SECS_MAX = 0.1

#: How long the end of a publisher waits for the detector to confirm it; of a lossless one, whose frames may still wait.
END_SECS_MAX = {False: 1.0, True: 60.0}


@dataclass
class Counts:
    """What became of the frames of a publisher."""

    #: Handed to zenoh. On a congested wire zenoh drops frames rather than wait; the detector's `counts` tell how many
    #: came.
    published: int = 0
    #: Of those, put while nobody subscribed.
    unheard: int = 0
    #: Not put, since zenoh failed.
    failed: int = 0


class Publisher:
    """Publishes poses of one cage with the priority, and the readiness to drop, of a camera; and says what they are.

    Frames are put as they come, in microseconds, whether or not a detector is there. The stream description goes before
    the first frame, when a first subscriber comes, and every second, all from within `publish`. Every publisher draws a
    number of its own, so that a detector knows a restart from a second publisher. `close`, the end of a `with` and the
    end of the program publish an END mark.

    Safe to use from several threads, one frame after the other.

    `connect`: where the detector listens. `session`: one of your own instead, which stays open. `lossless`: the
    detector slows this publisher down instead of dropping its frames: for replays, never for cameras.

    # Errors
    `ValueError` on a bad name, and on a lossless stream that says it is live; `zenoh.ZError` where zenoh cannot be
    opened. A detector that does not answer is no error: zenoh keeps trying.
    """

    def __init__(
        self,
        rig: str,
        cage: str,
        stream: Stream,
        *,
        connect: str | list[str] = ENDPOINT,
        listen: str | list[str] = NEARBY,
        session: zenoh.Session | None = None,
        encoding: Encoding = "binary",
        lossless: bool = False,
    ) -> None:
        if encoding not in ("binary", "json"):
            raise ValueError(f"expected the encoding binary or json, got {encoding!r}")
        if lossless and stream.origin == "live":
            raise ValueError("expected the origin replay or simulated of a lossless stream, got live")
        root = f"vibrissa/{checked_name('rig', rig)}/{checked_name('cage', cage)}"
        self.stream, self.lossless, self.encoding = stream, lossless, encoding
        self.counts = Counts()
        #: Drawn at the start, and carried by every frame.
        self.run = secrets.randbits(32)
        self._numbering = Numbering(stream.rate_hz)
        self._lock = threading.Lock()
        self._heard, self._ended = threading.Event(), threading.Event()
        self._joined, self._closed = False, False
        #: The detector's last word on this cage: its state, and counts of what was taken and refused.
        self.status: Status | None = None
        self._own_session = session is None
        self._session = session or open_session(connect, listen, lossless=lossless)
        control = zenoh.CongestionControl.BLOCK if lossless else zenoh.CongestionControl.DROP
        # Descriptions travel with the priority of the poses: zenoh keeps order only within a priority.
        how: dict[str, Any] = {"priority": zenoh.Priority.REAL_TIME, "congestion_control": control, "express": True}
        declare = self._session.declare_publisher
        pose_encoding = ENCODING_BINARY if encoding == "binary" else ENCODING_JSON
        self._descriptions = declare(f"{root}/stream", encoding=ENCODING_JSON, **how)
        self._poses = declare(f"{root}/pose", encoding=pose_encoding, **how)
        me = weakref.ref(self)
        on_join: handlers.Callback[zenoh.MatchingStatus] = direct(lambda status: _tell(me, "_on_join", status))
        on_hearing: handlers.Callback[zenoh.MatchingStatus] = direct(lambda status: _tell(me, "_on_hearing", status))
        self._descriptions.declare_matching_listener(on_join)
        self._poses.declare_matching_listener(on_hearing)
        # zenoh calls this a bool; it is a MatchingStatus. That nobody is there may be outdated already.
        present: Any = self._poses.matching_status
        if present.matching:
            self._heard.set()
        on_status: handlers.Callback[zenoh.Sample] = direct(lambda sample: _tell(me, "_on_status", sample))
        self._statuses = self._session.declare_subscriber(f"{root}/status", on_status)
        self._token = self._session.liveliness().declare_token(f"{root}/alive")
        self._started = self._described = time.monotonic()
        self._describe()
        # What ends without `close`, such as a camera program, still says END.
        atexit.register(_close, me)

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def detector_is_there(self) -> bool:
        """Whether anybody subscribes to the poses of this cage."""
        return self._heard.is_set()

    def wait_for_detector(self, timeout_secs: float | None = None) -> bool:
        """Waits until somebody subscribes to the poses; false when nobody did in that time. Not for camera loops."""
        return self._heard.wait(timeout_secs)

    def publish(
        self,
        keypoints: npt.ArrayLike,
        confidence: npt.ArrayLike | None = None,
        *,
        frame_number: int | None = None,
        capture_time: Any = None,
    ) -> bool:
        """Publishes a frame; false where zenoh failed, which `counts` has as well.

        `keypoints`: I x K x 2 in pixels with `confidence` I x K within 0 to 1 (1 where it is left out), or I x K x 3
        with the confidence behind x and y. NaN, (0, 0) and infinite values are missing points.

        `frame_number`: the camera's own, ascending; it is what tells the detector how much time passed. Left out,
        frames are numbered by their capture times at the stream's rate (so that frames that you skip leave a gap);
        without times, and by a lossless publisher, one by one.

        `capture_time`: when the camera took the frame, on the stream's clock: a float is seconds (`time.time()`), an
        int nanoseconds (`time.time_ns()`), a datetime64 UTC. None: not known, and then the age of the frame is not
        known either.

        # Errors
        `ValueError` on other shapes than the stream's, what are no numbers, and times that are none on the stream's
        clock.
        """
        points = as_points(keypoints, confidence)
        if points.shape[:2] != self.stream.shape:
            shapes = (self.stream.shape, points.shape)
            expected, got = (f"{shape[0]} individuals of {shape[1]} keypoints" for shape in shapes)
            raise WireError(f"expected {expected}, got {got}")
        nanos = capture_nanos(capture_time, self.stream.clock)
        with self._lock:
            if self._closed:
                raise RuntimeError("the publisher is closed")
            if frame_number is None:
                # A replay goes as fast as the detector takes it: how much time passed says nothing of its frames.
                number = self._numbering.next(None if self.lossless else nanos)
            else:
                number = operator.index(frame_number)
                self._numbering.take(number, nanos)
            return self._put(Packet(number, points, nanos, self.stream.id, self.run, self.lossless))

    def publish_dataframe(
        self,
        table: pd.DataFrame | pd.Series[Any],
        capture_time: Any = None,
        *,
        prefixes: Sequence[str] | None = None,
        speed: float | None = 1.0,
    ) -> int:
        """Publishes a table of DeepLabCut's columns (scorer, individuals, bodyparts, coords); gives how many frames.

        One row (a frame of one, or a Series) is published at once, with the capture time given. Columns are found by
        their names. A table without individuals fills the first one of the stream, unless `prefixes` (such as `["B_",
        "W_"]`) tells how the bodyparts of each begin.

        A table of several rows is played, so its stream must not say that it is live. `capture_time` holds a time for
        each row, by which they are paced; without it the rows' index (else their order) counts frames at the stream's
        rate. Frames carry the wall clock of the moment when they were due, as if a camera had taken them then; on
        another clock than "unix", the given times. `speed`: times the camera's own rate; None: as fast as may be, which
        is of use when the publisher is lossless.

        # Errors
        `ValueError` on columns that the stream does not have, and on what `publish` refuses.
        """
        frames, numbers = frames_of_table(table, self.stream, prefixes)
        if len(frames) == 1:
            times = _listed(capture_time, 1)
            return int(self.publish(frames[0], capture_time=times[0]))
        if self.stream.origin == "live":
            raise ValueError(f"expected the origin replay or simulated of a table of {len(frames)} rows, got live")
        times = [capture_nanos(time, self.stream.clock) for time in _listed(capture_time, len(frames))]
        first = self._numbering.next(None)
        count = 0
        for frame, number, due, nanos in self._schedule(frames, numbers, times, speed):
            time.sleep(max(0.0, due - time.monotonic()))
            wall = time.time_ns() if self.stream.clock == CLOCK_UNIX else nanos
            count += self.publish(frame, frame_number=first + number, capture_time=wall)
        return count

    def _schedule(
        self, frames: npt.NDArray[Any], numbers: Sequence[int], times: Sequence[int | None], speed: float | None
    ) -> Iterable[tuple[Any, int, float, int | None]]:
        """Frames with their numbers, the moment (monotonic) at which each is due, and their capture times."""
        start = time.monotonic()
        for frame, number, nanos in zip(frames, numbers, times, strict=True):
            timed = nanos is not None and times[0] is not None
            after = (nanos - times[0]) / 1e9 if timed else number / self.stream.rate_hz  # type: ignore[operator]
            due = start + after / speed if speed else start
            behind = time.monotonic() - due
            if behind > BEHIND_SECS_MAX:
                start += behind
            yield frame, number, due, nanos

    def close(self) -> None:
        """Publishes the END mark and leaves. Does nothing the second time.

        Where a detector is there, waits for its word that it saw the END: at most a second, of a lossless publisher a
        minute.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            try:
                end = Packet(self.counts.published, None, None, self.stream.id, self.run, self.lossless)
                self._ended.clear()
                self._poses.put(end.encode(self.encoding))
                # A session that closes takes with it what still waits for the wire.
                self._wait_for_end()
                self._statuses.undeclare()  # type: ignore[no-untyped-call]
                self._poses.undeclare()  # type: ignore[no-untyped-call]
                self._descriptions.undeclare()  # type: ignore[no-untyped-call]
                self._token.undeclare()  # type: ignore[no-untyped-call]
                if self._own_session:
                    self._session.close()  # type: ignore[no-untyped-call]
            except zenoh.ZError:
                # The session is gone, and with it all that would have to be undeclared.
                pass

    def _put(self, packet: Packet) -> bool:
        payload = packet.encode(self.encoding)
        try:
            every = DESCRIBE_AT_FIRST_SECS if time.monotonic() - self._started < AT_FIRST_SECS else DESCRIBE_SECS
            if self._joined or time.monotonic() - self._described >= every:
                self._describe()
            heard = self._heard.is_set()
            self._poses.put(payload)
        except zenoh.ZError:
            self.counts.failed += 1
            return False
        self.counts.published += 1
        self.counts.unheard += not heard
        return True

    def _describe(self) -> None:
        self._joined, self._described = False, time.monotonic()
        self._descriptions.put(self.stream.json)

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + END_SECS_MAX[self.lossless]
        while self._heard.is_set() and time.monotonic() < deadline:
            if self._ended.wait(0.05):
                return

    def _on_join(self, status: zenoh.MatchingStatus) -> None:
        self._joined = self._joined or status.matching

    def _on_hearing(self, status: zenoh.MatchingStatus) -> None:
        if status.matching:
            self._heard.set()
        else:
            self._heard.clear()

    def _on_status(self, sample: zenoh.Sample) -> None:
        try:
            self.status = Status.parse(sample.payload.to_bytes())
        except MessageError:
            # Of another version: whoever subscribes to statuses is told.
            return
        if self.status.state == "ended":
            self._ended.set()


def _listed(capture_time: Any, count: int) -> Sequence[Any]:
    if capture_time is None:
        return [None] * count
    times = list(capture_time) if hasattr(capture_time, "__len__") else [capture_time]
    if len(times) != count:
        raise ValueError(f"expected {count} capture times, one for each row, got {len(times)}")
    return times


def _tell(publisher: weakref.ref[Publisher], method: str, what: zenoh.MatchingStatus | zenoh.Sample) -> None:
    if (alive := publisher()) is not None:
        getattr(alive, method)(what)


def _close(publisher: weakref.ref[Publisher]) -> None:
    if (alive := publisher()) is not None:
        alive.close()


__all__ = ["Counts", "Points", "Publisher"]
