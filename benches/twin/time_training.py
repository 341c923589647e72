"""Times forward and backward passes of the twin over training crops, on the CPU, in microseconds a tick of a cage.

    python benches/twin/time_training.py MODEL_DIRECTORY [--threads N] [--repeats N]

Beside what `vibrissa train` prints for an epoch on the same machine: that has features, augmentation, loss and the step
of the optimiser in it, these have not. `dense` is the twin as it is, with a score for all pairs of ticks; `blocks`
computes the same attention over blocks of ticks, each with as many blocks before it as the window needs.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from numpy.random import RandomState
from torch import Tensor

from cases import random_inputs
from hhstf import Wiring, WindowAttention, load

CROPS, CROP_TICKS = 1, 1024


def attend_in_blocks(self: WindowAttention, x: Tensor) -> Tensor:
    streams, ticks, channels = x.shape
    heads, window = self.bias.shape
    block = 16 if window <= 32 else 64
    before = math.ceil((window - 1) / block) * block
    count = math.ceil(ticks / block)
    split = self.qkv(F.pad(x, (0, 0, 0, count * block - ticks))).view(streams, -1, 3, heads, channels // heads)
    query, key, value = split.permute(2, 0, 3, 1, 4)  # (S, H, T, C / H)
    query = query.unflatten(2, (count, block))

    def windows(rows: Tensor) -> Tensor:
        return F.pad(rows, (0, 0, before, 0)).unfold(2, before + block, block).transpose(-1, -2)

    lag = torch.arange(block)[:, None] + before - torch.arange(before + block)[None]
    bias = self.lag_bias()[:, (window - 1 - lag).clamp(0, window - 1)]
    bias = bias.masked_fill((lag < 0) | (lag >= window), -torch.inf)[:, None]
    first = torch.arange(count)[:, None] * block - before + torch.arange(before + block)[None] < 0
    scores = query @ windows(key).transpose(-1, -2) * (channels // heads) ** -0.5 + bias
    scores = scores.masked_fill(first[:, None], -torch.inf)
    heard = (scores.softmax(-1) @ windows(value)).flatten(2, 3)[:, :, :ticks]
    return self.out(heard.transpose(1, 2).flatten(2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    network, card = load(given.model)
    network.requires_grad_(True)
    skeleton = card["defaults"]["skeleton"]
    vocabulary = {name: index for index, name in enumerate(card["vocabulary"])}
    wiring = Wiring(skeleton, vocabulary, 2, card["label_sets"])
    inputs = random_inputs(RandomState(1), CROPS, CROP_TICKS, wiring)
    dense, reference = WindowAttention.forward, None
    for name, forward in (("dense", dense), ("blocks", attend_in_blocks)):
        WindowAttention.forward = forward
        seconds = []
        for _ in range(given.repeats + 1):
            network.zero_grad()
            start = time.perf_counter()
            logits = network(inputs, wiring)
            logits.square().mean().backward()
            seconds.append(time.perf_counter() - start)
        reference = logits.detach() if reference is None else reference
        off = (logits.detach() - reference).abs().max().item()
        best, rest = min(seconds[1:]), sorted(seconds[1:])[given.repeats // 2]
        ticks = CROPS * CROP_TICKS / 1e6
        print(f"{name:>7}: {rest / ticks:6.0f} µs a tick (median), {best / ticks:6.0f} (best); off by {off:.1e}")


if __name__ == "__main__":
    main()
