"""What a call becomes when the other side answers, refuses, dawdles, breaks off or lies."""

import time
from collections.abc import Callable

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from partner.wechatpay.breaker import CircuitBreaker
from partner.wechatpay.errors import (
    Distrust,
    OutcomeUnknown,
    StillProcessing,
    UnknownReason,
    Untrusted,
)
from partner.wechatpay.transport import MAX_REPLY_BYTES
from partner.wechatpay.verification import PROBE_PREFIX, Verifier
from tests.partner.wechatpay.calls import PATH, ask, outcome_of
from tests.partner.wechatpay.conftest import PLATFORM_SERIAL, TransportMaker
from tests.partner.wechatpay.scripted_server import (
    Answer,
    ScriptedServer,
    cuts_its_reply_short,
    drips,
    falls_silent,
    hangs_up,
    replies,
    replies_unsigned,
    resets,
)


def test_a_signed_reply_comes_back_as_the_bytes_that_were_sent(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(replies(b'{"prepay_id": "wx01",  "new": "\xe6\x96\xb0"}'))

    body = ask(make_transport())

    assert body == b'{"prepay_id": "wx01",  "new": "\xe6\x96\xb0"}'
    (request,) = server.requests
    assert request.is_rightly_signed
    assert (request.method, request.target, request.body) == ("POST", PATH, b'{"a":1}')


def test_every_request_carries_what_wechat_pay_insists_on(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    transport = make_transport(public_key_id="PUB_KEY_ID_0116000000012026")

    ask(transport)
    transport.send("GET", "/v3/certificates", repeatable=True, endpoint="certificates")

    for request in server.requests:
        assert request.headers["accept"] == "application/json"
        assert request.headers["user-agent"] == "partner-platform/1 (tests)"
        assert request.headers["wechatpay-serial"] == "PUB_KEY_ID_0116000000012026"
    posted, fetched = server.requests
    assert posted.headers["content-type"] == "application/json"
    assert "content-type" not in fetched.headers
    assert "cookie" not in fetched.headers


def test_without_a_public_key_no_serial_is_asked_for(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    ask(make_transport())

    assert "wechatpay-serial" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(falls_silent(), UnknownReason.TIMED_OUT, id="silence"),
        pytest.param(resets(), UnknownReason.CONNECTION_LOST, id="reset"),
        pytest.param(hangs_up(), UnknownReason.CONNECTION_LOST, id="hang-up"),
        pytest.param(cuts_its_reply_short(), UnknownReason.CONNECTION_LOST, id="cut reply"),
        pytest.param(replies_unsigned(500, b""), UnknownReason.SERVER_ERROR, id="empty 500"),
        pytest.param(
            replies_unsigned(502, b"<html>Bad Gateway</html>"),
            UnknownReason.SERVER_ERROR,
            id="page 502",
        ),
        pytest.param(
            replies_unsigned(400, b'{"code":"SYSTEMERROR","message":"busy"}'),
            UnknownReason.SERVER_ERROR,
            id="undecided code",
        ),
        pytest.param(replies_unsigned(408, b""), UnknownReason.SERVER_ERROR, id="408"),
        pytest.param(
            replies_unsigned(302, b"", {"Location": "https://elsewhere.example/"}),
            UnknownReason.UNEXPECTED_STATUS,
            id="redirect",
        ),
        pytest.param(replies_unsigned(200, b"{}"), UnknownReason.REPLY_UNTRUSTED, id="unsigned"),
        pytest.param(
            replies({}, timestamp=int(time.time()) - 400), UnknownReason.REPLY_UNTRUSTED, id="stale"
        ),
        pytest.param(
            replies({}, serial="0000000000000001"), UnknownReason.REPLY_UNTRUSTED, id="serial"
        ),
        pytest.param(
            replies(b"x" * (MAX_REPLY_BYTES + 1)), UnknownReason.REPLY_TOO_LARGE, id="huge"
        ),
    ],
)
def test_whatever_is_no_clear_answer_leaves_the_outcome_unknown(
    make_transport: TransportMaker, server: ScriptedServer, answer: Answer, reason: UnknownReason
) -> None:
    server.plays(answer)

    unknown = outcome_of(make_transport(), repeatable=False)

    assert unknown.reason is reason
    assert unknown.was_sent
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        falls_silent(),
        resets(),
        hangs_up(),
        cuts_its_reply_short(),
        replies_unsigned(503, b""),
        replies_unsigned(200, b"{}"),
    ],
    ids=["silence", "reset", "hang-up", "cut reply", "503", "unsigned"],
)
def test_a_repeatable_call_survives_one_bad_answer(
    make_transport: TransportMaker, server: ScriptedServer, answer: Answer
) -> None:
    server.plays(answer, replies({"prepay_id": "wx01"}))

    body = ask(make_transport())

    assert body == b'{"prepay_id": "wx01"}'
    first, second = server.requests
    assert first.body == second.body
    assert first.nonce != second.nonce
    assert first.is_rightly_signed
    assert second.is_rightly_signed


