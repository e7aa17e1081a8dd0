"""What leaves the process as a log line holds no secret."""

import contextlib
import io
import json
import logging

import pytest

from config.logs import configure_logs, get_logger, redacted

CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    "name",
    [
        *("password", "api_v3_key", "private_key_pem", "Authorization", "totp_secret", "cookie"),
        *("sub_openid", "access_token", "bank_account", "real_name"),
    ],
)
def test_a_field_that_speaks_of_a_secret_is_starred(name):
    assert CANARY not in str(redacted({name: CANARY, "deep": [{name: CANARY}]}))


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {CANARY}",
        f"Basic {CANARY}",
        f"whsec_{CANARY.replace('-', '')}",
        f"sk_0123456789ab_{CANARY}",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
        f'WECHATPAY2-SHA256-RSA2048 mchid="1",signature="{CANARY}"',
        f"otpauth://totp/a:b?secret={CANARY}&issuer=a",
        f"GET /sns/oauth2/access_token?appid=wx1&secret={CANARY}&code={CANARY} failed",
        f"redis://worker:{CANARY}@broker.internal:6379/0 refused the connection",
        f"postgresql+psycopg://platform:{CANARY}@db.internal/platform",
        f"当前页面的URL未注册:https://pay.example.com/pages/{CANARY.replace('-', '') * 3:0<32.32}",
    ],
)
def test_a_text_that_looks_like_a_secret_is_starred(text):
    shown = str(redacted({"message": text}))

    assert CANARY not in shown
    assert CANARY.replace("-", "") not in shown


@pytest.mark.parametrize(
    "thing",
    [
        ValueError(f"Bearer {CANARY}"),
        f"Bearer {CANARY}".encode(),
        {f"Bearer {CANARY}"},
        type("Thing", (), {"__repr__": lambda _self: f"<Thing secret={CANARY}>"})(),
    ],
    ids=["an error", "bytes", "a set", "an object"],
)
def test_whatever_is_written_as_text_is_judged_as_text(thing):
    line = json.dumps(redacted({"what": thing}), default=str)

    assert CANARY not in line


def test_ordinary_facts_pass():
    facts = {"order_id": "ord_1", "amount_fen": 5, "reason": "does not agree on amount.total"}

    assert redacted(facts) == facts


def test_an_address_without_a_token_passes():
    address = "https://pay.example.com/api/v1/orders/ord_01jd0000000000000000000000/sync?limit=5"

    assert redacted({"told": address}) == {"told": address}


@pytest.fixture
def lines():
    """What the process writes while a test looks."""
    written = io.StringIO()
    with contextlib.redirect_stderr(written):
        configure_logs()
    yield written
    configure_logs()


def test_a_line_is_json_and_its_error_quotes_no_secret(lines):
    try:
        raise RuntimeError(f"https://u:{CANARY}@host/ said secret={CANARY}")
    except RuntimeError as error:
        get_logger("here").error("our own failed", order_id="ord_1", exc_info=error)
        logging.getLogger("a.library").exception("and theirs: Bearer %s", CANARY)

    ours, theirs = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (ours["event"], ours["order_id"], ours["level"]) == ("our own failed", "ord_1", "error")
    assert "RuntimeError" in ours["exception"]
    assert theirs["event"] == "and theirs: ****"
    assert CANARY not in lines.getvalue()
