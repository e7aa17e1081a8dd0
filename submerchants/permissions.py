"""What a caller may be allowed to do. API keys carry these as scopes, roles map to sets of them."""

from __future__ import annotations

import enum
from typing import Final


class Permission(enum.StrEnum):
    """One thing a sub-merchant's key or person may do; the text is what a scope is called."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    REFUNDS_READ = "refunds:read"
    REFUNDS_WRITE = "refunds:write"
    BILLS_READ = "bills:read"
    RECONCILIATIONS_READ = "reconciliations:read"
    DIRECTORIES_READ = "directories:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    EVENTS_READ = "events:read"
    EVENTS_WRITE = "events:write"  # have an event delivered again

    @property
    def is_write(self) -> bool:
        """Whether it changes something, which a suspended sub-merchant may not."""
        return self.value.endswith(":write")


# Money leaves only through a key that was asked to be able to.
DEFAULT_SCOPES: Final = frozenset(Permission) - {Permission.REFUNDS_WRITE}
