"""The processor as DeepLabCut-Live uses it. The tests that need DeepLabCut-Live say so, and are skipped without it."""

import importlib.util
import subprocess
import sys
import time
import types

import numpy as np
import pytest
import rats
from conftest import ROOT, free_endpoint, rat_frames
from detector import Ears

from vibrissa_rig import Stream
from vibrissa_rig.deeplabcut import PosePublisher

NAN = float("nan")
PARTS = list(rats.KEYPOINTS)


class Listener:
    """Stands where a publisher would, and keeps what it was handed."""

    def __init__(self, **changes):
        self.stream = Stream.from_mapping(rats.STREAM, **changes)
        self.frames = []

    def publish(self, keypoints, *, capture_time=None):
        if capture_time is not None and capture_time < 1e8:
            raise ValueError(f"expected a time since 1970, got {capture_time}")
        self.frames.append((np.array(keypoints), capture_time))
        return True


@pytest.fixture(scope="module")
def dlclive():
    """DeepLabCut-Live's package without its __init__, which loads the networks' libraries: the classes are its own."""
    spec = importlib.util.find_spec("dlclive")
    if spec is None:
        pytest.skip("DeepLabCut-Live is not installed: pip install --no-deps deeplabcut-live")
    try:
        return importlib.import_module("dlclive")
    except ImportError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "dlclive"]:
            del sys.modules[name]
        package = types.ModuleType("dlclive")
        package.__path__ = list(spec.submodule_search_locations)
        sys.modules["dlclive"] = package
        return package


@pytest.fixture
def processor_class(dlclive):
    from vibrissa_rig.deeplabcut import VibrissaProcessor

    return VibrissaProcessor


def poses(count=4):
    return np.nan_to_num(rat_frames(count), nan=0.0)


def test_the_processor_is_a_processor_of_deeplabcut_live(processor_class):
    from dlclive.processor.processor import Processor

    processor = processor_class(publisher=Listener())
    assert isinstance(processor, Processor)
    assert isinstance(processor, PosePublisher)
    assert processor.save("anywhere") == Processor().save("anywhere")
    pose = poses()[0]
    assert processor.process(pose, frame_time=1.7e9, pose_time=1.7e9 + 0.02, record=True) is pose


def test_deeplabcut_live_itself_hands_it_every_pose(processor_class):
    """The real `DLCLive.get_pose`, cropped and resized; only the network under it is made up."""
    module = pytest.importorskip("dlclive.dlclive", reason="a library that DLCLive needs is not installed")
    expected, listener = poses(3), Listener()
    queue = list((expected - [10, 20, 0]) * [0.5, 0.5, 1])
    live = module.DLCLive.__new__(module.DLCLive)
    live.runner = types.SimpleNamespace(get_pose=lambda frame: queue.pop(0))
    live.processor = processor_class(publisher=listener)
    live.cropping, live.resize, live.dynamic, live.dynamic_cropping = [10, 14, 20, 24], 0.5, (False, 0.5, 10), None
    live.convert2rgb, live.display = False, None
    for index in range(3):
        given = live.get_pose(np.zeros((40, 40), np.uint8), frame_time=1.7e9 + index)
        np.testing.assert_array_equal(listener.frames[index][0], given)
        np.testing.assert_allclose(given, expected[index], atol=1e-9)
    assert [when for _, when in listener.frames] == [1.7e9, 1.7e9 + 1, 1.7e9 + 2]


def test_the_package_needs_no_deeplabcut_live():
    imports = "import sys, vibrissa_rig.deeplabcut, vibrissa_rig.sleap"
    program = f"{imports}; sys.exit(any('dlc' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], timeout=30).returncode == 0


@pytest.mark.parametrize("identities", ["stable", "unordered"])
def test_several_animals(identities):
    listener = Listener(identities=identities)
    processor = PosePublisher(publisher=listener)
    pose = poses()[0]
    processor.process(pose, frame_time=1.7e9, pose_time=1.7e9 + 0.02)
    np.testing.assert_array_equal(listener.frames[0][0], pose)
    assert processor.pose_age_secs == pytest.approx(0.02, abs=1e-6)


def test_detections_in_excess_are_left_out_by_confidence():
    listener = Listener(identities="unordered")
    processor = PosePublisher(publisher=listener)
    pose = poses()[0]
    ghost = pose[:1] + np.array([50, 50, -0.5])
    processor.process(np.concatenate([ghost, pose]))
    np.testing.assert_array_equal(listener.frames[0][0], pose)
    assert processor.counts.surplus == 1
    processor.process(pose[1:])
    assert np.isnan(listener.frames[1][0][1]).all(), "fewer leave the rest missing"
    processor.process(np.zeros((0, 5, 3)))
    assert np.isnan(listener.frames[2][0]).all()


