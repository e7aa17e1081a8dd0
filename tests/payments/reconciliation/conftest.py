"""The morning after."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from config.clock import frozen_at
from partner.models import Partner
from tests.factories.partner import make_partner
from tests.payments.reconciliation.days import NEXT_MORNING


@pytest.fixture
def _next_morning() -> Iterator[None]:
    with frozen_at(NEXT_MORNING):
        yield


@pytest.fixture
def provider(app: Flask, _next_morning: None) -> Partner:
    return make_partner()
