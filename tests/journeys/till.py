"""What a till does: it scans a payer's code, places the order, and time passes on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from config.clock import frozen_at, now
from partner.simulator.simulator import Simulator
from tests.books import all_events
from tests.payments.api.caller import Api, tea


def code(simulator: Simulator, behaviour: str = "pay") -> str:
    """What the payer's phone shows."""
    shown = simulator.app.test_client().post(
        "/_simulator/payment-codes", json={"person": "wang", "behaviour": behaviour}
    )
    return str(shown.get_json()["auth_code"])


def scan(auth_code: str, **fields: Any) -> dict[str, Any]:
    """The order a till sends once it has scanned."""
    shop = {"store_info": {"out_id": "shop-7"}, "device_id": "till-2", "device_ip": "10.0.0.7"}
    usual = {"trade_type": "MICROPAY", "auth_code": auth_code, "payer": None, "scene_info": shop}
    return tea(**{**usual, **fields})


@contextmanager
def later(simulator: Simulator, **wait: float) -> Iterator[None]:
    """Both sides' clocks, moved on together."""
    moment = now() + timedelta(**wait)
    simulator.clock.set(moment)
    with frozen_at(moment):
        yield


def shown(till: Api, order: dict[str, Any]) -> tuple[str, str | None, int]:
    """How the order stands here: state, WeChat Pay's word, what was given back."""
    found = till.get(f"/orders/{order['id']}").json
    return found["state"], found["trade_state"], found["refunded_fen"]


def there(simulator: Simulator) -> list[str]:
    """How the orders stand there."""
    return [order.trade_state for order in simulator.ledger.orders()]


def told() -> list[str]:
    """What tenants were told."""
    return sorted(event.type for event in all_events())
