"""WeChat Pay's certificates: swapped as a whole, kept when a refresh fails, fetched when due."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from config import clock
from config.audit import AuditEntry
from config.database import changed_rows, db, transaction
from config.scheduler import get_job, run_job
from partner.gateway import key_ring
from partner.jobs import expiring, refresh_due, warn_of_expiry
from partner.models import (
    MerchantKey,
    Partner,
    PlatformKeyRefresh,
    RefreshState,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.platform_keys import refresh
from partner.refresh_requests import due_for_refresh
from partner.simulator.simulator import Simulator
from tests.factories.partner import make_partner, make_partner_of


@pytest.fixture(scope="module")
def simulator_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of this room's own: what is rotated here stays rotated."""
    return tmp_path_factory.mktemp("rotating")


def serials(partner: Partner, kind: WeChatPayKeyKind) -> Sequence[str]:
    """Which keys of one kind are held."""
    here = select(WeChatPayKey.serial).where(
        WeChatPayKey.partner_id == partner.id, WeChatPayKey.kind == kind
    )
    return db.session.scalars(here).all()


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(str(record.msg))


@pytest.fixture
def log_lines(app: Flask) -> Iterator[list[str]]:
    """What is logged as a warning or worse."""
    handler = _Lines()
    logging.getLogger().addHandler(handler)
    yield handler.lines
    logging.getLogger().removeHandler(handler)


def rotate(simulator: Simulator) -> str:
    """WeChat Pay begins to use another certificate; answers its serial number."""
    answer = simulator.app.test_client().post("/_simulator/platform-certificates/rotate")
    assert answer.status_code < 300
    return simulator.world.rings.first.certificate.serial


def key_mode(simulator: Simulator, mode: str) -> None:
    body = {"sp_mchid": simulator.facts["sp_mchid"], "key_mode": mode}
    answer = simulator.app.test_client().post("/_simulator/merchants", json=body)
    assert answer.status_code < 300


def stop_answering(simulator: Simulator) -> None:
    simulator.faults.add("http_500", path="/v3/certificates", times=10)


def test_the_first_certificates_come_without_any_key_of_wechat_pays(
    partner: Partner, simulator: Simulator
) -> None:
    with transaction() as session:
        for row in session.scalars(select(WeChatPayKey)):
            session.delete(row)

    fetched = refresh(partner)

    assert fetched.state is RefreshState.DONE
    assert serials(partner, WeChatPayKeyKind.CERTIFICATE) == [simulator.facts["platform_serial_no"]]


def test_a_rotation_swaps_the_set_and_every_process_notices(
    partner: Partner, simulator: Simulator
) -> None:
    refresh(partner)
    before = key_ring(partner.sp_mchid)

    fresh = rotate(simulator)
    fetched = refresh(partner)

    assert fetched.changed
    assert fresh in serials(partner, WeChatPayKeyKind.CERTIFICATE)
    assert key_ring(partner.sp_mchid) is not before
    assert serials(partner, WeChatPayKeyKind.PUBLIC_KEY)


def test_the_same_set_again_changes_nothing(partner: Partner, simulator: Simulator) -> None:
    refresh(partner)
    revision = db.session.scalar(select(Partner.key_revision))

    again = refresh(partner)

    assert not again.changed
    assert db.session.scalar(select(Partner.key_revision)) == revision
    actions = db.session.scalars(select(AuditEntry.action)).all()
    assert actions.count("partner.platform_certificates_swapped") <= 1


def test_a_refresh_that_fails_keeps_the_set_from_before(
    partner: Partner, simulator: Simulator
) -> None:
    refresh(partner)
    held = serials(partner, WeChatPayKeyKind.CERTIFICATE)
    stop_answering(simulator)

    fetched = refresh(partner)

    assert fetched.state is RefreshState.FAILED
    assert serials(partner, WeChatPayKeyKind.CERTIFICATE) == held
    row = db.session.get(PlatformKeyRefresh, partner.id, populate_existing=True)
    assert row is not None
    assert row.problem


