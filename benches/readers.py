"""What the libraries of Python need for the pose files that `cargo bench --bench readers` reads.

    python benches/readers.py [FILE or FOLDER ...]

By default everything below VIBRISSA_CORPUS or ../shared/data. Needs pandas with tables, h5py and pyarrow. Each file is
read whole into arrays, as an analysis would begin: DeepLabCut by pandas, SLEAP by h5py, parquet by pyarrow, CalMS21 by
json. Pandas takes a first row without any value for the name of the index, so that such tables are a frame short here.
"""

import gzip
import json
import os
import statistics
import sys
import time
from pathlib import Path

import h5py
import numpy
import pandas
import pyarrow.parquet

READINGS = 5


def deeplabcut_csv(file):
    opened = gzip.open if file.read_bytes()[:2] == b"\x1f\x8b" else open
    with opened(file, "rt") as text:
        text.readline()
        headers = 4 if text.readline().startswith("individuals") else 3
    return len(pandas.read_csv(file, header=list(range(headers)), index_col=0))


def hdf5(file):
    with h5py.File(file) as opened:
        tracks = opened.get("tracks")
        if isinstance(tracks, h5py.Dataset):
            return tracks[:].shape[-1]
    return len(pandas.read_hdf(file))


def parquet(file):
    table = pyarrow.parquet.read_table(file)
    for name in ("x", "y"):
        table[name].to_numpy()
    return len(numpy.unique(table["video_frame"].to_numpy()))


def calms21(file):
    annotators = json.loads(file.read_text())
    sequences = [sequence for annotator in annotators.values() for sequence in annotator.values()]
    return sum(len(numpy.asarray(sequence["keypoints"], dtype="float32")) for sequence in sequences)


def reader_of(file):
    """The reader by the file's first bytes; None where it is none of poses."""
    with open(file, "rb") as opened:
        start = opened.read(16)
    if start.startswith((b"scorer", b"\x1f\x8b")):
        return "DeepLabCutCsv", deeplabcut_csv
    if start.startswith(b"\x89HDF"):
        return "Hdf5", hdf5
    if start.startswith(b"PAR1") and "bodypart" in pyarrow.parquet.read_schema(file).names:
        return "MabeTracking", parquet
    if start.lstrip().startswith(b"{"):
        return "CalMS21", calms21
    return None


def gather(paths):
    for path in map(Path, paths):
        yield from (sorted(below for below in path.rglob("*") if below.is_file()) if path.is_dir() else [path])


def print_row(name, file, mb, frames, secs):
    print(f"| {name} | {file} | {mb:.2f} | {frames} | {secs * 1e3:.2f} | {mb / secs:.0f} | {frames / secs:.0f} |")


def main():
    data = os.environ.get("VIBRISSA_CORPUS", Path(__file__).parent.parent / "../shared/data")
    print(f"| format | file | MB | frames | ms, median of {READINGS} | MB/s | frames/s |")
    print("|---|---|---|---|---|---|---|")
    whole = [0.0, 0, 0.0]
    for file in gather(sys.argv[1:] or [data]):
        found = reader_of(file)
        if found is None:
            continue
        name, read = found
        frames, secs = read(file), []
        for _ in range(READINGS):
            begun = time.perf_counter()
            read(file)
            secs.append(time.perf_counter() - begun)
        row = file.stat().st_size / 1e6, frames, statistics.median(secs)
        print_row(name, file.name, *row)
        whole = [total + value for total, value in zip(whole, row)]
    if whole[1]:
        print_row("all", "", *whole)


if __name__ == "__main__":
    main()
