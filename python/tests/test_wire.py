"""Payloads are, byte by byte, those of Vibrissa's own rigs."""

import json
import struct
import subprocess

import numpy as np
import pytest
from conftest import free_endpoint
from detector import until

from vibrissa_rig import Stream, WireError
from vibrissa_rig.session import direct, open_session
from vibrissa_rig.wire import Packet, as_points, decode

NAN = float("nan")


def small(**changes):
    """The packet of the test of the same name in src/acquire/wire/tests.rs."""
    points = np.array([[n, 2 * n, 0.9] for n in range(1, 7)], dtype=np.float32).reshape(2, 3, 3)
    return Packet(**{"number": 258, "points": points, "capture_nanos": -2, "stream_id": 3, "run": 4} | changes)


def test_the_header_is_that_of_the_rust_test():
    expected = "56425031070000000201000000000000feffffffffffffff03000000000000000400000002000300"
    assert small().encode()[:40].hex() == expected


def test_points_are_x_y_confidence_individual_by_individual():
    expected = struct.pack("<18f", *(value for n in range(1, 7) for value in (n, 2 * n, 0.9)))
    assert small().encode()[40:] == expected


def test_json_says_the_same_in_words():
    points = as_points([[[10.5, 20, 0.98], [NAN, 1, 1]], [[11, 21, 0.5], [0, 0, 1]]])
    packet = Packet(17, points, capture_nanos=5, stream_id=0xC0FFEE, run=7)
    assert packet.encode("json").decode() == (
        '{"version":1,"number":17,"capture_nanos":5,"stream":"0000000000c0ffee","run":7,"lossless":false,"end":false,'
        '"points":[[[10.5,20.0,0.98],null],[[11.0,21.0,0.5],null]]}'
    )
    assert Packet(17, None).encode("json") == b'{"version":1,"number":17,"lossless":false,"end":true,"points":[]}'


@pytest.mark.parametrize("encoding", ["binary", "json"])
@pytest.mark.parametrize("changes", [{}, {"points": None}, {"capture_nanos": None, "run": None}, {"lossless": True}])
def test_what_was_encoded_is_decoded(encoding, changes):
    packet = small(**changes)
    decoded = decode(packet.encode(encoding), encoding)
    assert decoded.encode(encoding) == packet.encode(encoding)
    assert (decoded.number, decoded.run, decoded.lossless) == (packet.number, packet.run, packet.lossless)


def test_what_was_not_seen_is_missing():
    not_seen = [(NAN, 1, 1), (1, np.inf, 1), (0, 0, 1), (1, 1, NAN), (1e7, 1, 1)]
    assert [list(point) for point in as_points([not_seen])[0][:, :2]] == [[pytest.approx(NAN, nan_ok=True)] * 2] * 5
    assert (as_points([not_seen])[0][:, 2] == 0).all()
    seen = as_points([[(0, 1), (2, 3)]], [[1.5, -0.5]])[0]
    assert seen.tolist() == [[0, 1, 1], [2, 3, 0]], "scores are cut, and a low one is for the detector to judge"


@pytest.mark.parametrize(
    ("keypoints", "confidence", "message"),
    [
        (np.zeros((2, 5)), None, r"expected keypoints of I x K x 2 .*, got shape \(2, 5\)"),
        (np.zeros((2, 5, 4)), None, r"got shape \(2, 5, 4\)"),
        (np.zeros((2, 5, 2)), np.zeros((5, 2)), r"expected confidence of 2 x 5, got shape \(5, 2\)"),
        (np.zeros((2, 5, 3)), np.zeros((2, 5)), "expected confidence once"),
        ([["a"]], None, "expected keypoints as numbers, got <U1"),
        ([[[1, 2]], [[1, 2], [3, 4]]], None, "got ragged lists"),
        (np.zeros((2, 5, 2), dtype=complex), None, "got complex128"),
    ],
)
def test_wrong_shapes_and_types_say_what_was_expected(keypoints, confidence, message):
    with pytest.raises(WireError, match=message):
        as_points(keypoints, confidence)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"points": np.zeros((9, 3, 3), np.float32)}, "expected 1 to 8 individuals of 1 to 64 keypoints, got 9 of 3"),
        ({"points": np.zeros((2, 3, 3))}, "expected points as float32, got float64"),
        ({"number": -1}, "expected a number within 0 to"),
        ({"run": 2**32}, "expected a run within 0 to 4294967295, got 4294967296"),
    ],
)
def test_what_the_layout_cannot_hold_is_refused(changes, message):
    with pytest.raises(WireError, match=message):
        small(**changes).encode()


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"X", "begins with"),
        (3, b"2", "expected version 1, got 2"),
        (7, b"\1", "expected flags within 0b11111"),
        (36, b"\x09", "bytes, got 112"),
        (38, b"\x02", "expected 88 bytes, got 112"),
        (4, b"\x0f", "END mark, got 6"),
    ],
)
def test_each_fault_of_a_payload_has_its_error(at, value, message):
    payload = small().encode()
    with pytest.raises(WireError, match=message):
        decode(payload[:at] + value + payload[at + 1 :])


@pytest.mark.parametrize("json_too", [False, True])
def test_vibrissas_own_rig_writes_the_same_bytes(binary, json_too):
    """A simulated rig is recorded; what it published is read, and written again."""
    endpoint = free_endpoint()
    session = open_session(connect=[], listen=endpoint)
    descriptions, poses = [], []
    session.declare_subscriber("vibrissa/r/*/stream", direct(lambda sample: descriptions.append(bytes_of(sample))))
    session.declare_subscriber("vibrissa/r/*/pose", direct(lambda sample: poses.append(bytes_of(sample))))
    arguments = ["simulate", "--live", "--lab", "SimMars", "--preset", "awful", "--seed", "5", "--rig", "r"]
    arguments += ["--seconds", "3", "--connect", endpoint, *(["--json"] if json_too else [])]
    try:
        ran = subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=30)
        assert ran.returncode == 0, ran.stderr
        encoding = "json" if json_too else "binary"
        until("the END mark", lambda: poses and decode(poses[-1], encoding).points is None)
    finally:
        session.close()
    stream = Stream.from_mapping(json.loads(descriptions[0]))
    assert stream.json == descriptions[0]
    packets = [decode(payload, encoding) for payload in poses]
    assert [packet.encode(encoding) for packet in packets] == poses
    assert {packet.stream_id for packet in packets} == {stream.id}
    assert len({packet.run for packet in packets}) == 1
    frames = [packet.points for packet in packets[:-1]]
    assert len(frames) > 60
    assert all(points.shape[:2] == stream.shape for points in frames)
    assert 0 < np.isnan(frames).mean() < 0.5, "points that were missing are among them"


def bytes_of(sample):
    return sample.payload.to_bytes()
