"""Publisher and subscriber against the built detector, over real zenoh on a free port of this machine."""

import os
import signal
import threading
import time

import numpy as np
import pytest
import rats
from conftest import free_endpoint, rat_frames
from detector import Detector, until

from vibrissa_rig import Events, MessageError, Publisher, Statuses, Stream, VersionError, WireError
from vibrissa_rig.session import direct, open_session
from vibrissa_rig.sleap import SleapAdapter
from vibrissa_rig.wire import decode

FRAMES = 600
PATIENCE_SECS = 30.0


def replay(detector, cage, frames, encoding="binary", **changes):
    """Publishes frames as fast as the detector takes them; gives its word on them when it has ended."""
    stream = Stream.from_mapping(rats.STREAM, origin="replay", **changes)
    with Statuses("python", cage, connect=detector.endpoint, timeout_secs=PATIENCE_SECS) as statuses:
        assert statuses.wait_for_detector(PATIENCE_SECS)
        how = {"connect": detector.endpoint, "encoding": encoding, "lossless": True}
        with Publisher("python", cage, stream, **how) as publisher:
            assert publisher.wait_for_detector(PATIENCE_SECS)
            for frame in frames:
                assert publisher.publish(frame, capture_time=time.time_ns())
            assert publisher.counts.published == len(frames)
        assert publisher.status.state == "ended", "the end of a publisher is confirmed"
        return next(status for status in statuses if status.state == "ended")


@pytest.fixture(scope="module")
def played(binary, tmp_path_factory):
    """A detector that took the same frames twice, and what was heard of it meanwhile."""
    with Detector(tmp_path_factory.mktemp("played")) as detector:
        with Events("python", connect=detector.endpoint) as events:
            assert events.wait_for_detector(PATIENCE_SECS)
            heard = []
            events.on_event(heard.append)
            ended = {cage: replay(detector, cage, rat_frames(FRAMES), cage) for cage in ("binary", "json")}
            decided = sum(status.counts["decided"] for status in ended.values())
            until(f"{decided} events", lambda: len(heard) >= decided)
        yield detector, heard, ended


def told(events):
    """What events say, in the order of the journal: between two delays the wire keeps none."""
    ordered = sorted(events, key=lambda event: event.sequence)
    words = ["behavior", "animals", "edge", "onset_tick", "stop_tick", "delay"]
    return [[getattr(event, word) for word in words] for event in ordered]


def test_every_frame_is_taken(played):
    _, _, ended = played
    for status in ended.values():
        assert status.others == {"frames_sent": FRAMES, "frames_taken": FRAMES}
        assert status.counts["refused"] == {}
        assert status.counts["points"] == FRAMES * 10
        assert status.origin == "replay"


def test_close_contact_is_heard_as_social(played):
    _, heard, _ = played
    onsets = [event for event in heard if event.edge == "onset" and event.behavior == "social"]
    assert {event.delay for event in onsets} == {0, 15, 30, 60}
    for event in heard:
        assert (event.rig, event.origin, event.clock, event.kind) == ("python", "replay", "unix", "undirected")
        assert event.animals == ("rat1", "rat2")
        assert event.capture_nanos <= event.decision_nanos <= event.publication_nanos
        assert not event.others, "every field is known"


def test_json_gives_the_events_of_binary(played):
    _, heard, _ = played
    binary, as_json = (told(event for event in heard if event.cage == cage) for cage in ("binary", "json"))
    assert binary == as_json
    assert len(binary) > 10


def test_a_late_joiner_iterates_over_the_history(played):
    detector, heard, _ = played
    with Events("python", "json", 60, connect=detector.endpoint, timeout_secs=2.0) as late:
        events = list(late)
    assert events == [event for event in heard if event.cage == "json" and event.delay == 60]
    with Events("python", "json", 60, connect=detector.endpoint, history=False) as late:
        assert late.receive(0.5) is None


def test_a_replay_that_halts_leaves_no_gap(played):
    """Its capture times are those of its own pace."""
    stream = Stream.from_mapping(rats.STREAM, origin="replay")
    session, numbers = open_session(connect=played[0].endpoint), []
    for cage, lossless, expected in [("fast", True, [0, 1]), ("camera", False, [0, 30])]:
        numbers.clear()
        take = direct(lambda sample: numbers.append(decode(sample.payload.to_bytes()).number))
        with session.declare_subscriber(f"vibrissa/python/{cage}/pose", take):
            with Publisher("python", cage, stream, session=session, lossless=lossless) as publisher:
                for secs in (1.7e9, 1.7e9 + 1):
                    publisher.publish(rat_frames(1)[0], capture_time=secs)
                until("both frames", lambda: len(numbers) >= 2)
            assert numbers[:2] == expected
    session.close()


