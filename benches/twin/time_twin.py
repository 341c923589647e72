"""Times the twin: a recomputed window and the incremental step, eager and compiled, and the step as CUDA graphs.

    python benches/twin/time_twin.py MODEL_DIRECTORY [--repeats N]     a table
    python benches/twin/time_twin.py MODEL_DIRECTORY --serve           a peer: requests on stdin, answers on stdout

README.md beside this file tells the protocol and the conditions. Weights and inputs have no influence on the time; the
inputs are random. What is timed is the fastest variant that computes the same logits: see `FastStep` and `compiled`.
"""

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
import traceback
import types
from contextlib import nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TextIO

import torch
import torch._inductor.config as inductor
import torch.nn.functional as F
from numpy.random import RandomState
from torch import Tensor

from cases import random_inputs
from hhstf import Block, CausalConvolution, Inputs, Network, WindowAttention, Wiring, load

WINDOW_TICKS = 512
DIFFERENCE_MAX = 1e-4  # logits are about 1; what rounding alone makes of them is some 1e-6
WARM_UP_STEPS = 20
WARM_UP_WINDOWS = 2
PREPARED_MAX = 64
LINE_CHARACTERS_MAX = 4096
ERROR_CHARACTERS_MAX = 500
ALIGNMENT_FLOATS = 16  # 64 bytes: a kernel compiled for aligned inputs copies those that are not
BOUNDS = {"individuals": (2, 8), "keypoints": (3, 32), "cages": (1, 64), "repeats": (2, 100_000)}
STREAMS_MAX = 128  # a window of 512 ticks needs some 15 MB for each stream (cage and individual)
WINDOWS = ("window", "compiled-window")
STEPS = ("eager", "compiled")
GRAPHS = ("graphs", "compiled-graphs")  # steps too, on a GPU only
WHATS = WINDOWS + STEPS + GRAPHS


# The step, written for speed.


def ring_orders(length: int) -> Tensor:
    """Which entry of a table by age (oldest first) belongs to each slot of a ring, (2 * length, length).

    Row p < length is for step p, while the ring fills, -1 where nothing lies yet; row length + p % length for the
    later ones. A row is picked by its number, so a step needs neither a roll nor a mask.
    """
    slots = torch.arange(length)
    full = torch.stack([slots.roll(position + 1) for position in range(length)])
    return torch.cat([full.masked_fill(slots[None] > slots[:, None], -1), full])


def pick(table: Tensor, row: int | Tensor) -> Tensor:
    return table[row] if isinstance(row, int) else table.index_select(0, row)[0]


def put(ring: Tensor, dim: int, slot: int | Tensor, entry: Tensor) -> None:
    """Writes one entry in place: no copy of the ring, whatever says where."""
    if isinstance(slot, int):
        ring.narrow(dim, slot, 1).copy_(entry)
    else:
        ring.index_copy_(dim, slot, entry)


class FastConvolution:
    """Depthwise, its weights stored once for every turn of the ring."""

    def __init__(self, convolution: CausalConvolution):
        weight = convolution.weight
        self.kernel = weight.shape[0]
        self.turned = torch.stack([weight.roll(turn + 1, 0) for turn in range(self.kernel)])

    def zero_state(self, streams: int) -> Tensor:
        return self.turned.new_zeros(streams, *self.turned.shape[1:])

    def put(self, x: Tensor, ring: Tensor, position: int | Tensor) -> None:
        put(ring, 1, position % self.kernel, x)

    def read(self, ring: Tensor, position: int | Tensor) -> Tensor:
        return (ring * pick(self.turned, position % self.kernel)).sum(1, keepdim=True)


