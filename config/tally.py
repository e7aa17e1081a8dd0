"""The numbers behind the metrics, kept so that one process can answer for all of them.

A process counts into files of its own, in a folder that the others read. The files belong to a
seat: a number whose lock the process holds while it lives. However it ends, the kernel lets go of
the lock, and whoever takes the seat next counts on from where it stood. So no count is lost or goes
back, and there are never more files than processes were once alive together. A process without a
seat counts in memory, for itself alone.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from config.logs import get_logger

SEATS = 512  # processes of one installation alive together on one host
KINDS = ("counter", "histogram", "gauge_mostrecent")
FILE_BYTES = 128 * 1024  # several times what all metrics need
_UNREADABLE = (OSError, AttributeError, TypeError, ValueError, RuntimeError, struct.error)

log = get_logger(__name__)


class Number:
    """One number of a metric, in the form in which the library asks for it."""

    def __init__(
        self,
        tally: Tally,
        kind: str,
        metric: str,
        name: str,
        labels: Iterable[str],
        values: Iterable[str],
        meaning: str,
        *,
        multiprocess_mode: str = "",
    ) -> None:
        self._tally = tally
        self._kind = f"{kind}_{multiprocess_mode}" if multiprocess_mode else kind
        self._key = mmap_key(metric, name, list(labels), list(values), meaning)
        self._file: MmapedDict | None = None
        self._value = self._set_at = 0.0
        tally.add(self)

    def inc(self, amount: float) -> None:
        """Add to it."""
        with self._tally.lock:
            self._value += amount
            self._write()

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Set it; of several processes the latest `timestamp` counts."""
        with self._tally.lock:
            self._value, self._set_at = value, timestamp or 0.0
            self._write()

    def get(self) -> float:
        """What the seat of this process has counted."""
        with self._tally.lock:
            return self._value

    def set_exemplar(self, exemplar: object) -> None:
        """Exemplars are not kept."""

    def get_exemplar(self) -> None:
        """Exemplars are not kept."""

    def sit_down(self, seat: Seat) -> None:
        """Count on from what the seat has counted, in its file."""
        self._file = seat.file(self._kind)
        value, set_at = self._file.read_value(self._key)
        self._value, self._set_at = self._value + value, max(self._set_at, set_at)
        self._write()

    def forget(self) -> None:
        """Begin again at nothing, in memory."""
        self._file, self._value, self._set_at = None, 0.0, 0.0

    def _write(self) -> None:
        if self._file is not None:
            self._file.write_value(self._key, self._value, self._set_at)


class Seat:
    """A place among the processes that count in one folder, with a file for each kind of metric.

    Raises OSError when none is free or its files cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._number, self._lock = _first_free(folder)
        self._files = {kind: self._opened(kind) for kind in KINDS}

    def file(self, kind: str) -> MmapedDict:
        """Where this seat counts what is of one kind."""
        return self._files[kind]

    def leave_to_parent(self) -> None:
        """Let go in a child that was forked; the parent's hold on the seat stays."""
        os.close(self._lock)

    def _opened(self, kind: str) -> MmapedDict:
        path = self.folder / f"{kind}_{self._number}.db"
        if not _is_whole(path):
            _reserve(path)
        return MmapedDict(str(path))


class Tally:
    """Every number of this process, and its seat if it has one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._numbers: list[Number] = []
        self._seat: Seat | None = None

    def add(self, number: Number) -> None:
        """Take in a number that was just made."""
        with self.lock:
            self._numbers.append(number)
            if self._seat is not None:
                number.sit_down(self._seat)

    def share(self, folder: Path) -> None:
        """Count in this folder from now on. Where that cannot be, say so and count on alone."""
        if self._seat is not None:
            raise RuntimeError("This process counts in a folder already.")
        self._sit_down(folder)
        os.register_at_fork(after_in_child=self._part_from_parent)

    def read(self) -> dict[str, Metric]:
        """What all processes of the folder have counted, by metric; nothing when alone."""
        if self._seat is None:
            return {}
        files = sorted(self._seat.folder.glob("*.db"))
        try:
            found = _merged(files)
        except _UNREADABLE:
            log.warning("a file of counts cannot be read", folder=str(self._seat.folder))
            found = _merged(path for path in files if _is_whole(path))
        return {metric.name: metric for metric in found}

    def _sit_down(self, folder: Path) -> None:
        try:
            folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
            seat = Seat(folder)
        except OSError as fault:
            log.warning("this process counts alone", folder=str(folder), reason=str(fault))
            return
        with self.lock:
            for number in self._numbers:
                number.sit_down(seat)
            self._seat = seat

    def _part_from_parent(self) -> None:
        self.lock = threading.Lock()  # the parent's may be held by a thread that is not here
        parents, self._seat = self._seat, None
        if parents is None:
            return
        parents.leave_to_parent()
        for number in self._numbers:
            number.forget()
        self._sit_down(parents.folder)


def _first_free(folder: Path) -> tuple[int, int]:
    """The lowest seat nobody alive holds, and the lock that now holds it."""
    for number in range(SEATS):
        try:
            lock = os.open(folder / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:  # another user's, such as root's who ran a command
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        return number, lock
    raise OSError("no seat is free")


def _reserve(path: Path) -> None:
    # Written out, not only made long: on a full disk this fails here, where it is harmless. A hole
    # in the file would end the process at whichever count came first to need its page.
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(bytes(FILE_BYTES))
    draft.replace(path)


def _merged(files: Iterable[Path]) -> Iterable[Metric]:
    found: Iterable[Metric] = MultiProcessCollector.merge([str(path) for path in files])
    return found


def _is_whole(path: Path) -> bool:
    try:
        _merged([path])
    except _UNREADABLE:
        return False
    return True
