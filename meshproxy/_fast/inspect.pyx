# inspect: what the codec makes of bytes, as Python objects; for tests, fuzzers and explain. Never on the data path.
# Every span is checked against the input before it is cut, so a span that points outside is an error here.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from meshproxy.errors import MeshproxyError

from .buffer cimport Buffer
from .encode cimport *
from .headers cimport *
from .http1 cimport *
from .random cimport RandomState, random_seed
from .reply cimport detail_text
from .trailers cimport keep_trailers
from .types cimport *

FRAMINGS = {BODY_NONE: "none", BODY_LENGTH: "length", BODY_CHUNKED: "chunked",
            BODY_UNTIL_CLOSE: "until_close"}
cdef const char* EPOCH = "Thu, 01 Jan 1970 00:00:00 GMT"


class ProtocolError(MeshproxyError):
    """Bytes that are refused: the status to answer (0 for a response or a body) and why."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail


cdef refuse(uint32_t status, Detail detail):
    raise ProtocolError(status, (<bytes>detail_text(detail)).decode())


cdef bytes cut(const char* base, size_t size, uint32_t off, uint32_t n):
    if <size_t>off + n > size:
        raise SystemError(f"span {off}+{n} ends outside of {size} bytes")
    return base[off:off + n]


cdef bytes cut_span(const char* base, size_t size, Span span):
    return cut(base, size, span.off, span.len)


# (name, value, is_dropped, is_known) per field, in order.
cdef list fields_of(const HeaderTable* t, const char* base, size_t size):
    cdef int i
    cdef const HeaderField* f
    found = []
    for i in range(t.count):
        f = &t.fields[i]
        found.append((cut(base, size, f.name, f.name_len), cut(base, size, f.value, f.value_len),
                      bool(f.flags & HF_DROP), f.id != H_OTHER))
    return found


# Parses data into h; the bytes used, or 0 for NEED_MORE.
cdef int read_request(RequestHead* h, bytes data, uint32_t limit) except -1:
    cdef int used = request_parse(h, data, <uint32_t>len(data), limit)
    if used < 0:
        refuse(h.error_status, h.error_detail)
    return used


cdef int read_response(ResponseHead* h, bytes data, bytes method, uint32_t limit) except -1:
    cdef Method sent = METHOD_HEAD if method == b"HEAD" else METHOD_GET
    cdef int used = response_parse(h, data, <uint32_t>len(data), limit, sent)
    if used < 0:
        refuse(0, h.error_detail)
    return used


def parse_request(bytes data not None, uint32_t limit=DEFAULT_HEAD_BYTES):
    """What a request head says, or None when more bytes are needed. Raises ProtocolError.

    Keys: used (bytes of the head), method, target, path, query (None = none), authority, version,
    headers [(name, value, is_dropped, is_known)], framing (`none`, `length`, `chunked`),
    content_length, keep_alive, expect_continue, is_absolute.
    """
    cdef RequestHead h
    cdef const char* base = data
    cdef size_t size = len(data)
    cdef int used = read_request(&h, data, limit)
    if used == NEED_MORE:
        return None
    return {
        "used": used,
        "method": cut_span(base, size, h.view.method_name),
        "target": cut_span(base, size, h.view.target),
        "path": cut_span(base, size, h.view.path),
        "query": cut_span(base, size, h.view.query) if h.view.query.off else None,
        "authority": cut_span(base, size, h.view.authority),
        "version": f"1.{h.minor}",
        "headers": fields_of(&h.view.headers, base, size),
        "framing": FRAMINGS[<int>h.framing],
        "content_length": h.content_length,
        "keep_alive": bool(h.keep_alive),
        "expect_continue": bool(h.expect_continue),
        "is_absolute": bool(h.is_absolute),
    }


def parse_response(bytes data not None, bytes method not None=b"GET",
                   uint32_t limit=DEFAULT_HEAD_BYTES):
    """What the head of a response to `method` says, or None. Raises ProtocolError.

    Keys: used, status, reason, version, headers, framing (also `until_close`), content_length,
    keep_alive.
    """
    cdef ResponseHead h
    cdef const char* base = data
    cdef size_t size = len(data)
    cdef int used = read_response(&h, data, method, limit)
    if used == NEED_MORE:
        return None
    return {
        "used": used,
        "status": h.status,
        "reason": cut_span(base, size, h.reason),
        "version": f"1.{h.minor}",
        "headers": fields_of(&h.headers, base, size),
        "framing": FRAMINGS[<int>h.framing],
        "content_length": h.content_length,
        "keep_alive": bool(h.keep_alive),
    }


def decode_chunked(pieces):
    """(body, bytes behind it, is_done) of a chunked body that arrives in these pieces. Raises ProtocolError."""
    return decode(pieces, Buffer())


def decode_trailers(pieces):
    """(lines that came, lines that are passed on, number of those that are not) behind a chunked body.

    Raises ProtocolError.
    """
    cdef Buffer section = Buffer()
    cdef uint64_t dropped = 0
    decode(pieces, section)
    came = section.bytes_at()[:section.held()]
    keep_trailers(section, True, &dropped)
    return came, section.bytes_at()[:section.held()], dropped


cdef tuple decode(pieces, Buffer section):
    cdef ChunkDecoder d
    cdef Span data
    cdef size_t at
    cdef bytes piece
    cdef ChunkEvent event = CHUNK_EV_MORE
    chunk_reset(&d)
    body = []
    rest = []
    for piece in pieces:
        at = 0
        while event != CHUNK_EV_END:
            event = chunk_next(&d, piece, len(piece), &at, &data)
            if event == CHUNK_EV_DATA:
                body.append(cut_span(piece, len(piece), data))
            elif event == CHUNK_EV_TRAILER:
                line = cut_span(piece, len(piece), data)
                section.append(line, len(line))
            elif event == CHUNK_EV_BAD:
                refuse(0, DETAIL_BODY_CODEC_ERROR)
            elif event == CHUNK_EV_MORE:
                break
        rest.append(piece[at:])
    return b"".join(body), b"".join(rest), event == CHUNK_EV_END


def encode_chunk_head(size_t n):
    """The line before a chunk of n bytes."""
    cdef char out[18]
    return out[:chunk_head(out, n)]


cdef bytes taken(char* out, size_t n, size_t bound):
    if n > bound:
        raise SystemError(f"encode: wrote {n} bytes where {bound} were foreseen")
    return out[:n]


def encode_request(bytes data not None, unsigned long long timeout_us=0):
    """The head an upstream gets for this request head, with a fixed x-request-id, or None. Raises ProtocolError."""
    cdef RequestHead h
    cdef RandomState random
    cdef Span request_id
    cdef size_t bound
    cdef bytearray room
    cdef char* out
    if read_request(&h, data, DEFAULT_HEAD_BYTES) == NEED_MORE:
        return None
    random_seed(&random, 0)
    bound = encode_bound(len(data), &h.view.headers)
    room = bytearray(2 * bound)
    out = room
    return taken(out, request_encode(out, &h, NULL, timeout_us, &random, &request_id), bound)


def encode_response(bytes data not None, bytes method not None=b"GET", bint http10=False):
    """The head a client gets for this response head, its date fixed when added, or None. Raises ProtocolError.

    `http10`: the client speaks HTTP/1.0 and wants its connection kept.
    """
    cdef ResponseHead h
    cdef size_t bound
    cdef bytearray room
    cdef char* out
    cdef int how = 0
    if read_response(&h, data, method, DEFAULT_HEAD_BYTES) == NEED_MORE:
        return None
    if h.framing == BODY_CHUNKED or h.framing == BODY_UNTIL_CLOSE:
        how = RESPONSE_CLOSE if http10 else RESPONSE_CHUNKED
    elif http10:
        how = RESPONSE_KEEP_ALIVE
    bound = encode_bound(len(data), &h.headers)
    room = bytearray(2 * bound)
    out = room
    if h.status < 200:
        return taken(out, informational_encode(out, &h), bound)
    return taken(out, response_encode(out, &h, NULL, 0, how, 0, EPOCH), bound)
