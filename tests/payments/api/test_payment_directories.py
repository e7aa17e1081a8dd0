"""Payment directories over HTTP: which are in use, and why a page is or is not covered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from config import clock
from partner.directories import IN_FORCE_AFTER
from partner.directories import add_directory as add_provider_directory
from partner.models import Partner
from payments.api import answers
from submerchants.directories.configure import add_directory
from submerchants.tenants.models import SubMerchant
from tests.payments.api.caller import Api, tea

OWN = "https://tea.example.com/pay/"
SHARED = "https://pay.example.com/"


@pytest.fixture(autouse=True)
def _directories(
    partner: Partner, sub_merchant: SubMerchant, other_sub_merchant: SubMerchant
) -> None:
    with clock.frozen_at(clock.now() - IN_FORCE_AFTER - timedelta(minutes=1)):
        add_directory(sub_merchant=sub_merchant, url=OWN)
        add_directory(sub_merchant=other_sub_merchant, url="https://other.example.com/")
        add_provider_directory(partner=partner, url=SHARED)


def test_a_tenant_sees_its_own_directories_and_its_providers(api: Api) -> None:
    answer = api.get("/payment-directories").json

    assert [(each["url"], each["level"]) for each in answer["data"]] == [
        (OWN, "sub_merchant"),
        (SHARED, "provider"),
    ]
    assert set(answer["data"][0]) == set(answers.PaymentDirectory.model_fields)
    assert answer["next_cursor"] is None


@pytest.mark.parametrize(
    ("url", "covered", "directory", "reason"),
    [
        ("https://tea.example.com/pay/cart?x=1", True, OWN, None),
        ("https://pay.example.com/any/where", True, SHARED, None),
        ("https://tea.example.com/pay/deeper/cart", False, OWN, "deeper_page"),
        ("https://tea.example.com/Pay/cart", False, OWN, "letter_case"),
        ("javascript:alert(1)", False, None, "unreadable_page"),
    ],
)
def test_a_page_is_covered_or_told_why_not(
    api: Api, url: str, covered: bool, directory: str | None, reason: str | None
) -> None:
    verdict = api.get("/payment-directories/check", url=url).json

    assert set(verdict) == set(answers.PaymentDirectoryVerdict.model_fields)
    assert (verdict["covered"], verdict["reason"]) == (covered, reason)
    assert verdict["directory"] == directory
    assert verdict["explanation"]


def test_directories_are_listed_in_stretches(api: Api) -> None:
    first = api.get("/payment-directories?limit=1").json
    second = api.get(f"/payment-directories?limit=1&cursor={first['next_cursor']}").json
    lost = api.get("/payment-directories?cursor=elsewhere")

    assert [each["url"] for each in (*first["data"], *second["data"])] == [OWN, SHARED]
    assert second["next_cursor"] is None
    assert (lost.status_code, lost.json["detail"]["field"]) == (400, "cursor")


def test_the_check_writes_a_time_as_the_list_does(api: Api) -> None:
    listed = api.get("/payment-directories").json["data"][0]["in_force_at"]

    verdict = api.get("/payment-directories/check", url=f"{OWN}cart").json

    assert verdict["in_force_at"] == listed


def test_an_order_names_a_covered_page(api: Api) -> None:
    placed = api.post("/orders", tea(page_url="https://tea.example.com/pay/cart"))
    refused = api.post("/orders", tea(page_url="https://tea.example.com/pay/deeper/cart"))

    assert placed.status_code == 201
    assert (refused.status_code, refused.code) == (422, "page_not_covered")
    assert "deeper" in refused.json["message"]
    assert "Have one of detail.to_enter set" in refused.json["message"]
    assert refused.json["detail"]["to_enter"] == [
        "https://tea.example.com/pay/deeper/",
        "https://tea.example.com/",
    ]
    assert refused.json["detail"]["finding"]["link"] == "directory"


def test_the_check_says_what_to_enter_and_how_many_entries_are_left(api: Api) -> None:
    verdict = api.get("/payment-directories/check", url="https://tea.example.com/pay/a/#/b").json

    assert [each["url"] for each in verdict["to_enter"]] == [
        "https://tea.example.com/pay/a/",
        "https://tea.example.com/",
    ]
    assert verdict["entries_left"] == {"sub_merchant": 4, "provider": 4}
    assert verdict["page_directory"] == "https://tea.example.com/pay/a/"
    assert any("never reaches WeChat Pay" in note for note in verdict["notes"])


@pytest.mark.parametrize("query", [{}, {"url": ""}, {"url": "a b"}, {"url": "x" * 513}])
def test_a_check_needs_one_page(api: Api, query: dict[str, str]) -> None:
    answer = api.get("/payment-directories/check", **query)

    assert (answer.status_code, answer.wrong_fields) == (400, ["url"])
