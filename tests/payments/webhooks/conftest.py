"""What webhook tests stand on: a receiver on a real socket, and a platform that may reach it."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import pytest
from flask import Flask

from payments.webhooks.outbound import Outbound
from tests.payments.webhooks.receivers import Receivers, receiving

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """A server on loopback, empty."""
    with receiving() as served:
        yield served


@pytest.fixture
def loopback(app: Flask) -> Iterator[Flask]:
    """The application with WEBHOOK_ALLOWED_NETWORKS naming loopback."""
    usual = app.config["SETTINGS"]
    app.config["SETTINGS"] = usual.model_copy(update={"webhook_allowed_networks": LOOPBACK})
    yield app
    app.config["SETTINGS"] = usual


@pytest.fixture
def outbound() -> Outbound:
    """A way out that may go to loopback, as patient as ours: a machine may stall for seconds."""
    return Outbound(LOOPBACK)


@pytest.fixture
def hasty() -> Outbound:
    """The same with little patience, for receivers who never answer."""
    return Outbound(LOOPBACK, deadline_seconds=1.5)
