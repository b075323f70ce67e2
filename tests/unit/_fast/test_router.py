"""Host to virtual host: exact, wildcard, star, ports, and many of them."""

from __future__ import annotations

from typing import Any

import pytest
from meshproxy._fast.router import DomainTable
from shapes import cluster_data, route_data, snapshot_data

from meshproxy._fast.snapshot import Snapshot


def table(*domains: str, **ports: dict[int, int]) -> DomainTable:
    """Domains in order: the first is virtual host 0."""
    return DomainTable(
        [
            {"domain": domain, "ports": ports.get(domain, {}), "default": index}
            for index, domain in enumerate(domains)
        ]
    )


def test_exact_name_has_no_case() -> None:
    found = table("a.example.com", "B.example.com")
    assert found.lookup(b"a.example.com") == 0
    assert found.lookup(b"A.EXAMPLE.com") == 0
    assert found.lookup(b"b.example.com") == 1
    for other in (b"", b"a", b"example.com", b"a.example.com.", b"xa.example.com"):
        assert found.lookup(other) == -1


def test_exact_wins_over_wildcard_and_longest_wildcard_over_star() -> None:
    found = table("*", "*.com", "*.example.com", "a.example.com", "*-x.example.com")
    for name, want in [
        (b"a.example.com", 3),
        (b"b.example.com", 2),
        (b"b.c.example.com", 2),
        (b"b-x.example.com", 4),
        (b"example.com", 1),
        (b"com", 0),
        (b".com", 0),
        (b"other", 0),
        (b"", 0),
        (b"B.EXAMPLE.COM", 2),
        (b"b.example.com:8080", 2),
    ]:
        assert found.lookup(name) == want, name


def test_wildcard_needs_a_label_in_place_of_the_star() -> None:
    found = table("*.example.com")
    assert found.lookup(b".example.com") == -1
    assert found.lookup(b"x.example.com") == 0


def test_port_chooses_among_the_virtual_hosts_of_a_name() -> None:
    found = DomainTable([{"domain": "a", "ports": {80: 1, 8080: 2}, "default": 9}])
    for name, want in [
        (b"a:80", 1),
        (b"a:8080", 2),
        (b"a:0080", 1),
        (b"a", 9),
        (b"a:", 9),
        (b"a:81", 9),
        (b"a:65616", 9),  # 80 + 65536
        (b"b:80", -1),
    ]:
        assert found.lookup(name) == want, name


def test_port_without_a_default_is_no_route() -> None:
    found = DomainTable([{"domain": "a", "ports": {80: 1}, "default": -1}])
    assert (found.lookup(b"a:80"), found.lookup(b"a"), found.lookup(b"a:81")) == (1, -1, -1)


def test_ipv6_literal() -> None:
    found = DomainTable([{"domain": "[::1]", "ports": {80: 1}, "default": 2}])
    assert found.lookup(b"[::1]") == 2
    assert found.lookup(b"[::1]:80") == 1
    assert found.lookup(b"[::1]:81") == 2


def test_name_of_digits_is_a_name() -> None:
    found = table("8080", "127.0.0.1")
    assert found.lookup(b"8080") == 0
    assert found.lookup(b"127.0.0.1:80") == 1


def test_name_given_twice_keeps_its_first_meaning() -> None:
    assert table("a", "b", "A").lookup(b"a") == 0


def test_names_of_any_length_are_told_apart() -> None:
    """Short ones stand in the table, longer ones beside it."""
    names = ["x" * length for length in range(1, 100)]
    names += ["*." + "y" * length for length in range(1, 100)]
    table = DomainTable(
        [{"domain": name, "ports": {80: at}, "default": at} for at, name in enumerate(names)]
    )
    for at, name in enumerate(names):
        asked = name.replace("*", "q").encode()
        assert [table.lookup(text) for text in (asked, asked.upper(), asked + b":80")] == [at] * 3
    for absent in (b"z" * 40, b"x" * 39 + b"z", b"x" * 40 + b"z", b"x" * 100):
        assert table.lookup(absent) == -1


def test_empty_table_finds_nothing() -> None:
    assert DomainTable([]).lookup(b"a") == -1


def test_ten_thousand_hosts_are_all_found() -> None:
    names = [f"svc-{i}.ns-{i % 7}.svc.cluster.local" for i in range(10_000)]
    wild = [f"*.w{i}.example.com" for i in range(500)]
    found = table(*names, *wild, "*")
    for index, name in enumerate(names):
        assert found.lookup(f"{name}:80".encode()) == index
    for index, name in enumerate(wild):
        assert found.lookup(name.replace("*", "a.b").encode()) == 10_000 + index
    assert found.lookup(b"svc-10000.ns-4.svc.cluster.local") == 10_500


def decide(update: dict[str, Any], head: bytes, listener: int = -1) -> dict[str, Any]:
    return Snapshot().apply(update).decide(head, listener)  # type: ignore[arg-type]


def test_decision_names_what_is_missing() -> None:
    data = snapshot_data([route_data(clusters=[(7, 1)], cluster_names=["gone"])], cluster_data(1))
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    assert decide(data, head)["outcome"] == "no_cluster"
    data["domains"] = []
    assert decide(data, head)["outcome"] == "no_route"
    data = snapshot_data([route_data()], cluster_data(1))
    data["clusters"][0]["endpoints"][0]["healthy"] = False
    assert decide(data, head)["outcome"] == "no_healthy_upstream"


@pytest.mark.parametrize(
    ("head", "status", "detail"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "missing_host_header"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, "http1.unsupported_version"),
    ],
)
def test_decision_of_a_head_that_is_refused(head: bytes, status: int, detail: str) -> None:
    decision = decide(snapshot_data([route_data()], cluster_data(1)), head)
    assert decision["outcome"] == "bad_request"
    assert (decision["status"], decision["detail"]) == (status, detail)


def test_bound_listener_takes_its_virtual_host_whatever_the_host() -> None:
    data = snapshot_data([route_data()], cluster_data(1))
    data["domains"] = [{"domain": "b", "ports": {}, "default": -1}]
    data["listeners"] = [{"id": 3, "protocol": "http", "virtual_host": 0, "cluster": -1}]
    head = b"GET / HTTP/1.1\r\nHost: anything\r\n\r\n"
    assert decide(data, head, 3)["outcome"] == "routed"
    assert decide(data, head)["outcome"] == "no_route"


def test_split_is_drawn_by_seed_and_moves_no_cursor() -> None:
    data = snapshot_data(
        [route_data(clusters=[(0, 3), (1, 1)], cluster_names=["a", "b"])],
        cluster_data(1),
        {**cluster_data(1), "id": 1, "name": "b"},
    )
    snapshot = Snapshot().apply(data)  # type: ignore[arg-type]
    head = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    arms = [snapshot.decide(head, seed=seed)["arm"] for seed in range(8)]
    assert arms == [snapshot.decide(head, seed=seed)["arm"] for seed in range(8)]
    assert sorted(arms) == [0] * 6 + [1] * 2
