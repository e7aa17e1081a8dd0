"""Providers and their keys: add one, rotate its keys, give it WeChat Pay's public key.

Everything handed in is checked before anything is written, and every fault is named at once. No
network: whether WeChat Pay agrees is for `check` to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import select, update

from config import audit
from config.clock import now
from config.database import changed_rows, db, transaction
from config.identifiers import new_id
from config.inserts import insert_new
from config.vault import Secret
from partner import inputs
from partner.errors import (
    Fault,
    InvalidPartner,
    KeyAlreadyStored,
    LastAppid,
    PartnerExists,
    PartnerNotFound,
)
from partner.gateway import look_again
from partner.key_material import normal_private_pem, normal_public_pem
from partner.models import (
    ApiV3Key,
    BillScope,
    KeyState,
    MerchantKey,
    Partner,
    PartnerAppid,
    WeChatPayKey,
    WeChatPayKeyKind,
)
from partner.numbers import printable
from partner.refresh_requests import new_refresh_row

DEFAULT_APPID_LIMIT: Final = 3
OBJECT_KIND: Final = "partner"


def add_partner(
    *,
    sp_mchid: str,
    name: str,
    currency: str,
    sp_appids: Sequence[str],
    private_key_pem: Secret,
    certificate_pem: str | None = None,
    serial_no: str | None = None,
    api_v3_key: Secret,
    wechatpay_public_key_pem: str | None = None,
    wechatpay_public_key_id: str | None = None,
    appid_limit: int = DEFAULT_APPID_LIMIT,
    bill_scope: BillScope = BillScope.PROVIDER,
) -> Partner:
    """A new provider, able to sign and to open. Raises InvalidPartner or PartnerExists."""
    keys = inputs.read_keys(
        sp_mchid=sp_mchid,
        private_key_pem=private_key_pem,
        certificate_pem=certificate_pem,
        serial_no=serial_no,
        api_v3_key=api_v3_key,
        wechatpay_public_key_pem=wechatpay_public_key_pem,
        wechatpay_public_key_id=wechatpay_public_key_id,
    )
    _raise_if_any(
        *inputs.identity_faults(sp_mchid, name, currency, sp_appids, appid_limit), *keys.faults
    )
    row = Partner(
        id=new_id("prt"),
        sp_mchid=sp_mchid,
        name=name.strip(),
        currency=currency,
        bill_scope=bill_scope,
        appid_limit=appid_limit,
        key_revision=1,
        created_at=now(),
    )
    with transaction():
        _insert_partner(row)
        _add_appids(row.id, sp_appids)
        _store_merchant_key(row.id, inputs.required(keys.merchant))
        _store_api_v3_key(row.id, inputs.required(keys.api_v3_key))
        if keys.wechatpay is not None:
            _store_public_key(row.id, keys.wechatpay)
        db.session.add(new_refresh_row(row.id))
        _record("partner.added", row, sp_appids=list(sp_appids), currency=currency)
    return get_partner(sp_mchid)


def set_bill_scope(*, partner: Partner, bill_scope: BillScope) -> Partner:
    """Change how this provider's bills are fetched; what was fetched stays as it is."""
    with transaction():
        db.session.execute(
            update(Partner).where(Partner.id == partner.id).values(bill_scope=bill_scope)
        )
        db.session.refresh(partner)
        _record("partner.bill_scope_set", partner, bill_scope=bill_scope.value)
    return partner


def rotate_merchant_key(
    *,
    partner: Partner,
    private_key_pem: Secret,
    certificate_pem: str | None = None,
    serial_no: str | None = None,
) -> Partner:
    """Sign with another key from now on. Raises InvalidPartner or KeyAlreadyStored."""
    keys = inputs.read_keys(
        sp_mchid=partner.sp_mchid,
        private_key_pem=private_key_pem,
        certificate_pem=certificate_pem,
        serial_no=serial_no,
    )
    _raise_if_any(*keys.faults)
    merchant = inputs.required(keys.merchant)
    with transaction():
        _move_key_revision(partner.id)
        active = _merchant_key(partner.id, KeyState.ACTIVE)
        if active is not None and active.serial_no == merchant.serial_no:
            raise KeyAlreadyStored(
                f"The key of certificate {merchant.serial_no} is the one in use already.",
                serial_no=merchant.serial_no,
            )
        _step_down_merchant_keys(partner.id)
        _store_merchant_key(partner.id, merchant)
        _record("partner.key_rotated", partner, serial_no=merchant.serial_no)
    look_again(partner.id)
    return get_partner(partner.sp_mchid)


