"""Python's zenoh and the detector understand each other: poses in, events, states and liveliness out."""

import json
import re
import struct
import time

import pytest
import zenoh
import zenoh.ext

import rats
from detector import Detector, Ears, alive, text, until
from rig import BINARY, JSON, Rig

FRAMES = 600
BINARY_CAGE, JSON_CAGE = "python/binary", "python/json"

EVENT_FIELDS = {
    "version": int,
    "sequence": int,
    "publication_nanos": int,
    "rig": str,
    "cage": str,
    "bout": str,
    "behavior": str,
    "kind": str,
    "label_set": str,
    "edge": str,
    "onset_tick": int,
    "decision_tick": int,
    "delay": int,
    "score": float,
    "capture_nanos": int,
    "clock": str,
    "decision_nanos": int,
    "model": str,
    "origin": str,
}

HOW = dict(congestion_control=zenoh.CongestionControl.BLOCK, priority=zenoh.Priority.REAL_TIME, express=True)


def replay(session, name, encoding, frames):
    """Publishes frames as fast as the detector takes them, then END; gives how many."""
    rig = Rig(session, name, rats.STREAM, encoding, lossless=True)
    until("the detector to subscribe", lambda: rig.pose.matching_status.matching)
    for number, animals in enumerate(frames):
        rig.publish(number, animals, time.time_ns())
    rig.end()
    return rig.count


class Played:
    """A detector that took the same frames twice: as binary payloads and as JSON."""

    def __init__(self, detector):
        self.detector, self.session = detector, detector.open()
        self.ears = Ears(self.session)
        self.started_nanos = time.time_ns()
        self.frames = {}
        self.events = {}
        for name, encoding in [(BINARY_CAGE, BINARY), (JSON_CAGE, JSON)]:
            self.frames[name] = replay(self.session, name, encoding, rats.frames(FRAMES))
            self.events[name] = self.ears.events_to_the_end(name)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    with Detector(tmp_path_factory.mktemp("played")) as detector:
        yield Played(detector)


def test_events_are_the_journal_word_by_word(played):
    assert played.ears.events == played.detector.journal()
    assert len(played.ears.events) == sum(len(events) for events in played.events.values())


def test_events_have_the_documented_fields(played):
    sequence = [json.loads(line)["sequence"] for line in played.ears.events]
    assert sequence == list(range(1, len(sequence) + 1))
    for line in played.ears.events:
        event = json.loads(line)
        for field, kind in EVENT_FIELDS.items():
            assert isinstance(event[field], kind), f"{field} of {line}"
        rig, cage = event["rig"], event["cage"]
        assert event["bout"].startswith(f"{rig}/{cage}/") and f"{rig}/{cage}" in played.frames
        assert event["origin"] == "simulated" and event["clock"] == "unix"
        assert played.started_nanos <= event["capture_nanos"] <= event["decision_nanos"] <= event["publication_nanos"]
        assert event["onset_tick"] <= event["decision_tick"] and 0 <= event["score"] <= 1
        # This model's labels have no direction.
        assert event["kind"] == "undirected" and event["animals"] == rats.STREAM["individuals"]
        if event["edge"] == "offset":
            assert event["onset_tick"] < event["stop_tick"]


def test_close_contact_is_social_and_every_onset_has_its_end(played):
    for events in played.events.values():
        events = [json.loads(line) for line in events]
        onsets = [event for event in events if event["edge"] == "onset"]
        assert {event["delay"] for event in onsets if event["behavior"] == "social"} == {0, 15, 30, 60}
        ends = {event["bout"] for event in events if event["edge"] in ("offset", "retraction")}
        assert {event["bout"] for event in onsets} == ends


