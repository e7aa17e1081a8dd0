"""Sub-merchants: registered once under a provider, found by number, suspended and resumed."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from config.audit import AuditEntry
from config.database import db
from submerchants.errors import (
    InvalidSubMerchant,
    SubMerchantAmbiguous,
    SubMerchantExists,
    SubMerchantNotFound,
)
from submerchants.tenants.bindings import Appid, bind_appid, parse_appid, unbind_appid
from submerchants.tenants.models import AppidKind, TenantState
from submerchants.tenants.queries import bindings_of, get_sub_merchant, list_sub_merchants
from submerchants.tenants.register import register_sub_merchant
from submerchants.tenants.suspend import resume, suspend
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant


def test_a_sub_merchant_is_registered_with_its_appids_in_order(app: Flask) -> None:
    row = register_sub_merchant(
        partner=make_partner(),
        sub_mchid="1600000001",
        name="山茶咖啡",
        sub_appids=[parse_appid("wxaaa"), parse_appid("wxbbb:mini_program")],
    )

    assert row.state is TenantState.ACTIVE
    assert [(each.sub_appid, each.kind) for each in bindings_of(row.id)] == [
        ("wxaaa", AppidKind.OFFICIAL_ACCOUNT),
        ("wxbbb", AppidKind.MINI_PROGRAM),
    ]


def test_every_fault_is_named_at_once(app: Flask) -> None:
    with pytest.raises(InvalidSubMerchant) as refusal:
        register_sub_merchant(
            partner=make_partner(),
            sub_mchid="16-1",
            name="",
            sub_appids=[Appid("gh_1"), Appid("gh_1")],
        )

    for told in ("sub_mchid: must be 8 to 32 digits", "name: must not be", "gh_1 must be", "twice"):
        assert told in refusal.value.message
    assert list_sub_merchants() == []


def test_the_providers_own_number_is_no_sub_merchant(app: Flask) -> None:
    partner = make_partner()

    with pytest.raises(InvalidSubMerchant, match="provider's own number"):
        register_sub_merchant(partner=partner, sub_mchid=partner.sp_mchid, name="n")


def test_a_number_is_registered_once_under_a_provider_and_again_under_another(app: Flask) -> None:
    first, second = make_partner(), make_partner()
    register_sub_merchant(partner=first, sub_mchid="1600000001", name="here")

    with pytest.raises(SubMerchantExists):
        register_sub_merchant(partner=first, sub_mchid="1600000001", name="again")
    register_sub_merchant(partner=second, sub_mchid="1600000001", name="there")

    with pytest.raises(SubMerchantAmbiguous, match="--sp-mchid"):
        get_sub_merchant("1600000001")
    assert get_sub_merchant("1600000001", second.sp_mchid).name == "there"
    with pytest.raises(SubMerchantNotFound):
        get_sub_merchant("1600000002")


def test_one_appid_may_belong_to_many_sub_merchants(app: Flask) -> None:
    rows = [make_sub_merchant(sub_appid="wxshared") for _ in range(2)]

    assert {bindings_of(row.id)[0].sub_appid for row in rows} == {"wxshared"}


def test_a_sub_merchant_takes_five_appids(app: Flask) -> None:
    row = make_sub_merchant(sub_appid="wx0")
    for number in range(1, 5):
        bind_appid(sub_merchant=row, appid=Appid(f"wx{number}"))

    with pytest.raises(InvalidSubMerchant, match="at most 5"):
        bind_appid(sub_merchant=row, appid=Appid("wx5"))

    assert len(bindings_of(row.id)) == 5


def test_letting_go_of_the_default_appid_makes_the_next_one_the_default(app: Flask) -> None:
    row = make_sub_merchant(sub_appid="wx0")
    bind_appid(sub_merchant=row, appid=Appid("wx1"))

    unbind_appid(sub_merchant=row, sub_appid="wx0")

    assert [(each.sub_appid, each.position) for each in bindings_of(row.id)] == [("wx1", 0)]
    with pytest.raises(InvalidSubMerchant, match="not bound here"):
        unbind_appid(sub_merchant=row, sub_appid="wx0")


def test_an_unknown_kind_of_appid_is_refused_by_name() -> None:
    with pytest.raises(InvalidSubMerchant, match="mini_program"):
        parse_appid("wxaaa:website")


def test_suspending_and_resuming_are_on_record_once_each(app: Flask) -> None:
    row = make_sub_merchant()

    states = [suspend(sub_merchant=row).state for _ in range(2)]
    states += [resume(sub_merchant=row).state for _ in range(2)]

    assert states == [TenantState.SUSPENDED] * 2 + [TenantState.ACTIVE] * 2
    entries = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [entry.action for entry in entries] == [
        "sub_merchant.suspended",
        "sub_merchant.resumed",
    ]
    assert {entry.tenant_id for entry in entries} == {row.id}
