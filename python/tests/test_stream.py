import sys

import pytest
from conftest import ROOT

from vibrissa_rig import Stream, StreamError
from vibrissa_rig._blake3 import blake3

MOUSE = {
    "skeleton": "m",
    "keypoints": ["nose", "neck", "tail"],
    "front": "nose",
    "centre": "neck",
    "rear": "tail",
    "individuals": ["a", "b"],
    "rate_hz": 30,
    "body_length_px": 80.5,
}


def test_the_description_is_the_documented_one():
    assert Stream(**MOUSE, edges=[("nose", "neck")]).json.decode() == (
        '{"skeleton":{"name":"m","keypoints":["nose","neck","tail"],"front":"nose","centre":"neck","rear":"tail",'
        '"edges":[["nose","neck"]]},"individuals":["a","b"],"rate_hz":30.0,"body_length_px":80.5,"clock":"unix",'
        '"origin":"live","identities":"stable"}'
    )
    assert b"clock" not in Stream(**MOUSE, clock=None).json


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoints": ["nose", "neck"]}, "expected 3 to 64 keypoints, got 2"),
        ({"keypoints": ["nose", "neck", "tail", "nose"]}, "expected every name once, got 'nose' twice"),
        ({"keypoints": "nose"}, "as a list of names"),
        ({"centre": "spine"}, r"centre: expected one of the keypoints \['nose', 'neck', 'tail'\], got 'spine'"),
        ({"rear": "nose"}, "three different keypoints"),
        ({"edges": [("nose", "paw")]}, "an edge: expected one of"),
        ({"individuals": ["a"]}, "expected 2 to 8 individuals, got 1"),
        ({"rate_hz": 1000}, "expected a rate_hz within 10 to 240, got 1000"),
        ({"body_length_px": 0}, "expected a body_length_px within 0.001 to 100000, got 0"),
        ({"body_length_px": float("nan")}, "got nan"),
        ({"identities": "fixed"}, "expected identities as one of stable, unordered, got 'fixed'"),
        ({"origin": "camera"}, "expected origin as one of"),
        ({"clock": "x" * 70_000}, "expected at most 65536 bytes"),
    ],
)
def test_what_a_detector_would_refuse_is_refused_at_once(changes, message):
    with pytest.raises(StreamError, match=message):
        Stream(**MOUSE | changes)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 has no tomllib")
def test_the_detectors_own_settings_describe_the_stream():
    import tomllib

    table = tomllib.loads((ROOT / "configs/detect.toml").read_text())["stream"]
    stream = Stream.from_mapping(table, origin="replay")
    assert (stream.shape, stream.origin, stream.clock) == ((2, 5), "replay", "unix")
    with pytest.raises(StreamError, match="fps"):
        Stream.from_mapping(table | {"fps": 30})
    with pytest.raises(StreamError, match="expected a skeleton"):
        Stream.from_mapping({"individuals": ["a", "b"]})


# import blake3; blake3.blake3(bytes(i % 251 for i in range(n))).hexdigest()[:32], version 1.0
@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, "af1349b9f5f9a1a6a0404dea36dcc949"),
        (1, "2d3adedff11b61f14c886e35afa03673"),
        (64, "4eed7141ea4a5cd4b788606bd23f46e2"),
        (65, "de1e5fa0be70df6d2be8fffd0e99ceaa"),
        (1024, "42214739f095a406f3fc83deb889744a"),
        (1025, "d00278ae47eb27b34faecf67b4fe263f"),
        (3073, "7124b49501012f81cc7f11ca069ec922"),
        (31744, "62b6960e1a44bcc1eb1a611a8d6235b6"),
    ],
)
def test_the_hash_is_blake3(count, expected):
    assert blake3(bytes(index % 251 for index in range(count))).hex().startswith(expected)
