"""The stream description: what the frames of a cage are. A rig says it before its first frame and every second
after."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from vibrissa_rig._blake3 import blake3
from vibrissa_rig.wire import INDIVIDUALS_MAX, KEYPOINTS_MAX

KEYPOINTS_MIN = 3
INDIVIDUALS_MIN = 2
RATE_HZ_MIN, RATE_HZ_MAX = 10.0, 240.0
BODY_LENGTH_PX_MIN, BODY_LENGTH_PX_MAX = 1e-3, 1e5

#: The clock of `time.time()`: since 1970, UTC. Ages of frames can be measured on it.
CLOCK_UNIX = "unix"

#: Longest description that a detector takes.
DESCRIPTION_BYTES_MAX = 64 * 1024

Identities = Literal["stable", "unordered"]
Origin = Literal["live", "replay", "simulated"]


class StreamError(ValueError):
    """A description that no detector would take; says what was expected and what came."""


@dataclass(frozen=True)
class Stream:
    """Skeleton, individuals, rate, scale, clock and origin of one cage's frames.

    The body axis runs from `rear` over `centre` to `front`, three different keypoints. Names of keypoints are those
    that the model knows (`vibrissa check` tells).

    # Errors
    `StreamError` on anything that the detector would refuse, at construction.
    """

    #: Name of the skeleton.
    skeleton: str
    #: K names, in the order of the points of an individual; 3 to 64.
    keypoints: Sequence[str]
    front: str
    centre: str
    rear: str
    #: I names, in the order of the individuals of a frame; 2 to 8. A single animal is one of two, the other of which is
    #: never seen.
    individuals: Sequence[str]
    #: Of the camera, 10 to 240.
    rate_hz: float
    #: Pixels from nose or head to tail base, of a usual animal.
    body_length_px: float
    #: Anatomy: pairs of keypoints.
    edges: Sequence[tuple[str, str]] = ()
    #: Of the capture times; None where frames carry none.
    clock: str | None = CLOCK_UNIX
    #: stable: a place in the frame is an animal. unordered: instances come in any order, as without a tracker.
    identities: Identities = "stable"
    #: What is played back must not say that it is live.
    origin: Origin = "live"

    def __post_init__(self) -> None:
        object.__setattr__(self, "keypoints", _names("keypoints", self.keypoints))
        object.__setattr__(self, "individuals", _names("individuals", self.individuals))
        object.__setattr__(self, "edges", tuple((str(a), str(b)) for a, b in self.edges))
        object.__setattr__(self, "rate_hz", float(self.rate_hz))
        object.__setattr__(self, "body_length_px", float(self.body_length_px))
        _count("keypoints", len(self.keypoints), KEYPOINTS_MIN, KEYPOINTS_MAX)
        _count("individuals", len(self.individuals), INDIVIDUALS_MIN, INDIVIDUALS_MAX)
        for role, keypoint in self._roles():
            if keypoint not in self.keypoints:
                raise StreamError(f"{role}: expected one of the keypoints {list(self.keypoints)}, got {keypoint!r}")
        if len({self.front, self.centre, self.rear}) != 3:
            axis = (self.front, self.centre, self.rear)
            raise StreamError(f"expected three different keypoints as front, centre and rear, got {axis}")
        _bounds("rate_hz", self.rate_hz, RATE_HZ_MIN, RATE_HZ_MAX)
        _bounds("body_length_px", self.body_length_px, BODY_LENGTH_PX_MIN, BODY_LENGTH_PX_MAX)
        _word("identities", self.identities, ("stable", "unordered"))
        _word("origin", self.origin, ("live", "replay", "simulated"))
        if len(self.json) > DESCRIPTION_BYTES_MAX:
            raise StreamError(f"expected at most {DESCRIPTION_BYTES_MAX} bytes of description, got {len(self.json)}")

    @property
    def shape(self) -> tuple[int, int]:
        """I and K."""
        return len(self.individuals), len(self.keypoints)

    @cached_property
    def json(self) -> bytes:
        """What is published: byte by byte what Vibrissa's own rigs write."""
        skeleton = {
            "name": self.skeleton,
            "keypoints": self.keypoints,
            "front": self.front,
            "centre": self.centre,
            "rear": self.rear,
            "edges": self.edges,
        }
        fields: dict[str, Any] = {"skeleton": skeleton, "individuals": self.individuals, "rate_hz": self.rate_hz}
        fields["body_length_px"] = self.body_length_px
        if self.clock is not None:
            fields["clock"] = self.clock
        fields |= {"origin": self.origin, "identities": self.identities}
        return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()

    @cached_property
    def id(self) -> int:
        """Ties a frame to this description: the first 8 bytes (little endian) of the blake3 hash of `json`.

        A frame that carries it is refused while another description is in force.
        """
        return int.from_bytes(blake3(self.json)[:8], "little")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], **changes: Any) -> Stream:
        """From a decoded description, or from the table `[stream]` of the detector's own settings (`tomllib` reads it).

        `changes` go before what the mapping says: `from_mapping(table, origin="replay")`.

        # Errors
        `StreamError` on what is missing, unknown or out of bounds.
        """
        fields = dict(mapping) | changes
        skeleton = fields.pop("skeleton", None)
        if not isinstance(skeleton, Mapping):
            raise StreamError(f"expected a skeleton with name, keypoints, front, centre and rear, got {skeleton!r}")
        fields |= {"skeleton" if key == "name" else key: value for key, value in skeleton.items()}
        try:
            return cls(**fields)
        except TypeError as error:
            raise StreamError(f"not a stream description: {error}") from error

    def _roles(self) -> Iterable[tuple[str, str]]:
        yield from (("front", self.front), ("centre", self.centre), ("rear", self.rear))
        yield from (("an edge", keypoint) for edge in self.edges for keypoint in edge)


def _names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise StreamError(f"expected {what} as a list of names, got the text {names!r}")
    names = tuple(names)
    for index, name in enumerate(names):
        if not isinstance(name, str):
            raise StreamError(f"expected {what} as names, got {name!r}")
        if name in names[:index]:
            raise StreamError(f"{what}: expected every name once, got {name!r} twice")
    return names


def _count(what: str, got: int, lowest: int, highest: int) -> None:
    if not lowest <= got <= highest:
        raise StreamError(f"expected {lowest} to {highest} {what}, got {got}")


def _bounds(what: str, got: float, lowest: float, highest: float) -> None:
    if not lowest <= got <= highest:
        raise StreamError(f"expected a {what} within {lowest:g} to {highest:g}, got {got}")


def _word(what: str, got: str, words: tuple[str, ...]) -> None:
    if got not in words:
        raise StreamError(f"expected {what} as one of {', '.join(words)}, got {got!r}")
