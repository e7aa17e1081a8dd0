"""The links that are read from what is stored and set here; nothing is asked of WeChat Pay.

Whether WeChat Pay holds the same is another question: an appid's binding shows in an order's fate,
and an OAuth domain in a payer's, so these say what has to be entered and where.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlsplit

from config.settings import Settings, is_loopback
from partner.app_secrets import appids_with_secret
from partner.credentials import appids_of
from submerchants.directories.match import directories_of, directory_for
from submerchants.doctor import places as at
from submerchants.doctor.diagnosis import Outcome, Step, fine, missing, open_question
from submerchants.doctor.explain import UNCOVERED_PAGE
from submerchants.doctor.findings import Finding, Link, Who, Words
from submerchants.tenants.app_secrets import accounts_with_secret
from submerchants.tenants.models import AppidKind, SubMerchant

_ADDRESS: Final = Finding(
    name="public_address_unfit",
    link=Link.PUBLIC_ADDRESS,
    missing=Words(
        "微信支付和付款人访问不到本平台：PUBLIC_BASE_URL 必须是公网域名的 https 地址。",
        "WeChat Pay and payers cannot reach this platform: PUBLIC_BASE_URL must be https on a "
        "public domain.",
    ),
    who=Who.SERVICE_PROVIDER,
    where=Words("环境变量 PUBLIC_BASE_URL", "the environment variable PUBLIC_BASE_URL"),
    how_long=Words("重启后生效", "after a restart"),
)
_NO_SP_APPID: Final = Finding(
    name="no_sp_appid",
    link=Link.SP_APPID,
    missing=Words("服务商没有登记任何 appid。", "The service provider has no appid stored here."),
    who=Who.SERVICE_PROVIDER,
    where=at.SP_APPIDS,
    how_long=at.SOME_MINUTES,
)
_KINDS: Final[Mapping[AppidKind, str]] = {
    AppidKind.OFFICIAL_ACCOUNT: "公众号",
    AppidKind.MINI_PROGRAM: "小程序",
    AppidKind.APP: "移动应用",
}


def address_step(settings: Settings) -> Step:
    """Whether notifications and payers find their way to us, by the rules for notify_url."""
    url = urlsplit(settings.public_base_url)
    host = url.hostname or ""
    simulated = is_loopback(urlsplit(settings.wechatpay_base_url).hostname or "")
    if simulated and is_loopback(host):
        return fine(
            Link.PUBLIC_ADDRESS,
            zh=f"仿真环境在本机，能访问 {settings.public_base_url}。",
            en=f"WeChat Pay is the simulator here and reaches {settings.public_base_url}.",
        )
    if url.scheme != "https" or not _is_public(host):
        return missing(_ADDRESS, subject=settings.public_base_url)
    notify_url = f"{settings.public_base_url}/notify/wechatpay/…"
    return fine(
        Link.PUBLIC_ADDRESS,
        zh=f"通知地址为 {notify_url}，符合 notify_url 的要求。",
        en=f"Notifications go to {notify_url}, as WeChat Pay demands of a notify_url.",
    )


def sp_appid_step(partner_id: str) -> Step:
    """Which appids the provider names in orders."""
    appids = appids_of(partner_id)
    if not appids:
        return missing(_NO_SP_APPID)
    told = Words(
        "绑定关系无法向微信支付查询，以首笔订单为准。",
        "WeChat Pay cannot be asked about bindings; the first order will tell.",
    )
    return open_question(
        Link.SP_APPID, Outcome.UNKNOWN, told, subject=appids[0], where=at.SP_APPIDS
    )


def sub_appid_steps(partner_id: str, bound: list[tuple[str, AppidKind]]) -> Iterator[Step]:
    """Each of the sub-merchant's appids, which come as pairs of appid and kind."""
    shared = set(appids_of(partner_id))
    if not bound:
        yield fine(
            Link.SUB_APPID,
            zh="特约商户没有自己的 appid：用服务商的 appid 和 sp_openid 下单。",
            en="The sub-merchant has no appid of its own: orders use the provider's, and "
            "sp_openid.",
        )
    for sub_appid, kind in bound:
        zh = f"{_KINDS[kind]}；是否已配置给该特约商户无法查询，以订单为准。"
        en = (
            f"{kind.lower().replace('_', ' ')}; whether it is configured for the sub-merchant "
            "cannot be asked, an order will tell."
        )
        if sub_appid in shared:
            zh += "它也是服务商的 appid：未配置为特约商户的 appid 时，下单不要传 sub_appid。"
            en += (
                " It is the provider's appid too: unless it is also configured as the "
                "sub-merchant's, leave sub_appid out."
            )
        yield open_question(
            Link.SUB_APPID, Outcome.UNKNOWN, Words(zh, en), subject=sub_appid, where=at.SUB_APPIDS
        )