def rotate_api_v3_key(*, partner: Partner, api_v3_key: Secret) -> Partner:
    """Open with another key first; the one before still opens what is on its way."""
    keys = inputs.read_keys(sp_mchid=partner.sp_mchid, api_v3_key=api_v3_key)
    _raise_if_any(*keys.faults)
    fresh = inputs.required(keys.api_v3_key)
    with transaction():
        _move_key_revision(partner.id)
        rows = db.session.scalars(select(ApiV3Key).where(ApiV3Key.partner_id == partner.id)).all()
        for row in rows:
            if row.state is KeyState.ACTIVE:
                if row.key == fresh:
                    raise KeyAlreadyStored("This API v3 key is the one in use already.")
                row.state = KeyState.PREVIOUS
            elif row.state is KeyState.PREVIOUS:
                row.state, row.key_sealed = KeyState.RETIRED, None
        _store_api_v3_key(partner.id, fresh)
        _record("partner.api_v3_key_rotated", partner)
    look_again(partner.id)
    return get_partner(partner.sp_mchid)


def add_wechatpay_public_key(*, partner: Partner, pem: str, key_id: str) -> Partner:
    """Trust WeChat Pay's public key beside its certificates, and ask for replies signed with it."""
    keys = inputs.read_keys(
        sp_mchid=partner.sp_mchid, wechatpay_public_key_pem=pem, wechatpay_public_key_id=key_id
    )
    _raise_if_any(*keys.faults)
    public_key = inputs.required(keys.wechatpay)
    with transaction():
        _move_key_revision(partner.id)
        known = select(WeChatPayKey).where(
            WeChatPayKey.partner_id == partner.id, WeChatPayKey.serial == public_key.key_id
        )
        if (row := db.session.scalar(known)) is not None:
            if row.pem == normal_public_pem(public_key.key):
                raise KeyAlreadyStored(
                    f"The public key {public_key.key_id} is stored already.",
                    wechatpay_public_key_id=public_key.key_id,
                )
            row.pem = normal_public_pem(public_key.key)  # a wrong file, put right
        else:
            _store_public_key(partner.id, public_key)
        _record("partner.public_key_added", partner, wechatpay_public_key_id=public_key.key_id)
    look_again(partner.id)
    return get_partner(partner.sp_mchid)


def bind_appid(*, partner: Partner, sp_appid: str, appid_limit: int | None = None) -> Partner:
    """Bind one more appid; `appid_limit` raises how many this provider may have."""
    limit = partner.appid_limit if appid_limit is None else appid_limit
    bound = [*appids_of(partner.id), sp_appid]
    _raise_if_any(*inputs.appid_faults(bound, limit))
    with transaction():
        _lock(partner)
        current = appids_of(partner.id)
        _raise_if_any(*inputs.appid_faults([*current, sp_appid], limit))
        _add_appids(partner.id, [sp_appid], first_position=len(current))
        changed_rows(update(Partner).where(Partner.id == partner.id).values(appid_limit=limit))
        _move_key_revision(partner.id)
        _record("partner.appid_bound", partner, sp_appid=sp_appid)
    return get_partner(partner.sp_mchid)


def unbind_appid(*, partner: Partner, sp_appid: str) -> Partner:
    """Let go of an appid that is not the last one; orders already placed keep theirs."""
    with transaction():
        _lock(partner)
        rows = list(_appid_rows(partner.id))
        kept = [row for row in rows if row.sp_appid != sp_appid]
        if len(kept) == len(rows):
            raise InvalidPartner([Fault("sp_appid", f"{sp_appid!a} is not bound here")])
        if not kept:
            raise LastAppid("This is the provider's last appid. Bind another one first.")
        for row in rows:
            if row.sp_appid == sp_appid:
                db.session.delete(row)
        for position, row in enumerate(kept):
            row.position = position
        _move_key_revision(partner.id)
        _record("partner.appid_unbound", partner, sp_appid=sp_appid)
    return get_partner(partner.sp_mchid)


def get_partner(sp_mchid: str) -> Partner:
    """The provider of this number, or PartnerNotFound."""
    row = find_partner(sp_mchid)
    if row is None:
        raise PartnerNotFound(printable(sp_mchid))
    return row


def find_partner(sp_mchid: str) -> Partner | None:
    """The provider of this number as it stands in the database now."""
    here = select(Partner).where(Partner.sp_mchid == sp_mchid)
    return db.session.scalar(here, execution_options={"populate_existing": True})


