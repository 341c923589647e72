"""Writes the golden case that the Rust network is tested against: hhstf.safetensors and hhstf.toml.

    python benches/twin/make_golden.py [tests/golden]

The logits are computed in double precision, so what the Rust test measures is the rounding of the Rust network alone,
and running this again gives the same bytes.
"""

import sys
import tomllib
from pathlib import Path

import torch
from numpy.random import RandomState
from safetensors.torch import save_file

from cases import random_inputs, random_weights
from hhstf import Architecture, Inputs, Network, Wiring, check_steps

SEED = 20
CAGES, TICKS = 2, 41

# Odd sizes on purpose: the vocabulary knows more parts than the skeleton, in another order; the body axis is not the
# first three keypoints; hops of 0 to 3 occur; and the windows are shorter than the sequence.
CASE = """
individuals = 3
delays_ticks = [0, 15]
vocabulary = ["tail", "paw", "nose", "ear", "hip", "knee"]

[architecture]
node_channels = 16
node_heads = 2
pool_queries = 2
pair_channels = 16
channels = 32
heads = 2
expansion = 2
entry = { window = 5, kernel = 3 }
reduce_kernel = 3
middle = [{ window = 4, kernel = 3 }, { window = 11, kernel = 3 }]
exit = { window = 5, kernel = 3 }
head_channels = 16
statistics = true

[skeleton]
name = "four"
keypoints = ["ear", "hip", "nose", "tail"]
front = "nose"
centre = "hip"
rear = "tail"
edges = [["ear", "nose"], ["nose", "hip"], ["hip", "tail"]]

[[label_sets]]
name = "first"
behaviors = [
    { name = "approach", kind = "directed" },
    { name = "rear", kind = "self" },
    { name = "huddle", kind = "mutual" },
]

[[label_sets]]
name = "second"
behaviors = [
    { name = "contact", kind = "undirected" },
    { name = "groom", kind = "self" },
    { name = "chase", kind = "directed" },
]
"""


def main(directory: Path) -> None:
    torch.set_num_threads(1)
    case = tomllib.loads(CASE)
    vocabulary = {name: index for index, name in enumerate(case["vocabulary"])}
    wiring = Wiring(case["skeleton"], vocabulary, case["individuals"], case["label_sets"])
    architecture = Architecture.of(case["architecture"])
    network = Network(architecture, len(vocabulary), case["label_sets"], len(case["delays_ticks"]))
    random = RandomState(SEED)
    weights = random_weights(random, network)
    inputs = random_inputs(random, CAGES, TICKS, wiring)

    network.load_state_dict(weights, strict=True)
    network.double()
    precise = inputs.map(torch.Tensor.double)
    difference = check_steps(network, precise, wiring, tolerance=1e-12)
    with torch.inference_mode():
        logits = network(precise, wiring).float()

    directory.mkdir(parents=True, exist_ok=True)
    tensors = {f"weight.{name}": weight for name, weight in weights.items()}
    tensors |= {f"input.{name}": getattr(inputs, name) for name in Inputs.__dataclass_fields__}
    tensors |= {"logits": logits}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, directory / "hhstf.safetensors")
    version = torch.__version__.split("+")[0]  # the build's suffix says nothing about the numbers
    made_by = f"""
[made_by]
command = "python benches/twin/make_golden.py"
torch = "{version}"
seed = {SEED}
"""
    (directory / "hhstf.toml").write_text(CASE.lstrip() + made_by)

    present = [f"{name} {getattr(inputs, name).mean():.0%}" for name in ("node_present", "edge_present")]
    print(f"{directory}: logits {tuple(logits.shape)} of mean {logits.mean():.2f}, deviation {logits.std():.2f}")
    print(f"present: {', '.join(present)}; step and forward differ by {difference:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "tests" / "golden")
