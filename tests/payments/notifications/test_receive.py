"""WeChat Pay's notifications: what is proven is applied once, what is not leaves no trace."""

import io
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from payments.notifications.models import InboxState
from payments.orders.models import OrderState
from tests.books import all_events, all_orders, audit_actions, inbox, order_now
from tests.factories.partner import make_partner
from tests.factories.payments import make_order, place_order
from tests.factories.submerchants import make_sub_merchant
from tests.genuine import envelope, notify, paid_content, post, signed_headers


@pytest.fixture
def order(sub_merchant, partner):
    return place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1800)


def test_a_genuine_notification_pays_the_order_in_one_go(client, simulator, order):
    answer = notify(client, simulator, paid_content(order, transaction_id="4200" + "1" * 24))

    assert (answer.status_code, answer.data) == (204, b"")
    paid = order_now(order)
    assert (paid.state, paid.transaction_id) == (OrderState.PAID, "4200" + "1" * 24)
    assert paid.paid_at == datetime(2026, 3, 1, 4, 1, 2, tzinfo=UTC)
    assert paid.next_check_at is None
    (entry,) = inbox()
    assert (entry.state, entry.order_id) == (InboxState.APPLIED, order.id)
    assert all(check["ok"] for check in json.loads(entry.verdicts))
    (event,) = all_events("order.paid")
    assert json.loads(event.data)["transaction_id"] == "4200" + "1" * 24
    assert audit_actions(order.id)[-1] == "order.paid"


@pytest.mark.parametrize("public_key", [True, False])
def test_certificate_and_public_key_are_accepted_in_the_same_hour(
    client, simulator, order, public_key
):
    body = envelope(simulator, paid_content(order))

    answer = post(client, simulator, body, signed_headers(simulator, body, public_key=public_key))

    assert answer.status_code == 204
    assert order_now(order).state is OrderState.PAID


def test_the_same_notification_fifteen_times_credits_once(client, simulator, order):
    body = envelope(simulator, paid_content(order))

    statuses = {
        post(client, simulator, body, signed_headers(simulator, body)).status_code
        for _ in range(15)
    }

    assert statuses == {204}
    assert len(inbox()) == 1
    assert len(all_events("order.paid")) == 1


def test_another_notification_of_the_same_payment_is_known_already(client, simulator, order):
    content = paid_content(order)
    notify(client, simulator, content)

    answer = notify(client, simulator, content)

    assert answer.status_code == 204
    assert [entry.state for entry in inbox()] == [InboxState.APPLIED, InboxState.REDUNDANT]
    assert len(all_events("order.paid")) == 1


MISMATCHES: dict[str, dict[str, Any]] = {
    "amount.total": {"amount": {"total": 1799, "payer_total": 1799, "currency": "CNY"}},
    "amount.currency": {"amount": {"total": 1800, "payer_total": 1800, "currency": "USD"}},
    "sub_mchid": {"sub_mchid": "1699999999"},
    "sp_appid": {"sp_appid": "wx9999999999999999"},
    "sub_appid": {"sub_appid": "wx9999999999999999"},
    "trade_type": {"trade_type": "NATIVE"},
    "trade_state": {"trade_state": "NOTPAY"},
    "success_time": {"success_time": None},
    "transaction_id": {"transaction_id": None},
    "out_trade_no": {"out_trade_no": "T00000000000000000000"},
}


@pytest.mark.parametrize("field", MISMATCHES)
def test_genuine_but_wrong_is_quarantined_and_never_applied(client, simulator, order, field):
    answer = notify(client, simulator, paid_content(order, **MISMATCHES[field]))

    assert answer.status_code == 204
    (entry,) = inbox()
    assert entry.state is InboxState.QUARANTINED
    assert field in [check["check"] for check in json.loads(entry.verdicts) if not check["ok"]]
    assert field in (entry.reason or "")
    assert order_now(order).state is OrderState.PENDING
    assert all_events() == []
    assert audit_actions(entry.id) == ["notification.quarantined"]


@pytest.mark.parametrize("change", ["{} ".format, str.swapcase])
@pytest.mark.parametrize("field", ["out_trade_no", "sp_appid", "currency"])
def test_what_a_database_would_take_for_the_same_is_not(client, simulator, order, field, change):
    content = paid_content(order)
    place = content["amount"] if field == "currency" else content
    place[field] = change(place[field])

    notify(client, simulator, content)

    assert [entry.state for entry in inbox()] == [InboxState.QUARANTINED]
    assert order_now(order).state is OrderState.PENDING