class FastAttention:
    """Rings laid out as the products read them: keys (S, H, C / H, window), values (S, H, window, C / H). For a single
    query the compiler makes loops of both products, and with the innermost axis not summed over these are vector
    additions. Beside them a table of biases for every turn of the ring."""

    def __init__(self, attention: WindowAttention):
        self.attention, self.window = attention, attention.window
        self.heads = attention.bias.shape[0]
        self.head_channels = attention.channels // self.heads
        orders = ring_orders(self.window).to(attention.bias.device)
        bias = attention.lag_bias()[:, orders.clamp(min=0)].masked_fill(orders < 0, -torch.inf)
        self.bias = bias.transpose(0, 1).contiguous()  # (2 * window, H, window)

    def zero_state(self, streams: int) -> tuple[Tensor, Tensor]:
        sizes = (self.head_channels, self.window), (self.window, self.head_channels)
        keys, values = (self.bias.new_zeros(streams, self.heads, *size) for size in sizes)
        return keys, values

    def step(self, x: Tensor, state: tuple[Tensor, Tensor], position: int | Tensor) -> Tensor:
        slot = position % self.window
        if isinstance(position, int):
            row = position if position < self.window else self.window + slot
        else:
            row = torch.where(position < self.window, position, self.window + slot)
        keys, values = state
        split = self.attention.qkv(x).view(-1, 3, self.heads, self.head_channels)
        query, key, value = split.unbind(1)  # (S, H, C / H)
        put(keys, 3, slot, key[..., None])
        put(values, 2, slot, value[:, :, None])
        scores = query[:, :, None] @ keys * self.head_channels**-0.5 + pick(self.bias, row)[:, None]
        return self.attention.out((scores.softmax(-1) @ values).flatten(1)[:, None])


