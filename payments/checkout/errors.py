"""What checkout refuses, each with the sentence that says what to do next."""

from __future__ import annotations

from config.errors import AppError, Conflict, NotFound, RefusedHere, TooFast
from submerchants.doctor.findings import Finding


class LinkNotFound(NotFound):
    """No link of that token; how near it was is not told."""

    code = "checkout_link_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such checkout link.")


class LinkConflict(Conflict):
    """The tenant's number already names something else."""

    code = "checkout_link_conflict"

    def __init__(self, *, merchant_order_no: str) -> None:
        super().__init__(
            "This merchant_order_no already names a link or an order with other content. "
            "Repeat it unchanged, or use a new number.",
            field="merchant_order_no",
            merchant_order_no=merchant_order_no,
        )


class LinkNotPayable(Conflict):
    """The link is paid, cancelled or past its time."""

    code = "checkout_link_not_payable"

    def __init__(self, *, state: str) -> None:
        super().__init__(
            "This link can no longer be paid. Ask the merchant for a new one.", state=state
        )


class LinkAlreadyPaid(Conflict):
    """Asked to cancel what has been paid."""

    code = "checkout_link_paid"

    def __init__(self, *, link_id: str, order_id: str) -> None:
        super().__init__(
            "This link is paid and cannot be cancelled. Refund its order instead.",
            link_id=link_id,
            order_id=order_id,
        )


class LinkBusy(TooFast):
    """Another payer's order is being opened or closed this very moment."""

    code = "checkout_link_busy"

    def __init__(self) -> None:
        super().__init__(
            "Somebody else is paying this just now. Try again in a few seconds.",
            retry_after_seconds=3,
        )


class TooManyPayers(Conflict):
    """The link went from hand to hand more often than any honest one does."""

    code = "checkout_too_many_payers"

    def __init__(self) -> None:
        super().__init__("Too many people have tried this link. Ask the merchant for a new one.")


class NobodySignsIn(RefusedHere):
    """No official account is there under which payers could become known."""

    code = "checkout_without_account"

    def __init__(self, *, sub_appid: str | None) -> None:
        what = (
            "The service provider's default appid has no app secret"
            if sub_appid is None
            else "sub_appid must be an official account bound to you, with its app secret set"
        )
        super().__init__(
            f"Payers cannot become known: {what}. Your service provider sets it with "
            "`partner appid-secret` or `submerchant appid-secret`.",
            field="sub_appid",
            sub_appid=sub_appid,
        )


class CheckoutNotCovered(RefusedHere):
    """WeChat would refuse to open its cashier on the platform's own page."""

    code = "checkout_page_not_covered"

    def __init__(self, *, directory: str, explanation: str, finding: Finding) -> None:
        super().__init__(
            f"WeChat would not open its cashier on the checkout page. {explanation} Ask your "
            f"service provider to set {directory} as a payment directory.",
            field="merchant_order_no",
            directory=directory,
            finding=finding.as_dict(),
        )


class PayerUnknown(AppError):
    """Nobody has signed in on this browser, or it was too long ago."""

    code = "payer_unknown"
    status = 401

    def __init__(self) -> None:
        super().__init__("WeChat has not told us who is paying. Open the link again.")


class TenantPaused(AppError):
    """The merchant takes no new payments for now."""

    code = "merchant_paused"
    status = 403

    def __init__(self) -> None:
        super().__init__("This merchant takes no payments just now.")


class CannotBePaid(AppError):
    """Something on the merchant's side is not set up; it was recorded for whoever can mend it."""

    code = "cannot_be_paid"
    status = 424

    def __init__(self, finding: Finding) -> None:
        super().__init__("The merchant cannot take this payment yet.")
        self.finding = finding
