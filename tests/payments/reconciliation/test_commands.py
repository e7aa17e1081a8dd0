"""`flask bills fetch` and `flask reconcile`, against the simulator's own bill desk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from flask import Flask

from config.clock import beijing_date, frozen_at, now
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.orders.models import Order
from submerchants.tenants.models import SubMerchant
from tests.factories.partner import make_partner
from tests.factories.payments import place_order
from tests.factories.submerchants import make_sub_merchant

FIGURES = {"sub_mchid", "bill_date", "state", "matched", "ours", "theirs", "discrepancies"}
SIDES = {"kind", "out_trade_no", "transaction_id", "ours", "theirs", "explanation"}


@pytest.fixture
def day() -> date:
    return beijing_date(now())


@pytest.fixture
def paid_order(sub_merchant: SubMerchant, partner: Partner, simulator: Simulator) -> Order:
    """Paid, and told of."""
    order = place_order(sub_merchant=sub_merchant, partner=partner, amount_fen=1800)
    simulator.pay(order.out_trade_no)
    simulator.notifier.deliver_due()
    return order


@pytest.fixture
def _next_noon(paid_order: Order, day: date, simulator: Simulator) -> Iterator[None]:
    assert beijing_date(now()) == day
    later = timedelta(days=1, hours=12)
    simulator.clock.advance(later.total_seconds())
    with frozen_at(now() + later):
        yield


def run(app: Flask, *words: str) -> Any:
    result = app.test_cli_runner().invoke(args=[*words, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.usefixtures("_next_noon", "other_sub_merchant")
def test_a_day_is_fetched_and_matched_for_every_sub_merchant(
    app: Flask, paid_order: Order, day: date
) -> None:
    told = run(app, "reconcile", "--date", day.isoformat())

    ours = next(one for one in told if one["sub_mchid"] == paid_order.sub_mchid)
    assert len(told) == 2
    assert all(set(one) == FIGURES for one in told)
    assert {one["state"] for one in told} == {"MATCHED"}
    assert ours["matched"] == 1
    assert ours["ours"] == ours["theirs"] == {"count": 1, "amount_fen": 1800}


@pytest.mark.usefixtures("_next_noon")
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("bill_extra_row", "MISSING_HERE"),
        ("bill_wrong_amount", "AMOUNT_DIFFERS"),
        ("bill_foreign_sub_mchid", "TENANT_DIFFERS"),
    ],
)
def test_what_the_bill_has_otherwise_is_told_with_both_sides(
    app: Flask, simulator: Simulator, paid_order: Order, day: date, fault: str, kind: str
) -> None:
    simulator.faults.add(fault)

    told = run(app, "reconcile", "--date", day.isoformat(), "--sub-mchid", paid_order.sub_mchid)

    (found,) = told[0]["discrepancies"]
    assert set(found) == SIDES
    assert (told[0]["state"], found["kind"]) == ("DISCREPANT", kind)
    assert found["ours"] or found["theirs"]


@pytest.mark.usefixtures("_next_noon")
@pytest.mark.parametrize("fault", ["bill_bad_digest", "bill_truncated"])
def test_a_damaged_download_is_fetched_anew(
    app: Flask, simulator: Simulator, paid_order: Order, day: date, fault: str
) -> None:
    details = {"digest": "whole"} if fault == "bill_truncated" else {}
    simulator.faults.add(fault, **details)

    told = run(app, "reconcile", "--date", day.isoformat())

    assert told[0]["state"] == "MATCHED"


@pytest.mark.usefixtures("_next_noon")
def test_a_file_that_is_cut_though_its_digest_fits_is_refused(
    app: Flask, simulator: Simulator, day: date
) -> None:
    simulator.faults.add("bill_truncated", digest="served")

    fetched = run(app, "bills", "fetch", "--date", day.isoformat())
    told = run(app, "bills", "fetch", "--date", day.isoformat())

    assert fetched[0]["state"] == "REFUSED"
    assert "TRUNCATED" in fetched[0]["refusal"]
    assert told[0]["state"] == "DIVIDED"


@pytest.mark.usefixtures("_next_noon")
def test_a_bill_that_is_still_being_written_is_waited_for(
    app: Flask, simulator: Simulator, day: date
) -> None:
    simulator.faults.add("bill_creating")

    first = run(app, "reconcile", "--date", day.isoformat())
    again = run(app, "reconcile", "--date", day.isoformat())

    assert [one["state"] for one in first + again] == ["WAITING_FOR_BILL", "MATCHED"]


@pytest.mark.usefixtures("partner")
def test_a_day_long_gone_is_one_clear_line_on_standard_error(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["reconcile", "--date", "2020-01-01", "--json"])

    assert result.exit_code >= 1
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("_next_noon")
@pytest.mark.parametrize("command", [("reconcile",), ("bills", "fetch")])
def test_a_number_under_two_providers_is_told_apart_by_the_provider(
    app: Flask, paid_order: Order, day: date, command: tuple[str, ...]
) -> None:
    make_sub_merchant(partner=make_partner(), sub_mchid=paid_order.sub_mchid)
    words = [*command, "--date", day.isoformat(), "--sub-mchid", paid_order.sub_mchid]

    unclear = app.test_cli_runner().invoke(args=[*words, "--json"])
    told = run(app, *words, "--sp-mchid", paid_order.sp_mchid)

    assert (unclear.exit_code, unclear.stdout) == (1, "")
    assert "--sp-mchid" in unclear.stderr
    assert len(told) == 1
