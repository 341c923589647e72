import numpy as np
import pytest

from vibrissa_rig._numbering import Numbering, capture_nanos

SECS = 1_700_000_000.25
NANOS = 1_700_000_000_250_000_000


@pytest.mark.parametrize(
    "time",
    [
        SECS,
        NANOS,
        np.float64(SECS),
        np.int64(NANOS),
        np.datetime64(NANOS, "ns"),
        np.datetime64(NANOS // 1000, "us"),
    ],
)
def test_a_capture_time_is_seconds_or_nanoseconds(time):
    assert capture_nanos(time, "unix") == NANOS


def test_a_timestamp_is_a_capture_time():
    pandas = pytest.importorskip("pandas")
    assert capture_nanos(pandas.Timestamp(NANOS, tz="Europe/Vienna"), "unix") == NANOS


@pytest.mark.parametrize(
    "time", [12.5, 1_700_000_000, float(NANOS), float("nan"), True, "noon", np.datetime64("NaT", "ns")]
)
def test_what_is_no_time_since_1970_is_refused(time):
    with pytest.raises(ValueError, match="expected a"):
        capture_nanos(time, "unix")


def test_another_clock_begins_where_it_likes_and_none_has_no_times():
    assert capture_nanos(12.5, "camera") == 12_500_000_000
    assert capture_nanos(None, None) is None
    with pytest.raises(ValueError, match="names no clock"):
        capture_nanos(12.5, None)


def numbers(times_secs, rate_hz=30.0):
    numbering = Numbering(rate_hz)
    return [numbering.next(None if secs is None else round(secs * 1e9)) for secs in times_secs]


def test_without_times_frames_count_one_by_one():
    assert numbers([None] * 4) == [0, 1, 2, 3]


def test_frames_that_were_left_out_leave_a_gap():
    assert numbers([0, 1 / 30, 4 / 30, 5 / 30]) == [0, 1, 4, 5]


@pytest.mark.parametrize("rate_hz", [29.0, 29.97, 30.0, 30.9])
def test_a_camera_of_nearly_the_described_rate_is_counted_frame_by_frame(rate_hz):
    jitter = np.random.default_rng(1).uniform(-0.004, 0.004, 1000)
    assert numbers(np.arange(1000) / rate_hz + jitter) == list(range(1000))


def test_half_the_frames_of_a_camera_keep_its_time():
    rng = np.random.default_rng(1)
    kept = np.flatnonzero(rng.random(2000) < 0.5)
    assert numbers(kept / 30.0) == list(kept - kept[0])
    # An estimator that takes 1.35 frames for each: no frame of it is on the grid.
    found = numbers(np.arange(1000) * 1.35 / 30.0)
    assert found[-1] == pytest.approx(999 * 1.35, rel=0.02)


def test_pauses_and_clocks_that_are_set_end():
    assert numbers([0, 3600]) == [0, 300]
    assert numbers([100, 0, 1 / 30]) == [0, 1, 2]
