"""Known names, and which fields end at the proxy."""

from __future__ import annotations

from types import ModuleType

import pytest

from meshproxy._fast import inspect

KNOWN = [
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"expect",
    b"date",
    b"user-agent",
    b"x-request-id",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-envoy-attempt-count",
    b"x-envoy-upstream-service-time",
]
HOP = [b"keep-alive", b"proxy-connection", b"upgrade", b"te", b"trailer"]


def test_known_names_have_an_id_of_their_own_in_any_case(probe: ModuleType) -> None:
    ids = [probe.known_id(name) for name in KNOWN]
    assert len(set(ids)) == len(KNOWN) and 0 not in ids
    assert ids == [probe.known_id(name.upper()) for name in KNOWN]


def test_hop_by_hop_names_share_an_id(probe: ModuleType) -> None:
    assert len({probe.known_id(name) for name in HOP}) == 1


def test_names_that_are_nearly_known_have_none(probe: ModuleType) -> None:
    for name in KNOWN + HOP:
        for other in (name[:-1], name + b"s", b"x" + name[1:], name[:-1] + b"_", name[::-1]):
            if other and other not in KNOWN + HOP:
                assert probe.known_id(other) == 0, other
    for code in range(1, 256):
        assert probe.known_id(bytes([code])) == 0


def dropped(*lines: bytes) -> list[bytes]:
    head = b"\r\n".join([b"GET / HTTP/1.1", b"Host: a", *lines, b"", b""])
    parsed = inspect.parse_request(head)
    assert parsed is not None
    return [name for name, _, is_dropped, _ in parsed["headers"] if is_dropped]


@pytest.mark.parametrize("name", HOP)
def test_hop_by_hop_fields_end_here(name: bytes) -> None:
    assert dropped(name + b": 1", b"x: 1") == [name]


def test_fields_named_by_connection_end_here() -> None:
    lines = (b"A: 1", b"Connection: a, c", b"B: 2", b"connection: b", b"C: 3", b"a: 4", b"d: 5")
    assert dropped(*lines) == [b"A", b"Connection", b"B", b"connection", b"C", b"a"]


@pytest.mark.parametrize(
    "name", [b"content-length", b"x-forwarded-for", b"x-forwarded-host", b"x-request-id", b"date"]
)
def test_fields_that_connection_cannot_remove(name: bytes) -> None:
    assert dropped(name + b": 0", b"Connection: " + name) == [b"Connection"]


def test_host_cannot_be_removed() -> None:
    assert dropped(b"Connection: host, Host") == [b"Connection"]


@pytest.mark.parametrize("member", [b"x", b"close", b"", b"h0"])
def test_connection_lists_no_more_than_a_head_may_hold(member: bytes) -> None:
    """Else members times fields are compared: a head of 60 KiB cost 17 ms."""
    fields = [b"h%d: 1" % i for i in range(40)]
    dropped(b"Connection: " + (member + b",") * 100, *fields)
    for lines in (
        [b"Connection: " + (member + b",") * 101],
        [b"Connection: " + (member + b",") * 3] * 34,
    ):
        with pytest.raises(inspect.ProtocolError) as caught:
            dropped(*lines, *fields)
        assert (caught.value.status, caught.value.detail) == (431, "http1.too_many_headers")
