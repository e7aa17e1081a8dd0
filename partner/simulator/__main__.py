"""`python -m partner.simulator --home DIR --port P`: WeChat Pay's partner side behind a port.

One process serves, in threads, and sends the notifications; a small parent watches over it and
takes the signals. Files, keys and the socket are ready before the first connection is accepted.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from gunicorn.app.base import BaseApplication

from partner.simulator.home import Home
from partner.simulator.simulator import Simulator

THREADS: Final = 64
KEEP_ALIVE_S: Final = 75
PORT_PATIENCE_S: Final = 3.0
PR_SET_PDEATHSIG: Final = 1


class Program(BaseApplication):  # type: ignore[misc]
    """Gunicorn with one threaded worker, in which the simulator lives."""

    def __init__(
        self, arguments: argparse.Namespace, listener: socket.socket, base_url: str
    ) -> None:
        self._arguments = arguments
        self._listener = listener
        self._base_url = base_url
        self._simulator: Simulator | None = None
        super().__init__()

    def load_config(self) -> None:
        """Everything is said here: no configuration file, no command line of gunicorn's own."""
        settings: dict[str, Any] = {
            "bind": [f"fd://{self._listener.fileno()}"],
            "workers": 1,
            "worker_class": "gthread",
            "threads": THREADS,
            "keepalive": KEEP_ALIVE_S,
            "timeout": 0,
            "graceful_timeout": 3,
            "control_socket_disable": True,
            "loglevel": "warning",
            "post_fork": _tie_to_parent,
            "worker_exit": self._finish,
            "certfile": self._arguments.tls_certificate,
            "keyfile": self._arguments.tls_key,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """In the worker: open the world and begin to notify."""
        self._simulator = Simulator(self._arguments.home, base_url=self._base_url)
        self._simulator.notifier.start()
        return self._simulator.app

    def _finish(self, _server: Any, _worker: Any) -> None:
        if self._simulator is not None:
            self._simulator.close()


def _tie_to_parent(_server: Any, _worker: Any) -> None:
    """Die with the parent, even when it is killed without a chance to say so.

    Otherwise the orphan would keep the port and the ledger until it notices, and a restart would
    fail.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C or SIGTERM. 1 when the port is taken."""
    arguments = _arguments(argv)
    try:
        listener = _bind(arguments.host, arguments.port)
    except OSError as problem:
        print(_why_not(arguments, problem), file=sys.stderr)  # noqa: T201
        return 1
    scheme = "https" if arguments.tls_certificate else "http"
    base_url = f"{scheme}://{arguments.host}:{listener.getsockname()[1]}"
    arguments.home.mkdir(parents=True, exist_ok=True)
    home = Home(arguments.home)
    home.describe(home.open(), base_url)
    print(_welcome(arguments.home, base_url), flush=True)  # noqa: T201
    Program(arguments, listener, base_url).run()
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m partner.simulator",
        description="WeChat Pay's partner side in a process, for development and tests.",
    )
    parser.add_argument("--home", type=Path, required=True, help="folder for keys and ledger")
    parser.add_argument(
        "--port", type=int, required=True, help="port to listen on; 0 takes a free one"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--tls-certificate", help="PEM file; serve https")
    parser.add_argument("--tls-key", help="PEM file of the certificate's key")
    arguments = parser.parse_args(argv)
    if bool(arguments.tls_certificate) != bool(arguments.tls_key):
        parser.error("--tls-certificate and --tls-key go together")
    return arguments


def _bind(host: str, port: int) -> socket.socket:
    """The port, taken but not yet listening. A simulator that was just killed may need a moment to
    go."""
    deadline = time.monotonic() + PORT_PATIENCE_S
    while True:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            return listener
        except OSError as problem:
            listener.close()
            if problem.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _why_not(arguments: argparse.Namespace, problem: OSError) -> str:
    where = f"{arguments.host}:{arguments.port}"
    if problem.errno == errno.EADDRINUSE:
        return f"端口已被占用 / port taken: {where}. Choose another with --port."
    return f"无法监听 / cannot listen on {where}: {problem.strerror}"


def _welcome(home: Path, base_url: str) -> str:
    return (
        f"微信支付仿真 / WeChat Pay simulator: {base_url}\n"
        f"  密钥与商户 / keys and merchants: {home / 'simulator.json'}\n"
        f"  账本 / ledger: {base_url}/    按 Ctrl-C 停止 / Ctrl-C stops it"
    )


if __name__ == "__main__":
    sys.exit(main())
