"""The official MABe 2025 score the plain way, with a set of frames for each key: what `vibrissa score` is timed against.

    python score_reference.py make MABE_DIR OUT_DIR [SHIFT]
    python score_reference.py score SOLUTION SUBMISSION [BETA]
    python score_reference.py compare SOLUTION SUBMISSION PROGRAM [ROUNDS]

`make` writes solution.csv from the annotations of a MABe corpus and submission.csv, a copy that comes SHIFT frames late
(5 by default); rows of the copy that would give a pair two actions on one frame are left out and counted. `compare` runs
`PROGRAM score` on two files in turn with this program's own reading (pandas) and scoring, and prints the wall times, file
reading included. Needs pandas; `make` also pyarrow.
"""

import json
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd

KEY = ["video_id", "agent_id", "target_id", "action"]
COLUMNS = [*KEY, "start_frame", "stop_frame"]


def score(solution: pd.DataFrame, submission: pd.DataFrame, beta: float = 1) -> float:
    """The score; raises ValueError or AssertionError where there is none."""
    if solution.empty or submission.empty:
        raise ValueError("a side without rows")
    for side in (solution, submission):
        missing = [name for name in COLUMNS if name not in side.columns]
        if missing:
            raise ValueError(f"missing columns {missing}")
        assert (side["start_frame"] <= side["stop_frame"]).all()
    predicted_rows = {video: rows for video, rows in submission[COLUMNS].groupby("video_id", sort=False)}
    labs = [score_lab(rows, predicted_rows, beta) for _, rows in solution.groupby("lab_id", sort=False)]
    return sum(labs) / len(labs)


def score_lab(solution: pd.DataFrame, predicted_rows: dict, beta: float) -> float:
    truth, predicted = defaultdict(set), defaultdict(set)
    for *key, start, stop in solution[COLUMNS].itertuples(index=False, name=None):
        truth[tuple(key)].update(range(start, stop))
    whitelists = solution.drop_duplicates("video_id")[["video_id", "behaviors_labeled"]]
    for video, listed in whitelists.itertuples(index=False, name=None):
        if video not in predicted_rows:
            continue
        listed, busy = set(json.loads(listed)), defaultdict(set)
        for _, agent, target, action, start, stop in predicted_rows[video].itertuples(index=False, name=None):
            if f"{agent},{target},{action}" not in listed:
                continue
            own = predicted[video, agent, target, action]
            new = set(range(start, stop)) - own
            if busy[agent, target] & new:
                raise ValueError(f"two actions of {agent} towards {target} in {video}")
            own |= new
            busy[agent, target] |= new
    counts = defaultdict(lambda: [0, 0, 0])
    for key in truth.keys() | predicted.keys():
        true_frames, predicted_frames = truth.get(key, set()), predicted.get(key, set())
        count = counts[key[-1].rsplit("_", 1)[-1]]
        count[0] += len(true_frames & predicted_frames)
        count[1] += len(predicted_frames - true_frames)
        count[2] += len(true_frames - predicted_frames)
    values = []
    for hits, wrong, missed in counts.values():
        weighted = (1 + beta**2) * hits
        whole = weighted + beta**2 * missed + wrong
        values.append(weighted / whole if whole else 0.0)
    return sum(values) / len(values)


def make(corpus: Path, out: Path, shift: int) -> None:
    import pyarrow.parquet as parquet

    videos = pd.read_csv(corpus / "train.csv", usecols=["lab_id", "video_id", "behaviors_labeled"])
    tables = []
    for lab, video, listed in videos.itertuples(index=False, name=None):
        file = corpus / "train_annotation" / lab / f"{video}.parquet"
        if file.exists():
            rows = parquet.read_table(file).to_pandas()
            agent, target = rows["agent_id"], rows["target_id"]
            rows["target_id"] = ("mouse" + target.astype(str)).where(agent != target, "self")
            rows["agent_id"] = "mouse" + agent.astype(str)
            tables.append(rows.assign(video_id=video, lab_id=lab, behaviors_labeled=listed))
    solution = pd.concat(tables, ignore_index=True)[[*COLUMNS, "lab_id", "behaviors_labeled"]]
    kept, busy, left_out = [], defaultdict(dict), 0
    for row in solution[COLUMNS].itertuples(index=False, name=None):
        video, agent, target, action, start, stop = row
        by_frame = busy[video, agent, target]
        if any(by_frame.get(frame, action) != action for frame in range(start, stop)):
            left_out += 1
            continue
        by_frame.update(dict.fromkeys(range(start, stop), action))
        kept.append((*row[:4], start + shift, stop + shift))
    out.mkdir(parents=True, exist_ok=True)
    solution.to_csv(out / "solution.csv", index_label="row_id")
    pd.DataFrame(kept, columns=COLUMNS).to_csv(out / "submission.csv", index_label="row_id")
    print(f"{len(solution)} rows of {len(tables)} videos; {left_out} left out of the submission")


def score_files(solution: str, submission: str, beta: float = 1) -> float:
    return score(pd.read_csv(solution), pd.read_csv(submission), beta)


def compare(solution: str, submission: str, program: str, rounds: int) -> None:
    best = {"python": float("inf"), "program": float("inf")}
    for _ in range(rounds):
        started = time.perf_counter()
        expected = score_files(solution, submission)
        best["python"] = min(best["python"], time.perf_counter() - started)
        command = [program, "score", "--solution", solution, "--submission", submission]
        started = time.perf_counter()
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        best["program"] = min(best["program"], time.perf_counter() - started)
        got = float(output.split()[-1])
        assert abs(got - expected) < 1e-15, (got, expected)
    ratio = best["python"] / best["program"]
    print(f"score {got!r} (here {expected!r})")
    print(f"best of {rounds}: python {best['python']:.3f} s, program {best['program']:.3f} s, ratio {ratio:.1f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", corpus, out, *shift]:
            make(Path(corpus), Path(out), int(*shift or ["5"]))
        case ["score", solution, submission, *beta]:
            print(score_files(solution, submission, float(*beta or ["1"])))
        case ["compare", solution, submission, program, *rounds]:
            compare(solution, submission, program, int(*rounds or ["3"]))
        case _:
            sys.exit(__doc__)