def test_states_count_exactly_the_frames_sent(played):
    for name, sent in played.frames.items():
        played.ears.status(name, "started")
        ended = played.ears.status(name, "ended")
        assert ended["frames_sent"] == ended["frames_taken"] == ended["counts"]["frames"] == sent == FRAMES
        assert ended["counts"]["points"] == FRAMES * 2 * 5
        assert ended["counts"]["refused"] == {} and ended["counts"]["displaced"] == 0
        assert ended["version"] == 1 and ended["model"] == json.loads(played.ears.events[0])["model"]


def test_json_gives_the_events_of_binary(played):
    def said(line):
        event = json.loads(line)
        number = event["bout"].rpartition("-")[2]
        words = ["behavior", "animals", "edge", "onset_tick", "stop_tick", "delay", "decision_tick", "score"]
        return number, [event.get(word) for word in words]

    binary, as_json = ([said(line) for line in played.events[name]] for name in (BINARY_CAGE, JSON_CAGE))
    assert binary == as_json and len(binary) > 10


def test_a_late_joiner_is_given_the_history(played):
    journal = played.detector.journal()
    heard, session = [], played.detector.open()
    history = zenoh.ext.HistoryConfig(detect_late_publishers=True)
    on_event = lambda sample: heard.append(text(sample))
    _late = zenoh.ext.declare_advanced_subscriber(session, "vibrissa/*/*/event/*", on_event, history=history)
    until("the history", lambda: len(heard) >= len(journal))
    assert sorted(heard) == sorted(journal)


def test_the_history_can_be_asked_for_without_the_extension(played):
    # The history lies under the event's key followed by @adv/...; replies come under the event's own key.
    selector = f"vibrissa/{BINARY_CAGE}/event/*/@adv/**"
    anything = dict(accept_replies=zenoh.ReplyKeyExpr.ANY, consolidation=zenoh.ConsolidationMode.NONE)
    session = played.detector.open()
    replies = [reply.ok for reply in session.get(selector, **anything)]
    assert sorted(text(sample) for sample in replies) == sorted(played.events[BINARY_CAGE])
    delays = {f"vibrissa/{BINARY_CAGE}/event/{delay}" for delay in (0, 15, 30, 60)}
    assert {str(sample.key_expr) for sample in replies} == delays


@pytest.mark.parametrize("encoding", [BINARY, JSON])
def test_what_was_not_seen_is_missing(tmp_path, encoding):
    not_seen = [None, (0.0, 0.0, 0.95), (100.0, 100.0, 0.05), (1e30 if encoding == JSON else float("inf"), 1.0, 0.9)]
    if encoding == BINARY:
        not_seen += [(float("nan"), 1.0, 0.9), (1.0, 1.0, float("nan"))]
    seen = list(rats.frames(1))[0][0][0]
    frames = [[[point] + [seen] * 4, [seen] * 5] for point in not_seen]
    with Detector(tmp_path) as detector:
        session = detector.open()
        ears = Ears(session)
        replay(session, "python/cage", encoding, frames)
        counts = ears.status("python/cage", "ended")["counts"]
        assert (counts["frames"], counts["points"]) == (len(not_seen), 10 * len(not_seen))
        assert counts["points_missing"] == len(not_seen) and counts["refused"] == {}


def test_a_camera_that_drops_rather_than_waits_is_served(tmp_path):
    with Detector(tmp_path) as detector:
        session = detector.open()
        ears = Ears(session)
        rig = Rig(session, "python/cage", rats.STREAM)
        until("the detector to subscribe", lambda: rig.pose.matching_status.matching)
        start = time.monotonic()
        for number, animals in enumerate(rats.frames(30)):
            time.sleep(max(0.0, start + number / rats.RATE_HZ - time.monotonic()))  # the camera
            rig.publish(number, animals, time.time_ns())
        rig.end()
        ended = ears.status("python/cage", "ended")
        assert ended["frames_sent"] == 30 and 0 < ended["frames_taken"] <= 30
        assert ended["counts"]["refused"] == {}
        assert detector.terminate() == 0
        assert any(re.search(r"python/cage .*\| +age \d", line) for line in detector.lines)


