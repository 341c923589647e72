"""What the tests share: the rats and the detector of Vibrissa's own tests in Python, the built program, recordings."""

import os
import pathlib
import socket
import sys

import numpy as np
import pytest

from vibrissa_rig import Stream

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

import rats  # noqa: E402
from detector import BINARY, Detector  # noqa: E402


def pytest_report_header():
    there = "" if os.access(BINARY, os.X_OK) else ", which is not there: tests against it are skipped"
    return f"vibrissa: {BINARY}{there}"


@pytest.fixture(scope="session")
def binary():
    """The program that was built: `VIBRISSA_BIN`, else target/release/vibrissa."""
    if not os.access(BINARY, os.X_OK):
        pytest.skip(f"no program at {BINARY}: cargo build --release makes it, or VIBRISSA_BIN says where it is")
    return BINARY


@pytest.fixture
def detector(binary, tmp_path):
    with Detector(tmp_path) as running:
        yield running


@pytest.fixture
def stream():
    return Stream.from_mapping(rats.STREAM)


@pytest.fixture
def formats():
    """Recorded files of other tools, below where `VIBRISSA_CORPUS` points or in ../shared/data."""
    folder = pathlib.Path(os.environ.get("VIBRISSA_CORPUS", ROOT.parent / "shared/data")) / "formats"
    if not folder.is_dir():
        pytest.skip(f"no recordings at {folder}: VIBRISSA_CORPUS says where they are")
    return folder


def free_endpoint():
    """An endpoint of this machine that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"tcp/127.0.0.1:{free.getsockname()[1]}"


def rat_frames(count):
    """F x 2 x 5 x (x, y, confidence) of two rats that meet and part; now and then a tail is not seen."""
    missing = (np.nan, np.nan, 0.0)
    animals = [[[point or missing for point in animal] for animal in frame] for frame in rats.frames(count)]
    return np.array(animals)
