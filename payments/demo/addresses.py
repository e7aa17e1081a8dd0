"""Where the demo's parts find each other, said here and at the simulator, anew with every load.

Addresses follow the ports that `make run` was given. Payers reach the platform's own pages only in
a registered payment directory, become known only under a registered domain, and the demo's webhook
goes to the simulator's inbox.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from config.vault import Secret
from partner.app_secrets import appids_with_secret, set_app_secret
from partner.directories import add_directory, list_directories
from partner.models import Partner
from payments.checkout.links import is_page_checked, pages_directory
from payments.demo.levers import Levers
from payments.webhooks.endpoints import add_endpoint, change_endpoint, list_endpoints
from payments.webhooks.errors import WebhookUrlRefused
from submerchants.directories.configure import list_directories as own_directories
from submerchants.tenancy import acting_for
from submerchants.tenants import app_secrets as own_secrets
from submerchants.tenants.models import SubMerchant
from submerchants.tenants.queries import get_sub_merchant, list_sub_merchants

INBOX: Final = "/_simulator/inbox"
INBOX_WORDS: Final = "演示收件箱：仿真服务替商户系统收下事件"


def register_pages(partner: Partner, levers: Levers) -> None:
    """Let payers in: the provider's directories, domains and secrets, the same on both sides.

    Raises what registering raises, as when the provider has all its five directories already.
    """
    _keep_secrets(partner, levers)
    here = pages_directory()
    registered = [known.url for known in list_directories(partner.id)]
    if is_page_checked() and here not in registered:
        add_directory(partner=partner, url=here)
    secrets = levers.facts["app_secrets"]
    levers.register(
        payment_directories=sorted({*registered, here}),
        oauth_domains={appid: [urlsplit(here).hostname] for appid in secrets},
        app_secrets=secrets,
        sub_merchants=[
            {
                "sub_mchid": sub_merchant.sub_mchid,
                "payment_directories": [known.url for known in own_directories(sub_merchant)],
            }
            for sub_merchant in list_sub_merchants(partner_id=partner.id)
        ],
    )


def _keep_secrets(partner: Partner, levers: Levers) -> None:
    secret_of = {appid: Secret(text) for appid, text in levers.facts["app_secrets"].items()}
    sp_appid = levers.facts["sp_appid"]
    if not appids_with_secret(partner.id):
        set_app_secret(partner=partner, sp_appid=sp_appid, secret=secret_of[sp_appid])
    for sub in levers.facts["sub_merchants"]:
        sub_merchant = get_sub_merchant(sub["sub_mchid"], partner.sp_mchid)
        if not own_secrets.accounts_with_secret(sub_merchant.id):
            own_secrets.set_app_secret(
                sub_merchant=sub_merchant,
                sub_appid=sub["sub_appid"],
                secret=secret_of[sub["sub_appid"]],
            )


def open_inbox(sub_merchant: SubMerchant, levers: Levers) -> None:
    """Let a tenant's events go to the simulator's inbox from now on."""
    # A deployment that lets no webhook out to its own machine shows how to add an endpoint instead.
    with suppress(WebhookUrlRefused):
        add_endpoint(sub_merchant=sub_merchant, url=f"{levers.url}{INBOX}", description=INBOX_WORDS)


def follow_inbox(sub_merchant: SubMerchant, levers: Levers) -> None:
    """Send to the inbox where it is now; an endpoint somebody took away stays away."""
    with acting_for(sub_merchant.id):
        for endpoint in list_endpoints():
            if endpoint.url.endswith(INBOX) and endpoint.url != f"{levers.url}{INBOX}":
                change_endpoint(endpoint, url=f"{levers.url}{INBOX}")
