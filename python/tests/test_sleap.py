"""Predictions of SLEAP, in each of the shapes in which they come."""

import types

import numpy as np
import pytest
from conftest import ROOT

from vibrissa_rig import Stream
from vibrissa_rig.sleap import Instance, PredictionError, SleapAdapter, frames_of_batch

NAN = float("nan")
NODES = ["nose", "body", "tail"]


class Listener:
    """Stands where a publisher would, and keeps what it was handed."""

    def __init__(self, identities="unordered", individuals=("a", "b")):
        self.stream = Stream("m", NODES, *NODES, individuals, 30, 80, identities=identities)
        self.frames = []

    def publish(self, keypoints, **how):
        self.frames.append((keypoints, how))
        return True


def animal(x, score=0.9):
    return {"points": [(x, 1.0), (x + 1, 2.0), (NAN, NAN)], "scores": [0.9, 0.8, 0.0], "score": score}


def published(predictions, listener=None, **adapter):
    adapter = SleapAdapter(listener or Listener(), **adapter)
    return adapter.frame(predictions), adapter.counts


def first_x(frame):
    return frame[:, 0, 0].tolist()


def test_a_frame_is_handed_on_with_its_time_and_number():
    listener = Listener()
    assert SleapAdapter(listener).publish([animal(5)], frame_number=7, capture_time=1.5)
    frame, how = listener.frames[0]
    assert frame.shape == (2, 3, 3)
    assert how == {"frame_number": 7, "capture_time": 1.5}


def test_nodes_that_were_not_found_and_animals_that_were_not_are_missing():
    frame, counts = published([animal(5)])
    np.testing.assert_array_equal(frame[0], [[5, 1, 0.9], [6, 2, 0.8], [NAN, NAN, 0.0]])
    assert np.isnan(frame[1]).all()
    assert counts.surplus == counts.untracked == 0
    assert np.isnan(published([])[0]).all(), "a frame without animals is one"


def test_of_more_instances_than_animals_the_best_are_kept_and_the_others_counted():
    frame, counts = published([animal(5, 0.5), animal(50, 0.9), animal(500, 0.7)])
    assert (first_x(frame), counts.surplus) == ([50, 500], 1)
    unscored = [{**animal(x, None), "scores": [score] * 3} for x, score in [(5, 0.5), (50, 0.9), (500, 0.7)]]
    assert first_x(published(unscored)[0]) == [50, 500], "by the scores of their nodes"


def test_an_instance_without_a_point_takes_no_place():
    empty = {"points": [(NAN, NAN)] * 3, "score": 1.0}
    frame, counts = published([empty, animal(5), empty, animal(50)])
    assert (first_x(frame), counts.surplus) == ([5, 50], 0)


def test_points_may_be_named_and_nodes_in_another_order():
    named = {"points": {"tail": (7, 8), "nose": (5, 6)}, "scores": {"nose": 0.5}}
    np.testing.assert_array_equal(published([named])[0][0], [[5, 6, 0.5], [NAN, NAN, 0], [7, 8, 0]])
    turned = {"points": [(1, 2), (3, 4), (5, 6), (7, 8)]}
    frame, _ = published([turned], nodes=["tail", "ear", "nose", "body"])
    assert frame[0, :, :2].tolist() == [[5, 6], [7, 8], [1, 2]]


def test_tracks_are_the_individuals_of_a_stable_stream():
    instances = [animal(5) | {"track": "track_1"}, animal(50) | {"track": "a"}, animal(500), animal(9) | {"track": "c"}]
    frame, counts = published(instances, Listener("stable"), tracks={"track_1": "b"})
    assert (first_x(frame), counts.untracked) == ([50, 5], 2)
    twice = [animal(5, 0.4) | {"track": "a"}, animal(50, 0.6) | {"track": "a"}]
    frame, counts = published(twice, Listener("stable"))
    assert (frame[0, 0, 0], counts.surplus) == (50, 1)


def batch(frames=1):
    """Two slots a frame of which one is filled, as SLEAP pads batches."""
    peaks = np.full((frames, 2, 3, 2), NAN, dtype=np.float32)
    peaks[:, 0] = [[5, 1], [6, 2], [NAN, NAN]]
    scores = np.full((frames, 2, 3), NAN, dtype=np.float32)
    scores[:, 0] = [0.9, 1.1, NAN]
    return {"instance_peaks": peaks, "instance_peak_vals": scores, "n_valid": np.full(frames, 1)}


INSTANCE_SCORES = [{}, {"centroid_vals": np.array([[0.7, NAN]])}, {"instance_scores": np.array([[3.0, NAN]])}]


@pytest.mark.parametrize("scores", INSTANCE_SCORES)
def test_raw_predictions_of_sleap(scores):
    frame, counts = published(batch() | scores)
    np.testing.assert_allclose(frame[0], [[5, 1, 0.9], [6, 2, 1.1], [NAN, NAN, NAN]], rtol=1e-6)
    assert np.isnan(frame[1]).all()
    assert counts.surplus == 0
    one = {name: part[0] for name, part in batch().items() if name != "n_valid"}
    np.testing.assert_array_equal(published(one)[0], frame, "without the axis of the batch")


