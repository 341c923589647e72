"""The built detector as a process, sessions that connect to it, and bounded waiting."""

import json
import os
import pathlib
import signal
import subprocess
import threading
import time

import zenoh

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("VIBRISSA_BIN", ROOT / "target/release/vibrissa")
PATIENCE_SECS = 30.0


def until(what, holds):
    """Looks at a condition again and again until it holds, and gives what it gave."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not (held := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECS} s: {what}"
        time.sleep(0.005)
    return held


class Detector:
    """`vibrissa detect` on a free port of this machine, with the model of the rats or another one."""

    def __init__(self, folder, *arguments, model="models/rat-dyads"):
        self.journal_file = folder / "journal.jsonl"
        where = ["--listen", "tcp/127.0.0.1:0", "--model", ROOT / model, "--journal", self.journal_file]
        self.process = subprocess.Popen([BINARY, "detect", *where, *arguments], stdout=subprocess.PIPE, text=True)
        self.lines, self.sessions = [], []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def __enter__(self):
        try:
            self.endpoint = until("the detector to wait for poses", self._endpoint)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Python does not end while callbacks of an open session wait.
        for session in self.sessions:
            session.close()
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def _endpoint(self):
        assert self.process.poll() is None, f"the detector ended by itself: {self.lines}"
        waiting = [line for line in list(self.lines) if line.startswith("waiting for poses")]
        return waiting and waiting[0].rstrip().rpartition(" at ")[2]

    def open(self):
        """A session that is connected to this detector, and to nobody else."""
        config = zenoh.Config()
        for key, value in [
            ("mode", "peer"),
            ("connect/endpoints", [self.endpoint]),
            ("listen/endpoints", []),
            ("scouting/multicast/enabled", False),
        ]:
            config.insert_json5(key, json.dumps(value))
        self.sessions.append(zenoh.open(config))
        return self.sessions[-1]

    def terminate(self):
        """Asks for an orderly end; gives the exit status, once all output is read."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_SECS)
        self.reader.join(PATIENCE_SECS)
        return status

    def journal(self):
        return self.journal_file.read_text().splitlines()


class Ears:
    """Hears the events and states of every cage. Once it is made, the detector knows of it and nothing is missed."""

    def __init__(self, session):
        self.events, self.statuses = [], []
        events, statuses = "vibrissa/*/*/event/*", "vibrissa/*/*/status"
        self.subscribers = [
            session.declare_subscriber(events, lambda sample: self.events.append(text(sample))),
            session.declare_subscriber(statuses, lambda sample: self.statuses.append(json.loads(text(sample)))),
        ]
        # zenoh keeps declarations in their order, so the answer to a later one says that these have arrived.
        until("the detector to be seen", lambda: alive(session))

    def status(self, name, state):
        """Waits for a state of the cage RIG/CAGE."""

        def told():
            cage = [status for status in list(self.statuses) if f"{status['rig']}/{status['cage']}" == name]
            return next((status for status in cage if status["state"] == state), None)

        return until(f"{name} {state}", told)

    def events_of(self, name):
        return [line for line in list(self.events) if json.loads(line)["bout"].startswith(f"{name}/")]

    def events_to_the_end(self, name):
        """The cage's events when it has ended and all that was decided has come."""
        decided = self.status(name, "ended")["counts"]["decided"]
        until(f"the {decided} events of {name}", lambda: len(self.events_of(name)) >= decided)
        return self.events_of(name)


def text(sample):
    return sample.payload.to_string()


def alive(session):
    """Keys of the detectors that are there."""
    return [str(reply.ok.key_expr) for reply in session.liveliness().get("vibrissa/detector/*/alive") if reply.ok]
