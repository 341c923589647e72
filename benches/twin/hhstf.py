"""HHSTF in plain PyTorch: a second implementation, to hold the Rust network against.

It follows the mathematics and favours the obvious way over the fast one. Modules and parameters are named as in
`model.safetensors`, so weights load with `strict=True`.

Shapes: B cages, T ticks, I individuals, J = I - 1 others, K keypoints, A = 3 anchors, C channels, H heads, D delays,
N cells. S = B * I streams.
"""

import tomllib
from collections import deque
from dataclasses import dataclass, fields
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

ANCHORS = 3
NODE_CHANNELS, SELF_CHANNELS, PAIR_CHANNELS, EDGE_CHANNELS = 14, 28, 60, 9
SELF_STATISTICS, PAIR_STATISTICS = 83, 163
HOPS_MAX = 3
NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class BlockShape:
    window: int
    kernel: int


@dataclass(frozen=True)
class Architecture:
    node_channels: int
    node_heads: int
    pool_queries: int
    pair_channels: int
    channels: int
    heads: int
    expansion: int
    entry: BlockShape
    reduce_kernel: int
    middle: tuple[BlockShape, ...]
    exit: BlockShape
    head_channels: int
    statistics: bool = False

    @classmethod
    def of(cls, table: dict) -> "Architecture":
        blocks = {
            "entry": BlockShape(**table["entry"]),
            "middle": tuple(BlockShape(**block) for block in table["middle"]),
            "exit": BlockShape(**table["exit"]),
        }
        return cls(**(table | blocks))


@dataclass(frozen=True)
class Inputs:
    """Features of T ticks of B cages. What is absent is zero."""

    nodes: Tensor  # (B, T, I, K, 14)
    node_present: Tensor  # (B, T, I, K)
    selves: Tensor  # (B, T, I, 28)
    pairs: Tensor  # (B, T, I, J, 60)
    edges: Tensor  # (B, T, I, J, A, A, 9): anchors of the focal animal, then of the other
    edge_present: Tensor  # (B, T, I, J, A, A)
    self_statistics: Tensor  # (B, T, I, 83); read by networks with statistics only, as the next
    pair_statistics: Tensor  # (B, T, I, J, 163)

    def map(self, change) -> "Inputs":
        return Inputs(*(change(getattr(self, field.name)) for field in fields(self)))

    def tick(self, tick: int) -> "Inputs":
        return self.map(lambda x: x[:, tick : tick + 1])


class Wiring:
    """How keypoints, animals and cells connect: one skeleton, one count of individuals, one ethogram."""

    def __init__(self, skeleton: dict, vocabulary: dict[str, int], individuals: int, label_sets: list[dict]):
        keypoints = skeleton["keypoints"]
        self.parts = torch.tensor([vocabulary[name] for name in keypoints])
        self.anchors = torch.tensor([keypoints.index(skeleton[role]) for role in ("front", "centre", "rear")])
        self.hops = torch.tensor([hops_from(name, skeleton) for name in keypoints])
        animals = range(individuals)
        self.others = torch.tensor([[other for other in animals if other != focal] for focal in animals])
        ordered = [(focal, other) for focal in animals for other in animals if other != focal]
        unordered = [{first, second} for first, second in ordered if first < second]
        self.focal, self.other = torch.tensor(ordered).unbind(1)
        self.forth = torch.tensor([ordered.index((min(pair), max(pair))) for pair in unordered])
        self.back = torch.tensor([ordered.index((max(pair), min(pair))) for pair in unordered])
        self.cells = cell_places(ethogram(label_sets), ordered, unordered, [{animal} for animal in animals])


def hops_from(start: str, skeleton: dict) -> list[int]:
    """Anatomical hops from one keypoint to each, by breadth-first search; HOPS_MAX also stands for unconnected."""
    hops, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for edge in skeleton["edges"]:
            if here in edge:
                there = edge[0] if edge[1] == here else edge[1]
                if there not in hops:
                    hops[there] = hops[here] + 1
                    queue.append(there)
    return [min(hops.get(name, HOPS_MAX), HOPS_MAX) for name in skeleton["keypoints"]]


def ethogram(label_sets: list[dict]) -> list[tuple[int, str]]:
    """All behaviors, numbered through the label sets, with their kinds."""
    return list(enumerate(behavior["kind"] for labels in label_sets for behavior in labels["behaviors"]))


