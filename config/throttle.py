"""How often somebody may try: counted in the database, so that all workers share the count.

A try is counted before it is judged. Counting failures afterwards would let a hundred guesses sent
at once all be judged before the first one counts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from config.batches import forget_rows
from config.clock import now
from config.database import Base, changed_rows, db, identifier, transaction
from config.errors import TooFast
from config.inserts import ensure_row

WINDOW = timedelta(minutes=15)
TRIES_FROM_ONE_PLACE = 8  # for one account from one address
TRIES_PER_ACCOUNT = 60  # from everywhere: guessing from many addresses ends here
TRIES_PER_PLACE = 120  # one address, all accounts: an office behind one address still works


class GuessCount(Base):
    """How many tries one key has made in its window. The key is a hash: no addresses are kept."""

    __tablename__ = "guess_counts"

    id: Mapped[str] = mapped_column(identifier(64), primary_key=True)
    tries: Mapped[int]
    window_ends_at: Mapped[datetime] = mapped_column(index=True)


class TooManyTries(TooFast):
    """Too many tries in a short time; nothing was judged."""

    code = "too_many_tries"


@dataclass(frozen=True, slots=True)
class Guess:
    """One counted try, which a right answer takes back."""

    keys: tuple[str, ...]

    def was_right(self) -> None:
        """Forget the tries that led here; in the caller's transaction."""
        changed_rows(delete(GuessCount).where(GuessCount.id == self.keys[0]))


def count_guess(door: str, account: str, origin: str | None) -> Guess:
    """Count one try at a door. Raises TooManyTries when any of its limits is reached.

    Without an origin all places together have the few tries of one: for what is short enough to be
    guessed by many machines at once, such as a code of six digits.
    """
    limits = [(_key(door, account, origin or ""), TRIES_FROM_ONE_PLACE)]
    if origin is not None:
        limits += [
            (_key(door, account, "*"), TRIES_PER_ACCOUNT),
            (_key(door, "*", origin), TRIES_PER_PLACE),
        ]
    with transaction():
        allowed = [_count(key, limit) for key, limit in limits]
    if not all(allowed):
        raise TooManyTries(
            "Too many tries. Wait a while, then try again.",
            retry_after_seconds=_wait([key for key, _ in limits]),
        )
    return Guess(tuple(key for key, _ in limits))


@dataclass(frozen=True, slots=True)
class Budget:
    """So many tries in a window for each owner; a good one is given back."""

    name: str
    tries: int
    window: timedelta

    def spend(self, owner: str) -> int:
        """Take one try in the caller's transaction; otherwise the seconds until there is one."""
        key = _key(self.name, owner, "")
        return 0 if _count(key, self.tries, self.window) else _wait([key])

    def give_back(self, owner: str) -> None:
        """The try did no harm: it does not count. In the caller's transaction."""
        spent = update(GuessCount).where(
            GuessCount.id == _key(self.name, owner, ""), GuessCount.tries > 0
        )
        changed_rows(spent.values(tries=GuessCount.tries - 1))


def forget_old_guesses() -> dict[str, object]:
    """Drop the counts whose window is over; a job calls this."""
    return {"forgotten": forget_rows(GuessCount, GuessCount.window_ends_at <= now())}


def _count(key: str, limit: int, window: timedelta = WINDOW) -> bool:
    moment = now()
    ends = moment + window
    ensure_row(GuessCount, {"id": key, "tries": 0, "window_ends_at": ends}, unique=("id",))
    here = update(GuessCount).where(GuessCount.id == key)
    over = here.where(GuessCount.window_ends_at <= moment)
    if changed_rows(over.values(tries=1, window_ends_at=ends)):
        return True
    room = here.where(GuessCount.tries < limit)
    return changed_rows(room.values(tries=GuessCount.tries + 1)) == 1


def _wait(keys: list[str]) -> int:
    ends = db.session.scalars(select(GuessCount.window_ends_at).where(GuessCount.id.in_(keys)))
    return max([1, *(int((end - now()).total_seconds()) for end in ends)])


def _key(door: str, account: str, origin: str) -> str:
    return hashlib.sha256("\x1f".join((door, account.casefold(), origin)).encode()).hexdigest()
