"""What the tenants' floor refuses, each with the sentence that says what to do next."""

from __future__ import annotations

from collections.abc import Sequence

from config.errors import Conflict, Forbidden, NotFound, RefusedHere, Unauthorized


class BadApiKey(Unauthorized):
    """No key, or none that counts: which of the reasons it is stays here."""

    def __init__(self) -> None:
        super().__init__(
            "The API key is missing or not valid. Send `Authorization: Bearer <API key>` with a "
            "key that was issued, has not expired and was not revoked."
        )


class ScopeMissing(Forbidden):
    """The key is good and was not issued for this."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This API key lacks the scope {scope}. Issue a key that has it.", scope=scope
        )


class AddressNotAllowed(Forbidden):
    """The key is good and is being used from somewhere it was not issued for."""

    code = "address_not_allowed"

    def __init__(self) -> None:
        super().__init__(
            "This API key may not be used from this address. Call from a network on its list, or "
            "issue a key with another list."
        )


class Suspended(Forbidden):
    """The sub-merchant reads, and starts nothing new."""

    code = "suspended"

    def __init__(self) -> None:
        super().__init__(
            "This sub-merchant is suspended: reading works, nothing new can be started. Talk to "
            "your service provider."
        )


class SubMerchantNotFound(NotFound):
    """No sub-merchant of that number."""

    code = "sub_merchant_not_found"

    def __init__(self, sub_mchid: str) -> None:
        super().__init__(
            f"There is no sub-merchant {sub_mchid}. `submerchant list` shows those there are.",
            sub_mchid=sub_mchid,
        )


class SubMerchantAmbiguous(Conflict):
    """The number works under several providers, and the command must say which is meant."""

    code = "sub_merchant_ambiguous"

    def __init__(self, sub_mchid: str, sp_mchids: Sequence[str]) -> None:
        super().__init__(
            f"The sub-merchant {sub_mchid} is under several providers: {', '.join(sp_mchids)}. "
            "Say which with --sp-mchid.",
            sub_mchid=sub_mchid,
            sp_mchids=list(sp_mchids),
        )


class SubMerchantExists(Conflict):
    """A number is registered once under a provider."""

    code = "sub_merchant_exists"

    def __init__(self, sub_mchid: str, sp_mchid: str) -> None:
        super().__init__(
            f"The sub-merchant {sub_mchid} is already registered under {sp_mchid}.",
            sub_mchid=sub_mchid,
            sp_mchid=sp_mchid,
        )


class InvalidSubMerchant(RefusedHere):
    """What was handed in for a sub-merchant cannot work; every fault is named at once."""

    code = "invalid_sub_merchant"

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        told = "; ".join(f"{field}: {problem}" for field, problem in faults)
        super().__init__(
            f"Nothing was changed. {told}.",
            fields=[{"field": field, "problem": problem} for field, problem in faults],
        )


class InvalidApiKeyRequest(RefusedHere):
    """A key that could not be used, or could do what does not exist."""

    code = "invalid_api_key_request"


class ApiKeyNotFound(NotFound):
    """No key of that id."""

    code = "api_key_not_found"

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"There is no API key {key_id}. `apikey list` shows those there are.", id=key_id
        )