def test_a_public_key_only_provider_is_a_state_and_not_an_error(
    partner: Partner, simulator: Simulator
) -> None:
    key_mode(simulator, "public_key")

    fetched = refresh(partner)

    assert (fetched.state, fetched.problem) == (RefreshState.PUBLIC_KEY_ONLY, "")
    assert due_for_refresh() == []


def test_certificates_are_due_every_ten_hours_and_sooner_after_a_failure(
    partner: Partner, simulator: Simulator
) -> None:
    assert due_for_refresh() == [partner.id]
    start = clock.now()
    with clock.frozen_at(start):
        refresh(partner)
    due = {}
    for hours in (0.2, 9.9, 10):
        with clock.frozen_at(start + timedelta(hours=hours)):
            due[hours] = due_for_refresh() == [partner.id]
    stop_answering(simulator)
    with clock.frozen_at(start + timedelta(hours=10)):
        refresh(partner)
    for hours in (10.1, 10.2):
        with clock.frozen_at(start + timedelta(hours=hours)):
            due[hours] = due_for_refresh() == [partner.id]

    assert due == {0.2: False, 9.9: False, 10: True, 10.1: False, 10.2: True}


def test_a_note_of_an_unknown_key_is_heeded_by_the_job_once_a_minute(
    partner: Partner, simulator: Simulator
) -> None:
    start = clock.now()
    with clock.frozen_at(start):
        refresh(partner)
    with transaction():
        row = db.session.get_one(PlatformKeyRefresh, partner.id)
        row.asked_at = start + timedelta(seconds=10)

    with clock.frozen_at(start + timedelta(seconds=59)):
        too_soon = due_for_refresh()
    with clock.frozen_at(start + timedelta(seconds=61)):
        figures = refresh_due()
        afterwards = due_for_refresh()

    assert too_soon == []
    assert figures == {"refreshed": 1, "changed": 0, "failed": 0}
    assert afterwards == []


def test_one_provider_that_fails_does_not_keep_the_others_from_their_refresh(
    app: Flask, partner: Partner, simulator: Simulator
) -> None:
    stranger = make_partner(wechatpay_keys={})

    figures = run_job(get_job(app, "partner.refresh-certificates")) or {}

    assert (figures["refreshed"], figures["failed"]) == (1, 1)
    row = db.session.get(PlatformKeyRefresh, stranger.id, populate_existing=True)
    assert row is not None
    assert "SIGN_ERROR" in row.problem


def test_a_key_that_ends_within_thirty_days_is_logged_and_counted(
    app: Flask, log_lines: list[str]
) -> None:
    partner = make_partner()
    moment = clock.now()
    with transaction() as session:
        key = session.scalars(select(MerchantKey)).one()
        key.expires_at = moment + timedelta(days=30)

    early = warn_of_expiry(moment - timedelta(seconds=1))
    in_time = warn_of_expiry(moment)

    assert early["merchant_certificate"] == 0
    assert in_time == {"merchant_certificate": 1, "platform_certificate": 0}
    assert expiring.labels("merchant_certificate")._value.get() == 1
    assert [partner.sp_mchid in line for line in log_lines] == [True]


def test_a_provider_whose_key_cannot_be_opened_does_not_keep_the_others_from_their_refresh(
    app: Flask, simulator: Simulator
) -> None:
    _spoil_the_key_of(make_partner())
    sound = make_partner_of(simulator)

    figures = refresh_due()

    assert (figures["failed"], figures["refreshed"]) == (1, 1)
    assert sound.id not in due_for_refresh()


def _spoil_the_key_of(partner: Partner) -> None:
    with transaction():
        here = update(MerchantKey).where(MerchantKey.partner_id == partner.id)
        changed_rows(here.values(private_key_sealed="not what the vault sealed"))
