"""Misbehaviour on request: which faults are waiting, and which one strikes next.

A fault is scripted (`times`) or left to chance (`share` with a seed), may be bound to a path
prefix and a method, and carries the parameters of its kind. What a fault does is up to the room
that takes it: `fault_layer` and `answers` for replies, `notifier` for notifications, `bills` for
bills.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

REPLY_KINDS: Final = {
    "timeout": "hold the request `seconds` (30), then hang up without answering or doing anything",
    "lost_answer": "do the work, then hang up without answering",
    "reset": "reset the connection at once; nothing is done",
    "http_500": "500 SYSTEM_ERROR; with `work_done` true the work was done all the same",
    "http_502": "502 with a page that is not JSON; `work_done` as above",
    "http_503": "503 SERVICE_UNAVAILABLE; `work_done` as above",
    "rate_limit": "429 FREQUENCY_LIMITED; nothing is done",
    "refusal": (
        "any refusal: `status` (400), `code` (INVALID_REQUEST), `message`, and `number`, the"
        " internal one that ends the Request-ID; nothing is done"
    ),
    "bad_signature": "the work is done, the answer's signature does not fit its body",
    "probe_signature": "the work is done, the signature is a WECHATPAY/SIGNTEST/ probe",
    "unsigned": "the work is done, the answer carries no Wechatpay-* headers",
    "stale_timestamp": "the work is done, the answer is signed `seconds` (600) in the past",
    "unknown_serial": "the work is done, the answer names a key nobody has",
    "foreign_key": (
        "the work is done, the answer is signed with WeChat Pay's key for another provider, and"
        " names it; with `own_serial` true it names the right one"
    ),
    "cut_reply": "the work is done, the connection breaks in the middle of the answer",
    "slow": "the work is done, the answer drips out over `seconds` (5)",
}
NOTIFICATION_KINDS: Final = {
    "notification_late": "the first try leaves `seconds` (60) later on the simulator's clock",
    "notification_repeated": "after receipt it is sent `repeats` (1) more times",
    "notification_reordered": "it waits until a later one has left (`seconds` (15) at most)",
    "notification_missing": "it is never sent",
    "notification_probe": "the first `tries` (1) carry a WECHATPAY/SIGNTEST/ signature",
    "notification_bad_signature": "the first `tries` (1) carry a signature that does not fit",
    "notification_foreign_key": (
        "the first `tries` (1) are signed with WeChat Pay's key for another provider; `own_serial`"
        " as in `foreign_key`"
    ),
    "notification_wrong_amount": (
        "genuinely signed, the total (or a refund's amount) is off by `delta_fen` (1)"
    ),
    "notification_wrong_sub_mchid": "genuinely signed, names another `sub_mchid` (1699999999)",
    "notification_wrong_content": "genuinely signed, with `set` merged into the plain text",
    "notification_mchid_form": (
        "a refund's only: as WeChat Pay's own sample, `mchid` for sp_mchid and sub_mchid"
    ),
}
BILL_KINDS: Final = {
    "bill_creating": "400 STATEMENT_CREATING though it is past ten",
    "bill_bad_digest": "hash_value is not the file's",
    "bill_truncated": "the file ends inside a row; `digest` is of what is `served`, or `whole`",
    "bill_extra_row": (
        'one payment more than ever happened; with `row` "refund", here and below: one refund'
    ),
    "bill_missing_row": "one payment less (`out_trade_no`, `out_refund_no`, or the first)",
    "bill_wrong_amount": "one payment is off by `delta_fen` (1) (which one, as above)",
    "bill_foreign_sub_mchid": "one payment names another `to_sub_mchid` (1699999999)",
}
OAUTH_KINDS: Final = {
    "oauth_page_error": "the OAuth page shows error `number` (10004) instead of asking",
    "oauth_errcode": "the exchange of a code answers `errcode` (-1); the code is not used up",
    "oauth_snapshot": "the exchange answers a snapshot page's virtual openid, which cannot pay",
}
KINDS: Final = {**REPLY_KINDS, **OAUTH_KINDS, **NOTIFICATION_KINDS, **BILL_KINDS}
FOREIGN_KEY_KINDS: Final = frozenset({"foreign_key", "notification_foreign_key"})
REFUND_ONLY_KINDS: Final = frozenset({"notification_mchid_form"})
FOREIGN_SUB_MCHID: Final = "1699999999"

_NO = frozenset(status for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST)
_FRAME = ("kind", "path", "method", "times", "share", "seed")
_MATCHED = ("out_trade_no", "sub_mchid", "out_refund_no", "event_type")


class BadFault(ValueError):
    """The fault cannot be set; the text says why."""


@dataclass
class Fault:
    """One fault. `times_left=None` strikes until it is cleared."""

    id: str
    kind: str
    path: str | None = None
    method: str | None = None
    times_left: int | None = 1
    share: float = 1.0
    params: dict[str, Any] = field(default_factory=dict)
    struck: int = 0
    dice: random.Random = field(default_factory=random.Random, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "kind": self.kind,
            "path": self.path,
            "method": self.method,
            "times_left": self.times_left,
            "share": self.share,
            "struck": self.struck,
            **self.params,
        }

    def seconds(self, default: float) -> float:
        return float(self.params.get("seconds", default))

    def number(self, name: str, default: int) -> int:
        return int(self.params.get(name, default))

    def fits(self, path: str, method: str, about: dict[str, str | None]) -> bool:
        """Whether it is bound to something else than this."""
        if self.path is not None and not path.startswith(self.path):
            return False
        if self.method is not None and method != self.method:
            return False
        bound = {name: self.params[name] for name in _MATCHED if name in self.params}
        return all(about.get(name, value) == value for name, value in bound.items())


class FaultBook:
    """The faults that are waiting, oldest first. `has_foreign_key` says whether there is more than
    one provider."""

    def __init__(self, has_foreign_key: Callable[[], bool]) -> None:
        self._has_foreign_key = has_foreign_key
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._numbers = itertools.count(1)

    def add(self, kind: str, **details: Any) -> Fault:
        """Set a fault; BadFault names what is wrong with it."""
        if kind not in KINDS:
            raise BadFault(f"kind: {kind!r} is not one of the kinds")
        if kind in FOREIGN_KEY_KINDS and not self._has_foreign_key():
            raise BadFault(f"{kind}: there is one provider only; register another first")
        fault = Fault(
            id=f"fault_{next(self._numbers)}",
            kind=kind,
            path=_text(details, "path"),
            method=(_text(details, "method") or "").upper() or None,
            times_left=_times(details),
            share=_share(details),
            params={name: value for name, value in details.items() if name not in _FRAME},
            dice=random.Random(details.get("seed")),  # noqa: S311 - chance in a test, not a secret
        )
        _check_params(fault.params)
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(
        self,
        kinds: Collection[str],
        *,
        path: str = "",
        method: str = "",
        about: dict[str, str | None] | None = None,
        bound_only: bool = False,
    ) -> Fault | None:
        """The first waiting fault that strikes here, used up by one; None when none does.

        With `bound_only` just those count that name a path.
        """
        if not self._faults:  # the ordinary case costs no lock
            return None
        with self._lock:
            for fault in self._faults:
                if fault.kind not in kinds or not fault.fits(path, method, about or {}):
                    continue
                if bound_only and fault.path is None:
                    continue
                if fault.share < 1 and fault.dice.random() >= fault.share:
                    continue
                self._use_up(fault)
                return fault
        return None

    def take_all(self, kinds: Collection[str], about: dict[str, str | None]) -> list[Fault]:
        """Every kind's next fault that strikes: a notification can be late and wrong at once."""
        found = (self.take((kind,), about=about) for kind in kinds)
        return [fault for fault in found if fault is not None]

    def active(self) -> list[Fault]:
        with self._lock:
            return list(self._faults)

    def clear(self) -> int:
        """Forget all faults; how many there were."""
        with self._lock:
            number = len(self._faults)
            self._faults.clear()
        return number

    def _use_up(self, fault: Fault) -> None:
        fault.struck += 1
        if fault.times_left is not None:
            fault.times_left -= 1
            if fault.times_left == 0:
                self._faults.remove(fault)


