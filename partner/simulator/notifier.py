"""Notifications on their way: signed afresh on every try, repeated on the documented schedule.

Due times run on the simulator's clock, so moving it makes what has become due leave at once; the
five seconds a receiver has are real ones. Tries run in a small pool in which no receiver may hold
more than its share of the threads, so one that hangs does not delay the others.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final

import requests

from partner.simulator import keys
from partner.simulator.answers import Signature, compact_json, probe_value, request_id, spoiled
from partner.simulator.clock import MovableClock, rfc3339
from partner.simulator.faults import (
    FOREIGN_SUB_MCHID,
    NOTIFICATION_KINDS,
    REFUND_ONLY_KINDS,
    Fault,
    FaultBook,
)
from partner.simulator.key_rings import KeyRings, notification_key
from partner.simulator.keys import SigningKey
from partner.simulator.merchants import Merchants, Provider
from partner.simulator.outbox import (
    DELIVERED,
    GIVEN_UP,
    HELD,
    SUPPRESSED,
    WAITING,
    Notification,
    Outbox,
    Try,
)

REPEAT_AFTER_S: Final = (
    *(15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600),
    *(10800, 10800, 10800, 21600, 21600),
)
ANSWER_WITHIN_S: Final = 5.0
THREADS: Final = 40
THREADS_PER_RECEIVER: Final = 10
BATCH: Final = 200
GATHER_S: Final = 0.01  # under load one look at the outbox then serves many
LONGEST_SLEEP_S: Final = 1.0
EXCERPT: Final = 300

log = logging.getLogger(__name__)


def delivery_session() -> requests.Session:
    """A session that keeps connections and nothing else: no cookies, no proxies from the
    environment."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        adapter = requests.adapters.HTTPAdapter(pool_connections=64, pool_maxsize=THREADS)
        session.mount(scheme, adapter)
    return session