def test_an_appid_said_by_no_letters_is_no_other_appid(client, simulator, order):
    notify(client, simulator, paid_content(order, sub_appid=""))

    assert [entry.state for entry in inbox()] == [InboxState.APPLIED]
    assert order_now(order).state is OrderState.PAID


def test_money_is_not_turned_away_for_a_bank_nobody_foresaw(client, simulator, order):
    notify(client, simulator, paid_content(order, bank_type="B" * 64))

    assert order_now(order).state is OrderState.PAID


def test_an_amount_that_is_missing_is_not_an_amount_that_agrees(client, simulator, order):
    notify(client, simulator, paid_content(order, amount=None))

    assert inbox()[0].state is InboxState.QUARANTINED
    assert order_now(order).state is OrderState.PENDING


@pytest.mark.parametrize("total", ["1800", 1800.0, True, -1800, None])
def test_an_amount_of_another_type_is_refused(client, simulator, order, total):
    content = paid_content(order, amount={"total": total, "payer_total": 1800, "currency": "CNY"})

    notify(client, simulator, content)

    assert inbox()[0].state is InboxState.QUARANTINED
    assert order_now(order).state is OrderState.PENDING


def test_a_payment_of_another_provider_is_quarantined(client, simulator, order):
    notify(client, simulator, paid_content(order, sp_mchid="1900009999"))

    assert inbox()[0].state is InboxState.QUARANTINED
    assert order_now(order).state is OrderState.PENDING


def test_what_one_providers_key_opens_pays_no_order_of_another(client, simulator, partner):
    theirs = make_order(sub_merchant=make_sub_merchant(partner=make_partner()))

    notify(client, simulator, paid_content(theirs))

    assert inbox()[0].state is InboxState.QUARANTINED
    assert order_now(theirs).state is OrderState.PENDING


def test_one_payment_never_pays_two_orders(client, simulator, order, sub_merchant, partner):
    other = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1800)
    first = paid_content(order)
    notify(client, simulator, first)

    answer = notify(client, simulator, paid_content(other, transaction_id=first["transaction_id"]))

    assert answer.status_code == 204
    assert inbox()[-1].state is InboxState.QUARANTINED
    assert order_now(other).state is OrderState.PENDING


def test_a_second_payment_of_a_paid_order_goes_to_a_person(client, simulator, order):
    notify(client, simulator, paid_content(order))
    taken = order_now(order).transaction_id

    notify(client, simulator, paid_content(order))

    assert inbox()[-1].state is InboxState.QUARANTINED
    assert order_now(order).transaction_id == taken


def test_the_tenant_comes_from_our_order_and_not_from_the_message(
    client, simulator, order, other_sub_merchant
):
    notify(client, simulator, paid_content(order, sub_mchid=other_sub_merchant.sub_mchid))

    assert inbox()[0].state is InboxState.QUARANTINED
    assert order_now(order).state is OrderState.PENDING


def test_an_event_nobody_takes_is_kept_and_receipted(client, simulator, order):
    answer = notify(client, simulator, paid_content(order), event_type="COUPON.USE")

    assert answer.status_code == 204
    assert inbox()[0].state is InboxState.IGNORED
    assert order_now(order).state is OrderState.PENDING


def test_what_no_key_opens_is_kept_for_replay(client, simulator, order):
    sealed = json.loads(envelope(simulator, paid_content(order)))
    sealed["resource"]["nonce"] = "000000000000"
    body = json.dumps(sealed).encode()

    answer = post(client, simulator, body, signed_headers(simulator, body))

    assert answer.status_code == 204
    assert inbox()[0].state is InboxState.KEPT
    assert order_now(order).state is OrderState.PENDING


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id": 7}', b"\xff\xfe", b'"x"', b"\x00"])
def test_a_signed_body_of_any_shape_is_no_fault_of_ours(client, simulator, order, body):
    answer = post(client, simulator, body, signed_headers(simulator, body))

    assert answer.status_code < 500
    assert order_now(order).state is OrderState.PENDING


