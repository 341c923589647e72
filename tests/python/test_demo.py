"""What a newcomer sees: the demo in a terminal and without one, and its events beside what really happened."""

import csv
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from detector import BINARY, PATIENCE_SECS, ROOT, Detector, Ears

MODEL = "models/simulated"
SECS = 30
RIG_CAGE = "rig/cage1"


def test_events_agree_with_the_simulated_truth(tmp_path):
    """The shipped model on animals that it never saw, heard by a subscriber that knows nothing of the program."""
    truth_file = tmp_path / "truth.csv"
    with Detector(tmp_path, model=MODEL) as detector:
        ears = Ears(detector.open())
        where = ["--connect", detector.endpoint, "--rig", "rig", "--seconds", str(SECS), "--truth", truth_file]
        rig = subprocess.run([BINARY, "simulate", "--live", "--lab", "SimMars", "--seed", "11", *where], timeout=SECS + PATIENCE_SECS)
        assert rig.returncode == 0
        events = [json.loads(line) for line in ears.events_to_the_end(RIG_CAGE)]
    assert events and all(event["origin"] == "simulated" for event in events)

    # Frames of every (label set, behavior, who, whom): the camera takes one each tick, and the detector the first.
    told, true = {}, {}
    for event in events:
        if event["edge"] == "offset" and event["delay"] == 30 and event["kind"] == "directed":
            cell = (event["label_set"], event["behavior"], event["agent"], event["target"])
            told.setdefault(cell, set()).update(range(event["onset_tick"], event["stop_tick"]))
    with open(truth_file) as file:
        for row in csv.DictReader(file):
            if row["kind"] == "directed":
                cell = (row["label_set"], row["behavior"], row["agent"], row["target"])
                true.setdefault(cell, set()).update(range(int(row["start_frame"]), int(row["stop_frame"])))
    both = sum(len(told.get(cell, set()) & frames) for cell, frames in true.items())
    counts = [sum(len(frames) for frames in cells.values()) for cells in (told, true)]
    f1 = 2 * both / max(1, sum(counts))
    reverse = [(cell, (cell[0], cell[1], cell[3], cell[2])) for cell in told]
    exchanged = sum(len((told[cell] & true.get(back, set())) - true.get(cell, set())) for cell, back in reverse)
    print(f"F1 of directed frames {f1:.2f}, of {counts[0]} told and {counts[1]} true; roles exchanged on {exchanged}")
    assert min(counts) > 100, counts
    assert f1 > 0.4, f1
    assert exchanged < 0.1 * counts[0], exchanged


def in_terminal(*arguments, columns=120, rows=40, keys=b"", keys_after_secs=3.0):
    """Runs the program in a pseudo-terminal; gives its exit status and all that it wrote."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.chdir(ROOT)
        os.execv(BINARY, [str(BINARY), *map(str, arguments)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    written, started = b"", time.monotonic()
    while time.monotonic() < started + PATIENCE_SECS:
        if keys and time.monotonic() > started + keys_after_secs:
            os.write(terminal, keys)
            keys = b""
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            written += piece
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), written.decode(errors="replace")


def test_the_demo_draws_in_a_terminal_and_gives_it_back():
    status, written = in_terminal("demo", "--seconds", "60", keys=b"q")
    assert status == 0, written[-2000:]
    enter, leave = "\x1b[?1049h", "\x1b[?1049l"
    assert enter in written and leave in written, "the alternate screen is entered and left"
    drawn, after = written.split(enter, 1)[1].rsplit(leave, 1)
    for word in ["SIMULATED", "resident", "intruder", "Arena", "Latency"]:
        assert word in drawn, word
    published, taken = map(int, re.search(r"published (\d+) frames, the detector took (\d+)", after).groups())
    assert 0 < taken <= published


def test_the_demo_without_a_terminal_prints_lines():
    ran = subprocess.run([BINARY, "demo", "--seconds", "6"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECS)
    assert ran.returncode == 0, ran.stderr
    assert "\x1b" not in ran.stdout, "no escape sequences where there is no terminal"
    assert "SIMULATED" in ran.stdout and "(truth)" in ran.stdout and re.search(r"frames \d+ .*events", ran.stdout), ran.stdout
