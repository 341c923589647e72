"""Frame numbers and capture times, where a rig has no counter of its own."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from vibrissa_rig.stream import CLOCK_UNIX

#: The wall clock between 1973 and 2100: what lies outside is in other units, or on another clock.
UNIX_NANOS_MIN, UNIX_NANOS_MAX = 10**17, 41 * 10**17

#: A longer pause, or a clock that was set, counts as this long: the detector begins anew after as much silence.
PAUSE_SECS_MAX = 10.0

#: What is left of a deviation from the described rate after a frame. Hence cameras that are up to about 5% off the
#: described rate are counted frame by frame, and frames that were left out still leave a gap.
_CARRIED = 0.9


def capture_nanos(capture_time: Any, clock: str | None) -> int | None:
    """Nanoseconds from a capture time: an int is nanoseconds, a float seconds, a datetime64 or a Timestamp is UTC.

    # Errors
    `ValueError` on a time without a clock, that is not finite, or on the clock "unix" before 1973 or after 2100.
    """
    if capture_time is None:
        return None
    if clock is None:
        raise ValueError(f"expected no capture time, as the stream names no clock, got {capture_time!r}")
    nanos = _nanos(capture_time)
    if clock == CLOCK_UNIX and not UNIX_NANOS_MIN <= nanos <= UNIX_NANOS_MAX:
        expected = "expected a time since 1970 in seconds as a float, or in nanoseconds as an int"
        raise ValueError(f"{expected}, got {capture_time!r}; time.perf_counter() and the like are other clocks")
    return nanos


def _nanos(capture_time: Any) -> int:
    if hasattr(capture_time, "to_datetime64"):
        capture_time = capture_time.to_datetime64()
    if isinstance(capture_time, np.datetime64):
        if np.isnat(capture_time):
            raise ValueError("expected a capture time, got NaT")
        return int(capture_time.astype("datetime64[ns]").astype(np.int64))
    if isinstance(capture_time, numbers.Integral) and not isinstance(capture_time, bool):
        return int(capture_time)
    if isinstance(capture_time, numbers.Real) and math.isfinite(capture_time):
        # The whole seconds by themselves: together they do not fit the digits of a float.
        part, whole = math.modf(float(capture_time))
        return int(whole) * 1_000_000_000 + round(part * 1e9)
    raise ValueError(f"expected a capture time in seconds or nanoseconds, got {capture_time!r}")


class Numbering:
    """Numbers frames by their capture times, so that frames that were left out leave a gap; without times, one by
    one."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._number: int | None = None
        self._nanos: int | None = None
        self._carried = 0.0

    def next(self, nanos: int | None) -> int:
        """The number of the next frame, of that capture time; ascending, from 0 on."""
        if self._number is None:
            self.take(0, nanos)
            return 0
        frames = 1
        if nanos is not None and self._nanos is not None:
            passed = min((nanos - self._nanos) / 1e9, PAUSE_SECS_MAX) * self._rate_hz + self._carried
            frames = max(1, round(passed))
            self._carried = _CARRIED * min(max(passed - frames, -0.5), 0.5)
        number = self._number + frames
        self.take(number, nanos)
        return number

    def take(self, number: int, nanos: int | None) -> None:
        """A frame that came with its own number."""
        self._number, self._nanos = number, nanos