FORGERIES: dict[str, dict[str, str | None]] = {
    "no signature": {"Wechatpay-Signature": None},
    "no timestamp": {"Wechatpay-Timestamp": None},
    "no nonce": {"Wechatpay-Nonce": None},
    "no serial": {"Wechatpay-Serial": None},
    "an empty nonce": {"Wechatpay-Nonce": ""},
    "an unknown serial": {"Wechatpay-Serial": "7F" * 20},
    "a probe": {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + "A" * 325},
    "no base64": {"Wechatpay-Signature": "*" * 344},
    "another nonce": {"Wechatpay-Nonce": "0" * 32},
    "a timestamp in words": {"Wechatpay-Timestamp": "now"},
    "a long signature": {"Wechatpay-Signature": "A" * 9000},
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_not_proven_is_turned_away_and_leaves_nothing(client, simulator, order, forgery):
    body = envelope(simulator, paid_content(order))
    headers = {**signed_headers(simulator, body), **FORGERIES[forgery]}

    answer = post(
        client,
        simulator,
        body,
        {name: value for name, value in headers.items() if value is not None},
    )

    assert answer.status_code == 401
    assert answer.get_json()["code"] == "FAIL"
    assert inbox() == []
    assert order_now(order).state is OrderState.PENDING


@pytest.mark.parametrize("seconds", [-301, -300, 300, 301, 86_400])
def test_a_stale_or_early_signature_is_turned_away(client, simulator, order, seconds):
    body = envelope(simulator, paid_content(order))
    headers = signed_headers(simulator, body, timestamp=int(time.time()) + seconds)

    answer = post(client, simulator, body, headers)

    # A second may pass between signing and reading, so the early edge is only tried beyond it.
    assert answer.status_code == (204 if seconds == 300 and inbox() else 401)


def test_a_doubled_header_is_turned_away(client, simulator, order):
    body = envelope(simulator, paid_content(order))
    pairs = [*signed_headers(simulator, body).items()]
    pairs.append(("Wechatpay-Serial", pairs[3][1]))

    answer = client.post(
        f"/notify/wechatpay/{simulator.facts['sp_mchid']}", data=body, headers=pairs
    )

    assert answer.status_code == 401
    assert inbox() == []


def test_another_provider_s_address_does_not_take_it(client, simulator, order):
    body = envelope(simulator, paid_content(order))

    answer = client.post(
        "/notify/wechatpay/1900009999", data=body, headers=signed_headers(simulator, body)
    )

    assert answer.status_code == 404
    assert inbox() == []


def test_what_was_sealed_for_another_provider_is_turned_away(client, simulator, order):
    ring = simulator.world.rings.first
    shared = {ring.public_key.serial: (simulator.home / "wechatpay_public_key.pem").read_text()}
    other = make_partner(sp_mchid="1900009998", wechatpay_keys=shared)
    body = envelope(simulator, paid_content(order))

    answer = client.post(
        f"/notify/wechatpay/{other.sp_mchid}",
        data=body,
        headers=signed_headers(simulator, body, public_key=True),
    )

    assert (answer.status_code, answer.get_json()["code"]) == (400, "FAIL")
    assert inbox() == []
    assert order_now(order).state is OrderState.PENDING


def test_more_than_64_kib_is_not_read(client, simulator, order):
    body = b" " * (64 * 1024 + 1)

    answer = post(client, simulator, body, signed_headers(simulator, body))

    assert answer.status_code == 413
    assert inbox() == []


def test_a_notification_that_a_proxy_passes_on_in_chunks_is_taken(client, simulator, order):
    body = envelope(simulator, paid_content(order))

    answer = client.post(
        f"/notify/wechatpay/{simulator.facts['sp_mchid']}",
        input_stream=io.BytesIO(body),
        headers={**signed_headers(simulator, body), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert answer.status_code == 204
    assert [row.state for row in inbox()] == [InboxState.APPLIED]


@pytest.mark.sqlite_only
@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_a_single_altered_byte_is_always_turned_away(client, simulator, order, data):
    body = envelope(simulator, paid_content(order))
    headers = signed_headers(simulator, body)
    place = data.draw(st.integers(0, len(body) - 1))
    mask = data.draw(st.integers(1, 255))
    altered = body[:place] + bytes([body[place] ^ mask]) + body[place + 1 :]

    answer = post(client, simulator, altered, headers)

    assert answer.status_code == 401
    assert inbox() == []
    assert [row.state for row in all_orders()] == [OrderState.PENDING]
