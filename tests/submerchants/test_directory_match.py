"""Which directory covers a page, over both levels and the first five minutes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from config import clock
from config.audit import AuditEntry
from config.database import db
from partner import directories as provider_wide
from partner.directory_rule import Miss
from partner.errors import DirectoryExists, DirectoryNotFound, TooManyDirectories
from submerchants.directories.configure import add_directory, list_directories, remove_directory
from submerchants.directories.match import Level, SetDirectory, directory_for, judge
from submerchants.tenancy import acting_for
from tests.factories.partner import make_partner
from tests.factories.submerchants import make_sub_merchant

NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
PAGE = "https://pay.example.com/shop/42"


def long_ago(url: str, level: Level = "sub_merchant") -> SetDirectory:
    return SetDirectory(url, level, NOON - timedelta(days=1))


def test_a_directory_counts_five_minutes_after_it_was_set_and_not_a_moment_before() -> None:
    fresh = SetDirectory("https://pay.example.com/shop/", "sub_merchant", NOON)

    early = judge([fresh], PAGE, NOON + timedelta(minutes=5, microseconds=-1))
    in_time = judge([fresh], PAGE, NOON + timedelta(minutes=5))

    assert (early.covered, early.miss) == (False, Miss.NOT_YET_IN_FORCE)
    assert "2026-03-01T04:05:00" in early.explanation
    assert early.in_force_at == NOON + timedelta(minutes=5)
    assert in_time.covered


def test_one_match_on_the_providers_level_is_enough() -> None:
    verdict = judge(
        [long_ago("https://other.example.com/"), long_ago("https://pay.example.com/", "provider")],
        PAGE,
        NOON,
    )

    assert (verdict.covered, verdict.level) == (True, "provider")
    assert verdict.directory == "https://pay.example.com/"


def test_an_uncovered_page_names_the_nearest_miss_and_not_the_first_one() -> None:
    verdict = judge(
        [
            long_ago("https://other.example.com/"),
            long_ago("https://pay.example.com/other/"),
            long_ago("http://pay.example.com/shop/", "provider"),
        ],
        PAGE,
        NOON,
    )

    assert verdict.directory == "http://pay.example.com/shop/"
    assert verdict.miss is Miss.OTHER_SCHEME


def test_without_any_directory_the_answer_names_the_one_the_page_needs() -> None:
    verdict = judge([], PAGE, NOON)

    assert verdict.miss is Miss.NO_DIRECTORY
    assert "https://pay.example.com/shop/" in verdict.explanation


def test_a_hash_route_is_explained() -> None:
    verdict = judge([long_ago("https://pay.example.com/app/x/")], f"{PAGE}#/app/x/1", NOON)

    assert not verdict.covered
    assert "What follows the #" in verdict.notes[0].en


def test_a_page_that_is_no_page_gets_a_verdict_and_not_an_error() -> None:
    verdict = judge([long_ago("https://pay.example.com/")], "https://a@pay.example.com/", NOON)

    assert (verdict.covered, verdict.miss) == (False, Miss.UNREADABLE_PAGE)
    assert "user name" in verdict.explanation


def test_a_sub_merchants_page_is_matched_against_its_own_and_its_providers_directories(
    app: Flask,
) -> None:
    mine, neighbour = (make_sub_merchant(partner=partner) for partner in [make_partner()] * 2)
    with clock.frozen_at(NOON):
        add_directory(sub_merchant=mine, url="https://pay.example.com/shop/")
        add_directory(sub_merchant=neighbour, url="https://neighbour.example.com/")
    with clock.frozen_at(NOON + timedelta(hours=1)):
        own = directory_for(mine, PAGE)
        foreign = directory_for(mine, "https://neighbour.example.com/")

    assert (own.covered, own.level) == (True, "sub_merchant")
    assert not foreign.covered


def test_a_level_takes_five_directories_and_refuses_the_sixth(app: Flask) -> None:
    sub_merchant = make_sub_merchant()
    for number in range(5):
        add_directory(sub_merchant=sub_merchant, url=f"https://shop{number}.example.com/")

    with pytest.raises(TooManyDirectories):
        add_directory(sub_merchant=sub_merchant, url="https://shop5.example.com/")

    assert len(list_directories(sub_merchant)) == 5


def test_the_providers_level_takes_five_directories_of_its_own(app: Flask) -> None:
    partner = make_partner()
    for number in range(5):
        provider_wide.add_directory(partner=partner, url=f"https://shop{number}.example.com/")

    with pytest.raises(TooManyDirectories):
        provider_wide.add_directory(partner=partner, url="https://shop5.example.com/")
    with pytest.raises(DirectoryExists):
        provider_wide.add_directory(partner=partner, url="https://SHOP1.example.com")

    assert provider_wide.remove_directory(partner=partner, url="https://shop1.example.com:443/")
    assert len(provider_wide.list_directories(partner.id)) == 4


def test_the_same_directory_in_another_spelling_is_not_set_twice(app: Flask) -> None:
    sub_merchant = make_sub_merchant()
    add_directory(sub_merchant=sub_merchant, url="https://pay.example.com/shop/")

    with pytest.raises(DirectoryExists):
        add_directory(sub_merchant=sub_merchant, url="https://PAY.example.com:443/shop")

    assert [row.url for row in list_directories(sub_merchant)] == ["https://pay.example.com/shop/"]


def test_a_neighbours_directory_cannot_be_removed(app: Flask) -> None:
    mine, neighbour = make_sub_merchant(), make_sub_merchant()
    add_directory(sub_merchant=neighbour, url="https://pay.example.com/")

    with pytest.raises(DirectoryNotFound):
        remove_directory(sub_merchant=mine, url="https://pay.example.com/")

    assert len(list_directories(neighbour)) == 1


def test_setting_and_removing_leave_a_trail_the_tenant_owns(app: Flask) -> None:
    sub_merchant = make_sub_merchant()

    add_directory(sub_merchant=sub_merchant, url="https://pay.example.com/")
    with acting_for(sub_merchant.id):
        remove_directory(sub_merchant=sub_merchant, url="https://pay.example.com/")

    entries = db.session.scalars(
        select(AuditEntry).where(AuditEntry.tenant_id == sub_merchant.id).order_by(AuditEntry.id)
    ).all()
    assert [entry.action for entry in entries] == ["directory.added", "directory.removed"]
