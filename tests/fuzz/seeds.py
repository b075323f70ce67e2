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
PUT = b"PUT /p HTTP/1.1\r\nHost: web\r\nContent-Length: 380000\r\n\r\n"
BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy"
SWITCH = b"GET /s HTTP/1.1\r\nHost: web\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
KEPT = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nContent-Length: 0\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nX-A: %b\r\n\r\n"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 40000\r\n\r\n"
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
    # bodies that are too large to be copied, and readers that come late
    [b"c" + GET, b"u" + LONG, b"h", b"U", b"U", b"h", b"c" + GET, b"u" + OK],
    [b"c" + GET, b"p", b"u" + LONG, b"U", b"U", b"p", b"c" + GET, b"u" + OK],
    [b"c" + GET, b"p", b"u" + LONG, b"U", b"U", b"p", b"p", b"R"],
    [b"c" + GET * 3, b"p", b"u" + LONG + b"x", b"U", b"F", b"p"],
    [b"c" + GET, b"p", b"u" + CHUNKS + b"2e630\r\n", b"U", b"u\r\n0\r\nX-A: 1\r\n\r\n", b"p"],
    [b"c" + GET, b"p", b"uHTTP/1.1 200 OK\r\n\r\n", b"U", b"U", b"F", b"p"],
    [b"c" + PUT, b"C", b"C", b"u" + OK, b"c" + GET, b"u" + OK],
    [b"c" + PUT, b"P", b"C", b"C", b"P", b"u" + OK, b"f"],
    [b"c" + PUT, b"C", b"P", b"C", b"R", b"u" + OK],
    [b"c" + PUT, b"C", b"u" + OK, b"C", b"r"],
    [b"c" + CODED + b"2e630\r\n", b"P", b"C", b"c\r\n0\r\n\r\n", b"P", b"u" + OK],
    [b"c" + CODED, b"v", b"P", b"v", b"v", b"P", b"c0\r\n\r\n", b"u" + OK],
    [b"c" + GET, b"u" + CHUNKS, b"V", b"p", b"V", b"V", b"p", b"u0\r\nX-A: ", b"K", b"u\r\n\r\n"],
    [b"c" + CODED + b"0\r\nX-A: ", b"k", b"c\r\n\r\n", b"u" + OK],
    # heads of many segments
    [b"c" + GET[:-2] + b"X-A: ", b"k", b"k", b"c\r\n\r\n", b"u" + OK],
    [b"c" + GET[:-2] + b"X-A: ", b"C", b"c\r\n\r\n"],
    [b"c" + GET, b"u" + OK[:17] + b"X-A: ", b"K", b"K", b"u\r\n\r\n", b"F"],
    [b"c" + GET, b"uHTTP/1.1 103 Hints\r\nX-A: ", b"K", b"K", b"u\r\n\r\n" * 2, b"u" + OK],
    [b"c" + GET, b"u" + OK[:17] + b"X-A: ", b"U", b"u\r\n\r\n"],
    # small ones whose reader comes late
    [b"p", b"c" + GET * 16, *([b"G"] * 16), b"p", b"c" + GET],
    [b"p", b"c" + GET * 16, *([b"G"] * 8), b"r"],
    [b"c" + GET, b"P", *([b"u" + OK, b"g"] * 12), b"P", b"u" + OK],
    [b"c" + GET, b"P", *([b"u" + OK, b"g"] * 12), b"R", b"u" + OK],
    [b"c" + GET, b"u" + KEPT, b"w\x03", b"n", b"c" + GET, b"w\x04", b"c" + GET, b"u" + KEPT],
    # a large one whose head is read alone, behind hints that its reader did not take yet
    *(
        [
            *(b"c" + GET, b"u" + HALF, b"K", b"K", b"p", b"c" + GET * 2),
            *(b"u" + HINT % (b"a" * n), b"h", b"u" + LONG, b"U", b"h", b"p", b"U", b"U"),
        ]
        for n in range(0, 4000, 500)
    ),
    [
        *(b"p", b"c" + SWITCH, b"h", b"u" + HINT[:-6], b"K"),
        *(b"u\r\n\r\n" + SWITCHED + b"late", b"h", b"K", b"p", b"K"),
    ],
    # several at once
    [b"n", b"n", b"n", b"a" + GET * 2, b"A" + OK, b"A" + OK],
    [b"n", b"n", b"a" + GET, b"h", b"A" + OK, b"r", b"t\x01", b"f", b"h"],
    [b"n", b"n", b"h", b"a" + GET, b"t\x01", b"r", b"h", b"T\x01", b"R", b"A" + OK, b"a" + GET],
    [b"c" + GET, b"h", b"u" + OK, b"c" + GET, b"F", b"h", b"u" + OK],
    [b"c" + GET, b"p", b"h", b"u" + LONG, b"U", b"r", b"R", b"h"],
    # protocols of others
    [b"c" + SWITCH + b"early", b"u" + SWITCHED + b"late", b"cmore", b"u" + OK, b"F", b"f"],
    [b"c" + SWITCH, b"u" + SWITCHED, b"p", b"U", b"U", b"P", b"C", b"p", b"P", b"r"],
    [b"c" + SWITCH, b"h", b"u" + SWITCHED, b"C", b"U", b"h", b"R"],
    [b"c" + SWITCH, b"u" + OK, b"c" + SWITCH, b"u" + SWITCHED, b"x"],
    [b"N", b"cabc", b"udef", b"f", b"U", b"F"],
    [b"N", b"p", b"P", b"C", b"C", b"U", b"U", b"p", b"P", b"f"],
    [b"N", b"h", b"C", b"U", b"r", b"h", b"N", b"U", b"R", b"N", b"x"],
    # time
    [b"c" + GET, b"w\x04", b"u" + OK],
    [b"c" + GET[:20], b"w\x03", b"w\x04"],
    [b"w\x03", b"w\x04"],
    [b"c" + POST, b"w\x03", b"w\x04", b"u" + OK],
    [b"c" + GET, b"p", b"u" + LONG, b"U", b"U", b"w\x04", b"w\x04", b"w\x04"],
    [b"c" + PUT, b"P", b"C", b"C", b"w\x04", b"w\x04"],
    [b"c" + GET, b"u" + OK, b"w\x03", b"c" + GET, b"w\x07", b"c" + GET],
    [b"c" + SWITCH, b"u" + SWITCHED, b"w\x04", b"w\x07"],
    [b"N", b"w\x07", b"cabc", b"w\x07", b"w\x07"],
    [b"c" + GET, b"u" + BUSY, b"w\x02", b"u" + BUSY, b"w\x02", b"u" + OK],
    [b"c" + PUT, b"C", b"u" + BUSY, b"w\x02", b"C", b"u" + OK],
    [b"c" + POST + b"hello", b"R", b"w\x02", b"u" + CHUNKS, b"R"],
    [*([b"c" + GET, b"u" + BUSY] * 3), b"c" + GET, b"w\x04", b"c" + GET, b"u" + OK],
    [*([b"n", b"c" + GET, b"R"] * 3), b"c" + GET, b"w\x04", b"c" + GET],
    [
        b"n",
        b"n",
        b"c" + PUT,
        b"C",
        b"t\x01",
        b"p",
        b"c" + GET,
        b"u" + LONG,
        b"h",
        b"C",
        b"U",
        b"R",
        b"h",
    ],
    # endpoints that go, and the end of all
    [b"c" + GET, b"S", b"n", b"c" + GET, b"u" + OK, b"T\x00", b"u" + OK, b"S", b"a" + GET],
    [b"c" + GET, b"u" + OK, b"S", b"c" + GET, b"u" + OK],
    [b"c" + GET, b"n", b"c" + PUT, b"C", b"n", b"p", b"c" + GET, b"u" + LONG, b"U", b"x"],
    [b"n", b"n", b"n", b"n", b"a" + GET, b"r", b"A" + OK, b"A" + OK, b"A" + OK, b"f"],
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
