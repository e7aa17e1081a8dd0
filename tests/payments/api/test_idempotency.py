"""Idempotency keys over HTTP: the same answer for the same request, and never the wrong one."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from config import clock
from config.database import changed_rows, db, transaction
from config.errors import Forbidden
from partner.simulator.simulator import Simulator
from payments.idempotency import (
    KEPT_FOR,
    LEASE,
    Answer,
    IdempotencyInProgress,
    IdempotencyKeyReused,
    IdempotencyRecord,
    answer_once,
    forget_old_keys,
)
from submerchants.tenancy import across_tenants, acting_for
from submerchants.tenants.models import SubMerchant
from tests.payments.api.caller import Api, tea, with_key

PREPAY = "/v3/pay/partner/transactions/jsapi"
DONE = Answer(201, '{"done":true}')


class Crash(Exception):
    """Something nobody foresaw."""


class Work:
    """Counts how often it is done, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.times = 0

    def __call__(self) -> Answer:
        self.times += 1
        if self.failures:
            raise self.failures.pop(0)
        return DONE


def once(tenant: SubMerchant, work: Work, key: str = "k1", request_hash: str = "h1") -> Answer:
    with acting_for(tenant.id):
        return answer_once(
            sub_merchant_id=tenant.id,
            operation="tests.work",
            key=key,
            request_hash=request_hash,
            work=work,
        )


def test_a_repeat_gets_the_first_answer_byte_for_byte(api: Api, simulator: Simulator) -> None:
    body = tea()
    first = api.post("/orders", body, headers=with_key("k1"))

    second = api.post("/orders", body, headers=with_key("k1"))

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.data == first.data
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert second.headers["Content-Type"] == first.headers["Content-Type"]
    assert second.headers["Request-ID"] != first.headers["Request-ID"]
    assert simulator.ledger.count() == 1


def test_the_same_content_written_differently_is_the_same_request(api: Api) -> None:
    body = tea()
    first = api.post("/orders", body, headers=with_key("k1"))
    rearranged = dict(reversed(body.items())) | {"trade_type": "JSAPI", "attach": None}

    second = api.post("/orders", rearranged, headers=with_key("k1"))

    assert json.dumps(rearranged) != json.dumps(body)
    assert second.data == first.data


def test_a_key_with_another_request_is_refused(api: Api, simulator: Simulator) -> None:
    api.post("/orders", tea(), headers=with_key("k1"))

    answer = api.post("/orders", tea(), headers=with_key("k1"))

    assert (answer.status_code, answer.code) == (422, "idempotency_key_reused")
    assert simulator.ledger.count() == 1


def test_keys_differ_by_their_case_and_by_their_tenant(
    api: Api, other_api: Api, simulator: Simulator
) -> None:
    calls = [(api, "key"), (api, "KEY"), (api, "key "), (api, "key~"), (other_api, "key")]

    answers = [one.post("/orders", tea(), headers=with_key(key)) for one, key in calls]

    # Some databases take `key` and `key ` for equal; the store of keys does not.
    assert [answer.status_code for answer in answers] == [201] * 5
    assert simulator.ledger.count() == 5


@pytest.mark.parametrize("key", ["", "茶", "a\x7f", "\x01", "x" * 256])
def test_a_key_is_printable_ascii_of_255_at_most(api: Api, simulator: Simulator, key: str) -> None:
    answer = api.post("/orders", tea(), headers=with_key(key.encode().decode("latin-1")))

    assert (answer.status_code, answer.wrong_fields) == (400, ["Idempotency-Key"])
    assert simulator.ledger.count() == 0


def test_the_longest_key_works(api: Api) -> None:
    body, key = tea(), "".join(map(chr, range(0x21, 0x7F))).ljust(255, "x")
    first = api.post("/orders", body, headers=with_key(key))

    assert api.post("/orders", body, headers=with_key(key)).data == first.data


def test_after_a_refusal_that_left_nothing_a_mended_request_may_use_the_key(api: Api) -> None:
    refused = api.post("/orders", tea(currency="USD"), headers=with_key("k1"))

    mended = api.post("/orders", tea(), headers=with_key("k1"))

    assert (refused.status_code, mended.status_code) == (422, 201)


def test_after_an_unknown_outcome_a_repeat_continues_the_work(
    api: Api, simulator: Simulator
) -> None:
    body = tea()
    simulator.faults.add("lost_answer", path=PREPAY, times=3)
    lost = api.post("/orders", body, headers=with_key("k1"))

    again = api.post("/orders", body, headers=with_key("k1"))

    assert lost.status_code == 503
    assert again.json["id"] == lost.json["detail"]["order_id"]
    assert "Idempotency-Replayed" not in again.headers
    assert simulator.ledger.count() == 1


