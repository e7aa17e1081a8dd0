"""Where a job runs: in the scheduler's own process, or at a worker behind the broker.

Without `BROKER_URL` the scheduler runs jobs itself. With it, the scheduler only sends each due
job's name, and `flask --app wsgi worker` runs it. A message carries nothing else, and the job's
lease in the database still decides who may run it: a lost message is made up by the next tick, a
doubled one claims nothing. Loops run beside the jobs, wherever those of their queue run.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from urllib.parse import urlsplit

import dramatiq
from dramatiq import Broker, Worker
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AgeLimit, ShutdownNotifications, TimeLimit
from flask import Flask

from config.errors import Unavailable
from config.logs import get_logger
from config.loops import start_loops
from config.scheduler import Job, get_job, run_job

QUEUES = ("critical", "webhooks", "bills")
HEARTBEAT_MS = 30_000  # how long a killed worker's message waits before another gets it
MAINTENANCE_CHANCE = 50_000
TIME_LIMIT_MS = 29 * 60 * 1000
MESSAGE_LIFE_MS = 10 * 60 * 1000  # an older tick has been made up by newer ones
ACTOR = "run_job"

log = get_logger(__name__)


class NoBroker(Unavailable):
    """A worker was started without a broker to take work from."""

    code = "no_broker"

    def __init__(self) -> None:
        super().__init__("BROKER_URL is not set: the scheduler runs all jobs in its own process.")


def init_tasks(app: Flask, broker_url: str | None) -> None:
    """Tell the application where its jobs run."""
    app.extensions["broker"] = None if broker_url is None else _connected(app, broker_url)


def has_broker(app: Flask) -> bool:
    """Whether work is done elsewhere, by workers."""
    return app.extensions["broker"] is not None


def send_or_run(app: Flask, job: Job) -> None:
    """Hand a due job to a worker, or run it here when there is no broker."""
    broker: Broker | None = app.extensions["broker"]
    if broker is None:
        run_job(job)
        return
    message = broker.get_actor(ACTOR).message(job.name)
    broker.enqueue(message.copy(queue_name=job.queue))


def work(app: Flask, queues: Sequence[str] = QUEUES, threads: int = 4) -> None:
    """Run jobs from the broker until the process is told to stop. Raises NoBroker."""
    broker: Broker | None = app.extensions["broker"]
    if broker is None:
        raise NoBroker
    worker = Worker(broker, queues=set(queues), worker_threads=threads)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    worker.start()
    loops = start_loops(app, queues)
    log.info("worker takes jobs", queues=list(queues), threads=threads)
    stopped.wait()
    loops.stop()
    worker.stop()


def _connected(app: Flask, broker_url: str) -> Broker:
    middleware = [AgeLimit(max_age=MESSAGE_LIFE_MS), TimeLimit(), ShutdownNotifications()]
    broker: Broker
    if urlsplit(broker_url).scheme in ("amqp", "amqps"):
        broker = RabbitmqBroker(url=broker_url, middleware=middleware)
    else:
        broker = RedisBroker(  # type: ignore[no-untyped-call]
            url=broker_url,
            middleware=middleware,
            heartbeat_timeout=HEARTBEAT_MS,
            maintenance_chance=MAINTENANCE_CHANCE,
        )

    @dramatiq.actor(
        broker=broker,
        actor_name=ACTOR,
        queue_name=QUEUES[0],
        time_limit=TIME_LIMIT_MS,
    )
    def run(name: str) -> None:
        with app.app_context():
            run_job(get_job(app, name))

    for queue in QUEUES:
        broker.declare_queue(queue)
    return broker
