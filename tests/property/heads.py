"""Strategies: request and response heads that are right, and ways to make them wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# llhttp has a list of methods and knows no others; ours and h11 take any token.
METHODS = [
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"OPTIONS",
    b"PATCH",
    b"TRACE",
    b"PROPFIND",
]
OURS = (b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade")
HOP = (b"keep-alive", b"proxy-connection", b"te", b"trailer")

tokens = st.text(TCHAR, min_size=1, max_size=12).map(str.encode)
names = tokens.filter(lambda name: name.lower() not in OURS + HOP)
known_names = st.sampled_from(
    [b"User-Agent", b"x-request-id", b"X-Forwarded-For", b"x-forwarded-proto", b"Date", b"Cookie"]
)
value_bytes = st.sampled_from([*range(0x21, 0x7F), 0x20, 0x09, 0x80, 0xFF])
values = st.lists(value_bytes, max_size=20).map(lambda seq: bytes(seq).strip(b" \t"))
blanks = st.sampled_from([b" ", b" ", b" ", b"", b"\t", b"  \t"])
paths = st.text("abz019/-._~!$&'()*+,;=:@%", max_size=20).map(lambda path: b"/" + path.encode())
queries = st.one_of(
    st.just(b""), st.text("ab=&?/%+", max_size=12).map(lambda q: b"?" + q.encode())
)
hosts = st.sampled_from(
    [
        b"a",
        b"example.com",
        b"example.com:8080",
        b"127.0.0.1:1",
        b"[::1]:80",
        b"A_b.svc.cluster.local",
    ]
)
connections = st.sampled_from(
    [None, b"close", b"keep-alive", b"Close", b"x-a, close", b"keep-alive, x-b", b"x-a"]
)


def line(name: bytes, value: bytes, before: bytes, behind: bytes) -> bytes:
    return name + b":" + before + value + behind + b"\r\n"


@st.composite
def fields(draw: st.DrawFn, first: list[tuple[bytes, bytes]]) -> bytes:
    """Draw field lines: these and others, in any order."""
    others = draw(st.lists(st.tuples(st.one_of(names, known_names), values), max_size=6))
    every = draw(st.permutations([*first, *others]))
    behind = st.sampled_from([b"", b"", b"", b" ", b"\t"])
    lines = []
    for name, value in every:
        # llhttp refuses a tab behind the last coding, though it is optional white space.
        end = b"" if name.lower() == b"transfer-encoding" else draw(behind)
        lines.append(line(name, value, draw(blanks), end))
    return b"".join(lines)


@st.composite
def requests(draw: st.DrawFn, framings: tuple[str, ...] = ("none", "length", "chunked")) -> Any:
    """Draw (head, body, framing) of a request that is right."""
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.1", b"1.0"]))
    framing = draw(st.sampled_from(framings))
    if version == b"1.0" and framing == "chunked":
        framing = "length"
    body = draw(st.binary(max_size=20)) if framing != "none" else b""
    wanted = [(draw(st.sampled_from([b"Host", b"host", b"HOST"])), draw(hosts))]
    if framing == "length":
        wanted.append(
            (draw(st.sampled_from([b"Content-Length", b"content-length"])), b"%d" % len(body))
        )
    elif framing == "chunked":
        wanted.append((b"Transfer-Encoding", draw(st.sampled_from([b"chunked", b"Chunked"]))))
    connection = draw(connections)
    if connection is not None:
        wanted.append((b"Connection", connection))
    target = draw(paths) + draw(queries)
    start = draw(st.sampled_from(METHODS)) + b" " + target + b" HTTP/" + version + b"\r\n"
    sent = chunked(body) if framing == "chunked" else body
    return start + draw(fields(wanted)) + b"\r\n", sent, framing


@st.composite
def responses(draw: st.DrawFn) -> Any:
    """Draw (head, body, framing) of a response to GET that is right."""
    version = draw(st.sampled_from([b"1.1", b"1.1", b"1.0"]))
    status = draw(st.sampled_from([b"200", b"204", b"304", b"404", b"503", b"299"]))
    framing = draw(st.sampled_from(["length", "chunked", "until_close"]))
    if status in (b"204", b"304"):
        framing = "none"
    elif version == b"1.0" and framing == "chunked":
        framing = "length"
    body = draw(st.binary(max_size=20)) if framing != "none" else b""
    wanted = []
    if framing == "length":
        wanted.append((b"Content-Length", b"%d" % len(body)))
    elif framing == "chunked":
        wanted.append((b"Transfer-Encoding", b"chunked"))
    connection = draw(connections)
    if connection is not None:
        wanted.append((b"Connection", connection))
    reason = draw(st.sampled_from([b" OK", b" ", b" Not Found", b" \xe9t\xe9"]))
    start = b"HTTP/" + version + b" " + status + reason + b"\r\n"
    sent = chunked(body) if framing == "chunked" else body
    return start + draw(fields(wanted)) + b"\r\n", sent, framing


def chunked(body: bytes) -> bytes:
    """Give a body in chunked coding, in up to two chunks."""
    pieces = [piece for piece in (body[:7], body[7:]) if piece]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@st.composite
def coded(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw (body, its chunks), with extensions, zeros before sizes, and trailers."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4))
    extensions = st.one_of(
        st.just(b""),
        tokens.map(lambda name: b";" + name),
        st.tuples(tokens, tokens).map(lambda pair: b";%b=%b" % pair),
        tokens.map(lambda value: b';a="%b"' % value),
    )
    out = b""
    for piece in [*pieces, b""]:
        size = b"0" * draw(st.integers(0, 2)) + draw(st.sampled_from([b"%x", b"%X"])) % len(piece)
        out += size + draw(extensions) + b"\r\n"
        out += piece + b"\r\n" if piece else b""
    trailers = draw(st.lists(st.tuples(names, values), max_size=2))
    return b"".join(pieces), out + b"".join(b"%b: %b\r\n" % pair for pair in trailers) + b"\r\n"


NASTY = [
    *(bytes([code]) for code in (0, 9, 10, 11, 12, 13, 27, 32, 127, 128, 255)),
    *(b":", b";", b",", b"/", b"?", b"#", b"@", b"[", b"]", b"%", b'"', b"\\", b"=", b"-", b"+"),
    *(b"0", b"5", b"x", b"\r\n", b"\n\n", b"\r\n\r\n", b"\r\n ", b" HTTP/1.1", b"HTTP/1.0"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n", b"chunked, "),
    *(b"0\r\n\r\n", b"http://b", b"Connection: close\r\n", b"Transfer-Encoding: x\r\n"),
]
edits = st.tuples(
    st.sampled_from(["insert", "replace", "delete", "repeat"]),
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(NASTY),
    st.integers(1, 8),
)


def mutate(data: bytes, changes: list[tuple[str, float, bytes, int]]) -> bytes:
    """Apply edits, each at a fraction of the length."""
    for kind, where, piece, width in changes:
        at = int(where * len(data))
        if kind == "insert":
            data = data[:at] + piece + data[at:]
        elif kind == "replace":
            data = data[:at] + piece + data[at + len(piece) :]
        elif kind == "delete":
            data = data[:at] + data[at + width :]
        else:
            data = data[: at + width] + data[at:]
    return data