def test_after_an_unknown_outcome_the_key_stays_with_its_request(
    api: Api, simulator: Simulator
) -> None:
    simulator.faults.add("lost_answer", path=PREPAY, times=3)
    api.post("/orders", tea(), headers=with_key("k1"))

    answer = api.post("/orders", tea(), headers=with_key("k1"))

    assert (answer.status_code, answer.code) == (422, "idempotency_key_reused")
    assert simulator.ledger.count() == 1


def test_a_key_still_at_work_is_refused_with_a_time_to_wait(sub_merchant: SubMerchant) -> None:
    refusals = []

    class Nosy(Work):
        def __call__(self) -> Answer:
            with pytest.raises(IdempotencyInProgress) as refused:
                once(sub_merchant, Work())
            refusals.append(refused.value)
            return super().__call__()

    answer = once(sub_merchant, Nosy())

    assert answer == DONE
    assert [(error.status, error.code) for error in refusals] == [(409, "idempotency_in_progress")]
    assert refusals[0].retry_after_seconds


def test_work_that_died_is_taken_over_when_its_lease_ends(sub_merchant: SubMerchant) -> None:
    start, heir = clock.now(), Work()
    with clock.frozen_at(start):
        once(sub_merchant, Work())
    _pretend_it_died_at_work()

    with (
        clock.frozen_at(start + LEASE - timedelta(seconds=1)),
        pytest.raises(IdempotencyInProgress),
    ):
        once(sub_merchant, heir)
    with clock.frozen_at(start + LEASE):
        answer = once(sub_merchant, heir)

    assert (answer, heir.times) == (DONE, 1)
    assert once(sub_merchant, Work()).is_replay


def _pretend_it_died_at_work() -> None:
    with across_tenants("a test"), transaction():
        assert changed_rows(update(IdempotencyRecord).values(status=None, body=None)) == 1


def test_whoever_lost_the_lease_does_not_overwrite_the_heirs_answer(
    sub_merchant: SubMerchant,
) -> None:
    start = clock.now()

    class Slow(Work):
        def __call__(self) -> Answer:
            with clock.frozen_at(start + LEASE * 2):
                once(sub_merchant, Work())
            return Answer(201, '{"late":true}')

    with clock.frozen_at(start):
        late = once(sub_merchant, Slow())

    assert late.body == '{"late":true}'
    assert once(sub_merchant, Work()).body == DONE.body


@pytest.mark.parametrize("failure", [Crash(), IdempotencyKeyReused()])
def test_a_failure_gives_the_key_back_at_once(
    sub_merchant: SubMerchant, failure: Exception
) -> None:
    work = Work(failure)
    with pytest.raises(type(failure)):
        once(sub_merchant, work)

    answer = once(sub_merchant, work)

    assert (answer, work.times) == (DONE, 2)


def test_a_crash_ties_the_key_to_its_request_and_a_refusal_does_not(
    sub_merchant: SubMerchant,
) -> None:
    with pytest.raises(Crash):
        once(sub_merchant, Work(Crash()), key="crashed")
    with pytest.raises(Forbidden):
        once(sub_merchant, Work(Forbidden("No.")), key="refused")

    with pytest.raises(IdempotencyKeyReused):
        once(sub_merchant, Work(), key="crashed", request_hash="h2")
    assert once(sub_merchant, Work(), key="refused", request_hash="h2") == DONE


def test_of_many_at_once_one_does_the_work(app: Flask, sub_merchant: SubMerchant) -> None:
    work, start, outcomes = Work(), threading.Barrier(6), []

    def call() -> None:
        start.wait()
        with app.app_context():
            try:
                outcomes.append(once(sub_merchant, work).status)
            except IdempotencyInProgress as refused:
                outcomes.append(refused.status)

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert work.times == 1
    assert set(outcomes) <= {201, 409}
    assert len(outcomes) == 6


def test_keys_are_forgotten_after_seven_days_and_not_before(sub_merchant: SubMerchant) -> None:
    start = clock.now()
    with clock.frozen_at(start - KEPT_FOR - timedelta(seconds=1)):
        once(sub_merchant, Work(), key="old")
    with clock.frozen_at(start - KEPT_FOR + timedelta(minutes=1)):
        once(sub_merchant, Work(), key="young")

    with clock.frozen_at(start):
        outcome = forget_old_keys()

    assert outcome == {"forgotten": 1}
    with across_tenants("a test counts what is left"):
        assert db.session.scalar(select(func.count()).select_from(IdempotencyRecord)) == 1
    assert once(sub_merchant, Work(), key="young").is_replay
