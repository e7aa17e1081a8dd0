"""Giving money back from a page, by those who may, asked again before it leaves."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from config.database import changed_rows, transaction
from partner.models import Partner
from partner.operators.roles import OperatorRole
from partner.simulator.simulator import Simulator
from payments.orders.models import Order, OrderState
from payments.orders.sync import sync_order
from payments.refunds.models import Refund, RefundState
from payments.refunds.queries import RefundFilter, list_refunds
from submerchants.staff.roles import StaffRole
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.factories.payments import make_order, place_order
from tests.factories.people import (
    PASSWORD,
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)
from tests.factories.refunds import make_refund


@pytest.fixture
def paid(sub_merchant: SubMerchant, partner: Partner, simulator: Simulator) -> Order:
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1_880)
    simulator.pay(order.out_trade_no)
    with acting_for(sub_merchant.id):
        return sync_order(order)


def made() -> list[Refund]:
    with across_tenants("a test looks at all of them"):
        return list(list_refunds(RefundFilter(), limit=10).rows)


def number_on(page: str) -> str:
    found = re.search(r'name="number" value="(P\w+)"', page)
    assert found
    return found.group(1)


def test_an_owner_gives_a_part_back_with_their_password(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    path = f"/dashboard/orders/{paid.id}"
    form = {"csrf_token": form_token(client, path), "number": number_on(client.get(path).text)}

    answer = client.post(
        f"{path}/refunds",
        data={**form, "amount": "5.00", "reason": "少了一杯", "proof": PASSWORD},
    )
    again = client.post(
        f"{path}/refunds",
        data={**form, "amount": "5.00", "reason": "少了一杯", "proof": PASSWORD},
    )

    (refund,) = made()
    assert (refund.amount_fen, refund.reason) == (500, "少了一杯")
    assert answer.headers["Location"] == f"/dashboard/refunds/{refund.id}"
    assert again.headers["Location"] == answer.headers["Location"]
    assert "少了一杯" in client.get(answer.headers["Location"]).text
    assert "¥13.80" in client.get(path).text  # what may still be given back


@pytest.mark.parametrize("amount", ["0", "-1", "1e2", "18.81", "0.001", "", "十元", "1 000"])
def test_an_amount_that_cannot_be_given_back_is_told_and_nothing_happens(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, amount: str
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    path = f"/dashboard/orders/{paid.id}"
    token = form_token(client, path)

    answer = client.post(
        f"{path}/refunds", data={"csrf_token": token, "amount": amount, "proof": PASSWORD}
    )

    assert answer.status_code in (409, 422)
    assert 'role="alert"' in answer.text
    assert made() == []


def test_without_the_password_no_money_leaves(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    path = f"/dashboard/orders/{paid.id}"
    token = form_token(client, path)

    answers = [
        client.post(f"{path}/refunds", data={"csrf_token": token, "amount": "1", **proof})
        for proof in ({}, {"proof": ""}, {"proof": "not the password"})
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert made() == []


def test_the_language_of_a_refused_form_is_switched_on_the_page_of_its_order(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    path = f"/dashboard/orders/{paid.id}"
    token = form_token(client, path)

    refused = client.post(f"{path}/refunds", data={"csrf_token": token, "amount": "1"}).text
    (here,) = re.findall(r'name="next" value="([^"]*)"', refused)

    assert here == path


def test_an_operator_shows_a_fresh_code_and_the_tenant_sees_who_did_it(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    known = sign_in_operator(client, make_operator(role=OperatorRole.FINANCE))
    path = f"/admin/orders/{paid.id}"
    data = {"csrf_token": form_token(client, path), "amount": "18.80", "proof": known.code()}

    first = client.post(f"{path}/refunds", data=data)
    second = client.post(f"{path}/refunds", data=data)  # the code is used up

    (refund,) = made()
    assert first.headers["Location"] == f"/admin/refunds/{refund.id}"
    assert second.status_code == 401
    assert "已经用过；请等待下一个" in second.text
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    assert known.operator.email in client.get(f"/dashboard/refunds/{refund.id}").text


def test_those_who_may_not_see_no_form_and_are_refused(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    clerk = make_staff_member(sub_merchant=sub_merchant, role=StaffRole.CLERK)
    sign_in_staff(client, clerk)
    path = f"/dashboard/orders/{paid.id}"
    token = form_token(client, path)

    answer = client.post(
        f"{path}/refunds", data={"csrf_token": token, "amount": "1", "proof": PASSWORD}
    )

    assert 'name="amount"' not in client.get(path).text
    assert answer.status_code == 403
    assert made() == []


def test_another_tenants_order_and_refund_are_not_there(
    client: FlaskClient, other_sub_merchant: SubMerchant, paid: Order
) -> None:
    member = make_staff_member(sub_merchant=other_sub_merchant, role=StaffRole.OWNER)
    sign_in_staff(client, member)
    token = form_token(client, "/dashboard/")

    answer = client.post(
        f"/dashboard/orders/{paid.id}/refunds",
        data={"csrf_token": token, "amount": "1", "proof": PASSWORD},
    )

    assert answer.status_code == 404
    assert client.get("/dashboard/refunds/re_00000000000000000000000000").status_code == 404
    assert made() == []


def test_a_stuck_refund_is_sent_another_way_and_the_card_is_kept_nowhere(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    path = f"/dashboard/orders/{paid.id}"
    token = form_token(client, path)
    simulator.refund_outcomes.set("ABNORMAL")
    client.post(f"{path}/refunds", data={"csrf_token": token, "amount": "18.80", "proof": PASSWORD})
    simulator.notifier.deliver_due()
    (refund,) = made()
    assert refund.state is RefundState.ABNORMAL
    here = f"/dashboard/refunds/{refund.id}"
    listed = client.get("/dashboard/refunds").text
    card = {"to": "card", "bank": "CMB", "account": "6214830100000001", "name": "张三"}

    without = client.post(f"{here}/another-way", data={"csrf_token": token, **card, "account": ""})
    simulator.refund_outcomes.set("SUCCESS")
    unproven, answer = (
        client.post(f"{here}/another-way", data={"csrf_token": token, **card, "proof": proof})
        for proof in ("not the password", PASSWORD)
    )

    assert "state=ABNORMAL" in listed
    assert (without.status_code, unproven.status_code) == (422, 401)
    assert answer.status_code == 303
    page = client.get(here).text
    assert "6214830100000001" not in page
    assert "退款异常" not in page.split('class="hero-amount"')[1].split("</p>")[0]


def test_a_list_finds_refunds_by_any_number_and_exports_what_it_shows(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.OWNER))
    token = form_token(client, f"/dashboard/orders/{paid.id}")
    client.post(
        f"/dashboard/orders/{paid.id}/refunds",
        data={"csrf_token": token, "amount": "3.21", "reason": "=1+1", "proof": PASSWORD},
    )
    (refund,) = made()
    make_order(sub_merchant=sub_merchant, state=OrderState.PAID)

    numbers = (refund.id, refund.out_refund_no, refund.merchant_refund_no, refund.out_trade_no)
    found = [client.get(f"/dashboard/refunds?q={number}").text for number in numbers]
    export = client.get("/dashboard/refunds.csv").text

    assert all(f"/dashboard/refunds/{refund.id}" in page for page in found)
    assert f"/refunds/{refund.id}" not in client.get("/dashboard/refunds?q=Rnothing").text
    assert refund.out_refund_no in export
    assert "'=1+1" in export


def sent(client: FlaskClient, path: str, number: str) -> TestResponse:
    """The form for a refund made elsewhere, sent from the page of an order."""
    data = {"csrf_token": form_token(client, path), "out_refund_no": number}
    return client.post(f"{path}/refunds/find", data=data)


def by_hand(simulator: Simulator, order: Order, amount_fen: int = 500) -> str:
    made = simulator.refund_by_hand(order.out_trade_no, amount_fen)
    simulator.world.refund_life.settle_due()
    return made.out_refund_no


@pytest.mark.parametrize("door", ["/admin", "/dashboard"])
def test_a_refund_made_elsewhere_is_taken_in_on_its_orders_page(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, simulator: Simulator, door: str
) -> None:
    sign_in_operator(client, make_operator(role=OperatorRole.SUPPORT))
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant, role=StaffRole.CLERK))
    path = f"{door}/orders/{paid.id}"
    number = by_hand(simulator, paid)
    with acting_for(sub_merchant.id):
        sync_order(paid)
    before = client.get(path).text

    answer = sent(client, path, f" {number} ")
    again = sent(client, path, number)

    (refund,) = made()
    assert answer.headers["Location"] == f"{door}/refunds/{refund.id}"
    assert again.headers["Location"] == answer.headers["Location"]
    assert number in client.get(answer.headers["Location"]).text
    after = client.get(path).text
    assert "这里没有对应的退款" in before
    assert "这里没有对应的退款" not in after
    assert "¥13.80" in after  # what may still be given back


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        ("R-nobodys", 404, "微信支付查不到"),
        ("a b", 422, "这不是退款单号"),
        ("", 422, "这不是退款单号"),
    ],
)
def test_why_nothing_was_taken_in_is_told(
    client: FlaskClient,
    sub_merchant: SubMerchant,
    paid: Order,
    number: str,
    status: int,
    said: str,
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))

    answer = sent(client, f"/dashboard/orders/{paid.id}", number)

    assert answer.status_code == status
    assert said in answer.text.split('role="alert"')[1].split("</div>")[0]
    assert f'value="{number}"' in answer.text
    assert made() == []


def test_an_answer_that_never_came_says_that_it_may_be_tried_again(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    number = by_hand(simulator, paid)
    simulator.faults.add("http_500", path="/v3/refund", method="GET", times=9)

    answer = sent(client, f"/dashboard/orders/{paid.id}", number)

    assert answer.status_code == 503
    assert "没有任何改动，请稍后再试" in answer.text
    assert made() == []


def test_what_belongs_to_another_order_is_shown_where_it_belongs(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    number = by_hand(simulator, paid)
    other = make_order(sub_merchant=sub_merchant, state=OrderState.PAID)

    answer = sent(client, f"/dashboard/orders/{other.id}", number)

    (refund,) = made()
    shown = client.get(answer.headers["Location"]).text
    assert refund.order_id == paid.id
    assert "这笔退款属于另一笔订单" in shown
    assert f"/dashboard/orders/{paid.id}" in shown


def test_one_that_does_not_fit_says_what_differs(
    client: FlaskClient, sub_merchant: SubMerchant, paid: Order, simulator: Simulator
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    number = by_hand(simulator, paid)
    with across_tenants("a test rewrites the books"), transaction():
        changed_rows(update(Order).values(amount_fen=1_879))

    answer = sent(client, f"/dashboard/orders/{paid.id}", number)

    assert answer.status_code == 409
    assert "与订单不符：订单金额" in answer.text
    assert made() == []


def test_another_tenants_refund_and_order_are_not_found(
    client: FlaskClient,
    sub_merchant: SubMerchant,
    other_sub_merchant: SubMerchant,
    paid: Order,
    simulator: Simulator,
) -> None:
    own = make_order(sub_merchant=other_sub_merchant, state=OrderState.PAID)
    sign_in_staff(client, make_staff_member(sub_merchant=other_sub_merchant))
    number = by_hand(simulator, paid)

    answers = [
        sent(client, f"/dashboard/orders/{own.id}", number),
        client.post(
            f"/dashboard/orders/{paid.id}/refunds/find",
            data={"csrf_token": form_token(client, "/dashboard/"), "out_refund_no": number},
        ),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "微信支付查不到" in answers[0].text
    assert made() == []


def test_an_operator_finds_only_refunds_of_the_orders_own_sub_merchant(
    client: FlaskClient, other_sub_merchant: SubMerchant, paid: Order, simulator: Simulator
) -> None:
    own = make_order(sub_merchant=other_sub_merchant, state=OrderState.PAID)
    sign_in_operator(client, make_operator())
    number = by_hand(simulator, paid)
    sent(client, f"/admin/orders/{paid.id}", number)

    answer = sent(client, f"/admin/orders/{own.id}", number)

    assert answer.status_code == 404
    assert "微信支付查不到" in answer.text


@pytest.mark.parametrize(
    ("state", "amounts", "offered"),
    [
        (OrderState.PAID, [], True),
        (OrderState.PAID, [1_000], False),
        (OrderState.PENDING, [], False),
    ],
)
def test_the_form_is_there_while_money_of_the_order_may_have_gone_back(
    client: FlaskClient,
    sub_merchant: SubMerchant,
    state: OrderState,
    amounts: list[int],
    offered: bool,
) -> None:
    sign_in_staff(client, make_staff_member(sub_merchant=sub_merchant))
    order = make_order(sub_merchant=sub_merchant, state=state, amount_fen=1_000)
    for amount_fen in amounts:
        make_refund(order=order, state=RefundState.SUCCEEDED, amount_fen=amount_fen)

    page = client.get(f"/dashboard/orders/{order.id}").text

    assert ('name="out_refund_no"' in page) is offered