def test_a_badly_signed_success_is_neither_success_nor_failure(
    make_transport: TransportMaker, server: ScriptedServer, strange_key: RSAPrivateKey
) -> None:
    server.plays(*[replies({"prepay_id": "wx01"}, key=strange_key)] * 3)

    unknown = outcome_of(make_transport())

    assert unknown.reason is UnknownReason.REPLY_UNTRUSTED
    assert isinstance(unknown.cause, Untrusted)
    assert unknown.cause.reason is Distrust.BAD_SIGNATURE
    assert unknown.request_id == "08F1-268"
    assert len(server.requests) == 3


def test_a_signature_probe_in_a_reply_is_refused_and_the_repeat_succeeds(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    probe = {"Wechatpay-Signature": PROBE_PREFIX + "bm90IGEgc2lnbmF0dXJl"}
    server.plays(replies({"prepay_id": "probe"}, further=probe), replies({"prepay_id": "wx01"}))

    body = ask(make_transport())

    assert body == b'{"prepay_id": "wx01"}'
    assert len(server.requests) == 2


def test_a_reply_with_a_signature_header_twice_is_not_trusted(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(replies({}, further={"wechatpay-serial": PLATFORM_SERIAL}))

    unknown = outcome_of(make_transport(), repeatable=False)

    assert isinstance(unknown.cause, Untrusted)
    assert unknown.cause.reason is Distrust.MALFORMED


def test_three_tries_are_the_limit(make_transport: TransportMaker, server: ScriptedServer) -> None:
    server.plays(*[replies_unsigned(500, b"")] * 9)

    outcome_of(make_transport())

    assert len(server.requests) == 3
    assert len({request.nonce for request in server.requests}) == 3


def test_a_call_that_is_not_repeatable_is_sent_once(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(hangs_up())

    outcome_of(make_transport(), repeatable=False)

    assert len(server.requests) == 1


def test_the_backup_host_takes_over_after_a_lost_connection(
    make_transport: TransportMaker, server: ScriptedServer, backup: ScriptedServer
) -> None:
    server.plays(resets())
    backup.plays(replies({"prepay_id": "from the backup"}))

    body = ask(make_transport(fallback_base_url=backup.url))

    assert body == b'{"prepay_id": "from the backup"}'
    assert len(server.requests) == len(backup.requests) == 1
    assert backup.requests[0].is_rightly_signed


def test_a_bad_status_does_not_move_the_call_to_the_backup_host(
    make_transport: TransportMaker, server: ScriptedServer, backup: ScriptedServer
) -> None:
    server.plays(replies_unsigned(500, b""))

    ask(make_transport(fallback_base_url=backup.url))

    assert len(server.requests) == 2
    assert backup.requests == []


def test_a_host_nobody_listens_at_is_passed_over_even_for_a_call_not_repeatable(
    make_transport: TransportMaker, backup: ScriptedServer, deaf_url: str
) -> None:
    transport = make_transport(base_url=deaf_url, fallback_base_url=backup.url)

    body = ask(transport, repeatable=False)

    assert body == b"{}"
    assert len(backup.requests) == 1


def test_an_outcome_says_so_when_no_byte_ever_left(
    make_transport: TransportMaker, deaf_url: str
) -> None:
    unknown = outcome_of(make_transport(base_url=deaf_url))

    assert unknown.reason is UnknownReason.NO_CONNECTION
    assert not unknown.was_sent


def test_an_earlier_try_that_was_sent_is_not_forgotten(
    make_transport: TransportMaker, server: ScriptedServer, deaf_url: str
) -> None:
    server.plays(hangs_up())

    unknown = outcome_of(make_transport(fallback_base_url=deaf_url, max_tries=2))

    assert unknown.reason is UnknownReason.NO_CONNECTION
    assert unknown.was_sent


def taken(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n300\r\n",
        b"HTTP/1.1 200 OK\r\nX-Never-Ending: ",
        b"HTTP/1.1 2",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 900\r\n\r\n",
    ],
    ids=["body", "chunk", "header", "status line", "refusal"],
)
def test_a_server_that_drips_cannot_hold_a_thread_past_the_deadline(
    make_transport: TransportMaker, server: ScriptedServer, beginning: bytes
) -> None:
    server.plays(drips(beginning))
    transport = make_transport(deadline_s=0.6)

    seconds = taken(lambda: outcome_of(transport, repeatable=False))

    assert 0.5 < seconds < 1.2


def test_the_deadline_of_a_body_holds_for_anybodys_session(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"))

    with requests.Session() as plain:
        transport = make_transport(session=plain, deadline_s=0.6)
        seconds = taken(lambda: outcome_of(transport, repeatable=False))

    assert 0.5 < seconds < 1.2


def test_all_tries_together_keep_to_the_deadline(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(*[falls_silent()] * 3)
    transport = make_transport(deadline_s=0.5, read_timeout=0.4)

    seconds = taken(lambda: outcome_of(transport))

    assert seconds < 1.0


def test_an_accepted_but_unfinished_request_has_a_type_of_its_own(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    server.plays(replies({"code": "USERPAYING", "message": "wait"}, status=202))

    with pytest.raises(StillProcessing) as raised:
        ask(make_transport())

    assert (raised.value.status, raised.value.code) == (202, "USERPAYING")
    assert isinstance(raised.value, OutcomeUnknown)
    assert len(server.requests) == 1


def test_keys_are_asked_for_at_every_reply(
    make_transport: TransportMaker, server: ScriptedServer, verifier: Verifier
) -> None:
    in_force = [Verifier({}), verifier]
    transport = make_transport(verifier_source=lambda: in_force.pop(0))
    server.plays(replies({}), replies({"after": "refresh"}))

    body = ask(transport)

    assert body == b'{"after": "refresh"}'


def test_after_enough_unknown_outcomes_calls_stay_at_home(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    transport = make_transport(new_breaker=lambda: CircuitBreaker(2, 60), max_tries=1)
    server.plays(*[replies_unsigned(500, b"")] * 2)
    outcome_of(transport)
    outcome_of(transport)

    unknown = outcome_of(transport)

    assert unknown.reason is UnknownReason.CIRCUIT_OPEN
    assert not unknown.was_sent
    assert len(server.requests) == 2
    assert ask(transport, endpoint="query") == b"{}"


def test_the_circuit_closes_again_once_a_trial_call_is_answered(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    transport = make_transport(new_breaker=lambda: CircuitBreaker(1, 0.05), max_tries=1)
    server.plays(replies_unsigned(500, b""))
    outcome_of(transport)
    time.sleep(0.06)

    answers = [ask(transport), ask(transport)]

    assert answers == [b"{}", b"{}"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "url", ["ftp://api.example", "https://api.example/v3", "https://me:pw@api.example", "api", ""]
)
def test_a_base_url_is_an_origin_and_nothing_else(make_transport: TransportMaker, url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        make_transport(base_url=url or "/")


def test_a_call_without_a_user_agent_is_a_mistake_of_ours(make_transport: TransportMaker) -> None:
    with pytest.raises(ValueError, match="User-Agent"):
        make_transport(user_agent="")
