from __future__ import annotations

import socket

import pytest

from meshproxy.listen import (
    Address,
    ListenError,
    ListenSpec,
    bound_address,
    open_listener,
    parse_listen,
    parse_resolver,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8080", ListenSpec(Address("127.0.0.1", 8080))),
        (":8080", ListenSpec(Address("0.0.0.0", 8080))),
        ("[::1]:0", ListenSpec(Address("::1", 0))),
        (
            "127.0.0.1:6380=redis.cache:6379",
            ListenSpec(Address("127.0.0.1", 6380), "redis.cache", 6379),
        ),
        (
            "[::]:80=nginx:80/tcp",
            ListenSpec(Address("::", 80), "nginx", 80, force_tcp=True),
        ),
    ],
)
def test_parse_listen_valid(text: str, expected: ListenSpec) -> None:
    assert parse_listen(text) == expected
    assert parse_listen(str(expected)) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("8080", "ADDR:PORT"),
        ("127.0.0.1", "ADDR:PORT"),
        ("127.0.0.1:http", "from 0 to 65535"),
        ("127.0.0.1:70000", "from 0 to 65535"),
        ("127.0.0.1:\u0661", "from 0 to 65535"),
        ("::1:8080", "brackets"),
        ("127.0.0.1:80/tcp", "needs a service"),
        ("127.0.0.1:80=redis", "SERVICE:PORT"),
        ("127.0.0.1:80=:6379", "SERVICE:PORT"),
        ("127.0.0.1:80=redis:0", "from 1 to 65535"),
        ("127.0.0.1:80=redis:6379/udp", "/tcp"),
    ],
)
def test_parse_listen_invalid_says_what_was_expected(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_listen(text)


def test_open_listener_port_zero_binds_a_real_port_without_blocking() -> None:
    with open_listener(Address("127.0.0.1", 0)) as sock:
        assert bound_address(sock).port > 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        assert not sock.getblocking()


def test_open_listener_port_in_use_is_one_clear_line() -> None:
    with (
        open_listener(Address("127.0.0.1", 0)) as sock,
        pytest.raises(ListenError, match="in use by another process"),
    ):
        open_listener(bound_address(sock))


@pytest.mark.parametrize(
    ("host", "says"), [("192.0.2.1", "no interface"), ("no such host", "not an address")]
)
def test_open_listener_impossible_address_is_one_clear_line(host: str, says: str) -> None:
    with pytest.raises(ListenError, match=says):
        open_listener(Address(host, 0))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
    ],
)
def test_resolver_is_an_address_with_port_53_unless_given(text, expected):
    assert parse_resolver(text) == expected


@pytest.mark.parametrize("text", ["a.example.com", "a:53", "127.0.0.1:0", ":53x", "127.0.0.1:"])
def test_resolver_that_is_no_address_is_refused(text):
    with pytest.raises(ValueError, match="expected"):
        parse_resolver(text)
