"""Tables as DeepLabCut writes them."""

import numpy as np
import pytest
from conftest import ROOT, rat_frames

from vibrissa_rig import Stream, TableError
from vibrissa_rig.tables import frames_of_table

pandas = pytest.importorskip("pandas")

COORDS = ["x", "y", "likelihood"]


def table(stream, frames, individuals=True):
    """Frames in DeepLabCut's columns, with the individuals and the bodyparts in another order than the stream's."""
    animals, parts = list(stream.individuals)[::-1], list(stream.keypoints)[::-1]
    levels = [["scorer"], animals, parts, COORDS] if individuals else [["scorer"], parts, COORDS]
    names = ["scorer", "individuals", "bodyparts", "coords"] if individuals else ["scorer", "bodyparts", "coords"]
    values = frames[:, ::-1, ::-1] if individuals else frames[:, 0, ::-1]
    columns = pandas.MultiIndex.from_product(levels, names=names)
    return pandas.DataFrame(values.reshape(len(frames), -1), columns=columns)


def same(found, expected):
    np.testing.assert_array_equal(found[..., :2], expected[..., :2])
    seen = np.isfinite(expected[..., 0])
    np.testing.assert_array_equal(found[seen][:, 2], expected[seen][:, 2])


def test_columns_are_found_by_their_names(stream):
    frames = rat_frames(5)
    found, numbers = frames_of_table(table(stream, frames), stream)
    same(found, frames)
    assert numbers == [0, 1, 2, 3, 4]


def test_a_row_is_a_frame(stream):
    frames = rat_frames(5)
    found, _ = frames_of_table(table(stream, frames).iloc[3], stream)
    same(found, frames[3:4])


def test_levels_without_names_are_known_by_their_number(stream):
    frames = rat_frames(2)
    unnamed = table(stream, frames).rename_axis(columns=[None] * 4)
    same(frames_of_table(unnamed, stream)[0], frames)


def test_a_single_animal_is_the_first_individual(stream):
    frames = rat_frames(3)
    found, _ = frames_of_table(table(stream, frames, individuals=False), stream)
    same(found[:, 0], frames[:, 0])
    assert np.isnan(found[:, 1, :, :2]).all()


def test_an_index_of_frame_numbers_keeps_its_gaps(stream):
    gaps = table(stream, rat_frames(3)).set_index(pandas.Index([7, 8, 11]))
    assert frames_of_table(gaps, stream)[1] == [0, 1, 4]
    images = gaps.set_index(pandas.Index(["img1.png", "img2.png", "img3.png"]))
    assert frames_of_table(images, stream)[1] == [0, 1, 2]


def test_labels_without_likelihood_are_certain(stream):
    labels = table(stream, rat_frames(2)).drop(columns="likelihood", level="coords")
    assert (frames_of_table(labels, stream)[0][..., 2] == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="tail-m", level="bodyparts"), r"expected a column x of \('rat1', 'tail-m'\)"),
        (lambda table: table.drop(columns="rat2", level="individuals"), r"expected a column x of \('rat2', 'top'\)"),
        (lambda table: pandas.concat([table, table], axis=1), "expected every column once"),
        (lambda table: table.iloc[:0], "expected a row or more"),
        (lambda table: table.set_axis(range(table.shape[1]), axis=1), "expected columns of the levels .* got 1 levels"),
    ],
)
def test_columns_that_do_not_fit_say_what_was_expected(stream, change, message):
    with pytest.raises(TableError, match=message):
        frames_of_table(change(table(stream, rat_frames(2))), stream)


def lab(keypoints, individuals):
    front, centre, rear = keypoints[:3]
    return Stream("m", keypoints, front, centre, rear, individuals, rate_hz=25, body_length_px=80, origin="replay")


def test_a_recorded_file_of_several_animals(formats):
    recorded = pandas.read_csv(formats / "dlc-csv/deepof_madlc.csv", header=[0, 1, 2, 3], index_col=0)
    # Every column has a scorer of its own here: pandas numbers those that are alike.
    parts = list(dict.fromkeys(recorded.columns.get_level_values("bodyparts")))
    animals = list(dict.fromkeys(recorded.columns.get_level_values("individuals")))
    frames, _ = frames_of_table(recorded, lab(parts, animals))
    assert frames.shape == (len(recorded), len(animals), len(parts), 3)
    assert frames[0, 0, parts.index("Nose")].tolist() == pytest.approx([188.547, 379.996, 0.991], abs=1e-3)


def test_a_recorded_file_with_prefixed_bodyparts(formats):
    file = formats / "dlc-csv/deepof_multi_topview_prefixed_bodyparts.csv"
    recorded = pandas.read_csv(file, header=[0, 1, 2], index_col=0)
    names = list(dict.fromkeys(recorded.columns.get_level_values("bodyparts")))
    parts = [name.removeprefix("B_") for name in names if name.startswith("B_")]
    frames, _ = frames_of_table(recorded, lab(parts, ["black", "white"]), ["B_", "W_"])
    scorer = recorded.columns[0][0]
    for index, prefix in enumerate(["B_", "W_"]):
        xy = recorded[[(scorer, prefix + parts[3], coord) for coord in "xy"]].to_numpy()
        np.testing.assert_array_equal(frames[:, index, 3, :2], xy)


def test_made_up_hdf5_files_of_deeplabcut():
    pytest.importorskip("tables", reason="pandas reads HDF5 by the package tables, which is not installed")
    if int(pandas.__version__.partition(".")[0]) < 3:
        pytest.skip(f"pandas 3 wrote these files, and pandas {pandas.__version__} cannot read them")
    made = pandas.read_hdf(ROOT / "tests/data/dlc_table.h5")
    frames, numbers = frames_of_table(made, lab(["nose", "body", "tail"], ["a", "b"]))
    # As tests/data/make_hdf5.py says.
    assert numbers == [0, 1, 2, 4, 5]
    assert frames[3, 1, 2].tolist() == [220.75, 1220.75, 0.75]
    assert np.isnan(frames[2, 1, :, :2]).all()
