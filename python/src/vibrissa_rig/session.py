"""zenoh sessions that stay on this machine unless told otherwise, and the names of cages in keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import zenoh
from zenoh import handlers

#: Where a detector listens unless configured otherwise: this machine only.
ENDPOINT = "tcp/127.0.0.1:7447"

#: Any free port of this machine. Peers pass on nothing for others, so whoever wants poses finds its way here.
NEARBY = "tcp/127.0.0.1:0"

_MESSAGE_BYTES_MAX = 1024 * 1024
#: Batches of a priority that may wait for the wire: the most that zenoh allows.
_BATCHES = 16
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}", re.ASCII)

_T = TypeVar("_T")

#: How long a put that must not drop waits for the wire, in microseconds, before the peer is given up.
_PATIENCE_MICROS = {False: 1_000_000, True: 60_000_000}


def open_session(
    connect: str | list[str] = ENDPOINT, listen: str | list[str] = NEARBY, *, lossless: bool = False
) -> zenoh.Session:
    """A peer with exactly these endpoints: nothing is announced or searched by multicast.

    An endpoint to connect to that does not answer is no error: zenoh keeps trying. Takes about half a second then.

    # Errors
    `zenoh.ZError` on an endpoint that zenoh cannot parse, or one to listen at that is taken.
    """
    config = zenoh.Config()
    settings: list[tuple[str, Any]] = [
        ("mode", "peer"),
        ("connect/endpoints", _listed(connect)),
        ("listen/endpoints", _listed(listen)),
        ("scouting/multicast/enabled", False),
        ("transport/link/rx/max_message_size", _MESSAGE_BYTES_MAX),
        ("transport/link/tx/queue/congestion_control/block/wait_before_close", _PATIENCE_MICROS[lossless]),
        ("transport/link/tx/queue/size/real_time", _BATCHES),
    ]
    for key, value in settings:
        config.insert_json5(key, json.dumps(value))
    return zenoh.open(config)


def checked_name(what: str, name: str, *, any_name: bool = False) -> str:
    """A rig's or a cage's name as it may stand in a key; `*` too where `any_name`.

    # Errors
    `ValueError` on other characters than ASCII letters, digits, `_`, `-` and `.`, or more than 64.
    """
    if (any_name and name == "*") or _NAME.fullmatch(name):
        return name
    raise ValueError(f"expected a {what} of 1 to 64 letters, digits, '_', '-' or '.', got {name!r}")


def direct(callback: Callable[[_T], Any]) -> handlers.Callback[_T]:
    """A callback on zenoh's own thread.

    The usual one gets a Python thread that keeps the program from ending until the session is closed.
    """
    return handlers.Callback(callback, indirect=False)


def _listed(endpoints: str | list[str]) -> list[str]:
    return [endpoints] if isinstance(endpoints, str) else list(endpoints)