def changed(payload, at, value):
    return payload[:at] + value + payload[at + len(value) :]


def stream(**changes):
    return json.dumps(rats.STREAM | changes)


def skeleton(**changes):
    return stream(skeleton=rats.STREAM["skeleton"] | changes)


def bad_payloads():
    """(what, last part of the key, encoding, payload, cause under which it is counted)."""
    session = type("Nobody", (), {"declare_publisher": lambda *_, **__: None})()
    animals = next(rats.frames(1))
    good = Rig(session, "", rats.STREAM).packet(0, animals, None)
    as_json = json.loads(Rig(session, "", rats.STREAM, JSON).packet(0, animals, None))
    return [
        ("another magic", "pose", BINARY, changed(good, 0, b"PBV"), "magic"),
        ("a later version", "pose", BINARY, changed(good, 3, b"2"), "version"),
        ("an unknown flag", "pose", BINARY, changed(good, 6, b"\1"), "flags"),
        ("cut off", "pose", BINARY, good[:-1], "length"),
        ("less than a header", "pose", BINARY, good[:39], "length"),
        ("nothing", "pose", BINARY, b"", "length"),
        ("float64 points", "pose", BINARY, good[:40] + struct.pack("<30d", *[1.0] * 30), "length"),
        ("300 kB", "pose", BINARY, good + bytes(300_000), "oversized"),
        ("300 kB of JSON", "pose", JSON, json.dumps(as_json | {"points": [[None] * 60_000]}), "oversized"),
        ("nine animals", "pose", BINARY, changed(good, 36, b"\x09"), "shape"),
        ("five animals of two points", "pose", BINARY, changed(good, 36, struct.pack("<HH", 5, 2)), "point-count"),
        ("a str", "pose", None, "rat1 is near rat2", "encoding"),
        ("a good frame as text", "pose", "text/plain", good, "encoding"),
        ("a str as binary", "pose", BINARY, "rat1 is near rat2, 40 bytes or more of it", "magic"),
        ("binary as JSON", "pose", JSON, good, "json"),
        ("JSON as binary", "pose", BINARY, json.dumps(as_json), "magic"),
        ("Python's NaN in JSON", "pose", JSON, json.dumps(as_json | {"points": [[[float("nan")] * 3]]}), "json"),
        ("a later version of JSON", "pose", JSON, json.dumps(as_json | {"version": 2}), "version"),
        ("ragged JSON", "pose", JSON, json.dumps(as_json | {"points": [[None], [None] * 2]}), "shape"),
        ("another stream's id", "pose", JSON, json.dumps(as_json | {"stream": "0" * 16}), "other-stream"),
        ("garbage", "stream", JSON, b"\xff\x00{", "description"),
        ("70 kB", "stream", JSON, stream(clock="x" * 70_000), "description"),
        ("centre names no keypoint", "stream", JSON, skeleton(centre="spine"), "description"),
        ("an edge names no keypoint", "stream", JSON, skeleton(edges=[["top", "paw"]]), "description"),
        ("one animal", "stream", JSON, stream(individuals=["rat1"]), "description"),
        ("1000 Hz", "stream", JSON, stream(rate_hz=1000.0), "description"),
        ("an unknown field", "stream", JSON, stream(fps=30), "description"),
    ]