def _text(details: dict[str, Any], name: str) -> str | None:
    value = details.get(name)
    if value is not None and not isinstance(value, str):
        raise BadFault(f"{name}: a text")
    return value


def _times(details: dict[str, Any]) -> int | None:
    # By chance means again and again; by script means once, unless said otherwise.
    times = details.get("times", None if "share" in details else 1)
    if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
        raise BadFault("times: a number from 1, or null for until it is cleared")
    return times


def _share(details: dict[str, Any]) -> float:
    share = details.get("share", 1.0)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise BadFault("share: a number from 0 to 1")
    return float(share)


def _check_params(params: dict[str, Any]) -> None:
    for name in ("seconds", "repeats", "tries", "delta_fen", "number", "errcode", "status"):
        value = params.get(name, 1)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadFault(f"{name}: a number")
        if name == "seconds" and not 0 <= value <= 10**8:
            raise BadFault("seconds: from 0")
    if params.get("status", HTTPStatus.BAD_REQUEST) not in _NO:
        raise BadFault("status: one of HTTP's, from 400")
    for name in ("code", "message"):
        value = params.get(name, name)
        if not isinstance(value, str) or not value:
            raise BadFault(f"{name}: a text")
    if not isinstance(params.get("own_serial", False), bool):
        raise BadFault("own_serial: true or false")
    if not isinstance(params.get("set", {}), dict):
        raise BadFault("set: an object to merge into the plain text")
