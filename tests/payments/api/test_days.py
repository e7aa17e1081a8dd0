"""Bills and reconciliations over HTTP, out of a day of real trade with WeChat Pay's side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from flask.testing import FlaskClient

from config.clock import frozen_at
from partner.models import Partner
from partner.simulator.simulator import Simulator
from payments.api import answers
from payments.bills.day import fetch_day
from payments.reconciliation.run import reconcile_day
from submerchants.tenants.models import SubMerchant
from tests.factories.people import form_token, sign_in_operator
from tests.payments.api.caller import Api

DAY = date(2031, 5, 6)
NOON = datetime(2031, 5, 6, 4, 0, tzinfo=UTC)
NEXT_MORNING = datetime(2031, 5, 7, 2, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Day:
    """Two orders of the first tenant, of which the bill lacks one, and one of another's."""

    agreed: dict[str, Any]
    missing: dict[str, Any]
    of_another: dict[str, Any]


@pytest.fixture
def day(
    api: Api,
    other_api: Api,
    partner: Partner,
    sub_merchant: SubMerchant,
    simulator: Simulator,
) -> Iterator[Day]:
    """The morning after, with the bill fetched and the day compared."""
    simulator.clock.set(NOON)
    with frozen_at(NOON):
        traded = Day(_sold(api, simulator), _sold(api, simulator), _sold(other_api, simulator))
    simulator.faults.add("bill_missing_row", out_trade_no=traded.missing["out_trade_no"], times=9)
    simulator.clock.set(NEXT_MORNING)
    with frozen_at(NEXT_MORNING):
        fetch_day(partner=partner, bill_date=DAY)
        reconcile_day(
            partner_id=partner.id,
            bill_date=DAY,
            sub_merchant_ids=[sub_merchant.id],
            forced=True,
        )
        yield traded


def _sold(api: Api, simulator: Simulator) -> dict[str, Any]:
    order = api.order()
    simulator.pay(order["out_trade_no"])
    paid: dict[str, Any] = api.post(f"/orders/{order['id']}/sync").json
    assert paid["state"] == "PAID"
    return paid


def test_a_day_is_listed_with_its_sums(api: Api, day: Day) -> None:
    answer = api.get("/bills", date=DAY.isoformat())

    [bill] = answer.json["data"]
    assert set(bill) == set(answers.Bill.model_fields)
    assert (bill["state"], bill["row_count"]) == ("READY", 1)
    assert bill["settled_fen"] == day.agreed["amount_fen"]
    assert bill["download_path"] == f"/api/v1/bills/{DAY.isoformat()}/trade.csv"
    assert api.get("/bills").json["data"] == [bill]


def test_a_file_holds_the_tenants_rows_only_and_is_saved_not_shown(api: Api, day: Day) -> None:
    answer = api.get(f"/bills/{DAY.isoformat()}/trade.csv")

    text = answer.data.decode("utf-8-sig")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == "attachment; filename=trade-2031-05-06.csv"
    assert day.agreed["out_trade_no"] in text
    assert day.of_another["out_trade_no"] not in text
    assert text.splitlines()[0].startswith("交易时间")


@pytest.mark.parametrize(
    ("bill_date", "code"),
    [("2031-05-05", "bill_not_available"), ("2031-5-6", "not_found"), ("today", "not_found")],
)
def test_a_day_without_a_file_is_absent(api: Api, day: Day, bill_date: str, code: str) -> None:
    answer = api.get(f"/bills/{bill_date}/trade.csv")

    assert (answer.status_code, answer.code) == (404, code)


def test_a_compared_day_shows_both_sides(api: Api, day: Day) -> None:
    [listed] = api.get("/reconciliations", date=DAY.isoformat()).json["data"]

    shown = api.get(f"/reconciliations/{listed['id']}")

    price = day.agreed["amount_fen"]
    assert shown.json == listed
    assert set(listed) == set(answers.Reconciliation.model_fields)
    assert (listed["state"], listed["matched"], listed["open_discrepancies"]) == (
        "DISCREPANT",
        1,
        1,
    )
    assert listed["ours"] == {"count": 2, "amount_fen": 2 * price}
    assert listed["theirs"] == {"count": 1, "amount_fen": price}


def test_what_differed_is_listed_with_its_explanation(api: Api, day: Day) -> None:
    [compared] = api.get("/reconciliations").json["data"]

    [difference] = api.get(f"/reconciliations/{compared['id']}/discrepancies").json["data"]

    assert set(difference) == set(answers.Discrepancy.model_fields)
    assert (difference["kind"], difference["state"]) == ("MISSING_THERE", "OPEN")
    assert difference["out_trade_no"] == day.missing["out_trade_no"]
    assert difference["theirs"] is None
    assert difference["explanation"]


def test_what_an_operator_decided_is_told_without_the_operator_and_lasts(
    api: Api, day: Day, client: FlaskClient, partner: Partner, sub_merchant: SubMerchant
) -> None:
    [compared] = api.get("/reconciliations").json["data"]
    [found] = api.get(f"/reconciliations/{compared['id']}/discrepancies").json["data"]
    known = sign_in_operator(client)
    form = {"csrf_token": form_token(client, "/admin/"), "proof": known.code()}

    answer = client.post(
        f"/admin/reconciliation/{DAY}/{compared['id']}/{found['id']}",
        data={**form, "decision": "Booked the day after, see case 7."},
    )
    reconcile_day(
        partner_id=partner.id, bill_date=DAY, sub_merchant_ids=[sub_merchant.id], forced=True
    )

    again = api.get(f"/reconciliations/{compared['id']}").json
    shown = api.get(f"/reconciliations/{compared['id']}/discrepancies")
    [decided] = shown.json["data"]
    assert answer.status_code == 303
    assert (again["state"], again["open_discrepancies"]) == ("RESOLVED", 0)
    assert (decided["state"], decided["decision"]) == (
        "HANDLED",
        "Booked the day after, see case 7.",
    )
    assert decided["handled_at"] == "2031-05-07T02:30:00Z"
    assert known.operator.email.encode() not in shown.data


def test_another_tenants_day_is_absent(api: Api, other_api: Api, day: Day) -> None:
    [compared] = api.get("/reconciliations").json["data"]

    for path in ("", "/discrepancies"):
        answer = other_api.get(f"/reconciliations/{compared['id']}{path}")
        assert (answer.status_code, answer.code) == (404, "not_found")
    assert other_api.get("/reconciliations").json["data"] == []


@pytest.mark.parametrize("path", ["/bills", "/reconciliations"])
@pytest.mark.parametrize("query", [{"date": "yesterday"}, {"cursor": "nonsense"}, {"day": "1"}])
def test_a_query_that_makes_no_sense_is_refused(api: Api, path: str, query: dict[str, str]) -> None:
    answer = api.get(path, **query)

    assert (answer.status_code, answer.wrong_fields) == (400, list(query))
