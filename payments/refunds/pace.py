"""How many refused refund requests one tenant may cause.

WeChat Pay takes six refund requests a second that it refuses, over all sub-merchants of a provider
together. One tenant's mistakes must not use up what the others need.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from config.throttle import Budget

REFUSED_REQUESTS: Final = Budget("refunds.refused", tries=20, window=timedelta(seconds=10))