def openid_steps(settings: Settings, sub_merchant: SubMerchant) -> Iterator[Step]:
    """Which openid payers get here, and the OAuth domain that must be set for it."""
    own = accounts_with_secret(sub_merchant.id)
    shared = appids_with_secret(sub_merchant.partner_id)
    appid = next(iter((*own, *shared)), None)
    if appid is None:
        told = Words(
            "没有登记 AppSecret：本平台的收银页拿不到 openid，只能由商户系统自行获取后传入。",
            "No AppSecret is stored: the payer's page cannot learn openids, so the "
            "sub-merchant's own system must send them.",
        )
        where = Words(
            "本平台：`submerchant appid-secret` 或 `partner appid-secret`",
            "this platform: `submerchant appid-secret` or `partner appid-secret`",
        )
        yield open_question(Link.OPENID, Outcome.UNKNOWN, told, where=where, how_long=at.AT_ONCE)
    else:
        kind = "sub_openid" if own else "sp_openid"
        yield fine(
            Link.OPENID,
            zh=f"收银页用 {appid} 获取付款人的 {kind}。",
            en=f"The payer's page learns the {kind} under {appid}.",
            subject=appid,
        )
    host = settings.public_host
    told = Words(
        f"无法查询：公众号的网页授权域名必须正好是 {host}，不带 https:// 和路径。",
        f"It cannot be asked: the official account's 网页授权域名 must be exactly {host}, without "
        "https:// and path.",
    )
    yield open_question(
        Link.OAUTH_DOMAIN, Outcome.NOT_ASKED, told, subject=appid, where=at.OAUTH_SETTINGS
    )


def directory_step(sub_merchant: SubMerchant, page_url: str | None) -> Step:
    """Whether the page may open the cashier; without a page, whether any may."""
    if page_url is None:
        return _no_page_named(len(directories_of(sub_merchant)))
    verdict = directory_for(sub_merchant, page_url)
    if verdict.covered:
        said = verdict.said
        return fine(Link.DIRECTORY, zh=said.zh, en=said.en, subject=page_url)
    urls = [each.url for each in verdict.to_enter]
    if not urls:
        return missing(UNCOVERED_PAGE, verdict.said, subject=page_url)
    said = Words(
        f"{verdict.said.zh}请登记 {' 或 '.join(urls)}。",
        f"{verdict.said.en} Enter {' or '.join(urls)}.",
    )
    return missing(UNCOVERED_PAGE, said, subject=page_url)


def _no_page_named(count: int) -> Step:
    if count:
        told = Words(
            f"两级共登记了 {count} 个目录；用 page_url 指明页面才能判断。",
            f"{count} directories are set on both levels; name a page_url to have it judged.",
        )
        return open_question(Link.DIRECTORY, Outcome.NOT_ASKED, told)
    told = Words(
        "两级都没有登记支付授权目录：JSAPI 页面将无法调起支付，其他支付方式不需要。",
        "No payment directory is set on either level: JSAPI pages cannot open the cashier; other "
        "ways to pay need none.",
    )
    return open_question(Link.DIRECTORY, Outcome.UNKNOWN, told, where=at.ANY_DIRECTORIES)


def _is_public(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not is_loopback(host)
    return False