def cell_places(behaviors, ordered, unordered, animals) -> Tensor:
    """Where each cell lies in the row of outputs: all orders, then the means of both orders, then single animals."""
    of_pairs = [behavior for behavior in behaviors if behavior[1] != "self"]
    of_selves = [behavior for behavior in behaviors if behavior[1] == "self"]
    outputs = [("ordered", pair, behavior) for pair in ordered for behavior in of_pairs]
    outputs += [("both", pair, behavior) for pair in unordered for behavior in of_pairs]
    outputs += [("self", animal, behavior) for animal in animals for behavior in of_selves]
    subjects = {"directed": ordered, "mutual": unordered, "undirected": unordered, "self": animals}
    reading = {"directed": "ordered", "mutual": "both", "undirected": "both", "self": "self"}
    cells = [(reading[kind], who, (index, kind)) for index, kind in behaviors for who in subjects[kind]]
    return torch.tensor([outputs.index(cell) for cell in cells])


def attend(query: Tensor, keys_values: Tensor, bias: Tensor, present: Tensor | None = None) -> Tensor:
    """Multi-head attention: query (..., Q, C), keys_values (..., L, 2C), bias (H, Q, L), present (..., L).

    A query to which nothing is present gets zeros.
    """
    heads = bias.shape[0]
    query, key, value = (
        x.unflatten(-1, (heads, -1)).transpose(-2, -3) for x in (query, *keys_values.chunk(2, dim=-1))
    )
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5 + bias
    if present is None:
        probabilities = scores.softmax(-1)
    else:
        absent = (present == 0)[..., None, None, :]
        probabilities = scores.masked_fill(absent, -torch.inf).softmax(-1).masked_fill(absent, 0.0)
    return (probabilities @ value).transpose(-2, -3).flatten(-2)


class Norm(nn.LayerNorm):
    def __init__(self, channels: int):
        super().__init__(channels, eps=NORM_EPSILON)