class Notifier:
    """Announces, sends, repeats. `start()` gives it a thread; `deliver_due()` does the same by
    hand."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        merchants: Merchants,
        rings: KeyRings,
        faults: FaultBook,
        clock: MovableClock,
        wire_time: Callable[[], float],
        session: requests.Session,
    ) -> None:
        self._outbox = outbox
        self._merchants = merchants
        self._rings = rings
        self._faults = faults
        self._clock = clock
        self._wire_time = wire_time
        self._session = session
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._in_flight: set[int] = set()
        self._busy: Counter[str] = Counter()
        self._before_each_look: list[Callable[[], object]] = []
        clock.watch(lambda _offset: self.wake())

    def before_each_look(self, what: Callable[[], object]) -> None:
        """Do this whenever the outbox is about to be looked at: news may come of it."""
        self._before_each_look.append(what)

    def announce(self, *, content: dict[str, Any], **about: Any) -> None:
        """Put news into the outbox, as waiting faults want it. Call `wake()` after the commit."""
        where = {name: about.get(name) for name in ("out_trade_no", "sub_mchid", "event_type")}
        where["out_refund_no"] = content.get("out_refund_no")
        kinds = [
            kind
            for kind in NOTIFICATION_KINDS
            if kind not in REFUND_ONLY_KINDS or about["original_type"] == "refund"
        ]
        faults = self._faults.take_all(kinds, where)
        manner = {fault.kind: fault for fault in faults}
        for fault in faults:
            content = _altered(content, fault)
        now = self._clock.timestamp()
        state, next_try_at = _first_try(manner, now)
        seq = self._outbox.add(
            id=str(uuid.uuid4()),
            plaintext=compact_json(content).decode(),
            manner=json.dumps(_lasting(manner)),
            created_at=now,
            state=state,
            next_try_at=next_try_at,
            **about,
        )
        if state == WAITING and self._outbox.has_held():
            self._outbox.release_held(about["sp_mchid"], seq, (next_try_at or now) + 1.0)

    def start(self) -> None:
        """Send from now on in the background, beginning with what an earlier life left waiting."""
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sending; tries under way are finished."""
        self._stopping = True
        self.wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """Look at the outbox now."""
        self._wake.set()

    def deliver_due(self) -> int:
        """Send everything that is due, one after the other, in this thread; how many tries that
        took."""
        self._prepare()
        tries = 0
        while due := self._outbox.due(self._clock.timestamp(), 1):
            self._attempt(due[0])
            tries += 1
        return tries

    def _run(self) -> None:
        with ThreadPoolExecutor(THREADS, thread_name_prefix="notify") as pool:
            while not self._stopping:
                self._wake.clear()
                try:
                    self._prepare()
                except Exception:  # what is due already must leave all the same
                    log.exception("what comes before a look at the outbox failed")
                self._dispatch(pool)
                self._wake.wait(self._sleep_s())
                time.sleep(GATHER_S)

    def _prepare(self) -> None:
        for what in self._before_each_look:
            what()

    def _sleep_s(self) -> float:
        at = self._outbox.next_due_at()
        if at is None:
            return LONGEST_SLEEP_S
        # Something due that was not sent waits for a free thread, whose end wakes us.
        return min(max(at - self._clock.timestamp(), 0.05), LONGEST_SLEEP_S)

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        while not self._stopping:
            with self._lock:
                full = [name for name, busy in self._busy.items() if busy >= THREADS_PER_RECEIVER]
                flying = set(self._in_flight)
            due = self._outbox.due(self._clock.timestamp(), BATCH + len(flying), full)
            taken = [one for one in due if one.seq not in flying and self._take(one)]
            for notification in taken:
                pool.submit(self._attempt_in_pool, notification)
            if not taken:
                return

    def _take(self, notification: Notification) -> bool:
        with self._lock:
            if self._busy[notification.origin] >= THREADS_PER_RECEIVER:
                return False
            self._busy[notification.origin] += 1
            self._in_flight.add(notification.seq)
            return True

    def _attempt_in_pool(self, notification: Notification) -> None:
        try:
            self._attempt(notification)
        except Exception:  # a thread must outlive whatever one notification does to it
            log.exception("a notification could not be tried")
        finally:
            with self._lock:
                was_full = self._busy[notification.origin] >= THREADS_PER_RECEIVER
                self._in_flight.discard(notification.seq)
                self._busy[notification.origin] -= 1
                if not self._busy[notification.origin]:
                    del self._busy[notification.origin]
            if was_full:
                self.wake()

    def _attempt(self, notification: Notification) -> None:
        """One try, recorded, with what follows from it."""
        provider = self._merchants.find(notification.sp_mchid)
        if provider is None:
            raise LookupError(f"provider {notification.sp_mchid} is gone")
        body = _envelope(notification, provider)
        key = self._key(notification, provider)
        headers, signature = self._headers(notification, key, body)
        started = time.monotonic()
        status, reply = self._post(notification.notify_url, body, headers, started)
        tried = Try(
            at=self._clock.timestamp(),
            status=status,
            reply=reply,
            duration_ms=round((time.monotonic() - started) * 1000),
            signed_by=key.serial,
            signature=signature,
        )
        state, next_try_at = _after(notification, tried)
        self._outbox.record(notification, tried, state, next_try_at)

    def _key(self, notification: Notification, provider: Provider) -> SigningKey:
        """The key for this try: one of the provider's own, unless a fault wants a foreign one."""
        ring, manner = self._rings.of(provider.sp_mchid), json.loads(notification.manner)
        key = notification_key(ring, provider, notification.wants_public_key)
        if notification.tries < manner.get("notification_foreign_key", 0):
            return self._rings.foreign_key(key, provider.sp_mchid, manner.get("own_serial"))
        return key

    def _headers(
        self, notification: Notification, key: SigningKey, body: bytes
    ) -> tuple[dict[str, str], str]:
        signature = Signature.make(key, body, self._wire_time()).as_headers()
        manner = json.loads(notification.manner)
        word = "genuine"
        if notification.tries < manner.get("notification_probe", 0):
            signature["Wechatpay-Signature"], word = probe_value(), "probe"
        elif notification.tries < manner.get("notification_bad_signature", 0):
            signature["Wechatpay-Signature"] = spoiled(signature["Wechatpay-Signature"])
            word = "bad"
        elif notification.tries < manner.get("notification_foreign_key", 0):
            word = "foreign"
        return {
            **signature,
            "Content-Type": "application/json",
            "Accept": "*/*",
            "User-Agent": "Mozilla/4.0",
            "Request-ID": request_id(),
        }, word

    def _post(
        self, url: str, body: bytes, headers: dict[str, str], started: float
    ) -> tuple[int | None, str]:
        """Status and an excerpt of the reply; no status when none came within the five seconds."""
        try:
            with self._session.post(
                url,
                data=body,
                headers=headers,
                timeout=ANSWER_WITHIN_S,
                allow_redirects=False,
                stream=True,
            ) as response:
                excerpt = next(response.iter_content(EXCERPT), b"").decode("utf-8", "replace")
                if time.monotonic() - started > ANSWER_WITHIN_S:
                    return None, "no answer within 5 seconds"
                return response.status_code, excerpt
        except requests.Timeout:
            return None, "no answer within 5 seconds"
        except (requests.RequestException, ValueError, OSError) as problem:
            return None, f"{type(problem).__name__}: {problem}"[:EXCERPT]