class FastBlock:
    def __init__(self, block: Block):
        self.block = block
        self.attention = FastAttention(block.attention)
        self.convolution = FastConvolution(block.convolution)

    def zero_state(self, streams: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        return self.attention.zero_state(streams), self.convolution.zero_state(streams)

    def step(self, x: Tensor, state: tuple, position: int | Tensor) -> Tensor:
        of_attention, of_convolution = state
        linears = self.block.convolution

        def convolve(x: Tensor) -> Tensor:
            self.convolution.put(F.silu(linears.before(x)), of_convolution, position)
            return linears.after(F.silu(self.convolution.read(of_convolution, position)))

        modules = (
            lambda x: self.attention.step(x, of_attention, position),
            self.block.feed_forward[0],
            convolve,
            self.block.feed_forward[1],
        )
        for residual, module in zip(self.block.residual, modules):
            x = residual.norm(x + module(torch.addcmul(residual.shift, residual.scale, x)))
        return x


class FastStep:
    """The twin's step with the same logits, for the least time.

    The position is a Python int, by which eager mode takes views, or a tensor (1,), which neither recompiles nor
    recaptures from tick to tick. Parity is an argument known to the compiler: two functions, called in turn.
    """

    def __init__(self, network: Network, wiring: Wiring):
        backbone = network.backbone
        self.network, self.wiring = network, wiring
        self.entry, self.exit = FastBlock(backbone.entry), FastBlock(backbone.exit)
        self.middle = [FastBlock(block) for block in backbone.middle]
        self.reduce = FastConvolution(backbone.reduce)

    def zero_state(self, streams: int) -> tuple:
        entry, reduce = self.entry.zero_state(streams), self.reduce.zero_state(streams)
        middle = [block.zero_state(streams) for block in self.middle]
        held = reduce.new_zeros(streams, 1, reduce.shape[-1])
        return entry, reduce, middle, held, self.exit.zero_state(streams)

    def step(self, inputs: Inputs, state: tuple, position: int | Tensor, odd: bool) -> Tensor:
        """Logits (B, 1, D, N); the state changes in place."""
        entry, reduce, middle, held, exit = state
        backbone = self.network.backbone

        def advance(x: Tensor) -> Tensor:
            x = self.entry.step(x, entry, position)
            self.reduce.put(x, reduce, position)
            if odd:
                half = backbone.reduce.linear(self.reduce.read(reduce, position))
                for block, of_block in zip(self.middle, middle):
                    half = block.step(half, of_block, position // 2)
                held.copy_(backbone.recover(half))
            return self.exit.step(backbone.joined(x + held), exit, position)

        return self.network.through(inputs, self.wiring, advance)


# Ways to run it. Each is called with a tick's inputs, and yields logits where the network computes.


class Eager:
    def __init__(self, fast: FastStep, streams: int):
        self.fast, self.state, self.position = fast, fast.zero_state(streams), 0

    def __call__(self, inputs: Inputs) -> Tensor:
        position, self.position = self.position, self.position + 1
        return self.fast.step(inputs, self.state, position, position % 2 == 1)


class ByTensor:
    """The step with its position in a tensor, as one function for each parity, (inputs, state, position) -> logits."""

    def __init__(self, fast: FastStep, streams: int, compile: bool):
        self.state, self.odd = fast.zero_state(streams), False
        self.position = torch.zeros(1, dtype=torch.int64, device=fast.reduce.turned.device)
        self.functions = [parity_function(fast, odd) for odd in (False, True)]
        if compile:
            self.functions = [compiled(function) for function in self.functions]

    def __call__(self, inputs: Inputs) -> Tensor:
        logits = self.functions[self.odd](inputs, self.state, self.position)
        self.odd = not self.odd
        return logits


def parity_function(fast: FastStep, odd: bool):
    def step(inputs: Inputs, state: tuple, position: Tensor) -> Tensor:
        logits = fast.step(inputs, state, position, odd)
        position.add_(1)
        return logits

    return step


def compiled(function):
    """The default mode: for a step, freezing and the C++ wrapper were slower and autotuning no faster (README.md).

    The compiler keeps its results by code object and looks through all that belong to one. With a code object of its
    own, each function has one result, which may be called without looking.
    """
    own = types.FunctionType(function.__code__.replace(), globals(), function.__name__, None, function.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=False)


class Captured:
    """Every kernel of a step in one CUDA graph for each parity; a call replays one."""

    def __init__(self, step: ByTensor, inputs: Inputs):
        # Warm-up outside of the capture: libraries make their workspaces, the compiler its kernels. On a stream of its
        # own, as capturing demands, and ordered against the current one on both sides.
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_STEPS):  # an even number, so that the next one is even again
                step(inputs)
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.step, self.inputs = step, inputs  # the graphs read and write these tensors, so they must live on
        self.graphs, self.logits = [], []
        for function in step.functions:
            graph = torch.cuda.CUDAGraph()
            # Each graph has a memory pool of its own: the logits of one stay whole while the other replays.
            with torch.cuda.graph(graph):
                logits = function(inputs, step.state, step.position)
            self.graphs.append(graph)
            self.logits.append(logits)
        # Capturing ran nothing, but the warm-up did: back to the beginning, in place.
        for tensor in (*tensors(step.state), step.position):
            tensor.zero_()
        self.odd = False

    def __call__(self, _inputs: Inputs) -> Tensor:
        odd, self.odd = self.odd, not self.odd
        self.graphs[odd].replay()
        return self.logits[odd]


def tensors(state: Tensor | tuple | list):
    if isinstance(state, Tensor):
        yield state
    else:
        for part in state:
            yield from tensors(part)


class Feed:
    """Inputs for each call where the network reads them.

    On a CPU they lie there already. On a GPU a call starts from pinned memory of the host, and all six tensors travel
    in one copy to the same place each time, as a captured graph needs.
    """

    def __init__(self, inputs: list[Inputs], device: torch.device):
        self.shapes = [tensor.shape for tensor in parts(inputs[0])]
        self.packed = [self.pack(each) for each in inputs]
        self.on_gpu = device.type == "cuda"
        if self.on_gpu:
            self.packed = [packed.pin_memory() for packed in self.packed]
            self.place = torch.empty_like(self.packed[0], device=device)
            self.static = self.unpack(self.place)
        else:
            self.ready = [self.unpack(packed) for packed in self.packed]

    def pack(self, inputs: Inputs) -> Tensor:
        flat = [tensor.flatten() for tensor in parts(inputs)]
        return torch.cat([F.pad(part, (0, -part.numel() % ALIGNMENT_FLOATS)) for part in flat])

    def unpack(self, packed: Tensor) -> Inputs:
        views, start = [], 0
        for shape in self.shapes:
            views.append(packed[start : start + shape.numel()].view(shape))
            start += shape.numel() + -shape.numel() % ALIGNMENT_FLOATS
        return Inputs(*views)

    def __call__(self, index: int) -> Inputs:
        if not self.on_gpu:
            return self.ready[index % len(self.ready)]
        self.place.copy_(self.packed[index % len(self.packed)], non_blocking=True)
        return self.static


def parts(inputs: Inputs) -> list[Tensor]:
    return [getattr(inputs, field.name) for field in fields(inputs)]


class Fetch:
    """Logits in memory of the host, where the decoder reads them."""

    def __init__(self):
        self.pinned: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        if logits.device.type == "cpu":
            return logits
        if self.pinned is None:
            self.pinned = torch.empty_like(logits, device="cpu", pin_memory=True)
        self.pinned.copy_(logits, non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return self.pinned


# Requests.


class RequestError(Exception):
    pass


@dataclass(frozen=True)
class Request:
    what: str
    individuals: int
    keypoints: int
    cages: int
    repeats: int

    @classmethod
    def read(cls, line: str) -> "Request":
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"not JSON: {error}") from None
        if not isinstance(request, dict):
            raise RequestError(f"expected an object, got {type(request).__name__}")
        known = [field.name for field in fields(cls)]
        for key in request:
            if key not in known:
                raise RequestError(f"unknown key {key!r}, expected {', '.join(known)}")
        for key in known:
            if key not in request:
                raise RequestError(f"key {key!r} is missing")
        if request["what"] not in WHATS:
            raise RequestError(f"what: expected one of {', '.join(WHATS)}, got {request['what']!r}")
        for key, (least, most) in BOUNDS.items():
            value = request[key]
            if type(value) is not int or not least <= value <= most:
                raise RequestError(f"{key}: expected a whole number from {least} to {most}, got {value!r}")
        streams = request["individuals"] * request["cages"]
        if streams > STREAMS_MAX:
            raise RequestError(f"individuals x cages: expected at most {STREAMS_MAX}, got {streams}")
        return cls(**request)


class Prepared:
    """One way to run one size: checked against `forward`, then called on and on."""

    def __init__(self, call, fetch: Fetch):
        self.call, self.fetch = call, fetch
        self.difference, self.calls = 0.0, 0

    def time(self, repeats: int) -> tuple[list[float], list[float]]:
        """Seconds of single calls, of even and of odd ones."""
        spent = ([], [])
        for _ in range(repeats):
            start = time.perf_counter()
            self.fetch(self.call(self.calls))
            spent[self.calls % 2].append(time.perf_counter() - start)
            self.calls += 1
        return spent


class Case:
    """Random inputs of one size, and what `forward` makes of them."""

    def __init__(self, twin: "Twin", individuals: int, keypoints: int, cages: int):
        names = [f"k{index}" for index in range(keypoints)]
        roles = dict(zip(("front", "centre", "rear"), names))
        skeleton = {"keypoints": names, "edges": list(zip(names, names[1:])), **roles}
        # Any embedding takes the same time, so the model need not know this many parts.
        vocabulary = {name: index % len(twin.card["vocabulary"]) for index, name in enumerate(names)}
        self.wiring = Wiring(skeleton, vocabulary, individuals, twin.card["label_sets"])
        inputs = random_inputs(RandomState(0), cages, WINDOW_TICKS, self.wiring)
        for name, value in vars(self.wiring).items():
            setattr(self.wiring, name, value.to(twin.device))
        self.network, self.device = twin.network, twin.device
        self.streams = cages * individuals
        self.window = Feed([inputs], twin.device)
        self.ticks = Feed([inputs.tick(tick) for tick in range(WINDOW_TICKS)], twin.device)
        self.whole = Fetch()(self.forward(self.window(0))).clone()

    def forward(self, inputs: Inputs) -> Tensor:
        # The twin's forward makes small tensors of its own, which must lie on a GPU too.
        with self.device if self.device.type == "cuda" else nullcontext():
            return self.network(inputs, self.wiring)

    def compiled_forward(self):
        def forward(inputs: Inputs) -> Tensor:
            return self.network(inputs, self.wiring)

        function = compiled(forward)

        def call(inputs: Inputs) -> Tensor:
            with self.device if self.device.type == "cuda" else nullcontext():
                return function(inputs)

        return call

    def prepare(self, what: str) -> Prepared:
        fetch = Fetch()
        if what in WINDOWS:
            forward = self.forward if what == "window" else self.compiled_forward()
            prepared = Prepared(lambda call: forward(self.window(call)), fetch)
            prepared.difference = self.largest_difference(fetch(prepared.call(0)), self.whole)
        else:
            step = self.stepper(what)
            prepared = Prepared(lambda call: step(self.ticks(call)), fetch)
            # As many steps as ticks in the window, after which all rings are full.
            for tick in range(WINDOW_TICKS):
                difference = self.largest_difference(fetch(prepared.call(tick)), self.whole[:, tick : tick + 1])
                prepared.difference = max(prepared.difference, difference)
            prepared.calls = WINDOW_TICKS
        return prepared

    def largest_difference(self, logits: Tensor, expected: Tensor) -> float:
        difference = (logits - expected).abs().max().item()
        if not difference <= DIFFERENCE_MAX:
            raise RequestError(f"logits differ by {difference:.1e} from forward's, expected at most {DIFFERENCE_MAX}")
        return difference

    def stepper(self, what: str):
        fast = FastStep(self.network, self.wiring)
        if what == "eager":
            return Eager(fast, self.streams)
        step = ByTensor(fast, self.streams, compile=what != "graphs")
        return step if what == "compiled" else Captured(step, self.ticks(0))


class Twin:
    """A model on a device, with what earlier requests have prepared."""

    def __init__(self, directory: Path, device: torch.device):
        self.device = device
        self.network, self.card = load(directory)
        self.network.requires_grad_(False).to(device)
        self.cases: dict[tuple, Case] = {}
        self.prepared: dict[tuple, Prepared] = {}

    def answer(self, request: Request) -> dict:
        if request.what in GRAPHS and self.device.type != "cuda":
            found = "no CUDA is found" if not torch.cuda.is_available() else "CUDA is found: start with --device cuda"
            raise RequestError(f"{request.what}: expected the device cuda, got {self.device.type}; {found}")
        start = time.perf_counter()
        prepared = self.find(request)
        prepared_seconds = time.perf_counter() - start
        # Inputs, state and weights keep their shapes and places, so what the compiler would check at every call holds.
        with torch.compiler.set_stance("default", skip_guard_eval_unsafe="compiled" in request.what):
            prepared.time(WARM_UP_WINDOWS if request.what in WINDOWS else WARM_UP_STEPS)
            even, odd = prepared.time(request.repeats)
        parities = {"seconds_median_even": statistics.median(even), "seconds_median_odd": statistics.median(odd)}
        return {
            **vars(request),
            "seconds_median": statistics.median(even + odd),
            "seconds_p90": quantile(even + odd, 0.9),
            "seconds_mean": statistics.fmean(even + odd),
            **({} if request.what in WINDOWS else parities),
            "difference_max": prepared.difference,
            "prepared_seconds": prepared_seconds,
            "load_1_minute": os.getloadavg()[0],
        }

    def find(self, request: Request) -> Prepared:
        size = (request.individuals, request.keypoints, request.cages)
        key = (*size, request.what)
        if key in self.prepared:
            return self.prepared[key]
        if size not in self.cases:
            keep_fewer(self.cases)
            self.cases[size] = Case(self, *size)
        prepared = self.cases[size].prepare(request.what)
        keep_fewer(self.prepared)
        self.prepared[key] = prepared
        return prepared

    def ready(self) -> dict:
        on_gpu = self.device.type == "cuda"
        return {
            "ready": True,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "threads": torch.get_num_threads(),
            "interop_threads": torch.get_num_interop_threads(),
            "device": self.device.type,
            "device_name": torch.cuda.get_device_name(self.device) if on_gpu else processor(),
            "model": self.card["name"],
        }


def keep_fewer(kept: dict) -> None:
    """Drops the oldest where one more would be too many."""
    while len(kept) >= PREPARED_MAX:
        kept.pop(next(iter(kept)))


def quantile(spent: list[float], part: float) -> float:
    return sorted(spent)[math.ceil(part * len(spent)) - 1]


def processor() -> str:
    """The processor's name as Linux tells it; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


# The table and the peer.

TABLE_INDIVIDUALS = 2
TABLE_KEYPOINTS = (5, 18)
TABLE_CAGES = (1, 16)
STEPS_A_WINDOW = 100  # a step is timed as many times as often as a window


def table(twin: Twin, repeats: int) -> None:
    print(json.dumps(twin.ready()))
    print("milliseconds a call of all cages; steps: the mean of the medians of even and odd ticks")
    print(f"{'animals x keypoints':>19} {'cages':>5} {'what':>15} {'median':>9} {'90 %':>9} {'even':>9} {'odd':>9}")
    on_gpu = twin.device.type == "cuda"
    for keypoints in TABLE_KEYPOINTS:
        for cages in TABLE_CAGES:
            for what in WHATS if on_gpu else WINDOWS + STEPS:
                count = repeats if what in WINDOWS else STEPS_A_WINDOW * repeats
                answer = twin.answer(Request(what, TABLE_INDIVIDUALS, keypoints, cages, count))
                keys = ("seconds_median", "seconds_p90", "seconds_median_even", "seconds_median_odd")
                if what not in WINDOWS:
                    answer["seconds_median"] = (answer[keys[2]] + answer[keys[3]]) / 2
                columns = " ".join(f"{1e3 * answer[key]:9.3f}" if key in answer else f"{'-':>9}" for key in keys)
                size = f"{TABLE_INDIVIDUALS} x {keypoints}"
                print(f"{size:>19} {cages:5} {what:>15} {columns}", flush=True)


def serve(twin: Twin, requests: TextIO, answers: TextIO) -> None:
    """Answers every line with one, until there are no more."""
    say(answers, twin.ready())
    while line := requests.readline(LINE_CHARACTERS_MAX + 1):
        try:
            if len(line) > LINE_CHARACTERS_MAX:
                skip_line(line, requests)
                raise RequestError(f"a line of more than {LINE_CHARACTERS_MAX} characters")
            answer = twin.answer(Request.read(line))
        except RequestError as error:
            answer = {"error": str(error)}
        except Exception as error:  # whatever PyTorch or the compiler raises is an answer too
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        say(answers, answer)


def skip_line(line: str, requests: TextIO) -> None:
    while line and not line.endswith("\n"):
        line = requests.readline(LINE_CHARACTERS_MAX)


def say(answers: TextIO, answer: dict) -> None:
    if "error" in answer:
        answer["error"] = answer["error"][:ERROR_CHARACTERS_MAX]
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.flush()


def apart_from_stdout() -> TextIO:
    """Standard output for answers only: what else would be written there, by the compiler too, goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    sys.stdout.flush()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the PyTorch twin.")
    parser.add_argument("model", type=Path, help="a model directory")
    parser.add_argument("--serve", action="store_true", help="answer requests from stdin on stdout, a JSON line each")
    parser.add_argument("--threads", type=int, default=1, help="threads of one operation (1)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=10, help="calls of a window in the table (10), steps 100 times")
    given = parser.parse_args()
    if not 1 <= given.threads <= (os.cpu_count() or 1):
        parser.error(f"--threads: expected 1 to {os.cpu_count()}, got {given.threads}")
    if not 2 <= given.repeats <= 1000:
        parser.error(f"--repeats: expected 2 to 1000, got {given.repeats}")
    return given


@torch.inference_mode()
def main() -> None:
    given = arguments()
    answers = apart_from_stdout() if given.serve else sys.stdout
    torch.set_num_threads(given.threads)
    torch.set_num_interop_threads(1)
    inductor.compile_threads = 1  # no workers that would stay beside the measurement
    try:
        if given.device == "cuda" and not torch.cuda.is_available():
            raise RequestError("--device cuda: this PyTorch finds no CUDA device")
        twin = Twin(given.model, torch.device(given.device))
    except Exception as error:
        say(answers if given.serve else sys.stderr, {"error": f"{given.model}: {type(error).__name__}: {error}"})
        sys.exit(1)
    if given.serve:
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        try:
            serve(twin, sys.stdin, answers)
        except BrokenPipeError:
            os._exit(1)  # nobody listens, and there is nothing to tidy
    else:
        table(twin, given.repeats)


if __name__ == "__main__":
    main()
