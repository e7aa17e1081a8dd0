"""Why a bill, or one line of it, cannot be believed.

These are findings about a file, for the people of the provider. They never reach a tenant.
"""

from __future__ import annotations

import enum


class Fault(enum.StrEnum):
    """What is wrong with a whole file."""

    TRUNCATED = "TRUNCATED"  # it ends before its summary
    UNKNOWN_LAYOUT = "UNKNOWN_LAYOUT"  # a column that reconciling needs is not there
    LINE_TOO_LONG = "LINE_TOO_LONG"
    BAD_SUMMARY = "BAD_SUMMARY"  # the summary cannot be read, or is not the end
    TOTALS_DISAGREE = "TOTALS_DISAGREE"  # the lines do not add up to the summary


class BillFault(Exception):
    """The file as a whole is not to be used. The message names both sides where there are two."""

    def __init__(self, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


class StrayReason(enum.StrEnum):
    """Why a line of a good file belongs to no tenant."""

    UNREADABLE = "UNREADABLE"  # its fields do not fit the header, or an amount is not exact
    UNKNOWN_ROW_KIND = "UNKNOWN_ROW_KIND"  # neither payment, refund nor reversal
    UNUSABLE_NUMBER = "UNUSABLE_NUMBER"  # an order number or time outside its alphabet
    OTHER_PROVIDER = "OTHER_PROVIDER"  # a 商户号 that is not ours
    OTHER_DAY = "OTHER_DAY"  # a 交易时间 outside the bill day
    OTHER_CURRENCY = "OTHER_CURRENCY"
    UNKNOWN_SUB_MERCHANT = "UNKNOWN_SUB_MERCHANT"  # a 特约商户号 nobody registered here
