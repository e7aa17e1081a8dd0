"""Bills: applied for over a signed reply, downloaded unsigned, believed for their digest."""

import gzip
import hashlib
from datetime import date
from pathlib import Path

import pytest

from partner.wechatpay.client import WeChatPayClient
from partner.wechatpay.errors import (
    BillAddressRefused,
    BillDamaged,
    BillDigestMismatch,
    BillTooLarge,
    OutcomeUnknown,
    Refused,
    UnknownReason,
)
from partner.wechatpay.resources.bills import Bills, BillTicket
from tests.partner.wechatpay.conftest import TransportMaker
from tests.partner.wechatpay.scripted_server import (
    ScriptedServer,
    cuts_its_reply_short,
    drips,
    hangs_up,
    replies,
    replies_unsigned,
)

BILL = (Path(__file__).parents[2] / "vectors" / "trade_bill_all.csv").read_bytes()
PUBLISHED_SHA1 = "dcd7ceb3d382a1181798368bb15d8437de46c00f"
RAW_TARGET = "/v3/billdownload/file?token=a%2fb~%7E+|*&tartype=gzip"


def ticket_for(
    server: ScriptedServer, sha1: str = PUBLISHED_SHA1, target: str = RAW_TARGET
) -> BillTicket:
    return BillTicket("SHA1", sha1, server.url + target)


def downloaded(client: WeChatPayClient, ticket: BillTicket) -> bytes:
    return b"".join(client.bills.download(ticket))


def test_applying_asks_for_the_day_and_reads_the_ticket(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    url = f"{server.url}{RAW_TARGET}"
    server.plays(replies({"hash_type": "SHA1", "hash_value": "AB" * 20, "download_url": " " + url}))

    ticket = client.bills.apply_trade_bill(date(2026, 3, 1), sub_mchid="1600000777")

    assert ticket == BillTicket("SHA1", "AB" * 20, url)
    (request,) = server.requests
    assert request.target == (
        "/v3/bill/tradebill?bill_date=2026-03-01&bill_type=ALL&sub_mchid=1600000777&tar_type=GZIP"
    )
    assert request.is_rightly_signed


def test_a_plain_bill_of_all_sub_merchants_names_neither(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    url = f"{server.url}{RAW_TARGET}"
    server.plays(replies({"hash_type": "SHA1", "hash_value": "ab" * 20, "download_url": url}))

    client.bills.apply_trade_bill(date(2026, 3, 1), gzip=False)

    assert server.requests[0].target == "/v3/bill/tradebill?bill_date=2026-03-01&bill_type=ALL"


@pytest.mark.parametrize("code", ["NO_STATEMENT_EXIST", "STATEMENT_CREATING"])
def test_no_bill_yet_or_at_all_is_a_refusal_with_its_code(
    client: WeChatPayClient, server: ScriptedServer, code: str
) -> None:
    server.plays(replies_unsigned(400, b'{"code":"%s","message":""}' % code.encode()))

    with pytest.raises(Refused) as raised:
        client.bills.apply_trade_bill(date(2026, 3, 1))

    assert raised.value.code == code


@pytest.mark.parametrize(
    "changes",
    [{"hash_type": "MD5"}, {"hash_value": "zz"}, {"hash_value": None}, {"download_url": 7}],
)
def test_a_ticket_of_the_wrong_shape_is_unknown(
    client: WeChatPayClient, server: ScriptedServer, changes: dict[str, object]
) -> None:
    right = {"hash_type": "SHA1", "hash_value": "ab" * 20, "download_url": "https://x.example/"}
    server.plays(replies(right | changes))

    with pytest.raises(OutcomeUnknown) as raised:
        client.bills.apply_trade_bill(date(2026, 3, 1))

    assert raised.value.reason is UnknownReason.REPLY_MALFORMED


@pytest.mark.parametrize("packed", [BILL, gzip.compress(BILL)], ids=["plain", "gzip"])
def test_the_published_bill_arrives_byte_for_byte_packed_or_not(
    client: WeChatPayClient, server: ScriptedServer, packed: bytes
) -> None:
    server.plays(replies_unsigned(200, packed))

    bill = downloaded(client, ticket_for(server))

    assert bill == BILL
    assert hashlib.sha1(bill).hexdigest() == PUBLISHED_SHA1


def test_the_address_is_signed_and_sent_byte_for_byte(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(200, BILL))

    downloaded(client, ticket_for(server))

    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("GET", RAW_TARGET, b"")
    assert request.is_rightly_signed


def test_the_digest_is_compared_in_any_case_of_letters(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(200, BILL))

    assert downloaded(client, ticket_for(server, PUBLISHED_SHA1.upper())) == BILL


def test_a_gzip_of_several_parts_is_one_bill(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(200, gzip.compress(BILL[:700]) + gzip.compress(BILL[700:])))

    assert downloaded(client, ticket_for(server)) == BILL


def test_an_empty_bill_is_empty(client: WeChatPayClient, server: ScriptedServer) -> None:
    server.plays(replies_unsigned(200, b""))

    assert downloaded(client, ticket_for(server, hashlib.sha1(b"").hexdigest())) == b""


@pytest.mark.parametrize("at", [0, 3, 700, len(BILL) - 1])
def test_one_changed_byte_is_noticed(
    client: WeChatPayClient, server: ScriptedServer, at: int
) -> None:
    changed = bytearray(BILL)
    changed[at] ^= 1
    server.plays(replies_unsigned(200, bytes(changed)))

    with pytest.raises(BillDigestMismatch):
        downloaded(client, ticket_for(server))


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(BILL)[:-9], gzip.compress(BILL)[:40], b"\x1f\x8b", b"\x1f\x8bnot gzip at all"],
    ids=["no end", "cut", "two bytes", "nonsense"],
)
def test_a_damaged_archive_is_no_bill(
    client: WeChatPayClient, server: ScriptedServer, packed: bytes
) -> None:
    server.plays(replies_unsigned(200, packed))

    with pytest.raises(BillDamaged):
        downloaded(client, ticket_for(server))


