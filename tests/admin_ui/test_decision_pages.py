"""Deciding about a difference from its page, by those who may, and who reads the decision."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from admin_ui.reading.days import MAX_DIFFERENCES
from config.audit import AuditEntry
from config.clock import beijing_date, now
from config.database import changed_rows, db, transaction
from partner.operators.roles import OperatorRole
from payments.reconciliation.models import (
    Discrepancy,
    DiscrepancyKind,
    DiscrepancyState,
    Reconciliation,
    ReconciliationState,
)
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant
from tests.factories.console import make_discrepancy, make_reconciliation
from tests.factories.people import (
    PASSWORD,
    KnownOperator,
    form_token,
    make_operator,
    make_staff_member,
    sign_in_operator,
    sign_in_staff,
)

YESTERDAY = timedelta(days=1)
DECISION = "付款人已到店取回现金，见 7 号工单"


@pytest.fixture
def day(sub_merchant: SubMerchant) -> Reconciliation:
    return make_reconciliation(
        sub_merchant=sub_merchant,
        day=beijing_date(now()) - YESTERDAY,
        state=ReconciliationState.DISCREPANT,
        open_count=1,
    )


@pytest.fixture
def found(day: Reconciliation) -> Discrepancy:
    return make_discrepancy(day, kind=DiscrepancyKind.AMOUNT_DIFFERS)


@pytest.fixture
def finance(client: FlaskClient) -> KnownOperator:
    return sign_in_operator(client, make_operator(role=OperatorRole.FINANCE))


def path_of(day: Reconciliation) -> str:
    return f"/admin/reconciliation/{day.bill_date}/{day.id}"


def sent(
    client: FlaskClient, day: Reconciliation, difference_id: str, decision: str, proof: str
) -> TestResponse:
    """The form of a difference, sent from the page of its day."""
    form = {"csrf_token": form_token(client, "/admin/"), "decision": decision, "proof": proof}
    return client.post(f"{path_of(day)}/{difference_id}", data=form)


def standing(row: Discrepancy) -> tuple[DiscrepancyState, str | None]:
    with across_tenants("a test looks"), transaction() as session:
        fresh = session.get_one(Discrepancy, row.id, populate_existing=True)
        return fresh.state, fresh.decision


def let(row: Discrepancy, state: DiscrepancyState) -> None:
    with across_tenants("a test decides"), transaction():
        here = update(Discrepancy).where(Discrepancy.id == row.id)
        changed_rows(here.values(state=state))


def alert_of(answer: TestResponse) -> str:
    return answer.text.split('role="alert"')[1].split("</div>")[0]


@pytest.mark.parametrize("role", [OperatorRole.FINANCE, OperatorRole.ADMIN])
def test_whoever_looks_after_money_decides_and_the_day_is_dealt_with(
    client: FlaskClient, day: Reconciliation, found: Discrepancy, role: OperatorRole
) -> None:
    known = sign_in_operator(client, make_operator(role=role))
    before = client.get(path_of(day)).text

    answer = sent(client, day, found.id, f"  {DECISION}\r\n", known.code())

    after = client.get(path_of(day)).text
    entry = db.session.scalars(select(AuditEntry).where(AuditEntry.object_id == found.id)).one()
    assert f'action="{path_of(day)}/{found.id}#{found.id}"' in before
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{path_of(day)}#top")
    assert standing(found) == (DiscrepancyState.HANDLED, DECISION)
    assert "裁定已记录" in after
    assert "已处理" in after
    assert DECISION in after
    assert known.operator.email in after.split('class="decision"')[1]
    assert 'name="decision"' not in after
    assert (entry.action, entry.actor_name) == ("discrepancy.handled", known.operator.email)
    assert entry.tenant_id == day.sub_merchant_id


@pytest.mark.parametrize("role", [OperatorRole.SUPPORT, OperatorRole.VIEWER])
def test_whoever_only_reads_sees_no_form_and_is_refused(
    client: FlaskClient, day: Reconciliation, found: Discrepancy, role: OperatorRole
) -> None:
    known = sign_in_operator(client, make_operator(role=role))
    page = client.get(path_of(day)).text

    answer = sent(client, day, found.id, DECISION, known.code())

    assert found.number in page
    assert 'name="decision"' not in page
    assert answer.status_code == 403
    assert standing(found) == (DiscrepancyState.OPEN, None)


def test_staff_read_the_decision_and_who_made_it_and_cannot_decide(
    client: FlaskClient, day: Reconciliation, found: Discrepancy, finance: KnownOperator
) -> None:
    other = make_discrepancy(day, kind=DiscrepancyKind.MISSING_THERE, theirs=None)
    sent(client, day, found.id, DECISION, finance.code())
    client.delete_cookie("__Host-operator", domain="pay.example.test")
    member = make_staff_member(sub_merchant=db.session.get_one(SubMerchant, day.sub_merchant_id))
    sign_in_staff(client, member)
    own = f"/dashboard/reconciliation/{day.bill_date}"

    page = client.get(own).text
    form = {"csrf_token": form_token(client, own), "decision": "Ours.", "proof": PASSWORD}
    at_the_console = client.post(f"{path_of(day)}/{other.id}", data=form)
    at_their_own_door = client.post(f"{own}/{day.id}/{other.id}", data=form)

    told = page.split('class="decision"')[1].split("</article>")[0]
    assert DECISION in told
    assert finance.operator.email in told
    assert finance.operator.id not in page
    assert 'name="decision"' not in page
    assert at_the_console.headers["Location"].startswith("/admin/sign-in")
    assert at_their_own_door.status_code == 404
    assert standing(other) == (DiscrepancyState.OPEN, None)


def test_no_other_sub_merchant_reads_the_decision(
    client: FlaskClient,
    day: Reconciliation,
    found: Discrepancy,
    finance: KnownOperator,
    other_sub_merchant: SubMerchant,
) -> None:
    make_reconciliation(sub_merchant=other_sub_merchant, day=day.bill_date)
    sent(client, day, found.id, DECISION, finance.code())
    sign_in_staff(client, make_staff_member(sub_merchant=other_sub_merchant))

    paths = (f"/dashboard/reconciliation/{day.bill_date}", "/dashboard/activity")
    pages = [client.get(path).text for path in paths]

    assert not any(DECISION in page for page in pages)


@pytest.mark.parametrize("decision", ["", "   ", "\u3000\r\n", "x" * 501, "up \u202eside down"])
def test_what_says_nothing_is_refused_before_the_code_is_used_up(
    client: FlaskClient,
    day: Reconciliation,
    found: Discrepancy,
    finance: KnownOperator,
    decision: str,
) -> None:
    code = finance.code()

    refused = sent(client, day, found.id, decision, code)
    answer = sent(client, day, found.id, DECISION, code)

    assert refused.status_code == 422
    assert "请用 500 字以内" in alert_of(refused)
    assert re.search(r'<details class="act" open>', refused.text)
    assert decision.strip() in refused.text.split("<textarea")[1].split("</textarea>")[0]
    assert answer.status_code == 303


def test_a_wrong_code_changes_nothing_and_keeps_what_was_typed(
    client: FlaskClient, day: Reconciliation, found: Discrepancy, finance: KnownOperator
) -> None:
    beside = make_discrepancy(day, kind=DiscrepancyKind.MISSING_THERE, theirs=None)

    answers = [sent(client, day, found.id, DECISION, proof) for proof in ("", "000000")]

    assert [answer.status_code for answer in answers] == [401, 401]
    for answer in answers:
        typed = re.findall(r"<textarea[^>]*>([^<]*)</textarea>", answer.text)
        assert "请等待下一个" in alert_of(answer)
        assert sorted(typed) == ["", DECISION]
        assert finance.code() not in answer.text
    assert standing(found) == standing(beside) == (DiscrepancyState.OPEN, None)


@pytest.mark.parametrize("state", [DiscrepancyState.HANDLED, DiscrepancyState.HEALED])
def test_what_is_settled_meanwhile_is_said_beside_what_was_typed(
    client: FlaskClient,
    day: Reconciliation,
    found: Discrepancy,
    finance: KnownOperator,
    state: DiscrepancyState,
) -> None:
    let(found, state)

    answer = sent(client, day, found.id, DECISION, finance.code())

    assert answer.status_code == 409
    assert "已不是未处理状态" in alert_of(answer)
    assert DECISION in alert_of(answer)
    assert standing(found) == (state, None)


def test_a_difference_is_decided_at_its_own_day_only(
    client: FlaskClient,
    day: Reconciliation,
    found: Discrepancy,
    finance: KnownOperator,
    other_sub_merchant: SubMerchant,
) -> None:
    elsewhere = make_reconciliation(sub_merchant=other_sub_merchant, day=day.bill_date)
    wrong_day = path_of(day).replace(str(day.bill_date), str(day.bill_date - YESTERDAY))
    form = {"csrf_token": form_token(client, "/admin/"), "decision": DECISION}
    code = finance.code()

    statuses = [
        client.post(address, data={**form, "proof": code}).status_code
        for address in (
            f"{path_of(day)}/dsc_none",
            f"{path_of(elsewhere)}/{found.id}",
            f"{wrong_day}/{found.id}",
            f"/admin/reconciliation/never/{day.id}/{found.id}",
        )
    ]

    assert statuses == [404, 404, 404, 404]
    assert standing(found) == (DiscrepancyState.OPEN, None)
    assert sent(client, day, found.id, DECISION, code).status_code == 303  # it was not used up


def test_open_differences_are_shown_before_those_that_are_settled(
    client: FlaskClient, day: Reconciliation, finance: KnownOperator
) -> None:
    kind = DiscrepancyKind.MISSING_HERE
    for at in range(MAX_DIFFERENCES):
        make_discrepancy(day, kind=kind, number=f"T1-{at}", state=DiscrepancyState.HANDLED)
    still_open = make_discrepancy(day, kind=kind, number="T9")

    page = client.get(path_of(day)).text

    shown = re.findall(r'<article class="difference" id="(\w+)"', page)
    assert len(shown) == MAX_DIFFERENCES
    assert shown[0] == still_open.id
    assert f"最多显示 {MAX_DIFFERENCES} 笔" in page


def test_the_overview_leads_to_the_oldest_day_with_something_to_decide(
    client: FlaskClient, day: Reconciliation, found: Discrepancy, finance: KnownOperator
) -> None:
    tenant = db.session.get_one(SubMerchant, day.sub_merchant_id)
    older = make_reconciliation(
        sub_merchant=tenant,
        day=day.bill_date - timedelta(days=70),
        state=ReconciliationState.DISCREPANT,
        open_count=1,
    )
    make_discrepancy(older, kind=DiscrepancyKind.MISSING_THERE, theirs=None)

    overview = client.get("/admin/").text

    (link,) = re.findall(r'href="([^"]+)"><b>2 笔对账差异', overview)
    assert link == f"/admin/reconciliation/{older.bill_date}"
    assert path_of(older) in client.get(link).text
