"""One POST on its way: certificates, addresses, deadlines, and answers that play tricks."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from config.clock import now
from payments.webhooks.outbound import Kept, NoAnswer, Outbound
from payments.webhooks.replies import MAX_REPLY_BYTES, Reply
from payments.webhooks.schedule import read_retry_after
from tests.payments.webhooks.certificates import Authority
from tests.payments.webhooks.conftest import LOOPBACK
from tests.payments.webhooks.receivers import HOST, Receivers, receiving

NAME = "hooks.example.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(authority: Authority) -> Iterator[Receivers]:
    """A receiver with a certificate for NAME."""
    with receiving(authority.server_context(NAME)) as served:
        yield served


def post(outbound: Outbound, url: str, kept: Kept | None = None) -> Reply:
    async def once() -> Reply:
        connections = kept or Kept()
        try:
            return await outbound.post(url, {"webhook-id": "evt_1"}, b"{}", connections)
        finally:
            connections.close()

    return asyncio.run(once())


def at_loopback(_host: str, _port: int) -> list[str]:
    return [HOST]


def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.certificate))


def test_name_and_certificate_are_checked_although_an_address_is_connected_to(
    secured: Receivers, authority: Authority
) -> None:
    outbound = Outbound(LOOPBACK, resolve=at_loopback, tls=trusting(authority))

    reply = post(outbound, f"https://{NAME}:{secured.port}/ok")

    [arrival] = secured.arrivals
    assert reply.status == 204
    assert arrival.headers["host"] == f"{NAME}:{secured.port}"


def test_a_certificate_for_another_name_is_not_accepted(
    secured: Receivers, authority: Authority
) -> None:
    outbound = Outbound(LOOPBACK, resolve=at_loopback, tls=trusting(authority))

    with pytest.raises(NoAnswer, match="certificate is not accepted"):
        post(outbound, f"https://other.example.test:{secured.port}/ok")

    assert secured.arrivals == []


def test_a_certificate_of_nobody_we_trust_is_not_accepted(secured: Receivers) -> None:
    outbound = Outbound(LOOPBACK, resolve=at_loopback)

    with pytest.raises(NoAnswer, match="certificate is not accepted"):
        post(outbound, f"https://{NAME}:{secured.port}/ok")


def test_a_name_is_resolved_once_for_a_connection(receivers: Receivers) -> None:
    asked: list[str] = []

    def rebinding(host: str, _port: int) -> list[str]:
        """The first answer would do; whoever asks again is led elsewhere."""
        asked.append(host)
        return [HOST] if len(asked) == 1 else ["10.0.0.5"]

    reply = post(Outbound(LOOPBACK, resolve=rebinding), f"http://{NAME}:{receivers.port}/ok")

    assert (reply.status, asked) == (204, [NAME])


def test_a_name_that_comes_to_mean_an_inner_address_is_refused_at_the_next_connection(
    receivers: Receivers,
) -> None:
    answers = iter([[HOST], ["10.0.0.5"]])
    outbound = Outbound(LOOPBACK, resolve=lambda *_: next(answers))
    receivers.replies["/raw/x"] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
    url = f"http://{NAME}:{receivers.port}/raw/x"

    before = post(outbound, url)
    with pytest.raises(NoAnswer, match="not a public one"):
        post(outbound, url)

    assert before.status == 204
    assert len(receivers.arrivals) == 1


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    outbound = Outbound((), resolve=lambda *_: ["1.1.1.1", "169.254.169.254"])

    with pytest.raises(NoAnswer, match="not a public one"):
        post(outbound, "https://hooks.example.test/")


def test_without_the_exception_loopback_is_not_called(receivers: Receivers) -> None:
    with pytest.raises(NoAnswer, match="not a public one"):
        post(Outbound(), receivers.url("/ok"))

    assert receivers.arrivals == []


def test_a_name_that_is_not_resolved_in_time_holds_nobody() -> None:
    def sleepy(_host: str, _port: int) -> list[str]:
        time.sleep(1.5)
        return [HOST]

    started = time.monotonic()
    with pytest.raises(NoAnswer, match=r"within 0\.3 seconds"):
        post(Outbound(LOOPBACK, resolve=sleepy, deadline_seconds=0.3), f"http://{NAME}/")

    assert time.monotonic() - started < 1.2


def test_a_name_that_is_none_is_said_in_words() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(NoAnswer, match="cannot be resolved"):
        post(Outbound(resolve=unknown), "https://hooks.example.test/")


def test_a_redirect_is_an_answer_and_is_not_followed(receivers: Receivers) -> None:
    reply = post(Outbound(LOOPBACK), receivers.url("/status/307"))

    assert reply.status == 307
    assert len(receivers.arrivals) == 1


def test_proxies_and_passwords_of_the_environment_are_not_used(
    receivers: Receivers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {HOST} login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")

    reply = post(Outbound(LOOPBACK), receivers.url("/ok"))

    assert reply.status == 204
    assert set(receivers.arrivals[0].headers) & {"authorization", "cookie", "proxy-connection"} == (
        set()
    )


RAW = {
    "endless": (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, 200, MAX_REPLY_BYTES),
    "longer": (b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000, 200, 20_000),
    "chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        200,
        5,
    ),
    "big chunk": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * 50_000,
        200,
        MAX_REPLY_BYTES,
    ),
    "bad chunk": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnone\r\n", 200, 0),
    "cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this", 200, 9),
    "bare lines": (b"HTTP/1.1 202 Accepted\nContent-Length: 2\n\nok", 202, 2),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204, 0),
    "old": (b"HTTP/1.0 200 OK\r\n\r\nfine", 200, 4),
}


@pytest.mark.parametrize("kind", RAW)
def test_an_answer_is_read_as_far_as_is_allowed(receivers: Receivers, kind: str) -> None:
    sent, status, size = RAW[kind]
    receivers.replies["/raw/x"] = sent

    reply = post(Outbound(LOOPBACK, deadline_seconds=3), receivers.url("/raw/x"))

    assert (reply.status, len(reply.body)) == (status, size)


BAD = {
    "nothing": b"",
    "half a line": b"HTTP/1.1 20",
    "half a head": b"HTTP/1.1 200 OK\r\nContent-",
    "not http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "status of letters": b"HTTP/1.1 abc OK\r\n\r\n",
    "status out of range": b"HTTP/1.1 999 OK\r\n\r\n",
    "endless line": b"HTTP/1.1 200 " + b"x" * 100_000,
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
    "only interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_answer_is_not_taken_for_one(receivers: Receivers, kind: str) -> None:
    receivers.replies["/raw/x"] = BAD[kind]

    with pytest.raises(NoAnswer):
        post(Outbound(LOOPBACK, deadline_seconds=3), receivers.url("/raw/x"))


def test_an_answer_is_shown_as_plain_text_cut_short(receivers: Receivers) -> None:
    body = b"<script>\x00\x1b[31m\xff" + "茶".encode() * 3_000
    receivers.replies["/raw/x"] = b"HTTP/1.1 500 No\r\n\r\n" + body

    text = post(Outbound(LOOPBACK), receivers.url("/raw/x")).text

    assert text.startswith("<script>")
    assert not set("\x00\x1b") & set(text)
    assert len(text) == 2_001


def test_a_status_that_came_in_time_counts_however_the_body_drips(receivers: Receivers) -> None:
    receivers.replies["/raw/x"] = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\npart"

    assert post(Outbound(LOOPBACK, deadline_seconds=0.5), receivers.url("/raw/x")).status == 200


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120), ("0", 0), ("99999999999", 86_400), ("soon", None), ("-5", None), (None, None)],
)
def test_a_receivers_wish_to_wait_is_honoured_within_bounds(
    text: str | None, seconds: int | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert read_retry_after(text, now()) == expected


def test_a_wish_to_wait_may_be_a_date() -> None:
    moment = now().replace(microsecond=0)
    until = (moment + timedelta(minutes=3)).strftime("%a, %d %b %Y %H:%M:%S GMT")

    assert read_retry_after(until, moment) == timedelta(minutes=3)
