"""API keys: shown once, stored as a hash, expiring and revoked from one request to the next."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from config import clock
from config.audit import AuditEntry
from config.database import db
from submerchants.api_keys.issue import (
    issue_key,
    list_keys,
    revoke_key,
    revoke_key_as_provider,
)
from submerchants.api_keys.models import ApiKey
from submerchants.api_keys.verify import find_key, note_use
from submerchants.errors import ApiKeyNotFound, InvalidApiKeyRequest
from submerchants.permissions import Permission
from submerchants.tenancy import across_tenants, acting_for
from tests.factories.submerchants import make_sub_merchant


def test_a_key_finds_its_sub_merchant_and_provider(app: Flask) -> None:
    sub_merchant = make_sub_merchant()
    issued = issue_key(sub_merchant=sub_merchant)

    found = find_key(issued.key.reveal())

    assert found is not None
    assert [found[0].id, found[1].id, found[2].id] == [
        issued.row.id,
        sub_merchant.id,
        sub_merchant.partner_id,
    ]


def test_only_a_hash_of_the_key_is_stored(app: Flask) -> None:
    issued = issue_key(sub_merchant=make_sub_merchant())
    key = issued.key.reveal()

    with across_tenants("the test looks at what is stored"):
        row = db.session.execute(select(ApiKey.__table__)).one()

    assert key not in str(tuple(row))
    assert row.key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert key not in repr(issued)


def test_without_scopes_a_key_may_do_all_but_give_money_back(app: Flask) -> None:
    row = issue_key(sub_merchant=make_sub_merchant()).row

    assert set(Permission) - set(map(Permission, row.scopes.split())) == {Permission.REFUNDS_WRITE}


@pytest.mark.parametrize(
    "presented",
    ["", "sk_", "sk_aaaaaaaaaaaa_" + "b" * 43, "sk_aaaaaaaaaaaa", "x" * 4096, "sk_\x00", "密钥"],
)
def test_what_is_no_key_of_ours_finds_nothing(app: Flask, presented: str) -> None:
    issue_key(sub_merchant=make_sub_merchant())

    assert find_key(presented) is None


def test_the_right_prefix_with_another_secret_finds_nothing(app: Flask) -> None:
    key = issue_key(sub_merchant=make_sub_merchant()).key.reveal()
    other = "A" if key[-1] != "A" else "B"

    assert find_key(key[:-1] + other) is None


def test_a_key_counts_up_to_its_expiry_and_not_at_it(app: Flask) -> None:
    end = clock.now() + timedelta(hours=1)
    key = issue_key(sub_merchant=make_sub_merchant(), expires_at=end).key.reveal()

    with clock.frozen_at(end - timedelta(microseconds=1)):
        before = find_key(key)
    with clock.frozen_at(end):
        after = find_key(key)

    assert before is not None
    assert after is None


def test_a_revoked_key_stops_counting_at_once_and_stays_listed(app: Flask) -> None:
    sub_merchant = make_sub_merchant()
    issued = issue_key(sub_merchant=sub_merchant)

    revoke_key_as_provider(issued.row.id)
    revoke_key_as_provider(issued.row.id)

    assert find_key(issued.key.reveal()) is None
    assert [row.revoked_at is not None for row in list_keys(sub_merchant)] == [True]
    actions = db.session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert actions == ["api_key.issued", "api_key.revoked"]


def test_a_tenant_cannot_revoke_its_neighbours_key(app: Flask) -> None:
    mine, neighbour = make_sub_merchant(), make_sub_merchant()
    issued = issue_key(sub_merchant=neighbour)

    with acting_for(mine.id), pytest.raises(ApiKeyNotFound):
        revoke_key(issued.row.id)

    assert find_key(issued.key.reveal()) is not None


def test_what_could_not_be_used_is_refused(app: Flask) -> None:
    sub_merchant = make_sub_merchant()

    with pytest.raises(InvalidApiKeyRequest, match="Unknown scope"):
        issue_key(sub_merchant=sub_merchant, scopes=["orders:read", "money:print"])
    with pytest.raises(InvalidApiKeyRequest, match="past"):
        issue_key(sub_merchant=sub_merchant, expires_at=clock.now())
    with pytest.raises(InvalidApiKeyRequest, match="not a network"):
        issue_key(sub_merchant=sub_merchant, allowed_networks=["10.0.0.1/8"])
    with pytest.raises(InvalidApiKeyRequest, match="label"):
        issue_key(sub_merchant=sub_merchant, label="n" * 65)

    assert list_keys(sub_merchant) == []


def test_use_is_noted_once_a_minute(app: Flask) -> None:
    sub_merchant = make_sub_merchant()
    issued = issue_key(sub_merchant=sub_merchant)
    start = clock.now()

    for seconds in (0, 1, 59):
        with clock.frozen_at(start + timedelta(seconds=seconds)):
            note_use(list_keys(sub_merchant)[0])

    with across_tenants("the test looks at the row"):
        row = db.session.scalars(
            select(ApiKey).where(ApiKey.id == issued.row.id),
            execution_options={"populate_existing": True},
        ).one()
    assert row.last_used_at == start
