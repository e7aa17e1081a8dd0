"""What becomes of an accepted refund, and how the merchant learns of it.

By itself a refund settles as the lever says (`Outcomes`), at the next look after its time has
come; a held one waits for somebody to settle it. The move and the notification share one commit.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any, Final

from partner.simulator.balances import Balances
from partner.simulator.clock import MovableClock, rfc3339
from partner.simulator.notifier import Notifier
from partner.simulator.refund_book import ABNORMAL, CLOSED, SUCCESS, Refund, RefundBook
from partner.simulator.storage import Storage

HOLD: Final = "HOLD"
PAYER_GONE: Final = "USER_ACCOUNT_ABNORMAL"
OUTCOMES: Final = (SUCCESS, ABNORMAL, CLOSED, HOLD, PAYER_GONE)
SUMMARIES: Final = {SUCCESS: "退款成功", ABNORMAL: "退款异常", CLOSED: "退款关闭"}
OUTCOMES_SETTING: Final = "refund_outcomes"
EVERYBODY: Final = ""


class CannotSettle(Exception):
    """The refund does not stand where it could be settled like this; the text says why."""


@dataclass(frozen=True)
class Outcome:
    """What the next refunds become, `after_seconds` on the simulator's clock."""

    outcome: str = SUCCESS
    after_seconds: float = 0.0

    def settles_at(self, now: float) -> float | None:
        return None if self.outcome == HOLD else now + self.after_seconds


class Outcomes:
    """The lever: one outcome for everybody, and others for single sub-merchants."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        known: dict[str, dict[str, Any]] = storage.setting(OUTCOMES_SETTING, {})
        self._outcomes = {name: Outcome(**one) for name, one in known.items()}

    def set(
        self, outcome: str | None, sub_mchid: str | None = None, after_seconds: float = 0.0
    ) -> None:
        """From now on; None goes back to what holds for everybody, which is SUCCESS at once."""
        with self._lock:
            changed = dict(self._outcomes)
            changed.pop(sub_mchid or EVERYBODY, None)
            if outcome is not None:
                changed[sub_mchid or EVERYBODY] = Outcome(outcome, after_seconds)
            plain = {name: vars(one) for name, one in changed.items()}
            self._storage.remember_setting(OUTCOMES_SETTING, plain)
            self._outcomes = changed

    def next(self, sub_mchid: str) -> Outcome:
        """What a refund of this sub-merchant becomes."""
        everybody = self._outcomes.get(EVERYBODY, Outcome())
        return self._outcomes.get(sub_mchid, everybody)

    def as_dict(self) -> dict[str, Any]:
        singles = {name: vars(one) for name, one in self._outcomes.items() if name != EVERYBODY}
        return {**vars(self.next(EVERYBODY)), "sub_merchants": singles}


@dataclass(frozen=True)
class RefundLife:
    """Everything that happens to a refund after it was accepted."""

    storage: Storage
    book: RefundBook
    balances: Balances
    notifier: Notifier
    clock: MovableClock

    def settle_due(self) -> int:
        """Settle what has come due; how many that were."""
        due = self.book.due(self.clock.timestamp())
        return sum(self._move(one, one.outcome, one.settles_at or 0.0) is not None for one in due)

    def settle(self, refund: Refund, status: str) -> Refund:
        """Settle it now, held or not; CannotSettle when it already stands elsewhere."""
        settled = self._move(refund, status, self.clock.timestamp())
        if settled is None:
            now = self.book.find(refund.sp_mchid, refund.out_refund_no) or refund
            raise CannotSettle(f"the refund is {now.status}, which cannot become {status}")
        return settled

    def _move(self, refund: Refund, status: str, at: float) -> Refund | None:
        with self.storage.transaction():
            settled = self.book.settle(refund, status, at)
            if settled is None:
                return None
            if status == CLOSED:
                self.balances.add(settled.sub_mchid, settled.settlement_refund)
            if settled.notify_url is not None:
                self._announce(settled, settled.notify_url)
        self.notifier.wake()
        return settled

    def _announce(self, refund: Refund, notify_url: str) -> None:
        self.notifier.announce(
            sp_mchid=refund.sp_mchid,
            sub_mchid=refund.sub_mchid,
            out_trade_no=refund.out_trade_no,
            event_type=f"REFUND.{refund.status}",
            original_type="refund",
            summary=SUMMARIES[refund.status],
            notify_url=notify_url,
            content=told(refund),
            wants_public_key=refund.wants_public_key,
        )


def present(refund: Refund) -> dict[str, Any]:
    """The refund object of the API's answers."""
    shown: dict[str, Any] = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": refund.channel,
        "user_received_account": refund.user_received_account,
        "create_time": rfc3339(refund.created_at),
        "status": refund.status,
        "funds_account": refund.funds_account,
        "amount": _amount(refund),
    }
    if refund.success_at is not None:
        shown["success_time"] = rfc3339(refund.success_at)
    if refund.promotion:
        shown["promotion_detail"] = refund.promotion
    return shown


def told(refund: Refund) -> dict[str, Any]:
    """The plain text of a refund's notification: here the status has another name."""
    content: dict[str, Any] = {
        "sp_mchid": refund.sp_mchid,
        "sub_mchid": refund.sub_mchid,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status,
        "user_received_account": refund.user_received_account,
        "amount": {
            name: getattr(refund, name)
            for name in ("total", "refund", "payer_total", "payer_refund")
        },
    }
    if refund.success_at is not None:
        content["success_time"] = rfc3339(refund.success_at)
    return content


def _amount(refund: Refund) -> dict[str, Any]:
    names = (
        *("total", "refund", "payer_total", "payer_refund"),
        *("settlement_total", "settlement_refund"),
    )
    amount: dict[str, Any] = {name: getattr(refund, name) for name in names}
    return amount | {
        "discount_refund": refund.refund - refund.payer_refund,
        "currency": "CNY",
        "from": json.loads(refund.paid_from),
        "refund_fee": refund.refund_fee,
    }
