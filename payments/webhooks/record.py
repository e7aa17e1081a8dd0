"""Writing down what came of tries: the log, the delivery's next step, the endpoint's health.

Many outcomes share one transaction. A delivery moves only while its claim still holds; the attempt
is logged in any case, because it was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from config import audit
from config.batches import insert_rows, one_of, write_many
from config.clock import now, rfc3339
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from config.logs import get_logger
from payments import metrics
from payments.webhooks.letters import Letter, Outcome
from payments.webhooks.models import (
    DeliveryState,
    EndpointState,
    WebhookAttempt,
    WebhookDelivery,
    WebhookEndpoint,
)
from payments.webhooks.publish import TEST_EVENT, EventType, publish_event
from payments.webhooks.schedule import next_try

FAILING_DAYS = 5
GONE = "The receiver answered 410 Gone: it does not want to be called again."
FAILED_TOO_LONG = f"Nothing was received for {FAILING_DAYS} days; the last problem: "
_MOST_REASON = 255  # as much as the columns for words to the tenant hold

log = get_logger(__name__)

_deliveries = WebhookDelivery.__table__
_to_fail = (
    update(_deliveries)  # type: ignore[arg-type]
    .where(_deliveries.c.id == bindparam("which"), _deliveries.c.claim_token == bindparam("token"))
    .values(
        state=bindparam("to_state"),
        tries=bindparam("made"),
        next_try_at=bindparam("due_at"),
        claim_token=None,
        claimed_until=None,
    )
)


def record_each(outcomes: Sequence[Outcome]) -> None:
    """Record them together; where one cannot be written, all the others still are.

    Raises OperationalError or PoolTimeout when the database cannot be used.
    """
    try:
        record_outcomes(outcomes)
    except (OperationalError, PoolTimeout):
        raise
    except SQLAlchemyError as fault:
        if len(outcomes) == 1:
            # It never can be written; its lease brings the delivery back.
            delivery_id = outcomes[0].letter.delivery_id
            log.error("a try's result is lost", delivery_id=delivery_id, exc_info=fault)
            return
        middle = len(outcomes) // 2
        record_each(outcomes[:middle])
        record_each(outcomes[middle:])


def record_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Record tries that were made, in the order in which they ended. Runs across tenants."""
    if not outcomes:
        return
    moment = now()
    with transaction():
        insert_rows(WebhookAttempt, [_attempt(outcome) for outcome in outcomes])
        _note_receipts([each.letter for each in outcomes if each.is_receipt], moment)
        write_many(_to_fail, [_failed(each, moment) for each in outcomes if not each.is_receipt])
        _note_health(outcomes, moment)
    for outcome in outcomes:
        _count(outcome)


def _attempt(outcome: Outcome) -> dict[str, object]:
    return {
        "id": new_id("wat"),
        "sub_merchant_id": outcome.letter.sub_merchant_id,
        "delivery_id": outcome.letter.delivery_id,
        "tried_at": outcome.tried_at,
        "took_ms": outcome.took_ms,
        "status": outcome.status,
        # What TLS says may quote a host's whole name.
        "problem": outcome.problem and outcome.problem[:_MOST_REASON],
        "reply": outcome.reply,
    }


def _note_receipts(letters: Sequence[Letter], moment: datetime) -> None:
    """Delivered, those whose claim still holds."""
    if not letters:
        return
    here = update(WebhookDelivery).where(
        one_of(WebhookDelivery.id, [letter.delivery_id for letter in letters]),
        one_of(WebhookDelivery.claim_token, {letter.claim_token for letter in letters}),
    )
    changed_rows(
        here.values(
            state=DeliveryState.DELIVERED,
            tries=WebhookDelivery.tries + 1,
            next_try_at=None,
            delivered_at=moment,
            claim_token=None,
            claimed_until=None,
        )
    )


