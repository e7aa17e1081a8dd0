"""Settings: everything that is wrong is said at once, and nothing unsafe starts."""

import base64
import os
import secrets

import pytest

from config.settings import Settings, SettingsError, is_loopback


@pytest.fixture
def good() -> dict[str, str]:
    return {
        "MASTER_KEYS": f"k1:{base64.b64encode(os.urandom(32)).decode()}",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_BASE_URL": "https://pay.example.com",
    }


def faults(variables: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as refused:
        Settings.from_values(variables)
    return dict(fault.split(": ", 1) for fault in refused.value.faults)


def test_the_least_that_starts_a_process(good):
    settings = Settings.from_values(good)

    assert settings.database_url.startswith("sqlite:///")
    assert settings.wechatpay_base_url == "https://api.mch.weixin.qq.com"
    assert settings.wechatpay_fallback_base_url == "https://api2.mch.weixin.qq.com"
    assert (settings.trusted_proxies, settings.redis_url) == (0, None)


def test_every_fault_is_named_at_once():
    found = faults(
        {
            "DATABASE_URL": "oracle://x",
            "PUBLIC_BASE_URL": "http://pay.example.com",
            "TRUSTED_PROXIES": "many",
            "WEBHOOK_ALLOWED_NETWORKS": "10.0.0.0/33",
            "REDIS_URL": "amqp://localhost",
        }
    )

    assert set(found) == {
        *("DATABASE_URL", "MASTER_KEYS", "SECRET_KEY", "PUBLIC_BASE_URL"),
        *("TRUSTED_PROXIES", "WEBHOOK_ALLOWED_NETWORKS", "REDIS_URL"),
    }


BAD = [
    ("SECRET_KEY", "short"),
    ("SECRET_KEY", "a" * 64),
    ("SECRET_KEY", "changeme-" + "x7Gq2" * 9),
    ("MASTER_KEYS", "no colon"),
    ("MASTER_KEYS", "k1:bm90IDMyIGJ5dGVz"),
    ("MASTER_KEYS", f"k1:{base64.b64encode(bytes(32)).decode()}"),
    ("MASTER_KEYS", "k1:***"),
    ("PUBLIC_BASE_URL", "pay.example.com"),
    ("PUBLIC_BASE_URL", "https://pay.example.com/path"),
    ("PUBLIC_BASE_URL", "https://user@pay.example.com"),
    ("WECHATPAY_BASE_URL", "http://api.mch.weixin.qq.com"),
    ("TRUSTED_PROXIES", "-1"),
    ("DATABASE_URL", "not a url"),
    ("DATABASE_URL", "mysql://root@127.0.0.1/x"),
    ("METRICS_FOLDER", "var/metrics"),
    ("FLASK_DEBUG", "1"),
    ("WEBHOOK_ALLOWED_NETWORK", "10.0.0.0/8"),
    ("WEBHOOK_ALLOWED_NETWORKS", "10.0.0.0/8,0.0.0.0/0"),
    ("WEBHOOK_ALLOWED_NETWORKS", "::/0"),
    ("DATABASE_URL", "sqlite://"),
    ("DATABASE_URL", "postgresql+psycopg://u@host:port/name"),
    ("REDIS_URL", "redis://127.0.0.1:port"),
    ("BROKER_URL", "amqp://127.0.0.1:99999"),
    ("PUBLIC_BASE_URL", "https://pay.example.com:99999"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_an_unsafe_or_malformed_value_does_not_start(good, name, value):
    assert set(faults({**good, name: value})) == {name}


def test_a_fault_never_prints_the_secret(good):
    secret = {"MASTER_KEYS": "k1:c2VjcmV0Y2FuYXJ5", "SECRET_KEY": "canary"}
    with pytest.raises(SettingsError) as refused:
        Settings.from_values({**good, **secret, "REDIS_URL": "redis://user:canary"})

    assert "canary" not in str(refused.value)
    assert "c2VjcmV0" not in str(refused.value)


def test_settings_never_print_their_secrets(good):
    settings = Settings.from_values(good)

    assert good["SECRET_KEY"] not in repr(settings)


def test_a_fault_speaks_of_the_setting_and_not_of_python(good):
    found = faults({**good, "TRUSTED_PROXIES": "many"})

    assert found == {"TRUSTED_PROXIES": "must be a whole number between 0 and 8"}


def test_networks_of_ones_own_may_be_allowed(good):
    own = "10.0.0.0/8,100.64.0.0/10,127.0.0.0/8,fc00::/7,::1/128"

    settings = Settings.from_values({**good, "WEBHOOK_ALLOWED_NETWORKS": own})

    assert ",".join(map(str, settings.webhook_allowed_networks)) == own


def test_blanks_around_an_address_do_not_become_part_of_it(good):
    settings = Settings.from_values({**good, "PUBLIC_BASE_URL": " https://pay.example.com "})

    assert settings.public_base_url == "https://pay.example.com"


def test_http_is_for_loopback_only(good):
    settings = Settings.from_values({**good, "PUBLIC_BASE_URL": "http://127.0.0.1:8000"})

    assert settings.public_base_url == "http://127.0.0.1:8000"
    assert [is_loopback(host) for host in ("localhost", "::1", "127.9.9.9")] == [True] * 3
    assert not any(is_loopback(host) for host in ("10.0.0.1", "example.com", "localhost.evil.com"))


def test_several_master_keys_stand_in_order(good):
    second = base64.b64encode(os.urandom(32)).decode()

    settings = Settings.from_values({**good, "MASTER_KEYS": f"{good['MASTER_KEYS']}, k0:{second}"})

    assert list(settings.master_keys) == ["k1", "k0"]
