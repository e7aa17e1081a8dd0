"""The payer's page where things are odd: each answer says what to do next, none too much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

import wsgi
from config.audit import AuditEntry
from config.clock import frozen_at, now
from config.database import Base, db
from config.settings import Settings
from partner.simulator.simulator import Simulator
from payments.checkout.links import cancel_link
from submerchants.tenancy import acting_for
from submerchants.tenants.suspend import suspend
from tests.conftest import PLATFORM_URL, PlatformClient
from tests.factories.checkout import WECHAT, Phone, Shop, make_link, ready_for_checkout
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant


@pytest.fixture
def phone(app: Flask, simulator: Simulator) -> Phone:
    return Phone(app, simulator)


def orders_asked_for(simulator: Simulator) -> int:
    """How often WeChat Pay was asked about an order."""
    path = "/v3/pay/partner/transactions/out-trade-no/"
    return sum(
        one["method"] == "GET" and one["path"].startswith(path) for one in simulator.world.requests
    )


@pytest.mark.parametrize("token", ["nothing", "a" * 32, "%E8%8C%B6", "a" * 400])
def test_a_wrong_token_gets_a_page_that_teaches(phone: Phone, token: str) -> None:
    answer = phone.open(f"{PLATFORM_URL}/checkout/{token}")

    assert answer.status_code == 404
    assert "没有找到这个支付链接" in phone.page
    assert "请从商家发来的消息里重新打开" in phone.page


def test_the_page_speaks_english_to_whoever_reads_it_and_by_one_link(
    app: Flask, shop: Shop, simulator: Simulator
) -> None:
    url = shop.url(shop.link())
    foreign, native = Phone(app, simulator, language="en-GB,en;q=0.9"), Phone(app, simulator)

    foreign.open(url)
    native.open(url)
    chinese = native.page
    native.open(f"{url}?lang=en")
    native.open(url)

    assert "Pay ¥28.00" in foreign.page
    assert 'lang="en"' in foreign.page
    assert "支付 ¥28.00" in chinese
    assert "Pay ¥28.00" in native.page  # remembered


def test_every_answer_is_kept_by_nobody_and_framed_by_nobody(shop: Shop, phone: Phone) -> None:
    answer = phone.open(shop.url(shop.link()))

    headers = answer.headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self' http://wechatpay.localhost;" in policy
    assert "<script>" not in phone.page
    assert "style=" not in phone.page
    assert "onclick" not in phone.page


def test_a_request_without_the_pages_proof_or_from_elsewhere_is_refused(
    app: Flask, shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link, other = shop.link(), shop.link()
    phone.open(shop.url(other))
    others_page = phone.page
    phone.open(shop.url(link))
    page = phone.page

    phone.page = ""
    bare = phone.tap()
    phone.page = others_page
    of_another_link = phone.tap()
    phone.page = page
    from_elsewhere = phone.post("pay", {}, Origin="https://evil.example")
    crossed = phone.post("pay", {}, **{"Sec-Fetch-Site": "cross-site"})
    stranger = Phone(app, simulator)
    stranger.url, stranger.page = phone.url, page
    in_another_browser = stranger.tap()

    refused = [bare, of_another_link, from_elsewhere, crossed, in_another_browser]
    assert [each.status_code for each in refused] == [403] * 5
    assert {each.get_json()["code"] for each in refused} == {"foreign_request"}
    assert simulator.ledger.orders() == []
    assert phone.post("pay", {}, Origin=PLATFORM_URL).status_code == 200


def test_nobody_pays_who_is_not_known(shop: Shop, phone: Phone, simulator: Simulator) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    with frozen_at(now() + timedelta(hours=3)):
        answer = phone.tap()

    assert (answer.status_code, answer.get_json()["code"]) == (401, "payer_unknown")
    assert simulator.ledger.orders() == []


def test_a_suspended_merchant_takes_nothing_new_and_what_is_paid_still_shows(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link, paid = shop.link(), shop.link()
    phone.open(shop.url(paid))
    phone.pay()
    phone.open(shop.url(link))
    suspend(sub_merchant=shop.sub_merchant)

    tapped = phone.tap()
    answer = phone.open(shop.url(link))
    told = phone.page
    phone.open(shop.url(paid))

    assert (tapped.status_code, answer.status_code) == (403, 403)
    assert "商家暂时停止收款" in told
    assert "支付成功" in phone.page
    assert len(simulator.ledger.orders()) == 1


def test_a_link_past_its_time_says_so_and_nobody_is_sent_to_sign_in(
    shop: Shop, phone: Phone
) -> None:
    link = shop.link(expires_at=now() + timedelta(minutes=2))

    with frozen_at(now() + timedelta(minutes=3)):
        answer = phone.get(shop.url(link))

    assert answer.status_code == 200
    assert "已过支付期限" in answer.get_data(as_text=True)


def test_a_tap_on_a_page_whose_link_has_ended_draws_it_anew(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    link = shop.link()
    phone.open(shop.url(link))
    with acting_for(shop.sub_merchant.id):
        cancel_link(link)

    answer = phone.tap()

    assert answer.get_json() == {"state": "CANCELLED", "is_final": True, "is_mine": True}
    assert simulator.ledger.orders() == []


def test_a_waiting_page_asks_wechat_pay_every_few_seconds_and_not_with_every_poll(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    phone.open(shop.url(shop.link()))
    phone.tap()

    for _ in range(10):
        phone.state()
    soon = orders_asked_for(simulator)
    with frozen_at(now() + timedelta(seconds=4)):
        phone.state()
        phone.state()

    assert soon == 1
    assert orders_asked_for(simulator) == 2


def test_a_wechat_pay_that_does_not_answer_leaves_the_page_as_it_is(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    phone.open(shop.url(shop.link()))
    phone.tap()
    simulator.faults.add("http_500", times=None, path="/v3/pay")

    state = phone.state()

    assert state["state"] == "PENDING"


@pytest.mark.sqlite_only
def test_an_order_whose_opening_went_unanswered_may_be_tapped_again(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    phone.open(shop.url(shop.link()))
    simulator.faults.add("http_500", times=None, path="/v3/pay", work_done=True)

    answer = phone.tap()

    assert answer.status_code == 503
    assert answer.get_json()["title"] == "微信暂时没有回应"
    assert "不会重复扣款" in answer.get_json()["advice"]
    simulator.faults.clear()
    assert "pay_params" in phone.tap().get_json()
    assert len(simulator.ledger.orders()) == 1


@pytest.mark.sqlite_only
def test_a_link_is_asked_for_things_only_so_often(
    shop: Shop, phone: Phone, simulator: Simulator
) -> None:
    phone.open(shop.url(shop.link()))

    answers = [phone.post("report", {"kind": "bridge", "told": "x"}) for _ in range(21)]

    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    other = shop.link()
    assert phone.open(shop.url(other)).status_code == 200


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    "body",
    [
        {"kind": "other", "told": ""},
        {"kind": "bridge", "told": "x" * 401},
        {"kind": "bridge", "told": 7},
        {"kind": "bridge", "more": 1},
        [],
    ],
)
def test_a_report_that_is_none_is_refused(shop: Shop, phone: Phone, body: Any) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    answer = phone.post("report", body)

    assert answer.status_code == 400
    assert shop.problem(link) == {}


@pytest.mark.sqlite_only
def test_only_our_own_files_are_served_and_kept(shop: Shop, phone: Phone) -> None:
    phone.open(shop.url(shop.link()))
    script = next(part for part in phone.page.split('"') if "/checkout.js?" in part)

    kept = phone.get(f"{PLATFORM_URL}{script}")
    absent = phone.get(f"{PLATFORM_URL}/checkout/assets/pages.py")

    assert kept.mimetype == "text/javascript"
    assert "immutable" in kept.headers["Cache-Control"]
    assert absent.status_code == 404


def test_what_a_payer_did_is_in_the_audit_trail_without_their_openid(
    shop: Shop, phone: Phone
) -> None:
    link = shop.link()
    phone.open(shop.url(link))

    phone.tap()

    entries = db.session.scalars(select(AuditEntry).where(AuditEntry.actor_kind == "payer")).all()
    assert {entry.action for entry in entries} == {
        "checkout_link.turn_taken",
        "order.created",
        "order.opened",
    }
    told = " ".join(entry.detail + entry.actor_id for entry in entries)
    assert phone.openid(link.appid) not in told


@pytest.fixture
def in_earnest(variables: dict[str, str], tmp_path: Path) -> Iterator[Flask]:
    """An application that talks to the real WeChat: nothing is simulated, nobody is called."""
    told = {name: text for name, text in variables.items() if not name.startswith("WEIXIN_")} | {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'real.sqlite'}"
    }
    app = wsgi.create_app(Settings.from_values(told))
    app.test_client_class = PlatformClient
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


def test_outside_wechat_there_is_a_code_to_scan_and_no_button(in_earnest: Flask) -> None:
    partner = make_partner()
    ready_for_checkout(partner)
    sub_merchant = make_sub_merchant(partner=partner)
    link = make_link(sub_merchant=sub_merchant, partner=partner)
    path = f"/checkout/{link.token.reveal()}"
    client = in_earnest.test_client()

    outside = client.get(path, headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/130"})
    code = client.get(f"{path}/qr-code")
    inside = client.get(path, headers={"User-Agent": WECHAT})

    page = outside.get_data(as_text=True)
    assert outside.status_code == 200
    assert "用微信扫一扫支付" in page
    assert f'src="{path}/qr-code"' in page
    assert 'id="pay"' not in page
    assert code.get_data().startswith(b"<svg")
    assert "http" not in outside.headers["Content-Security-Policy"]
    assert inside.headers["Location"].startswith(
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid="
    )
