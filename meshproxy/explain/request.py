"""A request as typed on a command line, and the HTTP/1.1 head that the proxy would read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]*)://)?(?:[^/?#]*@)?([^/?#@]*)([^#]*)(?:#.*)?", re.S)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_AUTHORITY = re.compile(r"[ -~]+")
_TARGET = re.compile(r"/[!-~]*")
_VISIBLE = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"  # left as typed; the proxy judges it, not we
_LINE_END = re.compile(r"[\0\r\n]")
_USUAL_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


@dataclass(slots=True)
class RequestView:
    """Method, authority, path and headers, header names in lower case."""

    method: str
    authority: str
    path: str  # with the query
    headers: tuple[tuple[str, str], ...]  # without Host

    @classmethod
    def parse(cls, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> RequestView:
        """Raises ValueError with a message for the user. A Host header beats the URL's host."""
        match = _URL.fullmatch(url)
        assert match is not None  # every string matches
        scheme, authority, path = match.groups()
        if scheme is not None and scheme.lower() != "http":
            raise ValueError(
                f"expected an http:// URL such as http://reviews:9080/, found {url!r}"
            )
        if method not in _USUAL_METHODS and not _TOKEN.fullmatch(method):
            raise ValueError(f"expected a method such as GET, found {method!r}")
        kept: list[tuple[str, str]] = []
        for name, value in headers:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"expected a header name, found {name!r}")
            if _LINE_END.search(value):
                raise ValueError(f"header {name}: expected a value of one line, found {value!r}")
            lower = name.lower()
            if lower == "host":
                authority = value
            else:
                kept.append((lower, value))
        if not _AUTHORITY.fullmatch(authority):
            raise ValueError(
                f"expected a URL with a host such as http://reviews:9080/, found {url!r}"
            )
        if not path.startswith("/"):
            path = "/" + path
        if not _TARGET.fullmatch(path):
            path = quote(path, safe=_VISIBLE)
        return cls(method, authority, path, tuple(kept))

    def head(self) -> bytes:
        """Serialize in origin form."""
        start = f"{self.method} {self.path} HTTP/1.1\r\nhost: {self.authority}\r\n"
        if self.headers:
            start += "".join([f"{name}: {value}\r\n" for name, value in self.headers])
        return (start + "\r\n").encode()

    def values(self, kind: str, name: str = "") -> list[str]:
        """What a condition or a hash policy of this kind looks at; [] when there is no such
        thing. For showing only: deciding is the compiled code's."""
        path, _, query = self.path.partition("?")
        match kind:
            case "uri":
                return [path]
            case "method":
                return [self.method]
            case "authority":
                return [self.authority]
            case "scheme":
                return ["http"]
            case "header":
                lower = name.lower()
                return [value for own, value in self.headers if own == lower]
            case "query":
                pairs = (item.partition("=") for item in query.split("&"))
                return [value for key, _, value in pairs if key == name][:1]
            case "cookie":
                crumbs = ";".join(self.values("header", "cookie")).split(";")
                pairs = (crumb.strip().partition("=") for crumb in crumbs)
                return [value.strip('"') for key, _, value in pairs if key == name][:1]
        return []
