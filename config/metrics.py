"""What this installation counts on this host, for Prometheus.

Whichever process is asked answers for all of them: web workers, schedulers, queue workers and
commands (`config/tally.py` keeps the numbers). One that was not told where to count with others
answers for itself. A gauge reads as it was set last, by whomever.

Names are `platform_<room>_<what>_<unit>`; a counter ends in `_total`. A metric never carries a
tenant's number as a label: that would grow without end and tell one reader about every tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from flask import Blueprint, Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    values,
)
from prometheus_client import generate_latest as _generate
from prometheus_client.registry import Collector

from config.answers import public
from config.tally import Number, Tally

_own = CollectorRegistry()
_tally = Tally()
values.ValueClass = partial(Number, _tally)  # where the library takes its numbers from
blueprint = Blueprint("metrics", __name__)

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """A number that only grows."""
    return Counter(f"platform_{name}", meaning, labels, registry=_own)


def seconds(name: str, meaning: str, *labels: str) -> Histogram:
    """How long something took."""
    return Histogram(
        f"platform_{name}_seconds", meaning, labels, buckets=_LATENCY_BUCKETS, registry=_own
    )


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """A number that is set, by one process at a time."""
    return Gauge(f"platform_{name}", meaning, labels, registry=_own, multiprocess_mode="mostrecent")


def count_together(folder: Path) -> None:
    """Count with every process that names the same folder."""
    _tally.share(folder)


class _Everybody(Collector):
    """The metrics of this process with the numbers of all."""

    def collect(self) -> Iterator[Metric]:
        counted = _tally.read()
        for metric in _own.collect():
            if metric.name in counted:
                metric.samples = counted[metric.name].samples
            yield metric


_everybody = CollectorRegistry()
_everybody.register(_Everybody())


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Everything that was counted here, as Prometheus reads it."""
    return Response(_generate(_everybody), content_type=CONTENT_TYPE_LATEST)