def test_bad_payloads_are_counted_by_cause_and_harm_nothing(tmp_path):
    bad = bad_payloads()
    causes = [cause for *_, cause in bad]
    with Detector(tmp_path) as detector:
        session = detector.open()
        ears = Ears(session)
        rig = Rig(session, "python/cage", rats.STREAM, lossless=True)
        until("the detector to subscribe", lambda: rig.pose.matching_status.matching)
        # Around each bad one goes a good frame, of animals that are not seen, about whom there is nothing to tell.
        unseen = [[None] * 5] * 2
        rig.publish(0, unseen, time.time_ns())
        for number, (_, part, encoding, payload, _) in enumerate(bad, start=1):
            session.put(f"vibrissa/python/cage/{part}", payload, encoding=encoding, **HOW)
            rig.publish(number, unseen, time.time_ns())
        session.put("vibrissa/py thon/cage/pose", b"", encoding=BINARY, **HOW)
        session.delete("vibrissa/python/cage/pose", **HOW)
        rig.end()
        ended = ears.status("python/cage", "ended")
        assert ended["counts"]["refused"] == {cause: causes.count(cause) for cause in causes}
        assert ended["frames_taken"] == len(bad) + 1 and ended["counts"]["resets"] == 0
        assert detector.terminate() == 0
        assert 'without a cage: refused key 2\n' in detector.lines
        assert detector.journal() == [] and ears.events == []


def test_parts_that_the_model_does_not_know_are_refused_as_a_whole(tmp_path):
    keypoints = ["nose", "body", "tail", "tail-m", "tail-e"]
    strange = json.loads(skeleton(keypoints=keypoints, front="nose", edges=[]))
    with Detector(tmp_path) as detector:
        session = detector.open()
        ears = Ears(session)
        rig = Rig(session, "python/strange", strange, lossless=True)
        until("the detector to subscribe", lambda: rig.pose.matching_status.matching)
        for number, animals in enumerate(rats.frames(5)):
            rig.publish(number, animals, time.time_ns())
        rig.end()
        reason = ears.status("python/strange", "refused")["reason"]
        ended = ears.status("python/strange", "ended")
        assert "unknown" in reason and ended["counts"]["refused"] == {reason: 5}
        assert (ended["frames_sent"], ended["frames_taken"], ended["counts"]["decided"]) == (5, 0, 0)


def test_ten_thousand_cages_of_a_broken_script_do_not_hide_an_honest_one(tmp_path):
    names, frames = 10_000, list(rats.frames(20))
    with Detector(tmp_path) as detector:
        session, broken = detector.open(), detector.open()
        ears = Ears(session)
        honest = Rig(session, "python/honest", rats.STREAM, lossless=True)
        until("the detector to subscribe", lambda: honest.pose.matching_status.matching)
        packet = honest.packet(0, frames[0], None)
        for name in range(names):
            if name % (names // len(frames)) == 0:
                number = honest.count
                honest.publish(number, frames[number], time.time_ns())
            broken.put(f"vibrissa/broken/cage{name}/pose", packet, encoding=BINARY, **HOW)
        # zenoh keeps a session's messages of one priority in order: when its last word has come, all have.
        Rig(broken, "broken/last", rats.STREAM, lossless=True).publish(0, frames[0], None)
        ears.status("broken/last", "started")
        honest.end()
        ended = ears.status("python/honest", "ended")
        assert ended["frames_taken"] == len(frames) and ended["counts"]["refused"] == {}
        assert ears.events == ears.events_of("python/honest") and detector.process.poll() is None
        assert detector.terminate() == 0
        printed = "".join(detector.lines).partition("ending")[2]
        counted = re.findall(r'(?:refused\(undescribed\) |undescribed )(\d+)', printed)
        assert sum(map(int, counted)) == names
        assert len(printed.splitlines()) < 300 and "python/honest  frames 20 " in printed


def test_the_detector_is_seen_alive_until_it_is_told_to_end(tmp_path):
    with Detector(tmp_path) as detector:
        session, told = detector.open(), []
        on_token = lambda sample: told.append((str(sample.key_expr), sample.kind))
        key = "vibrissa/detector/*/alive"
        _token = session.liveliness().declare_subscriber(key, on_token, history=True)
        until("the token", lambda: told)
        assert [name for name, _ in told] == alive(session)
        assert detector.terminate() == 0
        until("the token to vanish", lambda: len(told) == 2)
        assert told == [(told[0][0], zenoh.SampleKind.PUT), (told[0][0], zenoh.SampleKind.DELETE)]
