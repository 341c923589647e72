"""Makes the small HDF5 files beside it, of made-up numbers, as DeepLabCut, SLEAP and others write them.

Run with h5py, pandas and tables. Point k of animal i on row f lies at x = 100 (i + 1) + 10 k + f / 4, y = x + 1000,
with confidence 0.5 + k / 8; animal b is not seen on row 2.
"""

import json
import os
import warnings

import h5py
import numpy as np
import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
ANIMALS, PARTS, ROWS = ["a", "b"], ["nose", "body", "tail"], 5
NUMBERS = [7, 8, 9, 11, 12]


def path(name):
    return os.path.join(HERE, name)


def points():
    """x, y and confidence: rows × animals × parts × 3."""
    f, i, k = np.meshgrid(np.arange(ROWS), np.arange(2), np.arange(3), indexing="ij")
    x = 100.0 * (i + 1) + 10 * k + f / 4
    values = np.stack([x, x + 1000, 0.5 + k / 8], axis=-1)
    values[2, 1] = np.nan
    return values


def deeplabcut(animals, coords, numbers):
    levels = [["scorer"], animals, PARTS, ["x", "y", "likelihood"]]
    names = ["scorer", "individuals", "bodyparts", "coords"]
    values = points()[:, : len(animals)].reshape(ROWS, -1)
    frame = pd.DataFrame(values, index=numbers, columns=pd.MultiIndex.from_product(levels, names=names))
    frame = frame.loc[:, frame.columns.get_level_values("coords").isin(coords)]
    return frame if len(animals) > 1 else frame.droplevel("individuals", axis=1)


def store(name, frame, format, **compression):
    with pd.HDFStore(path(name), "w", **compression) as file:
        file.put("df_with_missing", frame, format=format, index=False)


def sleap(name, order="txnf", dims=False, tracks=2, scores=True, named=True, **options):
    """An analysis file whose axes (track, xy, node, frame) stand in that order."""
    values = points()[:, np.arange(tracks) % 2]
    placed, scored = values[..., :2].copy(), values[..., 2].copy()
    # Placed by hand.
    scored[4, 0] = np.nan
    full = {"f": "frame", "t": "track", "n": "node", "x": "xy"}
    with h5py.File(path(name), "w", libver="latest") as file:

        def put(key, array, letters, order):
            array = np.einsum(f"{letters}->{order}", array)
            file.create_dataset(key, data=array, **options)
            if dims:
                file[key].attrs["dims"] = json.dumps([full[letter] for letter in order])

        turned = "ft" if order[0] == "t" or order == "ftnx" else "tf"
        put("tracks", placed, "ftnx", order)
        put("track_occupancy", np.isfinite(placed).any((2, 3)).astype("u1"), "ft", turned)
        if scores:
            put("point_scores", scored, "ftn", order.replace("x", ""))
        file["node_names"] = np.array(PARTS, "S")
        file["track_names"] = np.array([f"track {t}" for t in range(tracks)] if named else [], "S" if named else "f8")


def others():
    with h5py.File(path("sleap_ambiguous.h5"), "w") as file:
        file["tracks"] = np.ones((2, 2, 2, 2))
        file["track_occupancy"] = np.ones((2, 2), "u1")
        file["node_names"] = np.array(["nose", "tail"], "S")
        file["track_names"] = np.array(["one", "two"], "S")
    with h5py.File(path("sleap_virtual.h5"), "w") as file:
        file["node_names"] = np.array(PARTS, "S")
        file["track_names"] = np.array(["one"], "S")
        file["track_occupancy"] = np.ones((ROWS, 1), "u1")
        layout = h5py.VirtualLayout((1, 2, 3, ROWS), "f8")
        layout[:] = h5py.VirtualSource("elsewhere.h5", "tracks", (1, 2, 3, ROWS))
        file.create_virtual_dataset("tracks", layout)
    with h5py.File(path("sleap_linked.h5"), "w") as file:
        file["node_names"] = np.array(PARTS, "S")
        file["track_occupancy"] = np.ones((ROWS, 1), "u1")
        file["tracks"] = h5py.ExternalLink("elsewhere.h5", "/tracks")
    with h5py.File(path("sleap_external.h5"), "w") as file:
        file["node_names"] = np.array(PARTS, "S")
        file["track_names"] = np.array(["one"], "S")
        file["track_occupancy"] = np.ones((ROWS, 1), "u1")
        file.create_dataset("tracks", (1, 2, 3, ROWS), "f8", external=[("elsewhere.raw", 0, h5py.h5f.UNLIMITED)])
    # A small file that says it is large.
    with h5py.File(path("sleap_vast.h5"), "w", libver="latest") as file:
        file["node_names"] = np.array(PARTS, "S")
        file["track_names"] = np.array(["one"], "S")
        file.create_dataset("track_occupancy", (10**12, 1), "u1", chunks=(1000, 1), compression="gzip")
        file.create_dataset("tracks", (1, 2, 3, 10**12), "f8", chunks=(1, 2, 3, 1000), compression="gzip")
    with h5py.File(path("sleap_project.h5"), "w") as file:
        for name in ["frames", "instances", "pred_points", "points", "tracks_json"]:
            file[name] = np.zeros(1)
        file.create_group("metadata")
    with h5py.File(path("nwb.h5"), "w") as file:
        file.attrs["nwb_version"] = "2.7.0"
        file.create_group("processing")
    with h5py.File(path("jabs.h5"), "w") as file:
        file.create_group("poseest")["points"] = np.zeros((1, 12, 2), "u2")


def main():
    warnings.simplefilter("ignore")
    several = deeplabcut(ANIMALS, ["x", "y", "likelihood"], NUMBERS)
    store("dlc_table.h5", several, "table")
    store("dlc_fixed.h5", several, "fixed")
    store("dlc_gzip.h5", several, "table", complib="zlib", complevel=6, fletcher32=True)
    store("dlc_blosc.h5", several, "table", complib="blosc", complevel=6)
    store("dlc_one.h5", deeplabcut(["a"], ["x", "y", "likelihood"], NUMBERS), "table", complib="zlib", complevel=6)
    # Whole numbers without likelihood, the parts in another order, in two blocks.
    mixed = deeplabcut(ANIMALS, ["x", "y"], NUMBERS).fillna(0)
    whole = [column for column in mixed.columns if column[3] == "x"]
    mixed = mixed.astype({column: "i4" for column in whole})
    store("dlc_mixed.h5", mixed[mixed.columns[::-1]], "fixed")
    # Animal b is a door, an object of the arena.
    arena = several.drop(columns=[("scorer", "b", "nose"), ("scorer", "b", "body")])
    arena.columns = pd.MultiIndex.from_tuples(
        [(label[0], "single", "door", label[3]) if label[1] == "b" else label for label in arena.columns],
        names=arena.columns.names,
    )
    store("dlc_arena.h5", arena, "fixed")
    several.index = [f"labeled-data/rats/img{number:04}.png" for number in NUMBERS]
    store("dlc_images.h5", several, "fixed")

    sleap("sleap.h5", compression="gzip", shuffle=True)
    sleap("sleap_turned.h5", order="fnxt")
    sleap("sleap_standard.h5", order="ftnx", dims=True)
    sleap("sleap_custom.h5", order="nxft", dims=True, scores=False)
    sleap("sleap_unnamed.h5", tracks=1, named=False)
    sleap("sleap_many.h5", tracks=9)
    sleap("sleap_lzf.h5", compression="lzf")
    others()


if __name__ == "__main__":
    main()
