"""The web server's worker: gunicorn's, except for which thread answers what, and how many at once.

gunicorn's own threaded worker passes each request from its main thread to a pool and back, and
takes connections also while all its threads are busy. Here the threads themselves wait for whatever
connection is ready, in the order in which the operating system found them so, and only a few of
them at a time: more would take the interpreter from one another and finish later, all of them.

A thread needs a turn to wait for requests and to answer them. One that takes long waits for
somebody else, a database or WeChat Pay; its turn goes to the next thread meanwhile. So `threads`
bounds the requests under way, and AT_ONCE those that compute.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

# One computes while the database answers the others.
AT_ONCE: Final = 3
LENT_AFTER_SECONDS: Final = 0.025
TICK_SECONDS: Final = 0.025
_ONCE: Final = select.EPOLLIN | select.EPOLLONESHOT  # one event, for one thread, until asked anew
_GONE: Final = (errno.EAGAIN, errno.ECONNABORTED)


class TurnsWorker(ThreadWorker):  # type: ignore[misc]
    """Needs epoll, so Linux; elsewhere `gthread` serves the same application."""

    alive: bool
    _accepting: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections: set[TConn] = set()
        # Those that wait for a request, by file number. Whoever takes one out owns it.
        self.keepalived_conns: dict[int, TConn] = {}
        self._turns = threading.Semaphore(AT_ONCE)
        # When each thread that holds a turn began its request. Whoever takes one out owns the turn.
        self._began: dict[int, float] = {}

    def init_process(self) -> None:
        """After the fork: what is waited on belongs to this process alone."""
        self._epoll = select.epoll()
        self._listeners = {listener.fileno(): listener for listener in self.sockets}
        super().init_process()

    def run(self) -> None:
        """Look after time while the threads answer; once told to stop, until they have."""
        self.poller.register(
            self.method_queue.fileno(), select.EPOLLIN, self.method_queue.run_callbacks
        )
        for _ in range(self.cfg.threads):
            threading.Thread(target=self._serve, daemon=True).start()
        while self.alive and self.is_parent_alive():
            self.set_accept_enabled(len(self._connections) < self.worker_connections)
            self._tick()
        self.alive = False
        self.set_accept_enabled(False)
        self._finish()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections, or leave them to the other workers."""
        if enabled == self._accepting:
            return
        self._accepting = enabled
        for number, listener in self._listeners.items():
            if enabled:
                listener.setblocking(False)
                # For all workers to see: what one alone was told of could end with it.
                self._epoll.register(number, select.EPOLLIN)
            else:
                self._epoll.unregister(number)

    def _tick(self) -> None:
        self.notify()
        self.wait_for_and_dispatch_events(TICK_SECONDS)
        moment = time.monotonic()
        for thread, began in list(self._began.items()):
            is_long = moment - began > LENT_AFTER_SECONDS
            if is_long and self._began.pop(thread, None) is not None:
                self._turns.release()
        for number, conn in list(self.keepalived_conns.items()):
            if conn.timeout < moment and self.keepalived_conns.pop(number, None) is not None:
                self._connections.discard(conn)
                conn.close()

    def _finish(self) -> None:
        # A caller may be sending already on a connection that the last answer said is kept.
        stopped = time.monotonic()
        for conn in list(self.keepalived_conns.values()):
            conn.timeout = min(conn.timeout, stopped + STOP_KEEPALIVE_LINGER)
        while self._connections and time.monotonic() < stopped + self.cfg.graceful_timeout:
            self._tick()
        for listener in self.sockets:
            listener.close()

    def _serve(self) -> None:
        while True:
            self._turns.acquire()
            self._answer_until_lent()

    def _answer_until_lent(self) -> None:
        me = threading.get_ident()
        while True:
            [(number, _)] = self._epoll.poll(maxevents=1)
            if number in self._listeners:
                self._accept(self._listeners[number])
                continue
            conn = self.keepalived_conns.pop(number, None)
            if conn is None:  # it waited for too long and was closed just now
                continue
            self._began[me] = time.monotonic()
            self._answer(conn)
            if self._began.pop(me, None) is None:
                return

    def _accept(self, listener: socket.socket) -> None:
        try:
            client, address = listener.accept()
        except OSError as error:
            if error.errno not in _GONE:
                self.log.error("A connection cannot be taken: %s", error)
                time.sleep(TICK_SECONDS)
            return
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.data_ready = True  # no thread is given to it before
        self._connections.add(conn)
        self._wait_for_request(conn, self._epoll.register)

    def _answer(self, conn: TConn) -> None:
        # `handle` answers every fault itself. What still leaves it must not end the thread.
        with suppress(Exception, SystemExit):
            is_kept = self.handle(conn)
            while is_kept and conn.parser.unreader.buf.getvalue():
                is_kept = self.handle(conn)  # it came with the request before
            if is_kept:
                self._wait_for_request(conn, self._epoll.modify)
                return
        self._connections.discard(conn)
        conn.close(graceful=True)

    def _wait_for_request(self, conn: TConn, tell: Callable[[int, int], None]) -> None:
        conn.set_timeout()
        if not self.alive:
            conn.timeout = min(conn.timeout, time.monotonic() + STOP_KEEPALIVE_LINGER)
        number = conn.sock.fileno()
        self.keepalived_conns[number] = conn
        tell(number, _ONCE)
