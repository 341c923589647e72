"""Seeded random inputs and weights.

The generator is numpy's RandomState, whose stream is frozen (NEP 19): the same seed gives the same numbers with any
version.
"""

import numpy as np
import torch
from numpy.random import RandomState
from torch import Tensor

from hhstf import (
    ANCHORS,
    EDGE_CHANNELS,
    NODE_CHANNELS,
    PAIR_CHANNELS,
    PAIR_STATISTICS,
    SELF_CHANNELS,
    SELF_STATISTICS,
    Inputs,
    Network,
    Wiring,
)


def random_inputs(random: RandomState, cages: int, ticks: int, wiring: Wiring) -> Inputs:
    """Inputs with the gaps of real tracking: single keypoints come and go, and whole animals are lost for a while.

    An edge is present where both of its ends are; here and there one is not measured although they are.
    """
    individuals, keypoints = len(wiring.others), len(wiring.parts)
    shape = (cages, ticks, individuals)
    node_present = random.random_sample((*shape, keypoints)) < 0.85
    for cage in range(cages):
        for individual in range(individuals):
            lost_from = random.randint(ticks)
            node_present[cage, lost_from : lost_from + max(1, ticks // 6), individual] = False
    anchors = node_present[..., wiring.anchors.numpy()]
    edge_present = anchors[:, :, :, None, :, None] & anchors[:, :, wiring.others.numpy()][:, :, :, :, None, :]
    edge_present &= random.random_sample(edge_present.shape) < 0.97
    seen = node_present.any(-1)
    pair_seen = seen[:, :, :, None] & seen[:, :, wiring.others.numpy()]

    def channels(present: np.ndarray, count: int) -> np.ndarray:
        return random.standard_normal((*present.shape, count)) * present[..., None]

    arrays = (
        channels(node_present, NODE_CHANNELS),
        node_present,
        channels(seen, SELF_CHANNELS),
        channels(pair_seen, PAIR_CHANNELS),
        channels(edge_present, EDGE_CHANNELS),
        edge_present,
        channels(seen, SELF_STATISTICS),
        channels(pair_seen, PAIR_STATISTICS),
    )
    assert edge_present.shape[-2:] == (ANCHORS, ANCHORS)
    return Inputs(*(torch.from_numpy(array.astype(np.float32)) for array in arrays))


def random_weights(random: RandomState, network: Network) -> dict[str, Tensor]:
    """Weights of which none is trivial: norms and scales differ from 1, biases and shifts from 0."""

    def of(name: str, like: Tensor) -> np.ndarray:
        last = name.rsplit(".", 1)[-1]
        normal = random.standard_normal(tuple(like.shape))
        if "norm" in name or "joined" in name or last in ("scale", "shift"):
            return 1 + 0.3 * normal if last in ("weight", "scale") else 0.3 * normal
        if "convolution.weight" in name or "reduce.weight" in name:
            return normal / like.shape[0] ** 0.5
        if last == "weight":
            return normal / like.shape[1] ** 0.5
        # Biases of linear layers are vectors; what is left are attention biases and embeddings.
        return 0.3 * normal if like.dim() == 1 else normal

    weights = sorted(network.state_dict().items())
    return {name: torch.from_numpy(of(name, like).astype(np.float32)) for name, like in weights}