def test_one_animal_is_the_first_and_a_long_row_is_all():
    listener = Listener()
    processor = PosePublisher(publisher=listener)
    pose = poses()[0]
    processor.process(pose[0])
    np.testing.assert_array_equal(listener.frames[0][0][0], pose[0])
    assert np.isnan(listener.frames[0][0][1]).all()
    processor.process(pose.reshape(10, 3))
    np.testing.assert_array_equal(listener.frames[1][0], pose)


def test_bodyparts_are_found_by_name_with_prefixes():
    parts = ["W_ear", *("W_" + part for part in PARTS[::-1]), *("B_" + part for part in PARTS)]
    listener = Listener()
    processor = PosePublisher(publisher=listener, bodyparts=parts, prefixes=["B_", "W_"])
    pose = poses()[0]
    processor.process(np.concatenate([[[1, 1, 1]], pose[1, ::-1], pose[0]]))
    np.testing.assert_array_equal(listener.frames[0][0], pose)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"bodyparts": ["nose", *PARTS[1:]]}, r"expected the keypoints \['top'\] among the model's bodyparts"),
        ({"prefixes": ["B_", "W_"]}, "expected bodyparts with prefixes"),
        ({"bodyparts": PARTS, "prefixes": ["B_"]}, "expected 2 prefixes, one for each individual, got 1"),
    ],
)
def test_a_wrong_skeleton_is_refused_at_construction(how, message):
    with pytest.raises(ValueError, match=message):
        PosePublisher(publisher=Listener(), **how)
    with pytest.raises(ValueError, match="expected rig, cage and stream"):
        PosePublisher("rig1", "cage1")
    with pytest.raises(ValueError, match="front: expected one of"):
        PosePublisher("rig1", "cage1", rats.STREAM | {"skeleton": rats.STREAM["skeleton"] | {"front": "nose"}})


def test_nothing_is_raised_into_the_cameras_loop(caplog):
    listener = Listener()
    processor = PosePublisher(publisher=listener)
    strange = [np.zeros((3, 5, 3)), np.zeros((4, 3)), np.zeros(5), None, "pose"]
    for pose in strange:
        assert processor.process(pose, frame_time=1.7e9) is pose
    assert (processor.counts.poses, processor.counts.refused, listener.frames) == (5, 5, [])
    processor.process(np.zeros((3, 5, 3)))
    assert processor.last_error == "expected a pose of 5 x 3 or 2 x 5 x 3, got shape (3, 5, 3)"
    assert len(caplog.records) == 1, "told once"


def test_a_time_of_another_clock_costs_the_time_and_not_the_pose():
    listener = Listener()
    processor = PosePublisher(publisher=listener)
    processor.process(poses()[0], frame_time=12.5)
    processor.process(poses()[0])
    assert [when for _, when in listener.frames] == [None, None]
    assert processor.counts.untimed == 2
    without_clock = Listener(clock=None)
    PosePublisher(publisher=without_clock).process(poses()[0], frame_time=1.7e9)
    assert without_clock.frames[0][1] is None


def test_without_a_detector_the_camera_goes_on(stream):
    processor = PosePublisher("rig1", "cage1", stream, connect=free_endpoint())
    pose, started = poses()[0], time.monotonic()
    for index in range(300):
        processor.process(pose, frame_time=time.time() + index / 30)
    each_secs = (time.monotonic() - started) / 300
    assert each_secs < 0.005, "a frame of 30 Hz has 33 ms; this takes about 0.1"
    counts = processor.publisher.counts
    assert (counts.published, counts.unheard, counts.failed) == (300, 300, 0)
    processor.close()
    processor.process(pose)
    assert processor.counts.refused == 1


CAMERA = """
import sys, time
sys.path.insert(0, sys.argv[2])
import numpy as np, rats
from vibrissa_rig.deeplabcut import PosePublisher
processor = PosePublisher("python", "dlc", rats.STREAM, connect=sys.argv[1])
assert processor.publisher.wait_for_detector(20)
for frame in rats.frames(30):
    pose = np.array([[point or (0, 0, 0) for point in animal] for animal in frame])
    processor.process(pose, frame_time=time.time(), pose_time=time.time())
    time.sleep(1 / 30)
"""


def test_a_camera_program_that_just_ends_says_so(detector):
    """Nobody closes a processor: DeepLabCut-Live knows no such call."""
    ears = Ears(detector.open())
    arguments = [sys.executable, "-c", CAMERA, detector.endpoint, ROOT / "tests/python"]
    assert subprocess.run(arguments, timeout=60).returncode == 0
    ended = ears.status("python/dlc", "ended")
    assert ended["frames_sent"] == 30
    assert 0 < ended["frames_taken"] <= 30
    assert ended["counts"]["refused"] == {}
    assert ended["counts"]["age_unknown"] == 0
