"""A request as typed on a command line, and the HTTP/1.1 head that the proxy would read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

_URL = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<authority>[^/?#]*)(?P<rest>.*)", re.S
)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_VISIBLE = "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"  # left as typed; the proxy judges it, not we


@dataclass(frozen=True, slots=True)
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
        if (match["scheme"] or "http").lower() != "http":
            raise ValueError(
                f"expected an http:// URL such as http://reviews:9080/, found {url!r}"
            )
        if not _TOKEN.fullmatch(method):
            raise ValueError(f"expected a method such as GET, found {method!r}")
        authority = match["authority"].rpartition("@")[2]
        kept: list[tuple[str, str]] = []
        for name, value in headers:
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"expected a header name, found {name!r}")
            if re.search(r"[\0\r\n]", value):
                raise ValueError(f"header {name}: a value is one line")
            if name.lower() == "host":
                authority = value
            else:
                kept.append((name.lower(), value))
        if not authority or not authority.isascii() or not authority.isprintable():
            raise ValueError(f"expected a host such as http://reviews:9080/, found {url!r}")
        path = match["rest"].partition("#")[0]
        if not path.startswith("/"):
            path = "/" + path
        return cls(method, authority, quote(path, safe=_VISIBLE), tuple(kept))

    def head(self) -> bytes:
        """Serialize in origin form."""
        lines = [f"{self.method} {self.path} HTTP/1.1", f"host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def value(self, kind: str, name: str) -> str | None:
        """What a condition of this kind looks at; None when the request has no such thing."""
        match kind:
            case "uri":
                return self.path.partition("?")[0]
            case "method":
                return self.method
            case "authority":
                return self.authority
            case "scheme":
                return "http"
            case "header":
                found = [value for own, value in self.headers if own == name]
                return ",".join(found) if found else None
            case "query":
                query = self.path.partition("?")[2]
                return dict(parse_qsl(query, keep_blank_values=True)).get(name)
        return None
