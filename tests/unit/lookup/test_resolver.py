"""One lookup against a real DNS server, and the hosts file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop
from support.dns_server import DnsServer

from meshproxy.lookup import resolver as resolver_module
from meshproxy.lookup.hosts_file import HostsFile
from meshproxy.lookup.names import Answer, LookupFailed, NoSuchName
from meshproxy.lookup.resolver import Resolver


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer() as server:
        yield server


@pytest.fixture
def lookup(server: DnsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resolver_module, "_has_route", lambda address: address != "fd00::bad")
    resolver = Resolver(("127.0.0.1", server.port), HostsFile(str(tmp_path / "hosts")))

    def lookup(name: str) -> Answer:
        return uvloop.run(asyncio.wait_for(resolver.lookup(name), 20))

    return lookup


def test_lookup_gives_a_then_aaaa_in_the_order_of_the_answer_with_the_lowest_ttl(server, lookup):
    server.set("both.test", "127.0.0.2", "127.0.0.1", "fd00::1", ttl_s=7)
    assert lookup("both.test") == Answer(("127.0.0.2", "127.0.0.1", "fd00::1"), 7)
    kinds = {query.kind for query in server.queries if query.name == "both.test"}
    assert kinds == {"A", "AAAA"}


def test_lookup_of_a_name_with_one_family_takes_that(server, lookup):
    server.set("six.test", "fd00::1", ttl_s=9)
    assert lookup("six.test") == Answer(("fd00::1",), 9)


def test_lookup_leaves_out_ipv6_that_cannot_be_reached_unless_it_is_all_there_is(server, lookup):
    server.set("some.test", "127.0.0.1", "fd00::bad")
    server.set("none.test", "fd00::bad")
    assert lookup("some.test").addresses == ("127.0.0.1",)
    assert lookup("none.test").addresses == ("fd00::bad",)


@pytest.mark.parametrize(("fails", "addresses"), [("AAAA", ("127.0.0.1",)), ("A", ("fd00::1",))])
def test_lookup_of_which_half_fails_gives_the_other_and_says_so(server, lookup, fails, addresses):
    server.set("half.test", "127.0.0.1", "fd00::1", fails=fails)
    assert lookup("half.test") == Answer(addresses, 1, fails)


def test_lookup_follows_an_alias(server, lookup):
    server.set("alias.test", "127.0.0.9", cname="real.test", ttl_s=3)
    assert lookup("alias.test") == Answer(("127.0.0.9",), 3)


def test_lookup_of_a_truncated_answer_goes_on_over_tcp(server, lookup):
    server.set("long.test", *(f"127.0.1.{item}" for item in range(1, 200)), is_truncated=True)
    assert len(lookup("long.test").addresses) == 199
    transports = {query.transport for query in server.queries if query.name == "long.test"}
    assert transports == {"udp", "tcp"}


@pytest.mark.parametrize(
    ("record", "error", "message"),
    [
        ({"rcode": "NXDOMAIN"}, NoSuchName, "there is no such name"),
        ({}, NoSuchName, "the name has neither an A nor an AAAA record"),
        ({"rcode": "SERVFAIL"}, LookupFailed, "the DNS server answered SERVFAIL"),
        ({"rcode": "REFUSED"}, LookupFailed, "the DNS server answered REFUSED"),
        ({"is_silent": True}, LookupFailed, "no DNS server answered within 0.5 s"),
    ],
)
def test_lookup_without_an_address_says_why(server, lookup, monkeypatch, record, error, message):
    monkeypatch.setattr(resolver_module, "LIFETIME_S", 0.5)
    server.set("bad.test", **record)
    with pytest.raises(LookupFailed) as caught:
        lookup("bad.test")
    assert type(caught.value) is error and str(caught.value) == message


def test_lookup_of_what_is_no_name_fails_as_a_lookup(lookup):
    with pytest.raises(LookupFailed):
        lookup("a" * 64 + ".test")


def test_hosts_file_comes_before_dns_and_is_read_again(server, lookup, tmp_path):
    server.set("local.test", "127.0.0.1")
    assert lookup("local.test").addresses == ("127.0.0.1",)
    hosts = tmp_path / "hosts"
    text = "127.0.0.5\tLocal.test other # comment\nnot an address\n127.0.0.6 local.test\n"
    hosts.write_text(text)
    assert lookup("local.test").addresses == ("127.0.0.5", "127.0.0.6")
    hosts.unlink()
    assert lookup("local.test").addresses == ("127.0.0.1",)


def test_names_of_this_machine_need_no_server(tmp_path):
    hosts = HostsFile(str(tmp_path / "none"))
    assert hosts.addresses("localhost") == hosts.addresses("a.localhost") == ("127.0.0.1", "::1")
    assert hosts.addresses("nolocalhost") == ()


def test_resolv_conf_is_read_again_when_it_changes(server, tmp_path):
    path, hosts = tmp_path / "resolv.conf", HostsFile(str(tmp_path / "hosts"))
    resolver = Resolver(None, hosts, str(path))
    with pytest.raises(LookupFailed, match="no DNS server is named in"):
        asyncio.run(resolver.lookup("a.test"))
    path.write_text("nameserver 127.0.0.1\noptions timeout:1\n")
    first = resolver._configured()
    assert resolver._configured() is first and first.nameservers == ["127.0.0.1"]
    path.with_suffix(".new").write_text("nameserver 127.0.0.2\n")
    os.replace(path.with_suffix(".new"), path)
    assert resolver._configured().nameservers == ["127.0.0.2"]