def test_no_detector_is_waited_for_no_longer_than_said():
    with Events(connect=free_endpoint()) as events:
        started = time.monotonic()
        assert not events.wait_for_detector(0.2)
        assert time.monotonic() - started < 5


def test_a_loop_ends_when_it_is_closed_from_elsewhere(played):
    detector, _, _ = played
    events = Events("python", "nobody", connect=detector.endpoint)
    threading.Timer(0.3, events.close).start()
    assert list(events) == []


def test_a_message_that_cannot_be_read_is_told_and_the_next_one_heard(played):
    session = played[0].open()
    errors, events = [], []
    quiet = {"session": session, "history": False}
    with Events("python", "odd", **quiet) as odd, Events("python", "odd", **quiet) as loud:
        loud.on_event(events.append, errors.append)
        for payload in (b"no event", b'{"version": 2}'):
            session.put("vibrissa/python/odd/event/0", payload)
        with pytest.raises(MessageError, match="expected event as JSON, got b'no event'"):
            odd.receive(PATIENCE_SECS)
        with pytest.raises(VersionError):
            odd.receive(PATIENCE_SECS)
        until("both errors", lambda: len(errors) == 2)
    assert events == []


def test_unordered_instances_give_the_events_of_stable_ones(played):
    detector, heard, _ = played
    chance = np.random.default_rng(1)
    shuffled = [frame[chance.permutation(2)] for frame in rat_frames(FRAMES)]
    with Events("python", "unordered", connect=detector.endpoint, timeout_secs=2.0) as events:
        ended = replay(detector, "unordered", shuffled, identities="unordered")
        found = told(events)
    assert (ended.counts["swap_alarms"], ended.counts["refused"]) == (0, {})
    assert found == told(event for event in heard if event.cage == "binary")


def test_predictions_of_sleap_give_the_same_events(played):
    detector, heard, _ = played
    stream = Stream.from_mapping(rats.STREAM, origin="replay", identities="unordered")
    chance = np.random.default_rng(2)
    shuffled = [frame[chance.permutation(2)] for frame in rat_frames(FRAMES)]
    with Events("python", "sleap", connect=detector.endpoint, timeout_secs=2.0) as events:
        with Publisher("python", "sleap", stream, connect=detector.endpoint, lossless=True) as publisher:
            adapter = SleapAdapter(publisher, nodes=stream.keypoints)
            assert publisher.wait_for_detector(PATIENCE_SECS)
            for frame in shuffled:
                peaks = {"instance_peaks": frame[None, ..., :2], "instance_peak_vals": frame[None, ..., 2]}
                adapter.publish(peaks, capture_time=time.time())
        found = told(events)
    assert found == told(event for event in heard if event.cage == "binary")


def test_a_table_is_played(detector, stream):
    pandas = pytest.importorskip("pandas")
    levels = [["s"], stream.individuals, stream.keypoints, ["x", "y", "likelihood"]]
    columns = pandas.MultiIndex.from_product(levels, names=["scorer", "individuals", "bodyparts", "coords"])
    table = pandas.DataFrame(rat_frames(60).reshape(60, -1), columns=columns)
    times = pandas.Series(1_600_000_000.0 + np.arange(60) / 30)
    replayed = Stream.from_mapping(rats.STREAM, origin="replay")
    with Statuses("python", "table", connect=detector.endpoint, timeout_secs=PATIENCE_SECS) as statuses:
        assert statuses.wait_for_detector(PATIENCE_SECS)
        with Publisher("python", "table", replayed, connect=detector.endpoint) as publisher:
            assert publisher.wait_for_detector(PATIENCE_SECS)
            started = time.monotonic()
            assert publisher.publish_dataframe(table, times, speed=2.0) == 60
            assert time.monotonic() - started > 0.9, "59 frames of 30 Hz, twice as fast"
        ended = next(status for status in statuses if status.state == "ended")
    assert ended.others["frames_taken"] > 30
    assert ended.counts["age_unknown"] == 0


def test_a_table_is_no_live_animal_and_a_row_may_be(stream):
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_product([["s"], stream.individuals, stream.keypoints, ["x", "y"]])
    table = pandas.DataFrame(rat_frames(60)[..., :2].reshape(60, -1), columns=columns)
    live_stream = Stream.from_mapping(rats.STREAM, origin="live")
    with Publisher("python", "row", live_stream, connect=free_endpoint()) as live:
        with pytest.raises(ValueError, match="expected the origin replay or simulated of a table of 60 rows, got live"):
            live.publish_dataframe(table)
        with pytest.raises(ValueError, match="expected 1 capture times, one for each row, got 60"):
            live.publish_dataframe(table.iloc[0], np.arange(60.0))
        assert live.publish_dataframe(table.iloc[:1], time.time()) == 1
        assert live.publish_dataframe(table.iloc[0], time.time()) == 1
        assert live.counts.published == 2