class Residual(nn.Module):
    """norm(x + module(scale * x + shift))"""

    def __init__(self, channels: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.norm = Norm(channels)

    def forward(self, x: Tensor, module) -> Tensor:
        return self.norm(x + module(self.scale * x + self.shift))


class FeedForward(nn.Module):
    def __init__(self, channels: int, hidden: int):
        super().__init__()
        self.widen = nn.Linear(channels, hidden)
        self.narrow = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.narrow(F.silu(self.widen(x)))


# Space: no memory.


class Within(nn.Module):
    """Attention over the keypoints of one animal, biased by anatomical distance."""

    def __init__(self, channels: int, heads: int, hidden: int):
        super().__init__()
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.hop_bias = nn.Parameter(torch.zeros(heads, HOPS_MAX + 1))
        self.feed_forward = FeedForward(channels, hidden)
        self.residual = nn.ModuleList(Residual(channels) for _ in range(2))

    def forward(self, nodes: Tensor, present: Tensor, wiring: Wiring) -> Tensor:
        channels = nodes.shape[-1]

        def attention(x: Tensor) -> Tensor:
            query, keys_values = self.qkv(x).split((channels, 2 * channels), dim=-1)
            return self.out(attend(query, keys_values, self.hop_bias[:, wiring.hops], present))

        return self.residual[1](self.residual[0](nodes, attention), self.feed_forward)


class Between(nn.Module):
    """Each anchor of an animal attends to the anchors of every other; the mean over the others that are there."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.query = nn.Linear(channels, channels)
        self.kv = nn.Linear(channels, 2 * channels)
        self.edges = nn.Linear(EDGE_CHANNELS, 2 * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(heads, 1, ANCHORS))
        self.residual = Residual(channels)

    def forward(self, nodes: Tensor, inputs: Inputs, wiring: Wiring) -> Tensor:
        def hear(x: Tensor) -> Tensor:
            anchors = x[:, :, :, wiring.anchors]  # (B, T, I, A, C)
            query = self.query(anchors)[:, :, :, None, :, None]  # (B, T, I, 1, A, 1, C)
            keys_values = self.kv(anchors)[:, :, wiring.others][:, :, :, :, None]  # (B, T, I, J, 1, A, 2C)
            keys_values = keys_values + self.edges(inputs.edges)  # (B, T, I, J, A, A, 2C)
            query = query.expand(*keys_values.shape[:5], 1, -1)
            heard = attend(query, keys_values, self.bias, inputs.edge_present).squeeze(-2)  # (B, T, I, J, A, C)
            there = (inputs.edge_present > 0).any(-1).sum(3).clamp(min=1)  # (B, T, I, A)
            heard = self.out(heard.sum(3) / there[..., None])
            return torch.zeros_like(x).index_copy(3, wiring.anchors, heard)

        return self.residual(nodes, hear)


class Pool(nn.Module):
    """Learned queries over the keypoints that are present."""

    def __init__(self, channels: int, heads: int, queries: int, output: int):
        super().__init__()
        self.heads = heads
        self.queries = nn.Parameter(torch.zeros(queries, channels))
        self.kv = nn.Linear(channels, 2 * channels)
        self.out = nn.Linear(queries * channels, output)

    def forward(self, nodes: Tensor, present: Tensor) -> Tensor:
        no_bias = nodes.new_zeros(self.heads, 1, 1)
        return self.out(attend(self.queries, self.kv(nodes), no_bias, present).flatten(-2))


class Graph(nn.Module):
    """Inputs -> animals (B, T, I, C) and encoded pairs (B, T, I * J, Cp)."""

    def __init__(self, a: Architecture, vocabulary: int):
        super().__init__()
        self.embed = nn.Linear(NODE_CHANNELS, a.node_channels)
        self.parts = nn.Parameter(torch.zeros(vocabulary, a.node_channels))
        self.within = Within(a.node_channels, a.node_heads, a.expansion * a.node_channels)
        self.between = Between(a.node_channels, a.node_heads)
        self.pool = Pool(a.node_channels, a.node_heads, a.pool_queries, a.channels)
        self.selves = nn.Linear(SELF_CHANNELS, a.channels)
        self.pairs = nn.Linear(PAIR_CHANNELS, a.pair_channels)
        self.from_pairs = nn.Linear(a.pair_channels, a.channels)
        self.norm = Norm(a.channels)
        self.statistics = a.statistics
        if a.statistics:
            self.self_statistics = nn.Linear(SELF_STATISTICS, a.channels)
            self.pair_statistics = nn.Linear(PAIR_STATISTICS, a.pair_channels)

    def forward(self, inputs: Inputs, wiring: Wiring) -> tuple[Tensor, Tensor]:
        nodes = F.silu(self.embed(inputs.nodes) + self.parts[wiring.parts])
        nodes = self.within(nodes, inputs.node_present, wiring)
        nodes = self.between(nodes, inputs, wiring)
        pairs = self.pairs(inputs.pairs)  # (B, T, I, J, Cp)
        animals = self.pool(nodes, inputs.node_present) + self.selves(inputs.selves)
        if self.statistics:
            pairs = pairs + self.pair_statistics(inputs.pair_statistics)
            animals = animals + self.self_statistics(inputs.self_statistics)
        pairs = F.silu(pairs)
        animals = animals + self.from_pairs(pairs.mean(3))
        return self.norm(animals), pairs.flatten(2, 3)


# Time: whole sequences by `forward`, tick by tick by `step` with rings in which tick p lies at slot p mod length.


def in_ring_order(by_age: Tensor, position: int, dim: int) -> Tensor:
    """What belongs to the oldest, ..., newest entry of a full ring, turned to the slots where these lie."""
    return by_age.roll(position + 1, dim)


LEARNED_BIAS_GAIN = 4.0


class WindowAttention(nn.Module):
    """Attention over the last `window` steps with a bias for every head and lag, oldest lag first: what is learned, on
    top of a slope by which the first head reaches half of the window, and each further one a quarter as far."""

    def __init__(self, channels: int, heads: int, window: int):
        super().__init__()
        self.channels, self.window = channels, window
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.bias = nn.Parameter(torch.zeros(heads, window))
        reach = (window / 2 / 4.0 ** torch.arange(heads)).clamp(min=1)
        self.register_buffer("slopes", -torch.arange(window).flip(0) / reach[:, None], persistent=False)

    def lag_bias(self) -> Tensor:
        return self.slopes + LEARNED_BIAS_GAIN * self.bias

    def zero_state(self, streams: int) -> Tensor:
        return self.bias.new_zeros(streams, self.window, 2 * self.channels)

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.qkv(x).split((self.channels, 2 * self.channels), dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        ticks = torch.arange(x.shape[1])
        lag = ticks[:, None] - ticks[None, :]
        bias = self.lag_bias()[:, (self.window - 1 - lag).clamp(0, self.window - 1)]
        bias = bias.masked_fill((lag < 0) | (lag >= self.window), -torch.inf)
        return self.out(attend(*self.split(x), bias))

    def step(self, x: Tensor, ring: Tensor, position: int) -> Tensor:
        query, keys_values = self.split(x)
        ring[:, position % self.window] = keys_values[:, 0]
        filled = min(position + 1, self.window)
        bias = in_ring_order(self.lag_bias(), position, 1)[:, None, :filled]
        return self.out(attend(query, ring[:, :filled], bias))


class CausalConvolution(nn.Module):
    """Depthwise: y[t] = sum over j of weight[j] * x[t - (k - 1) + j], nothing before the beginning, no bias."""

    def __init__(self, channels: int, kernel: int):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(kernel, channels))

    def zero_state(self, streams: int) -> Tensor:
        return self.weight.new_zeros(streams, *self.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        kernel, channels = self.weight.shape
        padded = F.pad(x.transpose(1, 2), (kernel - 1, 0))
        return F.conv1d(padded, self.weight.t()[:, None], groups=channels).transpose(1, 2)

    def step(self, x: Tensor, ring: Tensor, position: int) -> Tensor:
        ring[:, position % self.weight.shape[0]] = x[:, 0]
        return (ring * in_ring_order(self.weight, position, 0)).sum(1, keepdim=True)


class Convolution(CausalConvolution):
    """A linear layer and SiLU on both sides of the depthwise convolution."""

    def __init__(self, channels: int, kernel: int):
        super().__init__(channels, kernel)
        self.before = nn.Linear(channels, channels)
        self.after = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(F.silu(super().forward(F.silu(self.before(x)))))

    def step(self, x: Tensor, ring: Tensor, position: int) -> Tensor:
        return self.after(F.silu(super().step(F.silu(self.before(x)), ring, position)))


@dataclass
class BlockState:
    attention: Tensor  # (S, window, 2C)
    convolution: Tensor  # (S, kernel, C)


class Block(nn.Module):
    def __init__(self, channels: int, heads: int, hidden: int, shape: BlockShape):
        super().__init__()
        self.attention = WindowAttention(channels, heads, shape.window)
        self.convolution = Convolution(channels, shape.kernel)
        self.feed_forward = nn.ModuleList(FeedForward(channels, hidden) for _ in range(2))
        self.residual = nn.ModuleList(Residual(channels) for _ in range(4))

    def zero_state(self, streams: int) -> BlockState:
        return BlockState(self.attention.zero_state(streams), self.convolution.zero_state(streams))

    def forward(self, x: Tensor) -> Tensor:
        x = self.residual[0](x, self.attention)
        x = self.residual[1](x, self.feed_forward[0])
        x = self.residual[2](x, self.convolution)
        return self.residual[3](x, self.feed_forward[1])

    def step(self, x: Tensor, state: BlockState, position: int) -> Tensor:
        x = self.residual[0](x, lambda x: self.attention.step(x, state.attention, position))
        x = self.residual[1](x, self.feed_forward[0])
        x = self.residual[2](x, lambda x: self.convolution.step(x, state.convolution, position))
        return self.residual[3](x, self.feed_forward[1])


class Reduce(CausalConvolution):
    def __init__(self, channels: int, kernel: int):
        super().__init__(channels, kernel)
        self.linear = nn.Linear(channels, channels)


@dataclass
class State:
    """What S streams that advance together remember."""

    position: int
    entry: BlockState
    reduce: Tensor  # (S, kernel, C)
    middle: list[BlockState]
    held: Tensor  # (S, 1, C)
    exit: BlockState


class Backbone(nn.Module):
    """A block at the full rate, half-rate blocks fed at every odd tick, and a block that sees both."""

    def __init__(self, a: Architecture):
        super().__init__()

        def block(shape: BlockShape) -> Block:
            return Block(a.channels, a.heads, a.expansion * a.channels, shape)

        self.entry = block(a.entry)
        self.reduce = Reduce(a.channels, a.reduce_kernel)
        self.middle = nn.ModuleList(block(shape) for shape in a.middle)
        self.recover = nn.Linear(a.channels, a.channels)
        self.joined = Norm(a.channels)
        self.exit = block(a.exit)

    def zero_state(self, streams: int) -> State:
        return State(
            position=0,
            entry=self.entry.zero_state(streams),
            reduce=self.reduce.zero_state(streams),
            middle=[block.zero_state(streams) for block in self.middle],
            held=self.reduce.weight.new_zeros(streams, 1, self.reduce.weight.shape[1]),
            exit=self.exit.zero_state(streams),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.entry(x)
        half = self.reduce.linear(self.reduce(x)[:, 1::2])
        for block in self.middle:
            half = block(half)
        # Half-rate step m becomes known at tick 2m + 1 and is held for tick 2m + 2; nothing is known at tick 0.
        held = F.pad(self.recover(half).repeat_interleave(2, dim=1), (0, 0, 1, 0))[:, : x.shape[1]]
        return self.exit(self.joined(x + held))

    def step(self, x: Tensor, state: State) -> Tensor:
        position, state.position = state.position, state.position + 1
        x = self.entry.step(x, state.entry, position)
        reduced = self.reduce.step(x, state.reduce, position)
        if position % 2 == 1:
            half = self.reduce.linear(reduced)
            for block, of_block in zip(self.middle, state.middle):
                half = block.step(half, of_block, position // 2)
            state.held = self.recover(half)
        return self.exit.step(self.joined(x + state.held), state.exit, position)


class Heads(nn.Module):
    """animals (B, T, I, C), pairs (B, T, I * J, Cp) -> logits (B, T, D, N)"""

    def __init__(self, a: Architecture, of_pairs: int, of_selves: int, delays: int):
        super().__init__()
        self.delays = delays
        if of_pairs:
            self.focal = nn.Linear(a.channels, a.head_channels)
            self.other = nn.Linear(a.channels, a.head_channels)
            self.pair = nn.Linear(a.pair_channels, a.head_channels)
            self.of_pairs = nn.Linear(a.head_channels, of_pairs * delays)
        if of_selves:
            self.alone = nn.Linear(a.channels, a.head_channels)
            self.of_selves = nn.Linear(a.head_channels, of_selves * delays)

    def forward(self, animals: Tensor, pairs: Tensor, wiring: Wiring) -> Tensor:
        outputs = []
        if hasattr(self, "of_pairs"):
            focal, other = self.focal(animals)[:, :, wiring.focal], self.other(animals)[:, :, wiring.other]
            ordered = self.of_pairs(F.silu(focal + other + self.pair(pairs)))
            outputs += [ordered, (ordered[:, :, wiring.forth] + ordered[:, :, wiring.back]) / 2]
        if hasattr(self, "of_selves"):
            outputs += [self.of_selves(F.silu(self.alone(animals)))]
        # (B, T, subjects, D * channels) -> (B, T, D, subjects * channels)
        by_delay = [x.unflatten(-1, (self.delays, -1)).transpose(2, 3).flatten(3) for x in outputs]
        return torch.cat(by_delay, dim=-1)[..., wiring.cells]


class Network(nn.Module):
    def __init__(self, architecture: Architecture, vocabulary: int, label_sets: list[dict], delays: int):
        super().__init__()
        kinds = [kind for _, kind in ethogram(label_sets)]
        of_selves = kinds.count("self")
        self.graph = Graph(architecture, vocabulary)
        self.backbone = Backbone(architecture)
        self.heads = Heads(architecture, len(kinds) - of_selves, of_selves, delays)

    def zero_state(self, cages: int, individuals: int) -> State:
        return self.backbone.zero_state(cages * individuals)

    def forward(self, inputs: Inputs, wiring: Wiring) -> Tensor:
        """Logits (B, T, D, N) of whole sequences from their beginning."""
        return self.through(inputs, wiring, self.backbone)

    def step(self, inputs: Inputs, wiring: Wiring, state: State) -> Tensor:
        """Logits (B, 1, D, N) of the next tick."""
        return self.through(inputs, wiring, lambda x: self.backbone.step(x, state))

    def through(self, inputs: Inputs, wiring: Wiring, time) -> Tensor:
        animals, pairs = self.graph(inputs, wiring)
        cages, _, individuals, _ = animals.shape
        streams = time(animals.transpose(1, 2).flatten(0, 1))
        return self.heads(streams.unflatten(0, (cages, individuals)).transpose(1, 2), pairs, wiring)


def load(directory: Path) -> tuple[Network, dict]:
    """Network and card (the contents of model.toml) of a model directory."""
    card = tomllib.loads((directory / "model.toml").read_text())
    architecture = Architecture.of(card["architecture"])
    network = Network(architecture, len(card["vocabulary"]), card["label_sets"], len(card["delays_ticks"]))
    network.load_state_dict(load_file(directory / "model.safetensors"), strict=True)
    return network.eval(), card


@torch.inference_mode()
def check_steps(network: Network, inputs: Inputs, wiring: Wiring, tolerance: float) -> float:
    """Largest difference between `forward` and as many `step`s; fails above the tolerance."""
    cages, ticks, individuals = inputs.nodes.shape[:3]
    whole, state = network(inputs, wiring), network.zero_state(cages, individuals)
    steps = torch.cat([network.step(inputs.tick(tick), wiring, state) for tick in range(ticks)], dim=1)
    difference = (whole - steps).abs().max().item()
    assert difference <= tolerance, f"step and forward differ by {difference:.1e}, expected at most {tolerance:.0e}"
    return difference
