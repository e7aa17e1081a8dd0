"""The provider's links, asked of WeChat Pay for real: keys, clock, connection and number.

`partner.check` asks and judges each input; here its inputs become links of the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from partner.check import Check, check_partner
from partner.models import Partner
from submerchants.doctor import places as at
from submerchants.doctor.diagnosis import Outcome, Step, open_question
from submerchants.doctor.findings import Link, Who, Words


@dataclass(frozen=True, slots=True)
class _Input:
    """An input of the check: its link, what is wrong with it in Chinese, and where it is mended."""

    link: Link
    zh: str
    where: Words


_INPUTS: Final[Mapping[str, _Input]] = {
    "stored_keys": _Input(Link.KEYS, "本平台没有可用的商户私钥或 APIv3 密钥。", at.OUR_CONSOLE),
    "merchant_certificate": _Input(
        Link.KEYS, "商户 API 证书已过期，请立即更换。", at.SP_API_SECURITY
    ),
    "host": _Input(
        Link.CONNECTION, "连不上微信支付：请检查域名解析、网络和防火墙。", at.OUR_SERVER
    ),
    "wechatpay": _Input(Link.CONNECTION, "微信支付拒绝了自检请求，以其文字为准。", at.SUPPORT),
    "clock": _Input(Link.CLOCK, "服务器时间相差超过 5 分钟，请校时（NTP）。", at.OUR_SERVER),
    "sp_mchid": _Input(Link.SP_MCHID, "服务商商户号可能填错。", at.OUR_CONSOLE),
    "serial_no": _Input(
        Link.KEYS, "商户证书序列号不是该服务商现行有效的证书。", at.SP_API_SECURITY
    ),
    "private_key": _Input(Link.KEYS, "商户私钥与证书不是一对。", at.SP_API_SECURITY),
    "api_v3_key": _Input(Link.KEYS, "APIv3 密钥不对，解不开微信支付的密文。", at.SP_API_SECURITY),
    "platform_certificates": _Input(
        Link.KEYS, "微信支付的应答用现有的平台证书验不过。", at.SP_API_SECURITY
    ),
    "wechatpay_public_key": _Input(
        Link.KEYS, "微信支付公钥不对：不是这个商户号的，或已更换。", at.SP_API_SECURITY
    ),
    "wechatpay_public_key_id": _Input(
        Link.KEYS, "微信支付公钥 ID 不对，或平台上尚未切换到公钥。", at.SP_API_SECURITY
    ),
}
_HELD: Final[Mapping[Link, Words]] = {
    Link.CONNECTION: Words("能连上微信支付。", "WeChat Pay answers."),
    Link.CLOCK: Words("服务器时间与微信支付一致。", "The server's clock agrees with WeChat Pay's."),
    Link.KEYS: Words(
        "签名、验签、解密都已实测通过。", "Signing, verifying and decrypting were proven."
    ),
    Link.SP_MCHID: Words("微信支付认得这个服务商号。", "WeChat Pay knows the provider's number."),
}


def provider_steps(partner: Partner) -> Iterator[Step]:
    """One step for each of the provider's links, from one self-test."""
    checks = check_partner(partner).checks
    for link, held in _HELD.items():
        of_link = [check for check in checks if _INPUTS[check.check].link is link]
        failed = [check for check in of_link if not check.ok]
        if failed:
            yield _missing(link, failed)
        elif of_link:
            yield Step(link=link, outcome=Outcome.OK, said=held)
        else:
            told = Words("前面的问题解决之前无从得知。", "Not to be known before the others hold.")
            yield open_question(link, Outcome.UNKNOWN, told)


def _missing(link: Link, failed: list[Check]) -> Step:
    inputs = [_INPUTS[check.check] for check in failed]
    return Step(
        link=link,
        outcome=Outcome.MISSING,
        said=Words(
            "".join(each.zh for each in inputs),
            " ".join(f"{check.check}: {check.explanation}" for check in failed),
        ),
        subject=", ".join(check.check for check in failed),
        who=Who.SERVICE_PROVIDER,
        where=inputs[0].where,
        how_long=at.AT_ONCE,
    )