def test_a_restart_is_a_new_run(detector, stream):
    """A publisher that vanished without END holds its cage for two seconds; then the new one takes over."""
    frames = rat_frames(400)
    with Statuses("python", "again", connect=detector.endpoint, timeout_secs=PATIENCE_SECS) as statuses:
        assert statuses.wait_for_detector(PATIENCE_SECS)
        session = open_session(connect=detector.endpoint)
        vanished = Publisher("python", "again", stream, session=session)
        assert vanished.wait_for_detector(PATIENCE_SECS)
        for frame in frames[:10]:
            vanished.publish(frame)
        assert statuses.receive(PATIENCE_SECS).state == "started"
        session.close()
        assert not vanished.publish(frames[10]), "a session that is gone is counted, not raised"
        assert vanished.counts.failed == 1
        with Publisher("python", "again", stream, connect=detector.endpoint) as second:
            assert second.run != vanished.run
            assert second.wait_for_detector(PATIENCE_SECS)
            for frame in frames[:90]:
                second.publish(frame)
                time.sleep(1 / 30)
        states = []
        for status in statuses:
            states.append(status)
            if status.state == "ended":
                break
        words = [status.state for status in states]
        assert words[-1] == "ended"
        stopped = states[words.index("stopped")]
        assert stopped.others["reason"] == "another publisher"
        assert "started" in words[words.index("stopped") :]
        assert states[-1].counts["refused"]["other-publisher"] > 0
        # One that said END gives its cage away at once, though the frames begin at 0 again.
        with Publisher("python", "again", stream, connect=detector.endpoint) as third:
            assert third.wait_for_detector(PATIENCE_SECS)
            third.publish(frames[0])
        assert statuses.receive(PATIENCE_SECS).state == "started"


def test_a_detector_that_joins_late_learns_the_stream(binary, tmp_path, stream):
    endpoint = free_endpoint()
    with Publisher("python", "early", stream, connect=endpoint) as publisher:
        publisher.publish(rat_frames(1)[0])
        assert not publisher.detector_is_there
        with Detector(tmp_path, "--listen", endpoint):
            assert publisher.wait_for_detector(PATIENCE_SECS)
            with Statuses("python", "early", connect=endpoint, timeout_secs=PATIENCE_SECS) as statuses:
                assert statuses.wait_for_detector(PATIENCE_SECS)
                publisher.publish(rat_frames(1)[0])
                started = statuses.receive(PATIENCE_SECS)
                assert (started.state, started.counts["refused"]) == ("started", {})


def test_a_detector_that_hangs_or_dies_does_not_hold_the_camera(detector, stream):
    frame = rat_frames(1)[0]
    with Publisher("python", "held", stream, connect=detector.endpoint) as publisher:
        assert publisher.wait_for_detector(PATIENCE_SECS)
        for what, number, frames in [
            ("there", None, 300),
            ("hanging", signal.SIGSTOP, 20_000),
            ("dead", signal.SIGKILL, 300),
        ]:
            if number is not None:
                os.kill(detector.process.pid, number)
            spent = []
            for _ in range(frames):
                started = time.perf_counter()
                publisher.publish(frame)
                spent.append(1e3 * (time.perf_counter() - started))
            print(f"{what}: median {np.median(spent):.3f} ms, longest {max(spent):.2f} ms")
            # A frame of 30 Hz has 33 ms; of the longest the scheduler of a busy machine has its share.
            assert np.median(spent) < 3
            assert max(spent) < 500
        assert publisher.counts.published == 20_600


def test_wrong_frames_and_names_raise(stream):
    with Publisher("python", "wrong", stream, connect=free_endpoint()) as publisher:
        with pytest.raises(WireError, match="expected 2 individuals of 5 keypoints, got 2 individuals of 4 keypoints"):
            publisher.publish(np.zeros((2, 4, 2)))
        with pytest.raises(ValueError, match="expected a time since 1970"):
            publisher.publish(np.zeros((2, 5, 2)), capture_time=time.perf_counter())
        with pytest.raises(TypeError):
            publisher.publish(np.zeros((2, 5, 2)), frame_number=1.5)
        assert publisher.counts.published == 0
    with pytest.raises(RuntimeError, match="closed"):
        publisher.publish(np.zeros((2, 5, 2)))
    with pytest.raises(ValueError, match="expected a cage of 1 to 64 letters"):
        Publisher("python", "cage 1", stream)
    with pytest.raises(ValueError, match="expected a cage of 1 to 64 letters"):
        Publisher("python", "*", stream)
    with pytest.raises(ValueError, match="lossless stream, got live"):
        Publisher("python", "c", Stream.from_mapping(rats.STREAM, origin="live"), lossless=True)
