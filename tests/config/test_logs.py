"""What leaves the process as a log line holds no secret."""

import pytest

from config.logs import redacted

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "name", ["password", "api_v3_key", "private_key_pem", "Authorization", "totp_secret", "cookie"]
)
def test_a_field_that_speaks_of_a_secret_is_starred(name):
    assert CANARY not in str(redacted({name: CANARY, "deep": [{name: CANARY}]}))


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {CANARY}",
        f"whsec_{CANARY.replace('-', '')}",
        f"sk_0123456789ab_{CANARY}",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f'WECHATPAY2-SHA256-RSA2048 mchid="1",signature="{CANARY}"',
    ],
)
def test_a_text_that_looks_like_a_secret_is_starred(text):
    shown = str(redacted({"message": text}))

    assert CANARY not in shown
    assert CANARY.replace("-", "") not in shown


def test_ordinary_facts_pass():
    facts = {"order_id": "ord_1", "amount_fen": 5, "reason": "does not agree on amount.total"}

    assert redacted(facts) == facts
