"""What a process counts, for Prometheus.

Names are `platform_<room>_<what>_<unit>`; a counter ends in `_total`. A metric never carries a
tenant's number as a label: that would grow without end and tell one reader about every tenant.
"""

from __future__ import annotations

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram
from prometheus_client import generate_latest as _generate

from config.answers import public

registry = CollectorRegistry()
blueprint = Blueprint("metrics", __name__)

_LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """A number that only grows."""
    return Counter(f"platform_{name}", meaning, labels, registry=registry)


def seconds(name: str, meaning: str, *labels: str) -> Histogram:
    """How long something took."""
    return Histogram(
        f"platform_{name}_seconds", meaning, labels, buckets=_LATENCY_BUCKETS, registry=registry
    )


@blueprint.get("/metrics")
@public
def metrics() -> Response:
    """Everything this process has counted, as Prometheus reads it."""
    return Response(_generate(registry), content_type=CONTENT_TYPE_LATEST)
