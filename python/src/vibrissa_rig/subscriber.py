"""Hears what a detector says: events and states, as an iterator or by callback."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

import zenoh
import zenoh.ext

from vibrissa_rig.messages import Event, MessageError, Status
from vibrissa_rig.session import ENDPOINT, NEARBY, checked_name, direct, open_session

#: Messages that may wait to be looked at; then the oldest give way, and are counted.
WAITING_MAX = 4096

#: Waits are cut into such pieces, so that Ctrl-C is heard on every system.
_PIECE_SECS = 0.5

#: How often a detector is looked for.
_LOOK_AGAIN_SECS = 0.02

_logger = logging.getLogger(__name__)

M = TypeVar("M")


class _Heard(Generic[M]):
    """Messages of one key, parsed when they are asked for. An iterator, and a context that leaves at its end."""

    def __init__(
        self,
        key: str,
        parse: Callable[[bytes], M],
        *,
        connect: str | list[str],
        listen: str | list[str],
        session: zenoh.Session | None,
        timeout_secs: float | None,
        history: bool,
    ) -> None:
        self.key, self.timeout_secs = key, timeout_secs
        #: Messages that gave way, since nobody looked in time.
        self.missed = 0
        self._parse = parse
        self._waiting: deque[bytes] = deque()
        self._came = threading.Condition()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._own_session = session is None
        self._session = session or open_session(connect, listen)
        self._subscriber: Any
        if history:
            wanted = zenoh.ext.HistoryConfig(detect_late_publishers=True)
            declare = zenoh.ext.declare_advanced_subscriber
            self._subscriber = declare(self._session, key, direct(self._take), history=wanted)
        else:
            self._subscriber = self._session.declare_subscriber(key, direct(self._take))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[M]:
        return self

    def __next__(self) -> M:
        message = self.receive(self.timeout_secs)
        if message is None:
            raise StopIteration
        return message

    def receive(self, timeout_secs: float | None = None) -> M | None:
        """The next message; None when none came in that time (None: wait for ever), or this is closed.

        # Errors
        `MessageError` on a message that cannot be read, `VersionError` on one of a newer version; the next call gives
        the next message.
        """
        deadline = None if timeout_secs is None else time.monotonic() + timeout_secs
        with self._came:
            while not self._waiting:
                left = _PIECE_SECS if deadline is None else deadline - time.monotonic()
                if self._closed or left <= 0:
                    return None
                self._came.wait(min(left, _PIECE_SECS))
            payload = self._waiting.popleft()
        return self._parse(payload)

    def wait_for_detector(self, timeout_secs: float | None = None) -> bool:
        """Waits until a detector is there and knows of this subscription, from when on nothing is missed.

        False when none was seen in that time.
        """
        deadline = None if timeout_secs is None else time.monotonic() + timeout_secs
        while not self._closed:
            # zenoh keeps declarations in their order: who answers this one has heard of the subscription.
            replies: Any = self._session.liveliness().get("vibrissa/detector/*/alive", timeout=_PIECE_SECS)
            if any(reply.ok for reply in replies):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_AGAIN_SECS)
        return False

    def close(self) -> None:
        """Leaves; a loop over this ends, and a callback is not called any more. Does nothing the second time."""
        with self._came:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._came.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        try:
            self._subscriber.undeclare()
            if self._own_session:
                self._session.close()  # type: ignore[no-untyped-call]
        except zenoh.ZError:
            # The session is gone, and the subscription with it.
            pass

    def _take(self, sample: zenoh.Sample) -> None:
        if sample.kind != zenoh.SampleKind.PUT:
            return
        payload = sample.payload.to_bytes()
        with self._came:
            if len(self._waiting) >= WAITING_MAX:
                self._waiting.popleft()
                self.missed += 1
            self._waiting.append(payload)
            self._came.notify()

    def _call(self, callback: Callable[[M], object], on_error: Callable[[MessageError], object] | None) -> None:
        """Calls back from a thread of its own until this is closed."""
        if self._thread is not None:
            raise RuntimeError("expected one callback, got a second")

        def loop() -> None:
            while not self._closed:
                try:
                    message = self.receive()
                    if message is not None:
                        callback(message)
                except MessageError as error:
                    (on_error or _log)(error)
                except Exception:
                    _logger.exception("the callback for %s failed; the next message goes to it again", self.key)

        self._thread = threading.Thread(target=loop, name="vibrissa-rig", daemon=True)
        self._thread.start()


class Events(_Heard[Event]):
    """The events of some cages, from their history on.

    `rig`, `cage`: a name, or `*` for all. `delay`: of which decision delay in ticks (0, 15, 30, 60), None for all:
    every bout is then told once for each. `history`: also the last 256 events of every cage and delay, which come
    first, in order within a delay. `timeout_secs`: a loop ends after so long without an event; None: never by itself.

    # Errors
    `ValueError` on a bad name, `zenoh.ZError` where zenoh cannot be opened. A detector that does not answer is no
    error.
    """

    def __init__(
        self,
        rig: str = "*",
        cage: str = "*",
        delay: int | None = None,
        *,
        timeout_secs: float | None = None,
        history: bool = True,
        connect: str | list[str] = ENDPOINT,
        listen: str | list[str] = NEARBY,
        session: zenoh.Session | None = None,
    ) -> None:
        last = "*" if delay is None else str(int(delay))
        super().__init__(
            f"{_root(rig, cage)}/event/{last}",
            Event.parse,
            connect=connect,
            listen=listen,
            session=session,
            timeout_secs=timeout_secs,
            history=history,
        )

    def __enter__(self) -> Events:
        return self

    def on_event(
        self, callback: Callable[[Event], object], on_error: Callable[[MessageError], object] | None = None
    ) -> None:
        """Calls back with every event, from one thread of its own, until this is closed. Instead of a loop over it.

        What the callback raises is logged. `on_error` gets messages that cannot be read; they are logged without it.
        """
        self._call(callback, on_error)


class Statuses(_Heard[Status]):
    """The states of some cages, from now on: started, stale, swap-alarm, ended and so on, with counts of frames and
    drops.

    Arguments and errors as of `Events`.
    """

    def __init__(
        self,
        rig: str = "*",
        cage: str = "*",
        *,
        timeout_secs: float | None = None,
        connect: str | list[str] = ENDPOINT,
        listen: str | list[str] = NEARBY,
        session: zenoh.Session | None = None,
    ) -> None:
        super().__init__(
            f"{_root(rig, cage)}/status",
            Status.parse,
            connect=connect,
            listen=listen,
            session=session,
            timeout_secs=timeout_secs,
            history=False,
        )

    def __enter__(self) -> Statuses:
        return self

    def on_status(
        self, callback: Callable[[Status], object], on_error: Callable[[MessageError], object] | None = None
    ) -> None:
        """As `Events.on_event`."""
        self._call(callback, on_error)


def _root(rig: str, cage: str) -> str:
    return f"vibrissa/{checked_name('rig', rig, any_name=True)}/{checked_name('cage', cage, any_name=True)}"


def _log(error: MessageError) -> None:
    _logger.error("%s", error)