def _failed(outcome: Outcome, moment: datetime) -> dict[str, object]:
    letter, made = outcome.letter, outcome.letter.tries + 1
    # Nobody waits for a test event later on.
    is_last = outcome.is_gone or letter.event_type == TEST_EVENT
    due_at = None if is_last else next_try(tries=made, now=moment, retry_after=outcome.retry_after)
    return {
        "which": letter.delivery_id,
        "token": letter.claim_token,
        "to_state": DeliveryState.GIVEN_UP if due_at is None else DeliveryState.DUE,
        "made": made,
        "due_at": due_at,
    }


def _note_health(outcomes: Sequence[Outcome], moment: datetime) -> None:
    """Since when an endpoint fails: the first failure after its last receipt."""
    last = {outcome.letter.endpoint_id: outcome for outcome in outcomes}
    well = {key for key, outcome in last.items() if outcome.is_receipt}
    # A test that fails was somebody's look at an endpoint that is being set up.
    ill = {
        key: outcome
        for key, outcome in last.items()
        if not outcome.is_receipt and (outcome.is_gone or outcome.letter.event_type != TEST_EVENT)
    }
    if well:
        healed = update(WebhookEndpoint).where(
            WebhookEndpoint.id.in_(well), WebhookEndpoint.failing_since.is_not(None)
        )
        changed_rows(healed.values(failing_since=None))
    if ill:
        fell_ill = update(WebhookEndpoint).where(
            WebhookEndpoint.id.in_(ill), WebhookEndpoint.failing_since.is_(None)
        )
        changed_rows(fell_ill.values(failing_since=moment))
        _disable_hopeless(ill, moment)


def _disable_hopeless(ill: Mapping[str, Outcome], moment: datetime) -> None:
    long_ago = moment - timedelta(days=FAILING_DAYS)
    gone = [key for key, outcome in ill.items() if outcome.is_gone]
    hopeless = db.session.scalars(
        select(WebhookEndpoint).where(
            WebhookEndpoint.id.in_(ill),
            WebhookEndpoint.id.in_(gone) | (WebhookEndpoint.failing_since <= long_ago),
            WebhookEndpoint.state == EndpointState.ENABLED,
        ),
        execution_options={"populate_existing": True},
    ).all()
    for endpoint in hopeless:
        _disable(endpoint, ill[endpoint.id], moment)


def _disable(endpoint: WebhookEndpoint, outcome: Outcome, moment: datetime) -> None:
    """Send nothing more, and say so: on the endpoint, in the trail, to the tenant's other ones."""
    reason = GONE if outcome.is_gone else FAILED_TOO_LONG + (outcome.problem or "")
    reason = reason[:_MOST_REASON]
    here = update(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint.id, WebhookEndpoint.state == EndpointState.ENABLED
    )
    disabled = here.values(state=EndpointState.DISABLED, disabled_reason=reason, disabled_at=moment)
    if not changed_rows(disabled):
        return
    audit.record(
        "webhook_endpoint.disabled",
        object_kind="webhook_endpoint",
        object_id=endpoint.id,
        tenant_id=endpoint.sub_merchant_id,
        reason=reason,
        failing_since=endpoint.failing_since,
    )
    publish_event(
        sub_merchant_id=endpoint.sub_merchant_id,
        type=EventType.ENDPOINT_DISABLED.value,
        event_key=f"{EventType.ENDPOINT_DISABLED}:{endpoint.id}:{rfc3339(moment)}",
        object_id=endpoint.id,
        data={
            "id": endpoint.id,
            "object": "webhook_endpoint",
            "url": endpoint.url,
            "state": EndpointState.DISABLED.value,
            "disabled_reason": reason,
            "disabled_at": rfc3339(moment),
        },
    )
    log.warning("a webhook endpoint was disabled", endpoint_id=endpoint.id, reason=reason)


def _count(outcome: Outcome) -> None:
    result = "delivered" if outcome.is_receipt else "failed"
    metrics.webhook_tries.labels(result).inc()
    if outcome.is_receipt and outcome.letter.tries == 0:
        lag = outcome.tried_at - outcome.letter.event_created_at
        metrics.webhook_lag_seconds.observe(max(0.0, lag.total_seconds()))


def count_of(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many were received, and how many were not."""
    received = [outcome.is_receipt for outcome in outcomes]
    return {"delivered": received.count(True), "failed": received.count(False)}
