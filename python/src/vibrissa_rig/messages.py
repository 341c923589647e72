"""What a detector says: events and states, from versioned JSON. Unknown fields are kept, newer versions refused.

`src/output/event.rs` and `src/live/status.rs` of Vibrissa describe them field by field.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

EVENT_VERSION = 1
STATUS_VERSION = 1

_T = TypeVar("_T")


class MessageError(ValueError):
    """A message that cannot be read; says what was expected and what came."""


class VersionError(MessageError):
    """A message of a version that this package does not know."""


@dataclass(frozen=True)
class Revised:
    """What a shorter delay had said of the same bout."""

    delay: int
    onset_tick: int
    stop_tick: int | None = None


@dataclass(frozen=True)
class Event:
    """An edge of a bout: it began, it ended, or it is taken back.

    Ticks are 30 a second and begin with the cage. A bout has one id at every delay; each delay is a stream of its own.
    """

    version: int
    #: Counts all events of a journal, and goes on after a restart.
    sequence: int
    publication_nanos: int
    rig: str
    cage: str
    bout: str
    behavior: str
    #: directed, self, mutual or undirected.
    kind: str
    label_set: str
    #: onset, offset, retraction or abandoned.
    edge: str
    onset_tick: int
    decision_tick: int
    #: Ticks between a moment and the verdict on it.
    delay: int
    score: float
    #: The longest delay's word, which none will contradict.
    settled: bool
    #: What the network had seen of the animals, at most 512.
    history_ticks: int
    #: That was less than verdicts need to be as reliable as they get.
    warming: bool
    #: Lowest confidence over the bout that the animals are those whose names they bear.
    identity: float
    decision_nanos: int
    model: str
    #: live, replay or simulated. Nothing but live may ever fire a device.
    origin: str
    #: Whom it is about: agent and target of a directed behavior, the animal of a self behavior, else two without order.
    animals: tuple[str, ...] = ()
    #: Of directed and self behaviors only.
    agent: str | None = None
    #: Of directed behaviors only.
    target: str | None = None
    #: The first tick after the bout; at an offset only.
    stop_tick: int | None = None
    revises: Revised | None = None
    #: Capture time of the newest frame that the decision saw, on `clock`.
    capture_nanos: int | None = None
    clock: str | None = None
    #: Fields that this package does not know.
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes | str) -> Event:
        """# Errors
        `VersionError` on another version, `MessageError` on what is no event.
        """
        fields = _fields(payload, "event", EVENT_VERSION)
        if revises := fields.get("revises"):
            fields["revises"] = _made(Revised, revises, "event")
        named = tuple(name for name in (fields.get("agent"), fields.get("target")) if name is not None)
        fields["animals"] = tuple(fields.get("animals", named))
        return _made(cls, fields, "event")


@dataclass(frozen=True)
class Status:
    """Something about a cage changed, or it goes on (`running`, every few seconds)."""

    version: int
    rig: str
    cage: str
    #: started, running, warming, warm, stale, fresh, swap-alarm, timing, ended …: Vibrissa's README lists them.
    state: str
    #: The detector's wall clock.
    nanos: int
    model: str
    origin: str
    #: frames, ticks, points_missing, decided, published, refused by cause …, since the detector started.
    counts: Mapping[str, Any]
    #: What this state says besides, such as `animals` of a swap-alarm.
    others: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, payload: bytes | str) -> Status:
        """# Errors
        `VersionError` on another version, `MessageError` on what is no status.
        """
        return _made(cls, _fields(payload, "status", STATUS_VERSION), "status")


def _fields(payload: bytes | str, what: str, version: int) -> dict[str, Any]:
    try:
        fields = json.loads(payload)
    except ValueError as error:
        raise MessageError(f"expected {what} as JSON, got {payload[:80]!r}: {error}") from error
    if not isinstance(fields, dict) or "version" not in fields:
        raise MessageError(f"expected {what} as an object with a version, got {payload[:80]!r}")
    if fields["version"] != version:
        advice = "vibrissa-rig and the detector are of different age"
        raise VersionError(f"expected {what} of version {version}, got {fields['version']!r}: {advice}")
    return fields


def _made(made: type[_T], fields: Mapping[str, Any], what: str) -> _T:
    """A dataclass from what it knows of the fields; the others go into `others`, where it has one."""
    names = {each.name for each in dataclasses.fields(cast("Any", made))}
    known = {name: value for name, value in fields.items() if name in names - {"others"}}
    if "others" in names:
        known["others"] = {name: value for name, value in fields.items() if name not in known}
    try:
        return made(**known)
    except TypeError as error:
        raise MessageError(f"{what}: {error}") from error
