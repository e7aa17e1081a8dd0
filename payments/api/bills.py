"""Bills over HTTP: which days there are, and a day's rows as WeChat Pay wrote them."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, stream_with_context

from config.database import release
from payments.api.answers import BillPage
from payments.api.binding import answer, bound
from payments.api.describe import refusals, tenant_blueprint
from payments.api.schemas import DayPath, DayQuery
from payments.bills.presenter import present_bill
from payments.bills.queries import list_bills as bills_of
from payments.bills.queries import stream_trade_csv, waiting_bill
from submerchants.access import Permission, current_caller, tenant_api
from submerchants.tenancy import acting_for

CSV = "text/csv; charset=utf-8"

blueprint = tenant_blueprint("Bills", meaning="What WeChat Pay booked on a day in Beijing.")


@blueprint.get("/bills", responses={200: BillPage, **refusals()})
@tenant_api(Permission.BILLS_READ)
@bound
def list_bills(query: DayQuery) -> Response:
    """List your bills, newest day first.

    A day's bill comes on the next day after ten in the morning, Beijing time; a day that was asked
    for and is not here yet shows as `NOT_READY` when `date` names it.
    """
    page = bills_of(query.date, limit=query.limit, cursor=query.cursor)
    rows = list(page.rows)
    if query.date is not None and not rows:
        waiting = waiting_bill(current_caller().sub_merchant, query.date)
        rows = [waiting] if waiting else []
    return answer({"data": [present_bill(row) for row in rows], "next_cursor": page.next_cursor})


@blueprint.get(
    "/bills/<date>/trade.csv",
    responses={
        200: {
            "description": "Your rows of the day's trade bill in WeChat Pay's own format, UTF-8 "
            "with a byte order mark, and a summary of just these rows.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **refusals(404),
    },
)
@tenant_api(Permission.BILLS_READ)
@bound
def download_trade_bill(path: DayPath) -> Response:
    """Download a day's trade bill: your own rows only."""
    pieces = _streamed(stream_trade_csv(path.date), current_caller().sub_merchant.id)
    response = Response(stream_with_context(pieces), content_type=CSV)
    response.headers.set(
        "Content-Disposition", "attachment", filename=f"trade-{path.date.isoformat()}.csv"
    )
    return response


def _streamed(pieces: Iterator[bytes], sub_merchant_id: str) -> Iterator[bytes]:
    """Each piece is read in the tenant's scope and holds no connection while it is sent."""
    while True:
        with acting_for(sub_merchant_id):
            piece = next(pieces, None)
        release()
        if piece is None:
            return
        yield piece
