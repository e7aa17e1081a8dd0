"""What the provider's floor refuses, each with the sentence that says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config.errors import Conflict, NotFound, RefusedHere, Unavailable


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was handed in: which input, and what to do about it."""

    field: str
    problem: str

    def as_dict(self) -> dict[str, str]:
        return {"field": self.field, "problem": self.problem}


class PartnerNotFound(NotFound):
    """No provider of that number lives in this installation."""

    code = "partner_not_found"

    def __init__(self, sp_mchid: str) -> None:
        super().__init__(
            f"There is no provider {sp_mchid}. `partner list` shows those there are.",
            sp_mchid=sp_mchid,
        )


class PartnerExists(Conflict):
    """A provider number is added once; its keys are rotated afterwards."""

    code = "partner_exists"

    def __init__(self, sp_mchid: str) -> None:
        super().__init__(
            f"The provider {sp_mchid} is already here. Change its keys with `partner rotate-key`.",
            sp_mchid=sp_mchid,
        )


class InvalidPartner(RefusedHere):
    """What was handed in for a provider cannot work; every fault is named at once."""

    code = "invalid_partner"

    def __init__(self, faults: Sequence[Fault]) -> None:
        told = "; ".join(f"{fault.field}: {fault.problem}" for fault in faults)
        super().__init__(
            f"Nothing was changed. {told}.", fields=[fault.as_dict() for fault in faults]
        )
        self.faults = tuple(faults)


class KeyAlreadyStored(Conflict):
    """The key to be stored is the one in use."""

    code = "key_already_stored"


class LastAppid(Conflict):
    """A provider keeps at least one appid."""

    code = "last_appid"


class InvalidAppSecret(RefusedHere):
    """What was handed in is no app secret; nothing of it is told."""

    code = "invalid_app_secret"

    def __init__(self, problem: str) -> None:
        super().__init__(
            f"Nothing was changed. {problem}. The official account's own platform shows it "
            "under 开发 → 基本配置 as AppSecret.",
            field="secret_file",
        )


class AppidUnknown(NotFound):
    """The appid is not bound where its secret was to be kept."""

    code = "appid_unknown"

    def __init__(self, appid: str) -> None:
        super().__init__(f"The appid {appid!a} is not bound here. Bind it first.", field="appid")


class PartnerWithoutKey(Unavailable):
    """A provider that cannot sign, or cannot open what WeChat Pay sends."""

    code = "partner_without_key"

    def __init__(self, partner_id: str) -> None:
        super().__init__(
            "The provider has no merchant key or API v3 key in use. Store one with "
            "`partner rotate-key` or `partner rotate-api-v3-key`.",
            partner_id=partner_id,
        )


class InvalidDirectory(RefusedHere):
    """A text that WeChat Pay would not take as a payment directory."""

    code = "invalid_directory"

    def __init__(self, problem: str) -> None:
        super().__init__(f"This is not a payment directory: {problem}.", problem=problem)


class DirectoryExists(Conflict):
    """The directory is already set on this level."""

    code = "directory_exists"

    def __init__(self, url: str) -> None:
        super().__init__(f"The directory {url} is already set here.", url=url)


class DirectoryNotFound(NotFound):
    """The directory is not set on this level."""

    code = "directory_not_found"

    def __init__(self, url: str) -> None:
        super().__init__(f"The directory {url} is not set here.", url=url)


class TooManyDirectories(Conflict):
    """WeChat Pay keeps five directories on each level."""

    code = "too_many_directories"

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"There are {limit} directories already, and WeChat Pay takes no more on one level. "
            "Remove one, or use one that is only a domain: it covers every page below it.",
            limit=limit,
        )
