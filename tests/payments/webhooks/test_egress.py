"""Where webhooks may go: public addresses, judged at the moment of connecting."""

from __future__ import annotations

import ipaddress

import pytest

from payments.webhooks.egress import (
    EgressRefused,
    is_public,
    read_target,
    require_allowed,
    require_plausible,
)

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))

PUBLIC = ["1.1.1.1", "203.0.114.9", "2606:4700:4700::1111", "::ffff:1.1.1.1"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.9.9.9",
    "::1",
    "0.0.0.0",
    "::",
    "10.0.0.5",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",  # metadata of most clouds
    "100.100.100.200",  # of another
    "168.63.129.16",  # a host's own service
    "fd00:ec2::254",  # metadata over IPv6
    "100.64.0.1",  # carriers' shared space
    "192.0.0.8",
    "192.0.2.1",  # documentation
    "192.88.99.1",  # 6to4 relay
    "198.18.0.1",  # benchmarks
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "fe80::1",
    "fec0::1",  # site-local, long given up
    "fc00::1",
    "ff0e::1",  # multicast of global scope
    "::ffff:10.0.0.5",  # IPv4 in IPv6's clothes
    "::ffff:127.0.0.1",
    "::127.0.0.1",  # the older clothes
    "2002:7f00:1::1",  # 6to4 around 127.0.0.1
    "2002:a00:5::1",
    "64:ff9b::7f00:1",  # NAT64 around 127.0.0.1
    "64:ff9b:1::a00:5",
    "2001:0:7f00:1::",  # Teredo
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    "100::1",  # discard only
]


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_routed_to_one_machine_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "gopher://hooks.example.com/",
        "https:///nobody",
        "https://user@hooks.example.com/",
        "https://user:word@hooks.example.com/",
        "https://hooks.example.com@127.0.0.1/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:abc/",
        "https://hooks.example.com./",  # the dot at the end
        "https://localhost./",
        "https://2130706433/",  # 127.0.0.1 in one number
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",  # in octal
        "https://127.1/",
        "https://127.0.0.01/",
        "https://1.2.3.4.5/",
        "https://hooks.example.0x7f/",
        "https://[::1%25lo]/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://hooks example.com/",
        "https://hooks.example.com\\@127.0.0.1/",
        "https://hooks.example.com/\r\nHost: other",
        "https://hooks.ex\tample.com/",
        "https://höoks.example.com/",
        "https://hooks..example.com/",
        "https://-hooks.example.com/",
        "https://hooks%2eexample.com/",
        "https://①②⑦.⓪.⓪.①/",
        "https://" + "a" * 600 + ".example.com/",
        "",
    ],
)
def test_a_url_that_could_mean_two_things_is_refused(url: str) -> None:
    with pytest.raises(EgressRefused):
        require_plausible(url, LOOPBACK)


def test_a_url_is_read_once_into_what_is_connected_to() -> None:
    target = read_target("https://Hooks.Example.com:8443/in?a=1")

    assert (target.host, target.port, target.is_tls) == ("hooks.example.com", 8443, True)
    assert (target.path, target.authority) == ("/in?a=1", "hooks.example.com:8443")


def test_every_address_of_a_name_must_be_public() -> None:
    target = read_target("https://hooks.example.com/")

    with pytest.raises(EgressRefused, match="not a public one"):
        require_allowed(target, ["1.1.1.1", "10.0.0.5"], ())


def test_the_refusal_does_not_tell_what_a_name_means_inside() -> None:
    target = read_target("https://vault.internal.example/")

    with pytest.raises(EgressRefused) as refused:
        require_allowed(target, ["10.20.30.40"], ())

    assert "10.20.30.40" not in str(refused.value)


def test_a_public_address_in_disguise_is_connected_to_as_what_it_is() -> None:
    target = read_target("https://hooks.example.com/")

    assert require_allowed(target, ["::ffff:1.1.1.1"], ()) == [ipaddress.ip_address("1.1.1.1")]


@pytest.mark.parametrize("url", ["http://1.1.1.1/", "https://1.1.1.1:9000/", "https://1.1.1.1:80/"])
def test_public_addresses_are_called_over_https_on_its_ports(url: str) -> None:
    with pytest.raises(EgressRefused):
        require_allowed(read_target(url), ["1.1.1.1"], LOOPBACK)


def test_an_excepted_network_may_be_called_over_http_on_any_port() -> None:
    target = read_target("http://receiver.example:9000/")

    assert require_allowed(target, ["127.0.0.1"], LOOPBACK)


def test_an_exception_makes_no_other_address_public() -> None:
    target = read_target("https://receiver.example/")

    with pytest.raises(EgressRefused):
        require_allowed(target, ["127.0.0.1", "10.0.0.5"], LOOPBACK)


def test_a_name_half_in_an_excepted_network_is_held_to_the_public_rules() -> None:
    with pytest.raises(EgressRefused, match="https"):
        require_allowed(read_target("http://receiver.example/"), ["127.0.0.1", "1.1.1.1"], LOOPBACK)


def test_a_name_without_addresses_is_refused() -> None:
    with pytest.raises(EgressRefused):
        require_allowed(read_target("https://receiver.example/"), [], ())


@pytest.mark.parametrize("url", ["http://hooks.example.com/", "https://hooks.example.com:9000/"])
def test_without_exceptions_a_name_must_be_https_from_the_start(url: str) -> None:
    with pytest.raises(EgressRefused):
        require_plausible(url, ())