def list_partners() -> list[Partner]:
    """Every provider, the oldest first."""
    return list(db.session.scalars(select(Partner).order_by(Partner.created_at, Partner.id)))


def appids_of(partner_id: str) -> list[str]:
    """A provider's appids; the first is the default."""
    return [row.sp_appid for row in _appid_rows(partner_id)]


def default_appid(partner: Partner) -> str:
    """The appid an order names when nobody says otherwise; asked with every order."""
    return _appids_at(partner.id, partner.key_revision)[0]


@lru_cache(maxsize=1_024)
def _appids_at(partner_id: str, _key_revision: int) -> tuple[str, ...]:
    # Kept until the revision moves, which a change of appids makes it do.
    return tuple(appids_of(partner_id))


def _appid_rows(partner_id: str) -> Sequence[PartnerAppid]:
    here = select(PartnerAppid).where(PartnerAppid.partner_id == partner_id)
    return db.session.scalars(here.order_by(PartnerAppid.position, PartnerAppid.id)).all()


def _raise_if_any(*faults: Fault) -> None:
    if faults:
        raise InvalidPartner(faults)


def _insert_partner(row: Partner) -> None:
    values = {column.key: getattr(row, column.key) for column in Partner.__table__.columns}
    if not insert_new(Partner, values, unique=("sp_mchid",)):
        raise PartnerExists(row.sp_mchid)


def _move_key_revision(partner_id: str) -> None:
    """Let every process notice that keys or appids changed; locks the provider's row."""
    here = update(Partner).where(Partner.id == partner_id)
    changed_rows(here.values(key_revision=Partner.key_revision + 1))


def _lock(partner: Partner) -> None:
    """Hold the provider's row until the commit, so that two writers count the same appids."""
    db.session.execute(select(Partner.id).where(Partner.id == partner.id).with_for_update())


def _merchant_key(partner_id: str, state: KeyState) -> MerchantKey | None:
    here = select(MerchantKey).where(MerchantKey.partner_id == partner_id)
    return db.session.scalar(here.where(MerchantKey.state == state))


def _step_down_merchant_keys(partner_id: str) -> None:
    """The key in use becomes the previous one; of the one before, only the record stays."""
    rows = db.session.scalars(select(MerchantKey).where(MerchantKey.partner_id == partner_id)).all()
    for row in rows:
        if row.state is KeyState.PREVIOUS:
            row.state, row.private_key_sealed = KeyState.RETIRED, None
        elif row.state is KeyState.ACTIVE:
            row.state = KeyState.PREVIOUS


def _store_merchant_key(partner_id: str, key: inputs.MerchantKeyInput) -> None:
    here = select(MerchantKey).where(
        MerchantKey.partner_id == partner_id, MerchantKey.serial_no == key.serial_no
    )
    row = db.session.scalar(here)
    if row is None:
        row = MerchantKey(id=new_id("mck"), partner_id=partner_id, serial_no=key.serial_no)
        db.session.add(row)
    row.private_key = normal_private_pem(key.private_key)
    row.certificate_pem = key.certificate.pem if key.certificate else None
    row.expires_at = key.certificate.expires_at if key.certificate else None
    row.state = KeyState.ACTIVE
    row.created_at = now()


def _store_api_v3_key(partner_id: str, key: Secret) -> None:
    row = ApiV3Key(id=new_id("v3k"), partner_id=partner_id, state=KeyState.ACTIVE, created_at=now())
    row.key = key
    db.session.add(row)


def _store_public_key(partner_id: str, key: inputs.PublicKeyInput) -> None:
    db.session.add(
        WeChatPayKey(
            id=new_id("wpk"),
            partner_id=partner_id,
            kind=WeChatPayKeyKind.PUBLIC_KEY,
            serial=key.key_id,
            pem=normal_public_pem(key.key),
            effective_at=None,
            expires_at=None,
            created_at=now(),
        )
    )


def _add_appids(partner_id: str, sp_appids: Sequence[str], first_position: int = 0) -> None:
    db.session.add_all(
        PartnerAppid(id=new_id("pap"), partner_id=partner_id, sp_appid=sp_appid, position=position)
        for position, sp_appid in enumerate(sp_appids, start=first_position)
    )


def _record(action: str, partner: Partner, **detail: Any) -> None:
    audit.record(
        action,
        object_kind=OBJECT_KIND,
        object_id=partner.id,
        sp_mchid=partner.sp_mchid,
        **detail,
    )
