"""A shop whose links can be paid."""

from __future__ import annotations

import pytest

from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.checkout.links import pages_directory
from submerchants.tenants.models import SubMerchant
from tests.factories.checkout import Shop, ready_for_checkout


@pytest.fixture
def shop(partner: Partner, sub_merchant: SubMerchant, simulator: Simulator) -> Shop:
    """The simulator's first sub-merchant, ready for checkout; WeChat checks its directories."""
    simulator.register(payment_directories=[pages_directory()])
    ready_for_checkout(partner)
    return Shop(partner, sub_merchant)
