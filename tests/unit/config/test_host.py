from __future__ import annotations

import pytest

from meshproxy.config import host


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("reviews", "reviews.prod.svc.cluster.local"),
        ("Reviews", "reviews.prod.svc.cluster.local"),
        ("reviews.other", "reviews.other"),
        ("*", "*"),
        ("*.foo.com", "*.foo.com"),
        ("*foo", "*foo"),
        ("10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_host_resolves_only_when_it_has_no_dot(name, full):
    assert host.resolve(name, "prod", "cluster.local") == full


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("*.foo.com", "a.foo.com", True),
        ("*.foo.com", "a.b.foo.com", True),
        ("*.foo.com", "foo.com", False),
        ("*.foo.com", "*.b.foo.com", True),
        ("*.b.foo.com", "*.foo.com", False),
        ("*", "anything", True),
        ("a.com", "a.com", True),
        ("a.com", "*.com", False),
        ("*-x.com", "a-x.com", True),
    ],
)
def test_pattern_covers_by_pure_suffix(pattern, name, covered):
    assert host.covers(pattern, name) is covered


def test_specificity_orders_exact_then_longest_wildcard():
    hosts = ["*", "*.com", "*.foo.com", "a.foo.com"]
    assert sorted(hosts, key=host.specificity) == hosts[::-1]


@pytest.mark.parametrize(
    "name", ["", "a..b", "foo*", "a.*.b", "-a", "a_b.com", "x" * 300, "a b", "a\n"]
)
def test_host_that_cannot_match_has_a_reason(name):
    assert host.invalid_reason(name)


@pytest.mark.parametrize(
    "name", ["a", "a.b", "*", "*.a", "*-a.b", "*a", "10.0.0.1", "::1", "a.b."]
)
def test_host_that_can_match_has_none(name):
    assert host.invalid_reason(name) is None


def test_port_in_a_host_is_told_apart_from_ipv6():
    assert host.split_port("reviews:9080") == ("reviews", "9080")
    assert host.split_port("::1") is None
    assert host.split_port("reviews") is None
