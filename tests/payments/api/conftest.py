"""The API as a tenant's system sees it: a key of the first sub-merchant, and WeChat Pay behind."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from submerchants.tenants.models import SubMerchant
from tests.payments.api.caller import Api


@pytest.fixture
def api(client: FlaskClient, sub_merchant: SubMerchant) -> Api:
    """Calls with a key of the first sub-merchant that may do everything."""
    return Api(client, sub_merchant)


@pytest.fixture
def other_api(client: FlaskClient, other_sub_merchant: SubMerchant) -> Api:
    """Calls with a key of the second."""
    return Api(client, other_sub_merchant)
