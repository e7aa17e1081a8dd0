"""A provider with two sub-merchants, where a test needs no more of them."""

from __future__ import annotations

import pytest
from flask import Flask

from partner.models import Partner
from submerchants.tenants.models import SubMerchant
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant


@pytest.fixture
def provider(app: Flask) -> Partner:
    return make_partner()


@pytest.fixture
def tea(provider: Partner) -> SubMerchant:
    return make_sub_merchant(partner=provider)


@pytest.fixture
def cake(provider: Partner) -> SubMerchant:
    return make_sub_merchant(partner=provider)