def test_a_dead_ticket_is_a_refusal(client: WeChatPayClient, server: ScriptedServer) -> None:
    server.plays(replies_unsigned(400, b'{"code":"INVALID_REQUEST","message":"expired"}'))

    with pytest.raises(Refused) as raised:
        downloaded(client, ticket_for(server))

    assert raised.value.code == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/v3/billdownload/file?token=x",
        "{base}.evil.example/file",
        "{base}@evil.example/file",
        "{base}\\@evil.example/file",
        "https://user@{host}/file",
        "ftp://{host}/file",
        "//{host}/file",
        "{base}",
        "{base}/file#fragment",
        "",
    ],
)
def test_an_address_elsewhere_is_never_called(
    client: WeChatPayClient, server: ScriptedServer, url: str
) -> None:
    host = server.url.removeprefix("http://")
    address = url.format(base=server.url, host=host)

    with pytest.raises(BillAddressRefused):
        downloaded(client, BillTicket("SHA1", PUBLISHED_SHA1, address))

    assert server.requests == []


def test_a_bill_on_the_backup_host_is_welcome(
    make_transport: TransportMaker, server: ScriptedServer, backup: ScriptedServer
) -> None:
    bills = Bills(make_transport(fallback_base_url=backup.url))
    server.plays(replies_unsigned(200, BILL))

    bill = b"".join(bills.download(ticket_for(backup)))

    assert bill == BILL


def test_a_bill_is_cut_off_at_the_packed_limit(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    bills = Bills(make_transport(), max_packed_bytes=len(BILL) - 1)
    server.plays(replies_unsigned(200, BILL))

    with pytest.raises(BillTooLarge):
        b"".join(bills.download(ticket_for(server)))


def test_an_archive_that_explodes_is_cut_off_at_the_unpacked_limit(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    bills = Bills(make_transport(), max_unpacked_bytes=1 << 20)
    server.plays(replies_unsigned(200, gzip.compress(bytes(1 << 26))))
    pieces: list[bytes] = []

    with pytest.raises(BillTooLarge):
        pieces.extend(bills.download(ticket_for(server)))

    assert 0 < len(b"".join(pieces)) <= 1 << 20


def test_a_download_that_breaks_off_is_unknown(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(cuts_its_reply_short())

    with pytest.raises(OutcomeUnknown) as raised:
        downloaded(client, ticket_for(server))

    assert raised.value.reason is UnknownReason.CONNECTION_LOST


def test_a_download_that_drips_ends_at_its_deadline(
    make_transport: TransportMaker, server: ScriptedServer
) -> None:
    bills = Bills(make_transport(), deadline_s=0.5)
    server.plays(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"))

    with pytest.raises(OutcomeUnknown) as raised:
        b"".join(bills.download(ticket_for(server)))

    assert raised.value.reason is UnknownReason.TIMED_OUT


def test_a_download_is_tried_again_as_long_as_nothing_came(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(hangs_up(), replies_unsigned(200, BILL))

    assert downloaded(client, ticket_for(server)) == BILL
    assert len(server.requests) == 2


def test_a_reader_that_stops_early_leaves_no_half_read_connection(
    client: WeChatPayClient, server: ScriptedServer
) -> None:
    server.plays(replies_unsigned(200, BILL * 200), replies_unsigned(200, BILL))
    half_read = client.bills.download(ticket_for(server))
    next(half_read)
    half_read.close()  # type: ignore[attr-defined]

    assert downloaded(client, ticket_for(server)) == BILL
    assert server.connections == 2


def test_the_token_in_a_ticket_is_not_printed(server: ScriptedServer) -> None:
    ticket = ticket_for(server)

    assert "token" not in repr(ticket)
