"""What brings a payer to the cashier, one shape for each way to pay; for the API's document.

A payment by code has none: it is charged when it is placed.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

PAY_PARAMS_EXAMPLE: dict[str, Any] = {
    "appId": "wxd678efh567hg6999",
    "timeStamp": "1777608000",
    "nonceStr": "5K8264ILTKCH16CQ2502SI8ZNMTM67VS",
    "package": "prepay_id=wx201410272009395522657a690389285100",
    "signType": "RSA",
    "paySign": "oR9d8PuhnIc+YZ8cBHFCwfgpaK9gd7vaRvkYD7rthRAZ/X+QBhcCYL21N7cHCTUxbQ+EAt6Uy+lwSN22f5Y"
    "ZvI45MLko8Pfso0jm46v5hqcVwrk6uddkGuT+Cdvu4WBqDzaDjnNa5UK3GfE1Wfl2gHxIIY5lLdUgWFts17D4WuolLLkiFZV"
    "+JSHMvH7eaLdT9N5GBovBwu5yYKUR7skR8Fu+LozcSqQixnlEZUfyE55feLOQTUYzLmR9pNtPbPsu6WVhbNHMS3Ss2+AehHv"
    "z+n64GDmXxbX++IOBvm2olHu3PsOUGRwhudhVf7UcGcunXt8cqNjKNqZLhLw4jq/xDg==",
}


class PayParams(BaseModel):
    """JSAPI: what a page or mini program hands to WeChat, signed; good for two hours."""

    model_config = ConfigDict(json_schema_extra={"examples": [PAY_PARAMS_EXAMPLE]})

    appId: str  # noqa: N815 - WeChat's own names
    timeStamp: str  # noqa: N815
    nonceStr: str  # noqa: N815
    package: str
    signType: str  # noqa: N815
    paySign: str  # noqa: N815


class AppPayParams(BaseModel):
    """APP: what a mobile app hands to WeChat's OpenSDK, signed; good for two hours."""

    appid: str
    partnerid: str
    prepayid: str
    package: str = Field(examples=["Sign=WXPay"])
    noncestr: str
    timestamp: str
    sign: str


class NativePayParams(BaseModel):
    """NATIVE: what the QR code says, to be scanned by camera; good for two hours."""

    code_url: str = Field(examples=["weixin://wxpay/bizpayurl/up?pr=NwY5Mz9&groupid=00"])


class H5PayParams(BaseModel):
    """MWEB: where the browser goes, from a page with a Referer; good for five minutes."""

    h5_url: str = Field(
        examples=["https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=wx20&package=1"]
    )


AnyPayParams = PayParams | AppPayParams | NativePayParams | H5PayParams
