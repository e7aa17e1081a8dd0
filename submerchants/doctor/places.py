"""Where things are mended and how long WeChat Pay takes to heed it; named once for all tables.

Menus keep WeChat Pay's own Chinese names in both languages: that is what the screen says.
"""

from __future__ import annotations

from typing import Final

from submerchants.doctor.findings import Words


def _menu(path: str) -> Words:
    return Words(path, path)


SP_API_SECURITY: Final = _menu("服务商平台 → 账户中心 → API安全")
SP_APPIDS: Final = _menu("服务商平台 → 产品中心 → AppID账号管理")
SUB_APPIDS: Final = _menu("服务商平台 → 合作伙伴功能 → 开发参数配置 → 特约商户APPID配置")
SUB_PRODUCTS: Final = _menu("商户平台 → 产品中心 → 我的授权产品")
SUB_RISK: Final = _menu("商家助手")
OAUTH_SETTINGS: Final = Words(
    "微信公众平台（该公众号）→ 网页授权域名",
    "微信公众平台 (the official account's own platform) → 网页授权域名",
)
ANY_DIRECTORIES: Final = Words(
    "服务商平台 → 产品中心 → 开发配置（对全部特约商户生效），"
    "或 合作伙伴功能 → 该特约商户的开发配置",
    "服务商平台 → 产品中心 → 开发配置 (for all sub-merchants), or 合作伙伴功能 → the "
    "sub-merchant's own 开发配置",
)
PRODUCT_MENUS: Final = Words(
    "服务商平台 → 产品中心 → 特约商户授权产品（发起），"
    "商户平台 → 产品中心 → 我的授权产品（特约商户同意）",
    "服务商平台 → 产品中心 → 特约商户授权产品 asks for it; 商户平台 → 产品中心 → 我的授权产品 "
    "is where the sub-merchant agrees",
)
H5_DOMAINS: Final = Words(
    "服务商平台 → H5 支付域名（不是支付授权目录）",
    "服务商平台 → H5支付域名 (which is not the payment directory)",
)
SETTLEMENT: Final = _menu("商户平台 → 交易结算管理")
TOP_UP: Final = Words(
    "商户平台（给特约商户的账户充值）", "商户平台, where the sub-merchant tops up its account"
)
OUR_SERVER: Final = Words("本平台的服务器", "the server of this platform")
OUR_CONSOLE: Final = Words(
    "本平台：`flask partner …` 与 `flask submerchant …`",
    "this platform: `flask partner …` and `flask submerchant …`",
)
IN_THE_CALL: Final = Words("发起请求的代码", "the code that sends the request")
IN_THE_PAGE: Final = Words("调起支付的页面或应用", "the page or app that opens the cashier")
ON_THE_PHONE: Final = Words("付款人的微信", "the payer's WeChat")
SUPPORT: Final = Words(
    "微信支付客服（提供 Request-ID）", "WeChat Pay's support; give them the Request-ID"
)

AT_ONCE: Final = Words("改好即生效", "at once")
FIVE_MINUTES: Final = Words("约 5 分钟（最多 10 分钟）", "about 5 minutes, at most 10")
TEN_MINUTES: Final = Words("特约商户授权后约 10 分钟", "about 10 minutes after it is authorised")
SOME_MINUTES: Final = Words(
    "双方确认后数分钟；7 天内未确认则失效",
    "some minutes after both sides confirmed; a request lapses after 7 days",
)
REVIEW: Final = Words(
    "产品审核约 7 个工作日；授权后约 10 分钟",
    "about 7 working days of review; about 10 minutes once authorised",
)
APPEAL: Final = Words("以申诉审核为准", "as long as the appeal takes")
A_MOMENT: Final = Words("稍候片刻再重试同一请求", "a moment; then repeat the same request")
UNSAID: Final = Words("微信支付未说明", "WeChat Pay does not say")
