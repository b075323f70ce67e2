from __future__ import annotations

import pytest

from meshproxy.explain.request import RequestView


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://reviews:9080/a/b?x=1&y", "reviews:9080", "/a/b?x=1&y"),
        ("http://reviews", "reviews", "/"),
        ("http://reviews?x=1", "reviews", "/?x=1"),
        ("reviews:9080/a", "reviews:9080", "/a"),
        ("HTTP://user:pw@reviews/a#part", "reviews", "/a"),
        ("http://[::1]:8080/%2e%zz", "[::1]:8080", "/%2e%zz"),
        ("http://reviews/caf\u00e9 au lait", "reviews", "/caf%C3%A9%20au%20lait"),
    ],
)
def test_parse_url(url: str, authority: str, path: str) -> None:
    request = RequestView.parse("GET", url)
    assert (request.authority, request.path) == (authority, path)


def test_head_is_what_a_client_would_send_and_host_header_wins() -> None:
    request = RequestView.parse(
        "POST", "http://127.0.0.1:8080/a", [("Host", "reviews"), ("X-User", "alice")]
    )
    assert request.head() == b"POST /a HTTP/1.1\r\nhost: reviews\r\nx-user: alice\r\n\r\n"


@pytest.mark.parametrize(
    ("method", "url", "headers", "says"),
    [
        ("GET", "https://reviews/", [], "http:// URL"),
        ("G ET", "http://reviews/", [], "a method"),
        ("GET", "http:///a", [], "a host"),
        ("GET", "http://re\rviews/", [], "a host"),
        ("GET", "http://reviews/", [("a b", "c")], "header name"),
        ("GET", "http://reviews/", [("a", "b\r\nc: d")], "one line"),
    ],
)
def test_parse_refuses_what_cannot_be_asked(
    method: str, url: str, headers: list[tuple[str, str]], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        RequestView.parse(method, url, headers)


def test_values_are_what_each_condition_looks_at() -> None:
    request = RequestView.parse(
        "GET",
        "http://reviews/a?x=1&y=&x=2&%7a=3",
        [("Accept", "a"), ("accept", "b"), ("cookie", 'u="ann"; v=2'), ("Cookie", "w=3")],
    )
    assert request.values("uri") == ["/a"]
    assert request.values("query", "x") == ["1"]
    assert request.values("query", "y") == [""]
    assert request.values("query", "z") == []
    assert request.values("header", "Accept") == ["a", "b"]
    assert request.values("header", "x-none") == []
    assert request.values("cookie", "u") == ["ann"]
    assert request.values("cookie", "w") == ["3"]
    assert request.values("cookie", "x") == []
    assert request.values("method") == ["GET"]
    assert request.values("authority") == ["reviews"]
    assert request.values("scheme") == ["http"]
    assert request.values("source_ip") == []