def _envelope(notification: Notification, provider: Provider) -> bytes:
    sealed = keys.seal_resource(
        provider.api_v3_key, notification.plaintext.encode(), notification.original_type
    )
    return compact_json(
        {
            "id": notification.id,
            "create_time": rfc3339(notification.created_at),
            "resource_type": "encrypt-resource",
            "event_type": notification.event_type,
            "summary": notification.summary,
            "resource": {"original_type": notification.original_type, **sealed},
        }
    )


def _after(notification: Notification, tried: Try) -> tuple[str, float | None]:
    """The state after a try, and when the next one is due."""
    if not tried.is_receipt:
        if notification.failures >= len(REPEAT_AFTER_S):
            return GIVEN_UP, None
        return WAITING, tried.at + REPEAT_AFTER_S[notification.failures]
    received = notification.tries + 1 - notification.failures
    if received <= json.loads(notification.manner).get("notification_repeated", 0):
        return WAITING, tried.at
    return DELIVERED, None


def _first_try(manner: dict[str, Fault], now: float) -> tuple[str, float | None]:
    if "notification_missing" in manner:
        return SUPPRESSED, None
    if "notification_reordered" in manner:
        return HELD, now + manner["notification_reordered"].seconds(15)
    late = manner.get("notification_late")
    return WAITING, now + (late.seconds(60) if late else 0.0)


def _lasting(manner: dict[str, Fault]) -> dict[str, int]:
    """What later tries must know: how many are spoiled, how many receipts are ignored."""
    names = {
        "notification_probe": "tries",
        "notification_bad_signature": "tries",
        "notification_foreign_key": "tries",
        "notification_repeated": "repeats",
    }
    lasting = {kind: manner[kind].number(name, 1) for kind, name in names.items() if kind in manner}
    foreign = manner.get("notification_foreign_key")
    if foreign is not None and foreign.params.get("own_serial"):
        lasting["own_serial"] = 1
    return lasting


def _altered(content: dict[str, Any], fault: Fault) -> dict[str, Any]:
    """The plain text as a content fault wants it."""
    if fault.kind == "notification_wrong_amount":
        amount = content.get("amount", {})
        name = "refund" if "refund" in amount else "total"
        wrong = amount.get(name, 0) + fault.number("delta_fen", 1)
        return merge_patch(content, {"amount": {name: wrong}})
    if fault.kind == "notification_wrong_sub_mchid":
        other = fault.params.get("sub_mchid", FOREIGN_SUB_MCHID)
        return merge_patch(content, {"sub_mchid": other})
    if fault.kind == "notification_mchid_form":
        mchid = fault.params.get("mchid", content.get("sp_mchid"))
        return merge_patch({"mchid": mchid, **content}, {"sp_mchid": None, "sub_mchid": None})
    if fault.kind == "notification_wrong_content":
        return merge_patch(content, fault.params.get("set", {}))
    return content


def merge_patch(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7396): null takes a member away, objects are merged, the rest
    replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            inner = merged.get(name)
            merged[name] = merge_patch(inner if isinstance(inner, dict) else {}, value)
        else:
            merged[name] = value
    return merged
