"""A kept answer that holds a secret opens for the tenant it was given to, and for nobody else."""

from __future__ import annotations

from sqlalchemy import update

from config.database import changed_rows, transaction
from payments.idempotency import IdempotencyRecord
from submerchants.tenancy import across_tenants
from submerchants.tenants.models import SubMerchant
from tests.payments.api.caller import Api, tea, with_key

HOOK = {"url": "https://shop.example.com/hook"}


def test_a_secret_answer_moved_to_another_tenant_does_not_open(
    api: Api, other_api: Api, other_sub_merchant: SubMerchant
) -> None:
    made = api.post("/webhook-endpoints", HOOK, headers=with_key("k"))
    with across_tenants("a row that somebody moved"), transaction():
        theirs = update(IdempotencyRecord).values(sub_merchant_id=other_sub_merchant.id)
        changed_rows(theirs)

    stolen = other_api.post("/webhook-endpoints", HOOK, headers=with_key("k"))

    assert made.status_code == 201
    assert stolen.status_code == 500
    assert made.json["secret"] not in stolen.data.decode()


def test_the_same_key_for_two_operations_is_two_keys(api: Api) -> None:
    calls = (("/orders", tea()), ("/webhook-endpoints", HOOK))

    first = [api.post(path, body, headers=with_key("k")) for path, body in calls]
    again = [api.post(path, body, headers=with_key("k")) for path, body in calls]

    assert [answer.status_code for answer in first] == [201, 201]
    assert [answer.data for answer in again] == [answer.data for answer in first]
