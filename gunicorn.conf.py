"""How gunicorn serves `wsgi:app`; options on its command line come first.

A worker takes traffic only once its master keys have opened what is stored and every provider's
keys are parsed.
"""

import gc
import multiprocessing
import select
from typing import Any

from config.database import POOL_SIZE
from config.payloads import MAX_BODY_BYTES
from config.settings import Settings, SettingsError


def _workers() -> int:
    """One per core; on SQLite one, because a second would only wait for its turn to write."""
    try:
        url = Settings.from_environment().database_url
    except SettingsError:  # the application ends and names every fault
        return 1
    return 1 if url.startswith("sqlite") else multiprocessing.cpu_count()


worker_class = "config.web_worker.TurnsWorker" if hasattr(select, "epoll") else "gthread"
workers = _workers()
threads = POOL_SIZE // 2
timeout = 60
graceful_timeout = 30
keepalive = 15
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Refuse to serve with wrong master keys; parse every key before the first request.

    What stands in memory by then stays there for good. Each full collection of garbage would go
    through all of it and hold up every thread for a tenth of a second.
    """
    from config.rekeying import verify_master_keys
    from partner.gateway import warm

    with worker.wsgi.app_context():
        verify_master_keys()
        warm()
    gc.collect()
    gc.freeze()


def pre_request(_worker: Any, request: Any) -> None:
    """End the connection with the answer where a body is announced that nobody will read.

    Kept open, it would be cut under the next request that the caller sends on it.
    """
    sizes = (value for name, value in request.headers if name == "CONTENT-LENGTH")
    if any(value.isdecimal() and int(value) > MAX_BODY_BYTES for value in sizes):
        request.force_close()
