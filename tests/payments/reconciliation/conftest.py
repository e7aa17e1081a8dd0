"""The morning after, a provider and two tenants."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from config.clock import frozen_at
from partner.models import Partner
from submerchants.tenants.models import SubMerchant
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant
from tests.payments.reconciliation.days import NEXT_MORNING


@pytest.fixture
def _next_morning() -> Iterator[None]:
    with frozen_at(NEXT_MORNING):
        yield


@pytest.fixture
def provider(app: Flask, _next_morning: None) -> Partner:
    return make_partner()


@pytest.fixture
def tea(provider: Partner) -> SubMerchant:
    return make_sub_merchant(partner=provider)


@pytest.fixture
def cake(provider: Partner) -> SubMerchant:
    return make_sub_merchant(partner=provider)
