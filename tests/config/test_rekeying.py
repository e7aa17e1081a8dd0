"""Master keys: a wrong or missing one is found before a process serves, an old one can be left."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping

import pytest
from flask import Flask
from sqlalchemy import select

from config import vault
from config.audit import AuditEntry
from config.database import db
from config.rekeying import master_keys_problem, rekey_all, verify_master_keys
from config.settings import Settings
from config.vault import VaultError, key_id_of
from partner.models import ApiV3Key, MerchantKey
from tests.factories.partner import make_partner, private_key_pem


@pytest.fixture
def first(settings: Settings) -> Iterator[Mapping[str, bytes]]:
    """The master keys the database was sealed with; the vault is as before afterwards."""
    yield settings.master_keys
    vault.unlock(settings.master_keys)


def envelopes() -> set[str]:
    """The master keys that sealed what is stored."""
    columns = (MerchantKey.private_key_sealed, ApiV3Key.key_sealed)
    return {
        key_id_of(envelope)
        for column in columns
        for envelope in db.session.scalars(select(column))
        if envelope
    }


def test_the_right_master_keys_pass(app: Flask, first: Mapping[str, bytes]) -> None:
    make_partner()

    verify_master_keys()


def test_a_missing_master_key_is_found_with_the_place_it_is_missed(
    app: Flask, first: Mapping[str, bytes]
) -> None:
    make_partner()
    vault.unlock({"other": os.urandom(32)})

    with pytest.raises(VaultError) as fault:
        verify_master_keys()

    assert "merchant_keys.private_key_sealed" in str(fault.value)
    assert "api_v3_keys.key_sealed" in str(fault.value)


def test_readiness_names_the_problem_and_passes_with_the_right_keys(
    app: Flask, first: Mapping[str, bytes]
) -> None:
    make_partner()
    right = master_keys_problem()
    vault.unlock({"other": os.urandom(32)})

    wrong = master_keys_problem()

    assert right is None
    assert wrong is not None
    assert "not configured" in wrong


def test_another_key_under_the_same_id_is_found(app: Flask, first: Mapping[str, bytes]) -> None:
    make_partner()
    vault.unlock(dict.fromkeys(first, os.urandom(32)))

    with pytest.raises(VaultError, match="does not open"):
        verify_master_keys()


def test_an_empty_database_opens_with_any_key(app: Flask, first: Mapping[str, bytes]) -> None:
    vault.unlock({"other": os.urandom(32)})

    verify_master_keys()


def test_rekeying_moves_everything_to_the_first_key_and_the_old_one_can_go(
    app: Flask, first: Mapping[str, bytes]
) -> None:
    make_partner()
    make_partner()
    fresh = {"fresh": os.urandom(32)}
    vault.unlock({**fresh, **first})

    moved = rekey_all()

    assert moved == {"merchant_keys": 2, "api_v3_keys": 2}
    assert envelopes() == {"fresh"}
    vault.unlock(fresh)
    verify_master_keys()
    key = db.session.scalars(select(MerchantKey)).first()
    assert key is not None
    assert key.private_key.reveal() == private_key_pem()


def test_rekeying_again_moves_nothing_and_the_first_time_is_on_record(
    app: Flask, first: Mapping[str, bytes]
) -> None:
    make_partner()
    vault.unlock({"fresh": os.urandom(32), **first})
    runner = app.test_cli_runner()

    moved = runner.invoke(args=["vault", "rekey", "--json"])
    again = runner.invoke(args=["vault", "rekey", "--json"])

    assert json.loads(moved.stdout) == {"moved": {"merchant_keys": 1, "api_v3_keys": 1}}
    assert json.loads(again.stdout) == {"moved": {}}
    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert actions == ["vault.rekeyed"]
