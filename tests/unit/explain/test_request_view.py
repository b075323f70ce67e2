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