class Tensor:
    """A tensor on a device, as far as an array is made of it."""

    def __init__(self, values, at="device"):
        self.values, self.at = np.asarray(values), at

    def detach(self):
        return Tensor(self.values, self.at)

    def cpu(self):
        return Tensor(self.values, "cpu")

    def numpy(self):
        assert self.at == "cpu"
        return self.values


def test_outputs_of_sleap_nn():
    """Its `Outputs` has all fields of all models; those that a model does not fill are None."""
    raw = batch()
    outputs = types.SimpleNamespace(
        pred_keypoints=Tensor(raw["instance_peaks"]),
        pred_peak_values=Tensor(raw["instance_peak_vals"]),
        pred_centroid_values=None,
        instance_scores=Tensor([[0.8, NAN]]),
        instance_valid=Tensor([[True, False]]),
    )
    np.testing.assert_array_equal(published(outputs)[0], published(raw)[0])


def test_a_batch_is_parted_into_frames():
    frames = frames_of_batch(batch(3))
    assert [len(instances) for instances in frames] == [1, 1, 1]
    assert first_x(published(frames[2])[0])[0] == 5
    with pytest.raises(PredictionError, match="expected a batch of one frame, got 3"):
        published(batch(3))


def test_instances_of_sleap():
    """SLEAP's own PredictedInstance has points by `numpy()`, and scores of nodes and tracks by these names."""
    points = np.array([[5, 1], [6, 2], [NAN, NAN]])
    track = types.SimpleNamespace(name="b")
    one = types.SimpleNamespace(numpy=lambda: points, scores=np.array([0.9, 0.8, 0]), score=0.5, track=track)
    frame, _ = published(types.SimpleNamespace(instances=[one]), Listener("stable"))
    np.testing.assert_array_equal(frame[1], [[5, 1, 0.9], [6, 2, 0.8], [NAN, NAN, 0]])


def test_instances_of_sleap_io_itself():
    model = pytest.importorskip("sleap_io.model.instance", reason="sleap-io is not installed")
    skeleton = pytest.importorskip("sleap_io.model.skeleton").Skeleton(nodes=["tail", "nose", "body", "ear"])
    points = np.array([[1, 2], [3, 4], [NAN, NAN], [7, 8]])
    how = {"point_scores": np.array([0.5, 0.6, 0.7, 0.8]), "score": 0.9, "track": model.Track("b")}
    one = model.PredictedInstance.from_numpy(points, skeleton, **how)
    for identities, place in [("unordered", 0), ("stable", 1)]:
        frame, _ = published([one], Listener(identities))
        np.testing.assert_array_equal(frame[place][[0, 2]], [[3, 4, 0.6], [1, 2, 0.5]])
        assert np.isnan(frame[place][1, :2]).all()
    other = model.PredictedInstance.from_numpy(points[:1], type(skeleton)(nodes=["tail"]))
    with pytest.raises(PredictionError, match="among the nodes"):
        published([other])


def test_an_analysis_file_frame_by_frame():
    """tests/data/sleap.h5, which has SLEAP's layout, as tests/data/make_hdf5.py says."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed")
    with h5py.File(ROOT / "tests/data/sleap.h5") as file:
        # Written by SLEAP as track x (x, y) x node x frame.
        peaks, scores = file["tracks"][:].transpose(3, 0, 2, 1), file["point_scores"][:].transpose(2, 0, 1)
    frames = frames_of_batch({"instance_peaks": peaks, "instance_peak_vals": scores})
    assert len(frames) == 5
    np.testing.assert_array_equal(published(frames[3])[0][1, 2], [220.75, 1220.75, 0.75])
    assert np.isnan(published(frames[2])[0][1]).all(), "animal b is not seen on row 2"


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({"peaks": []}, "expected a list of instances, or raw predictions .*, got a dict of peaks"),
        ([{"xy": []}], "expected an instance with points, got one with xy"),
        ([7], "expected an instance of SLEAP or a dict with points, got int"),
        ([{"points": [(1, 2)]}], "expected 3 nodes, got 1"),
        ([{"points": [(1, 2, 3, 4)]}], r"expected points of nodes x 2, got shape \(1, 4\)"),
        ([{"points": {"paw": (1, 2)}}], r"got \['paw'\] as well"),
        ([animal(1) | {"scores": [1]}], r"expected scores of nodes of 3, got shape \(1,\)"),
        ([Instance(np.zeros((4, 3)))], "expected 3 nodes, got 4"),
        ({"instance_peaks": np.zeros((1, 2, 3, 3))}, "expected peaks of frames x instances x nodes x 2"),
        (batch() | {"instance_peak_vals": np.zeros(3)}, "expected scores of nodes of 1 x 2 x 3"),
    ],
)
def test_what_does_not_fit_says_what_was_expected(predictions, message):
    with pytest.raises(PredictionError, match=message):
        published(predictions)


def test_wrong_nodes_and_tracks_are_refused_at_once():
    with pytest.raises(PredictionError, match=r"expected the keypoints \['body'\] among the nodes"):
        SleapAdapter(Listener(), nodes=["nose", "tail"])
    with pytest.raises(PredictionError, match="track track_0: expected one of"):
        SleapAdapter(Listener(), tracks={"track_0": "c"})
