"""Hears WeChat Pay's notifications while the demo loads, when no web application does yet.

It is the application itself behind a small server at its own public address, so a notification
takes the same way as ever, under the moved clock of the loading process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.serving import make_server

from config.database import release
from config.settings import is_loopback

JOIN_SECONDS: Final = 5
HEARD_WITHIN_SECONDS: Final = 5.0
LOOK_EVERY_SECONDS: Final = 0.01


@contextmanager
def hearing(app: Flask) -> Iterator[None]:
    """Serve the public address inside the block, unless it is not ours to serve."""
    address = urlsplit(app.config["PUBLIC_BASE_URL"])
    host = address.hostname or ""
    if address.scheme != "http" or not is_loopback(host):
        yield
        return
    try:
        server = make_server(host, address.port or 80, app, threaded=True)
    except (OSError, SystemExit):
        yield  # the address is taken, so the application runs there and hears for itself
        return
    thread = threading.Thread(target=server.serve_forever, name="ear", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(JOIN_SECONDS)
        server.server_close()


def await_news(is_known: Callable[[], bool]) -> None:
    """Return when the database shows the news, or when patience ends: a sweep asks later."""
    deadline = time.monotonic() + HEARD_WITHIN_SECONDS
    while time.monotonic() < deadline:
        known = is_known()
        release()
        if known:
            return
        time.sleep(LOOK_EVERY_SECONDS)
