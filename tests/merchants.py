"""WeChat Pay's own platform, as far as a test turns its switches: who may do what there."""

from __future__ import annotations

from typing import Any

from partner.simulator.simulator import Simulator
from submerchants.tenants.models import SubMerchant


def change_sub_merchant(simulator: Simulator, sub_merchant: SubMerchant, **changes: Any) -> None:
    """Change what WeChat Pay holds of a sub-merchant: `permissions`, `related`, `restricted`, …"""
    changed = {"sub_mchid": sub_merchant.sub_mchid, **changes}
    change_provider(simulator, sub_merchants=[changed])


def change_provider(simulator: Simulator, **changes: Any) -> None:
    """Change what WeChat Pay holds of the provider."""
    answer = simulator.app.test_client().post("/_simulator/merchants", json=changes)
    assert answer.status_code in (200, 201), answer.get_data(as_text=True)
