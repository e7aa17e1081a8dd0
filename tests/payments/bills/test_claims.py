"""The right to fetch a bill: whoever has lost it writes nothing any more."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from config.clock import frozen_at, now
from config.database import db, release, transaction
from partner.models import Partner
from payments.bills.claims import LEASE, ClaimLost, claim_download, ensure_download, hold, settle
from payments.bills.models import WHOLE_PROVIDER, BillDownload, DownloadState


@pytest.mark.parametrize("write", [hold, settle])
def test_whoever_lost_the_claim_writes_nothing(partner: Partner, write: object) -> None:
    assert callable(write)
    day = date(2026, 3, 1)
    download = ensure_download(partner_id=partner.id, scope=WHOLE_PROVIDER, bill_date=day)
    lost = claim_download(download.id)
    with frozen_at(now() + LEASE + timedelta(seconds=1)):
        heir = claim_download(download.id)

        with pytest.raises(ClaimLost), transaction():
            write(lost, state=DownloadState.FAILED)

    assert lost
    assert heir
    release()
    stands = db.session.get_one(BillDownload, download.id, populate_existing=True)
    assert (stands.state, stands.claim_token) == (DownloadState.WAITING, heir.token)
