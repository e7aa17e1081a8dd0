"""Adding providers and rotating their keys: everything is judged before anything is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from config.audit import AuditEntry
from config.database import db
from config.vault import Secret
from partner.credentials import (
    add_partner,
    add_wechatpay_public_key,
    appids_of,
    bind_appid,
    get_partner,
    list_partners,
    rotate_api_v3_key,
    rotate_merchant_key,
    unbind_appid,
)
from partner.errors import (
    InvalidPartner,
    KeyAlreadyStored,
    LastAppid,
    PartnerExists,
    PartnerNotFound,
)
from partner.models import ApiV3Key, KeyState, MerchantKey, Partner, WeChatPayKey
from tests.partner import material as m

SERIAL = "0A5157F09EFDC096DE15EBE81A47057A7232F1B8"
OTHER_SERIAL = 0x1B5157F09EFDC096DE15EBE81A47057A7232F1B8


def application(**changes: Any) -> dict[str, Any]:
    """What a person hands in for a provider, all of it right but for the changes."""
    return {
        "sp_mchid": m.SP_MCHID,
        "name": "云帆收银",
        "currency": "CNY",
        "sp_appids": ["wx0000000000006001"],
        "private_key_pem": Secret(m.pkcs8(m.rsa_key())),
        "certificate_pem": m.certificate(m.rsa_key()),
        "api_v3_key": Secret(m.API_V3_KEY),
        **changes,
    }


def faults_of(**changes: Any) -> dict[str, str]:
    """Every fault that adding this provider is refused for."""
    with pytest.raises(InvalidPartner) as refusal:
        add_partner(**application(**changes))
    return {fault.field: fault.problem for fault in refusal.value.faults}


def merchant_keys(partner: Partner) -> dict[str, KeyState]:
    rows = db.session.scalars(select(MerchantKey).where(MerchantKey.partner_id == partner.id))
    return {row.serial_no: row.state for row in rows}


def test_a_provider_is_added_with_the_serial_number_of_its_certificate(app: Flask) -> None:
    partner = add_partner(**application())

    assert merchant_keys(partner) == {SERIAL: KeyState.ACTIVE}
    assert (partner.currency, partner.appid_limit) == ("CNY", 3)
    assert appids_of(partner.id) == ["wx0000000000006001"]


def test_a_pkcs1_key_and_an_api_v3_key_with_a_line_end_are_stored_in_normal_form(
    app: Flask,
) -> None:
    partner = add_partner(
        **application(
            private_key_pem=Secret(m.pkcs1(m.rsa_key())),
            api_v3_key=Secret(m.API_V3_KEY + "\r\n"),
        )
    )

    key = db.session.scalars(select(MerchantKey).where(MerchantKey.partner_id == partner.id)).one()
    api_v3_key = db.session.scalars(select(ApiV3Key)).one()
    assert key.private_key.reveal() == m.pkcs8(m.rsa_key())
    assert api_v3_key.key.reveal() == m.API_V3_KEY


def test_a_serial_number_may_stand_in_for_the_certificate(app: Flask) -> None:
    spelled = "0a:51:57:f0" + SERIAL[8:].lower()

    partner = add_partner(**application(certificate_pem=None, serial_no=spelled))

    assert merchant_keys(partner) == {SERIAL: KeyState.ACTIVE}


def test_every_fault_is_named_at_once_and_nothing_is_written(app: Flask) -> None:
    faults = faults_of(
        sp_mchid="19-1",
        name=" ",
        currency="yuan",
        sp_appids=["gh_1", "gh_1"],
        private_key_pem=Secret("nothing"),
        certificate_pem="nothing",
        api_v3_key=Secret("short"),
        wechatpay_public_key_pem="nothing",
        wechatpay_public_key_id="nothing",
        appid_limit=21,
    )

    assert set(faults) == {
        "sp_mchid",
        "name",
        "currency",
        "sp_appid",
        "private_key",
        "certificate",
        "api_v3_key",
        "wechatpay_public_key",
        "wechatpay_public_key_id",
        "appid_limit",
    }
    assert list_partners() == []
    assert db.session.scalar(select(func.count()).select_from(AuditEntry)) == 0


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"private_key_pem": Secret(m.pkcs8(m.rsa_key("x")))}, "private_key", "not the key this"),
        ({"private_key_pem": Secret(m.certificate(m.rsa_key()))}, "private_key", "a certificate"),
        ({"private_key_pem": Secret(m.public_pem(m.rsa_key()))}, "private_key", "a public key"),
        (
            {"private_key_pem": Secret(m.locked_by_password(m.rsa_key()))},
            "private_key",
            "password",
        ),
        ({"private_key_pem": Secret(m.elliptic())}, "private_key", "not an RSA key"),
        (
            {
                "private_key_pem": Secret(m.pkcs8(m.small_rsa_key())),
                "certificate_pem": None,
                "serial_no": SERIAL,
            },
            "private_key",
            "1024 bits",
        ),
        (
            {"certificate_pem": m.certificate(m.rsa_key(), subject="1900009999")},
            "certificate",
            "1900009999",
        ),
        (
            {"certificate_pem": m.certificate(m.rsa_key(), ends=datetime(2020, 1, 1, tzinfo=UTC))},
            "certificate",
            "expired",
        ),
        ({"certificate_pem": m.pkcs8(m.rsa_key())}, "certificate", "a private key"),
        ({"certificate_pem": None}, "certificate", "give the certificate"),
        ({"serial_no": f"{OTHER_SERIAL:X}"}, "serial_no", "is not that of the certificate"),
        ({"api_v3_key": Secret("K" * 31)}, "api_v3_key", "31 characters"),
        ({"api_v3_key": Secret("K" * 31 + "-")}, "api_v3_key", "letters or digits"),
        ({"api_v3_key": Secret("K" * 31 + "é")}, "api_v3_key", "ASCII"),
        ({"api_v3_key": Secret("K" * 31 + "٣")}, "api_v3_key", "ASCII"),
        (
            {"wechatpay_public_key_id": m.PUBLIC_KEY_ID},
            "wechatpay_public_key",
            "together",
        ),
        ({"sp_appids": []}, "sp_appid", "at least one"),
        ({"sp_appids": [f"wx{n}" for n in range(4)]}, "sp_appid", "may bind 3"),
        ({"sp_mchid": "1" * 33}, "sp_mchid", "digits"),
        ({"sp_mchid": "١٩٠٠٠٠٦٠٠١"}, "sp_mchid", "digits"),
        ({"name": "a\x00b"}, "name", "control"),
        ({"name": "n" * 129}, "name", "128"),
    ],
)
def test_a_wrong_input_is_named_with_what_to_do(
    app: Flask, changes: dict[str, Any], field: str, told: str
) -> None:
    assert told in faults_of(**changes)[field]


def test_no_fault_quotes_a_secret(app: Flask) -> None:
    secret = "Canary" + "7" * 20

    told = str(faults_of(private_key_pem=Secret(secret), api_v3_key=Secret(secret)))

    assert secret not in told


def test_a_number_is_added_once(app: Flask) -> None:
    add_partner(**application())

    with pytest.raises(PartnerExists):
        add_partner(**application(name="another"))

    assert [partner.name for partner in list_partners()] == ["云帆收银"]


def test_several_providers_live_side_by_side_and_may_share_an_appid(app: Flask) -> None:
    first = add_partner(**application())
    second = add_partner(
        **application(sp_mchid="1900006002", certificate_pem=None, serial_no=SERIAL, currency="HKD")
    )

    assert appids_of(first.id) == appids_of(second.id)
    assert [partner.currency for partner in list_partners()] == ["CNY", "HKD"]


def test_an_unknown_number_is_not_found(app: Flask) -> None:
    with pytest.raises(PartnerNotFound):
        get_partner("1900000000")


def test_rotating_the_key_signs_with_the_new_one_and_keeps_one_before_it(app: Flask) -> None:
    partner = add_partner(**application())
    for name in ("second", "third"):
        number = {"second": 2, "third": 3}[name]
        partner = rotate_merchant_key(
            partner=partner,
            private_key_pem=Secret(m.pkcs8(m.rsa_key(name))),
            certificate_pem=m.certificate(m.rsa_key(name), serial=OTHER_SERIAL + number),
        )

    assert merchant_keys(partner) == {
        SERIAL: KeyState.RETIRED,
        f"{OTHER_SERIAL + 2:040X}": KeyState.PREVIOUS,
        f"{OTHER_SERIAL + 3:040X}": KeyState.ACTIVE,
    }
    assert partner.key_revision == 3
    retired = select(MerchantKey).where(MerchantKey.state == KeyState.RETIRED)
    assert db.session.scalars(retired).one().private_key_sealed is None


def test_rotating_to_the_certificate_in_use_is_refused(app: Flask) -> None:
    partner = add_partner(**application())

    with pytest.raises(KeyAlreadyStored):
        rotate_merchant_key(
            partner=partner,
            private_key_pem=Secret(m.pkcs8(m.rsa_key())),
            certificate_pem=m.certificate(m.rsa_key()),
        )

    assert get_partner(m.SP_MCHID).key_revision == 1


def test_rotating_the_api_v3_key_keeps_the_one_before_and_drops_the_rest(app: Flask) -> None:
    partner = add_partner(**application())
    for text in (m.OTHER_API_V3_KEY, "M" * 32):
        rotate_api_v3_key(partner=partner, api_v3_key=Secret(text))

    rows = db.session.scalars(select(ApiV3Key)).all()
    opened = {row.state: row.key.reveal() for row in rows if row.key_sealed}
    assert opened == {KeyState.ACTIVE: "M" * 32, KeyState.PREVIOUS: m.OTHER_API_V3_KEY}
    with pytest.raises(KeyAlreadyStored):
        rotate_api_v3_key(partner=partner, api_v3_key=Secret("M" * 32 + "\n"))


def test_a_wrong_public_key_file_is_put_right_under_the_same_id(app: Flask) -> None:
    wrong, right = m.public_pem(m.rsa_key("wrong")), m.public_pem(m.rsa_key("right"))
    partner = add_partner(
        **application(wechatpay_public_key_pem=wrong, wechatpay_public_key_id=m.PUBLIC_KEY_ID)
    )

    add_wechatpay_public_key(partner=partner, pem=right, key_id=m.PUBLIC_KEY_ID)

    assert db.session.scalars(select(WeChatPayKey)).one().pem == right
    with pytest.raises(KeyAlreadyStored):
        add_wechatpay_public_key(partner=partner, pem=right, key_id=m.PUBLIC_KEY_ID)


def test_appids_are_bound_up_to_the_limit_and_the_last_one_stays(app: Flask) -> None:
    partner = add_partner(**application(sp_appids=["wxa", "wxb", "wxc"]))
    with pytest.raises(InvalidPartner, match="may bind 3"):
        bind_appid(partner=partner, sp_appid="wxd")

    bind_appid(partner=partner, sp_appid="wxd", appid_limit=5)
    for sp_appid in ("wxa", "wxb", "wxc"):
        unbind_appid(partner=partner, sp_appid=sp_appid)

    assert appids_of(partner.id) == ["wxd"]
    with pytest.raises(LastAppid):
        unbind_appid(partner=partner, sp_appid="wxd")


def test_a_certificates_end_is_remembered(app: Flask) -> None:
    end = (datetime.now(UTC) + timedelta(days=40)).replace(microsecond=0)

    add_partner(**application(certificate_pem=m.certificate(m.rsa_key(), ends=end)))

    assert db.session.scalars(select(MerchantKey)).one().expires_at == end


def test_every_change_is_in_the_audit_trail_without_any_key(app: Flask) -> None:
    partner = add_partner(**application())
    rotate_api_v3_key(partner=partner, api_v3_key=Secret(m.OTHER_API_V3_KEY))
    bind_appid(partner=partner, sp_appid="wxd")

    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == [
        "partner.added",
        "partner.api_v3_key_rotated",
        "partner.appid_bound",
    ]
    told = "".join(entry.detail for entry in entries)
    assert m.API_V3_KEY not in told
    assert m.OTHER_API_V3_KEY not in told
    assert "PRIVATE KEY" not in told
