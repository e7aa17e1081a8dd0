"""News of a refund whose numbers or money are almost ours."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.notifications.models import InboxState
from payments.orders.models import OrderState
from payments.refunds.models import Refund, RefundState
from submerchants.tenants.models import SubMerchant
from tests.books import all_refunds, inbox, refund_now
from tests.factories.partner import make_partner
from tests.factories.payments import make_order
from tests.factories.refunds import ask_for, make_refund, paid_order
from tests.factories.submerchants import make_sub_merchant
from tests.genuine import notify_refund, refund_content


@pytest.fixture
def refund(simulator: Simulator, sub_merchant: SubMerchant, partner: Partner) -> Refund:
    order = paid_order(simulator, sub_merchant, partner, amount_fen=1000)
    simulator.world.refund_outcomes.set("HOLD")
    return refund_now(ask_for(order, 300).refund)


@pytest.mark.parametrize("currency", ["USD", "cny", "CNY "])
def test_another_currency_is_other_money(
    client: FlaskClient, simulator: Simulator, refund: Refund, currency: str
) -> None:
    amount = {"total": 1000, "refund": 300, "currency": currency}

    notify_refund(client, simulator, refund_content(refund, amount=amount))

    assert inbox()[-1].state is InboxState.QUARANTINED
    assert "amount.currency" in str(inbox()[-1].reason)
    assert refund_now(refund).state is RefundState.PROCESSING


@pytest.mark.parametrize("form", ["with sp_mchid", "with mchid only"])
def test_what_one_providers_key_opens_moves_no_refund_of_another(
    client: FlaskClient, simulator: Simulator, partner: Partner, form: str
) -> None:
    theirs = make_sub_merchant(partner=make_partner())
    order = make_order(sub_merchant=theirs, state=OrderState.PAID, amount_fen=100)
    refund = make_refund(order=order, state=RefundState.PROCESSING)
    content = refund_content(refund)
    if form == "with mchid only":
        content["mchid"] = content.pop("sub_mchid")
        del content["sp_mchid"]

    notify_refund(client, simulator, content)

    assert inbox()[-1].state is InboxState.QUARANTINED
    assert refund_now(refund).state is RefundState.PROCESSING


@pytest.mark.parametrize("change", ["{} ".format, str.swapcase])
@pytest.mark.parametrize("field", ["out_refund_no", "out_trade_no"])
def test_what_a_database_would_take_for_the_same_number_is_not(
    client: FlaskClient, simulator: Simulator, refund: Refund, field: str, change: object
) -> None:
    assert callable(change)
    content = refund_content(refund)
    content[field] = change(content[field])

    notify_refund(client, simulator, content)

    assert inbox()[-1].state is InboxState.QUARANTINED
    assert [each.state for each in all_refunds()] == [RefundState.PROCESSING]
