"""Background work that does not tick but stays: it waits for its own work and does it at once.

A loop runs in a thread of a process beside the scheduler, or of the workers of its queue where
there is a broker. It is told to stop by an event and ends by itself; one that fails is logged and
begun again. Any number of processes may run the same loop: what it does is claimed in the database.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from flask import Flask

from config.logs import get_logger

BEGIN_AGAIN_SECONDS = 2
STOP_SECONDS = 10
GRACE_SECONDS = 5
BESIDE = ("-m", "flask", "--app", "wsgi", "loops")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loop:
    """Something that goes on until it is told to stop."""

    name: str
    what_for: str
    run: Callable[[Flask, threading.Event], None]
    queue: str  # which workers run it, where there is a broker


class RunningLoops:
    """The loops of this process."""

    def __init__(self, app: Flask, loops: Collection[Loop]) -> None:
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._stay, args=(app, loop), name=loop.name, daemon=True)
            for loop in loops
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Tell all of them to end and wait for it; one that hangs does not hold the process."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _stay(self, app: Flask, loop: Loop) -> None:
        while not self._stopped.is_set():
            try:
                loop.run(app, self._stopped)
            except Exception as fault:
                log.error("a loop failed and is begun again", loop=loop.name, exc_info=fault)
                self._stopped.wait(BEGIN_AGAIN_SECONDS)


class LoopsBeside:
    """All loops in a process of their own, where no job's work holds the interpreter.

    It is begun again when it ends by itself, and ends when the process that began it does.
    """

    def __init__(self, command: Sequence[str] = BESIDE) -> None:
        self._command = [sys.executable, *command]
        self._stopped = threading.Event()
        self._process = self._begun()
        self._thread = threading.Thread(target=self._keep, name="loops", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell it to end and wait for it; one that hangs is killed."""
        self._stopped.set()
        self._process.terminate()
        self._thread.join(STOP_SECONDS + GRACE_SECONDS)
        if self._thread.is_alive():
            self._process.kill()

    def _begun(self) -> subprocess.Popen[bytes]:
        # Nothing is ever written there. It ends with this process, however that ends.
        return subprocess.Popen(self._command, stdin=subprocess.PIPE)  # noqa: S603 - ours

    def _keep(self) -> None:
        while True:
            status = self._process.wait()
            # Whoever ends it together with this process is heard here a moment later.
            if self._stopped.wait(BEGIN_AGAIN_SECONDS):
                return
            log.error("the process of the loops ended and is begun again", status=status)
            self._process = self._begun()


def init_loops(app: Flask, loops: Collection[Loop]) -> None:
    """Let this application know the floors' loops."""
    app.extensions["loops"] = tuple(loops)


def start_loops(app: Flask, queues: Collection[str] | None = None) -> RunningLoops:
    """Start every loop in threads of this process, or only those of these queues."""
    loops: tuple[Loop, ...] = app.extensions["loops"]
    return RunningLoops(app, [loop for loop in loops if queues is None or loop.queue in queues])
