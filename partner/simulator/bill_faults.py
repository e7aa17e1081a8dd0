"""Bills as a fault wants them: a row too many, one too few, one that says something else.

The summary is made afterwards and agrees with what is left: only we can tell. A fault means a
payment unless it says `row: "refund"` or names an `out_refund_no`; in a bill of refunds there is
nothing else to mean.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from partner.simulator.bill_file import BillRow
from partner.simulator.faults import FOREIGN_SUB_MCHID, Fault

_ONE_ROW: Final = ("bill_missing_row", "bill_wrong_amount", "bill_foreign_sub_mchid")
_AMOUNTS: Final = {
    "SUCCESS": ("订单金额", "应结订单金额"),
    "REFUND": ("申请退款金额", "退款金额"),
}


def tampered(rows: Iterator[BillRow], fault: Fault | None, bill_type: str) -> Iterator[BillRow]:
    """The rows, the one that is meant by the fault changed."""
    if fault is None:
        yield from rows
        return
    kind = _meant_kind(fault, bill_type)
    pending = fault.kind in _ONE_ROW
    last = None
    for row in rows:
        meant = _is_meant(row, fault, kind)
        last = row if meant else last
        if pending and meant:
            pending = False
            if fault.kind != "bill_missing_row":
                yield _changed(row, fault, kind)
        else:
            yield row
    if fault.kind == "bill_extra_row" and last is not None:
        yield _invented(last, kind)


def _meant_kind(fault: Fault, bill_type: str) -> str:
    names_refund = "out_refund_no" in fault.params or fault.params.get("row") == "refund"
    return "REFUND" if names_refund or bill_type == "REFUND" else "SUCCESS"


def _is_meant(row: BillRow, fault: Fault, kind: str) -> bool:
    wanted = (("out_trade_no", "商户订单号"), ("out_refund_no", "商户退款单号"))
    return row.texts["交易状态"] == kind and all(
        fault.params.get(name) in (None, row.texts[column]) for name, column in wanted
    )


def _changed(row: BillRow, fault: Fault, kind: str) -> BillRow:
    if fault.kind == "bill_foreign_sub_mchid":
        other = str(fault.params.get("to_sub_mchid", FOREIGN_SUB_MCHID))
        return replace(row, texts={**row.texts, "特约商户号": other})
    delta = fault.number("delta_fen", 1)
    changed = {name: row.money[name] + delta for name in _AMOUNTS[kind]}
    return replace(row, money={**row.money, **changed})


def _invented(row: BillRow, kind: str) -> BillRow:
    """A payment or a refund like the last one that nobody ever made."""
    number = f"{secrets.randbelow(10**10):010}"
    ours, theirs = ("商户订单号", "微信订单号")
    if kind == "REFUND":
        ours, theirs = ("商户退款单号", "微信退款单号")
    news = {theirs: row.texts[theirs][:-10] + number, ours: f"UNKNOWN-{number}"}
    return replace(row, texts={**row.texts, **news})
