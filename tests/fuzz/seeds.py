"""What the fuzzers start from: the Markdown corpus, and inputs that once reached something new.

tests/fuzz/corpus/TARGET holds one input per line, as a Python bytes literal: few and small, made
by `make fuzz ARGS=--minimize`. A finding is added there with its fix.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

from corpus.http1.cases import load
from corpus.smuggling.attacks import load as attacks
from fuzz.settings import SETTINGS

HERE = Path(__file__).parent / "corpus"
LONGEST = 4096

GET = b"GET /a HTTP/1.1\r\nHost: web\r\n\r\n"
HEAD = b"HEAD /h HTTP/1.1\r\nHost: web\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\n"
CODED = b"POST /c HTTP/1.1\r\nHost: web\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LONG = b"HTTP/1.1 200 OK\r\nContent-Length: 380000\r\n\r\n"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
TRAILERS = CODED.replace(b"Host", b"TE: trailers\r\nTrailer: X-A\r\nHost")
FROM = (
    b"Connection: via, traceparent, x-forwarded-host\r\nVia: 1.0 a\r\nX-Forwarded-Host: b, c\r\n"
    b"X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Envoy-Internal: true\r\n"
    b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=1\r\n"
)
MORE = b"\r\nVia: 1.1 b\r\nVia: 1.0 c\r\nx-gone: a\r\nx-set: c\r\n\r\n"
# Actions of `play`: one letter and its argument each.
PLAYS = [
    [b"c" + GET, b"u" + OK],
    [b"c" + GET * 3, b"u" + OK, b"u" + OK, b"u" + OK],
    [b"c" + POST + b"he", b"cllo", b"u" + OK, b"c" + GET, b"u" + OK],
    [b"c" + CODED + b"5\r\nhello\r\n", b"c0\r\n\r\n", b"u" + CHUNKS, b"u0\r\n\r\n"],
    [
        b"c" + TRAILERS + b"3\r\nabc\r\n0\r\nX-A: 1\r\nHo",
        b"cst: b\r\n\r\n",
        b"u" + CHUNKS + b"0\r\nX-B:",
        b"u 2\r\nContent-Length: 9\r\n\r\n",
        b"c" + GET,
    ],
    [b"c" + GET, b"uHTTP/1.1 200 OK\r\n\r\nbody", b"F"],
    [b"c" + GET, b"u" + OK + OK, b"n", b"c" + GET, b"u" + OK],
    [b"c" + GET, b"uHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n", b"u" + OK],
    [b"c" + GET, b"R"],
    [b"c" + GET, b"u" + OK, b"F", b"c" + GET, b"R"],
    [b"c" + GET, b"u" + LONG + b"x", b"R"],
    [b"c" + HEAD, b"u" + LONG, b"c" + GET, b"u" + OK],
    [b"cGET /a HTTP/1.0\r\n\r\n", b"u" + OK],
    [b"cPOST / HTTP/1.1\r\nHost: web\r\nContent-Length: 190005\r\n\r\n", b"C", b"u" + OK, b"f"],
    [b"c" + GET, b"u" + LONG, b"U", b"U", b"r"],
    [b"c" + GET, b"d", b"u" + OK, b"i"],
    [b"cbad\r\n\r\n"],
    [b"cGET //a%2F..%5cb?c HTTP/1.1\r\nHost: web\r\n\r\n", b"u" + OK, b"c" + GET, b"cbad\r\n\r\n"],
    [
        b"c" + POST.replace(b"/b", b"/%2f") + b"hello" + HEAD.replace(b"/h", b"/%5Cb") + GET,
        b"u" + OK,
    ],
    [b"c" + GET.replace(b"Host", FROM + b"Host"), b"u" + OK.replace(b"\r\n\r\n", MORE)],
    [b"c" + GET.replace(b"Host", b"Accept: text/a;q=1, application/json\r\nHost"), b"R"],
    [b"cGET HTTP/1.1\r\nAccept: application/a+json\r\n\r\n"],
    [b"c" + GET.replace(b"Host", b"X-Long: " + b"a" * 980 + b"\r\nHost"), b"u" + OK],
    [b"c" + POST.replace(b"5", b"65") + b"a" * 65, b"u" + OK],
    [b"c" + GET, b"n", b"c" + GET, b"n", b"c" + GET, b"n", b"c" + GET * 2, b"u" + OK],
    [b"c" + GET, b"s", b"n", b"c" + GET, b"u" + OK],
]


def seeds(target: str) -> list[bytes]:
    """Give what a target begins with. The first byte is an argument of the target's own."""
    return [*written(target), *kept(target)]


def written(target: str) -> list[bytes]:
    if target == "play":
        return [bytes([n]) + b"\xff".join(acts) for n in range(len(SETTINGS)) for acts in PLAYS]
    kind = "request" if target == "path" else target.partition("_")[0]
    found = [case.data for case in load() if case.kind == kind]
    if kind in ("request", "response"):
        found += [attack.data for attack in attacks(kind)]
    found = [data for data in found if len(data) < LONGEST]
    if target == "path":
        found = [data.split(b" ")[1] for data in found if data.count(b" ") > 1]
    return [b"\x80" + data for data in found]


def kept(target: str) -> list[bytes]:
    path = HERE / target
    if not path.exists():
        return []
    return [ast.literal_eval(line) for line in path.read_text("ascii").splitlines()]


def keep(target: str, inputs: Iterable[bytes]) -> None:
    HERE.mkdir(exist_ok=True)
    lines = sorted({repr(data) for data in inputs}, key=lambda line: (len(line), line))
    (HERE / target).write_text("".join(line + "\n" for line in lines), "ascii")
