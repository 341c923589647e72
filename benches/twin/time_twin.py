"""Times the twin on one thread: a recomputed window against incremental steps.

    python benches/twin/time_twin.py MODEL_DIRECTORY [repeats]

Weights and inputs have no influence on the time; the inputs are random.
"""

import statistics
import sys
import time
from pathlib import Path

import torch
from numpy.random import RandomState

from cases import random_inputs
from hhstf import Wiring, check_steps, load

WINDOW_TICKS = 512
INDIVIDUALS = 2
KEYPOINTS = (5, 18)


def seconds(run, repeats: int) -> str:
    """Median and 90 % quantile of single calls, after a warm-up."""
    run()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return f"median {statistics.median(spent):.6f} s, 90 % {sorted(spent)[int(0.9 * (repeats - 1))]:.6f} s"


@torch.inference_mode()
def main(directory: Path, repeats: int) -> None:
    torch.set_num_threads(1)
    network, card = load(directory)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} thread, {directory}")
    for keypoints in KEYPOINTS:
        names = [f"k{index}" for index in range(keypoints)]
        roles = dict(zip(("front", "centre", "rear"), names))
        skeleton = {"keypoints": names, "edges": list(zip(names, names[1:])), **roles}
        # Any embedding takes the same time, so the model need not know this many parts.
        vocabulary = {name: index % len(card["vocabulary"]) for index, name in enumerate(names)}
        wiring = Wiring(skeleton, vocabulary, INDIVIDUALS, card["label_sets"])
        inputs = random_inputs(RandomState(0), 1, WINDOW_TICKS, wiring)
        off = check_steps(network, inputs, wiring, tolerance=1e-3)
        ticks = [inputs.tick(tick) for tick in range(WINDOW_TICKS)]
        state = network.zero_state(1, INDIVIDUALS)
        for tick in ticks:
            network.step(tick, wiring, state)

        def step() -> None:
            network.step(ticks[state.position % WINDOW_TICKS], wiring, state)

        print(f"{INDIVIDUALS} x {keypoints} keypoints (step and forward differ by {off:.1e})")
        print(f"  recomputed window of {WINDOW_TICKS} ticks: {seconds(lambda: network(inputs, wiring), repeats)}")
        print(f"  incremental step: {seconds(step, 100 * repeats)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
