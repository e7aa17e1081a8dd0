"""The way to WeChat Pay: warm it parses nothing, and it notices a rotated key by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event, select

from config import clock
from config.database import db, transaction
from config.settings import Settings
from config.vault import Secret
from partner.credentials import rotate_api_v3_key, rotate_merchant_key
from partner.errors import PartnerNotFound, PartnerWithoutKey
from partner.gateway import Gateway, key_loads, key_ring, warm, wechatpay
from partner.models import KeyState, MerchantKey, Partner, PlatformKeyRefresh, WeChatPayKey
from partner.simulator.adapter import WsgiAdapter
from partner.simulator.simulator import Simulator
from partner.wechatpay.errors import Distrust, OutcomeUnknown, Refused, Untrusted
from tests.conftest import Exchange
from tests.factories.partner import make_partner
from tests.partner import material as m


def loads() -> float:
    """How many keys this process has parsed from PEM."""
    samples = (sample for metric in key_loads.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked inside the block."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(db.engine, "before_cursor_execute", note)


@pytest.fixture
def impatient(app: Flask, settings: Settings, wechatpay_exchange: Exchange) -> None:
    """A gateway that asks the database for the key revision at every use."""
    adapter = WsgiAdapter(wechatpay_exchange)
    app.extensions["gateway"] = Gateway(settings, adapter, look_again_after_s=0)


def test_a_warm_gateway_parses_no_key_and_asks_the_database_nothing(
    partner: Partner,
) -> None:
    assert warm() == 1
    before = loads()

    with statements() as seen:
        clients = {wechatpay(partner.id) for _ in range(50)}
        rings = [key_ring(partner.sp_mchid) for _ in range(50)]

    assert loads() == before
    assert seen == []
    assert len(clients) == 1
    assert all(ring is rings[0] for ring in rings)


def test_the_revision_is_one_small_query_and_no_key_is_parsed_while_it_stands(
    impatient: None, partner: Partner
) -> None:
    warm()
    before = loads()

    with statements() as seen:
        wechatpay(partner.id)

    assert len(seen) == 1
    assert "key_revision" in seen[0]
    assert loads() == before


def test_calling_wechat_pay_for_real_parses_nothing_either(
    partner: Partner, simulator: Simulator
) -> None:
    warm()
    before = loads()

    for number in range(5):
        with pytest.raises(Refused):
            wechatpay(partner.id).transactions.query_by_out_trade_no(
                out_trade_no=f"UNKNOWN{number}", sub_mchid="1900000911"
            )

    assert loads() == before


def test_a_rotated_key_is_noticed_without_a_restart(impatient: None, partner: Partner) -> None:
    old = wechatpay(partner.id)

    rotate_merchant_key(
        partner=partner,
        private_key_pem=Secret(m.pkcs8(m.rsa_key("next"))),
        serial_no="ABCDEF0123",
    )

    new = wechatpay(partner.id)
    assert new is not old
    assert new.pay_params("wx1", "p").paySign != old.pay_params("wx1", "p").paySign


def test_the_key_ring_opens_with_the_current_key_first_and_the_previous_one_after(
    impatient: None, app: Flask
) -> None:
    partner = make_partner(api_v3_key=m.API_V3_KEY)
    key_ring(partner.sp_mchid)

    rotate_api_v3_key(partner=partner, api_v3_key=Secret(m.OTHER_API_V3_KEY))

    ring = key_ring(partner.sp_mchid)
    assert ring is not None
    assert ring.api_v3_keys == (m.OTHER_API_V3_KEY.encode(), m.API_V3_KEY.encode())
    assert m.API_V3_KEY not in repr(ring)


def test_a_number_that_is_not_ours_has_no_key_ring(app: Flask) -> None:
    assert key_ring("1900000000") is None
    with pytest.raises(PartnerNotFound):
        wechatpay("prt_unknown")


def test_a_provider_that_cannot_sign_says_so_and_the_others_are_warmed(app: Flask) -> None:
    make_partner()
    broken = make_partner()
    with transaction() as session:
        rows = session.scalars(select(MerchantKey).where(MerchantKey.partner_id == broken.id))
        rows.one().state = KeyState.RETIRED

    assert warm() == 1
    with pytest.raises(PartnerWithoutKey):
        wechatpay(broken.id)


def test_inside_a_transaction_there_is_no_way_to_wechat_pay(partner: Partner) -> None:
    with transaction(), pytest.raises(RuntimeError, match="transaction is open"):
        wechatpay(partner.id)


def test_an_expired_certificate_no_longer_proves_anything(impatient: None, app: Flask) -> None:
    end = clock.now() + timedelta(hours=1)
    partner = make_partner(wechatpay_keys={"ABCDEF0123": m.certificate(m.rsa_key("platform"))})
    with transaction() as session:
        session.scalars(select(WeChatPayKey)).one().expires_at = end
    reasons = [distrust(partner)]
    with clock.frozen_at(end):
        reasons.append(distrust(partner))

    assert reasons == [Distrust.BAD_SIGNATURE, Distrust.UNKNOWN_SERIAL]


def distrust(partner: Partner) -> Distrust:
    """Why a message that names the key ABCDEF0123 and is not signed by it is turned away."""
    ring = key_ring(partner.sp_mchid)
    assert ring is not None
    headers = {
        "Wechatpay-Timestamp": str(int(time.time())),
        "Wechatpay-Nonce": "n" * 32,
        "Wechatpay-Signature": "A" * 344,
        "Wechatpay-Serial": "ABCDEF0123",
    }
    with pytest.raises(Untrusted) as refusal:
        ring.verifier.verify(headers, b"{}")
    return refusal.value.reason


def test_a_message_by_an_unknown_key_is_refused_and_asks_for_one_refresh_a_minute(
    app: Flask,
) -> None:
    partner = make_partner()
    start = clock.now()

    for seconds in (0, 1, 30):
        with clock.frozen_at(start + timedelta(seconds=seconds)):
            assert distrust(partner) is Distrust.UNKNOWN_SERIAL

    row = db.session.get(PlatformKeyRefresh, partner.id, populate_existing=True)
    assert row is not None
    assert row.asked_at == start


def test_a_reply_by_an_unknown_key_asks_for_a_refresh_too(
    partner: Partner, simulator: Simulator
) -> None:
    with transaction() as session:
        for row in session.scalars(select(WeChatPayKey)):
            session.delete(row)

    with pytest.raises(OutcomeUnknown):
        wechatpay(partner.id).echo.ask("hello")

    asked = db.session.get(PlatformKeyRefresh, partner.id, populate_existing=True)
    assert asked is not None
    assert asked.asked_at is not None


@pytest.mark.parametrize("sp_mchid", ["\x00", "1900000109 ", "１９００００００", "9" * 4_000])
def test_what_cannot_be_a_provider_number_is_nobodys(app: Flask, sp_mchid: str) -> None:
    assert key_ring(sp_mchid) is None
