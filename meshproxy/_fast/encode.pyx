from libc.stdint cimport uint8_t
from libc.string cimport memcpy, memmove, strlen

from .clib.system cimport memchr, memmem
from .headers cimport *
from .http1 cimport WISH_UPGRADE
from .random cimport random_next
from .reply cimport status_reason
from .scan cimport scan_put_decimal, scan_put_hex
from .types cimport *

cdef const char* HEX = "0123456789abcdef"


cdef inline char* put(char* out, const char* text, size_t n) noexcept nogil:
    memcpy(out, text, n)
    return out + n


# Copies the fields that are not dropped; neighbouring plain lines leave in one memcpy.
cdef char* put_fields(char* out, const HeaderTable* t, const char* base) noexcept nogil:
    cdef int i
    cdef const HeaderField* f
    cdef size_t run = 0, run_end = 0
    for i in range(t.count):
        f = &t.fields[i]
        if f.flags == HF_PLAIN:
            if run_end == 0:
                run = f.name
            run_end = f.value + f.value_len + 2
            continue
        if run_end:
            out = put(out, base + run, run_end - run)
            run_end = 0
        if not f.flags & HF_DROP:
            out = put(out, base + f.name, f.name_len)
            out = put(out, b": ", 2)
            out = put(out, base + f.value, f.value_len)
            out = put(out, b"\r\n", 2)
    if run_end:
        out = put(out, base + run, run_end - run)
    return out


# A version 4 UUID in text, 36 bytes (RFC 9562 5.4).
cdef char* put_uuid(char* out, RandomState* random) noexcept nogil:
    cdef uint64_t high = (random_next(random) & 0xffffffffffff0fffULL) | 0x4000
    cdef uint64_t low = (random_next(random) & 0x3fffffffffffffffULL) | 0x8000000000000000ULL
    cdef char text[32]
    scan_put_hex(text, high)
    scan_put_hex(text + 16, low)
    memcpy(out, text, 8)
    memcpy(out + 9, text + 8, 4)
    memcpy(out + 14, text + 12, 4)
    memcpy(out + 19, text + 16, 4)
    memcpy(out + 24, text + 20, 12)
    out[8] = out[13] = out[18] = out[23] = c'-'
    return out + 36


# Upgrade is for the next hop alone, so it is dropped unless it was decided to go on (RFC 9110 7.8).
cdef void keep_upgrade(HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = table_find(t, base, b"upgrade", 7, 0)
    while i >= 0:
        t.fields[i].flags &= ~HF_DROP
        i = table_find(t, base, b"upgrade", 7, i + 1)


# The lines that announce trailers, where these can follow.
cdef char* put_trailer(char* out, const HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = table_find(t, base, b"trailer", 7, 0)
    while i >= 0:
        out = put(out, b"trailer: ", 9)
        out = put(out, base + t.fields[i].value, t.fields[i].value_len)
        out = put(out, b"\r\n", 2)
        i = table_find(t, base, b"trailer", 7, i + 1)
    return out


# The one Host line when it does not leave as it came.
cdef char* put_host(char* out, HeaderTable* t, const char* authority, size_t n) noexcept nogil:
    out = put(out, b"host: ", 6)
    out = put(out, authority, n)
    if t.slot[<int>H_HOST] >= 0:
        t.fields[t.slot[<int>H_HOST]].flags |= HF_DROP
    return put(out, b"\r\n", 2)


cdef size_t request_encode(char* out, const RequestHead* h, const HeadChanges* changes, uint64_t timeout_us,
                           RandomState* random, Span* request_id) noexcept nogil:
    cdef const RequestView* v = &h.view
    cdef HeaderTable* t = <HeaderTable*>&v.headers
    cdef char* at = out
    cdef int i
    at = put(at, v.base + v.method_name.off, v.method_name.len)
    at[0] = c' '
    at += 1
    if changes != NULL and changes.target_len:
        at = put(at, changes.target, changes.target_len)
    else:
        if v.path.off != v.target.off:  # absolute-form without a path (RFC 9112 3.2.1)
            at[0] = c'/'
            at += 1
        at = put(at, v.base + v.target.off, v.target.len)
    at = put(at, b" HTTP/1.1\r\n", 11)
    if changes != NULL and changes.authority_len:
        at = put_host(at, t, changes.authority, changes.authority_len)
    elif h.is_absolute or t.slot[<int>H_HOST] < 0:
        at = put_host(at, t, v.base + v.authority.off, v.authority.len)
    if t.slot[<int>H_TUNING] >= 0 or t.slot[<int>H_ATTEMPT_COUNT] >= 0:
        for i in range(t.count):
            if t.fields[i].id == H_TUNING or t.fields[i].id == H_ATTEMPT_COUNT:
                t.fields[i].flags |= HF_DROP
    i = t.slot[<int>H_X_REQUEST_ID]
    if i >= 0 and t.fields[i].value_len == 0:
        t.fields[i].flags |= HF_DROP
        i = -1
    request_id.off = 0
    if h.wish:
        if h.wish == WISH_UPGRADE:
            keep_upgrade(t, v.base)
            at = put(at, b"connection: upgrade\r\n", 21)
        else:
            at = put(at, b"te: trailers\r\nconnection: te\r\n", 30)
    at = put_fields(at, t, v.base)
    if h.framing == BODY_CHUNKED:
        at = put(at, b"transfer-encoding: chunked\r\n", 28)
        if t.slot[<int>H_HOP] >= 0 and not table_names_fields(t, v.base):
            at = put_trailer(at, t, v.base)
    if t.slot[<int>H_X_FORWARDED_PROTO] < 0:
        at = put(at, b"x-forwarded-proto: http\r\n", 25)
    if i < 0:
        at = put(at, b"x-request-id: ", 14)
        request_id.off = <uint32_t>(at - out)
        request_id.len = 36
        at = put_uuid(at, random)
        at = put(at, b"\r\n", 2)
    at = put(at, b"x-envoy-attempt-count: 1\r\n", 26)
    if timeout_us:
        at = put(at, b"x-envoy-expected-rq-timeout-ms: ", 32)
        at += scan_put_decimal(at, timeout_us // 1000)
        at = put(at, b"\r\n", 2)
    if changes != NULL:
        at = put(at, changes.lines, changes.lines_len)
    at = put(at, b"\r\n", 2)
    return <size_t>(at - out)


cdef char* put_status(char* out, uint32_t status) noexcept nogil:
    out = put(out, b"HTTP/1.1 ", 9)
    out[0] = <char>(48 + status // 100)
    out[1] = <char>(48 + status // 10 % 10)
    out[2] = <char>(48 + status % 10)
    out[3] = c' '
    return out + 4


cdef char* put_framing(char* out, int how) noexcept nogil:
    if how & RESPONSE_CHUNKED:
        out = put(out, b"transfer-encoding: chunked\r\n", 28)
    if how & RESPONSE_UPGRADE:
        out = put(out, b"connection: upgrade\r\n", 21)
    if how & RESPONSE_CLOSE:
        out = put(out, b"connection: close\r\n", 19)
    elif how & RESPONSE_KEEP_ALIVE:
        out = put(out, b"connection: keep-alive\r\n", 24)
    return put(out, b"\r\n", 2)


cdef size_t response_encode(char* out, const ResponseHead* h, const char* lines, size_t lines_len, int how,
                            int64_t service_ms, const char* date) noexcept nogil:
    cdef HeaderTable* t = <HeaderTable*>&h.headers
    cdef char* at = put_status(out, h.status)
    cdef int i = t.slot[<int>H_UPSTREAM_SERVICE_TIME]
    at = put(at, h.base + h.reason.off, h.reason.len)
    at = put(at, b"\r\n", 2)
    while i >= 0:
        t.fields[i].flags |= HF_DROP
        i = table_find(t, h.base, b"x-envoy-upstream-service-time", 29, i + 1)
    if how & RESPONSE_UPGRADE:
        keep_upgrade(t, h.base)
    at = put_fields(at, t, h.base)
    if t.slot[<int>H_DATE] < 0:
        at = put(at, b"date: ", 6)
        at = put(at, date, 29)
        at = put(at, b"\r\n", 2)
    if service_ms >= 0:
        at = put(at, b"x-envoy-upstream-service-time: ", 31)
        at += scan_put_decimal(at, <uint64_t>service_ms)
        at = put(at, b"\r\n", 2)
    if lines_len:
        at = put(at, lines, lines_len)
    if how & (RESPONSE_CHUNKED | RESPONSE_TRAILERS) == RESPONSE_CHUNKED | RESPONSE_TRAILERS:
        at = put_trailer(at, t, h.base)
    at = put_framing(at, how)
    return <size_t>(at - out)


cdef size_t local_encode(char* out, uint32_t status, size_t body_len, const char* date) noexcept nogil:
    cdef const char* reason = status_reason(status)
    cdef char* at = put_status(out, status)
    at = put(at, reason, strlen(reason))
    at = put(at, b"\r\ncontent-length: ", 18)
    at += scan_put_decimal(at, body_len)
    at = put(at, b"\r\ndate: ", 8)
    at = put(at, date, 29)
    at = put(at, b"\r\nserver: meshproxy\r\n\r\n", 23)
    return <size_t>(at - out)


cdef size_t informational_encode(char* out, const ResponseHead* h) noexcept nogil:
    cdef char* at = put_status(out, h.status)
    at = put(at, h.base + h.reason.off, h.reason.len)
    at = put(at, b"\r\n", 2)
    at = put_fields(at, &h.headers, h.base)
    at = put(at, b"\r\n", 2)
    return <size_t>(at - out)


cdef size_t chunk_head(char* out, size_t n) noexcept nogil:
    cdef char digits[16]
    cdef size_t count = 0, i
    while True:
        digits[count] = HEX[n & 15]
        count += 1
        n >>= 4
        if n == 0:
            break
    for i in range(count):
        out[i] = digits[count - 1 - i]
    out[count] = c'\r'
    out[count + 1] = c'\n'
    return count + 2


cdef void attempt_encode(char* block, size_t* n, size_t room, uint32_t attempt) noexcept nogil:
    cdef char* at = <char*>memmem(block, n[0], b"\r\nx-envoy-attempt-count: ", 25)
    cdef char* end
    cdef char digits[20]
    cdef size_t width, old
    if at == NULL:
        return
    at += 25
    end = <char*>memchr(at, c'\r', block + n[0] - at)
    if end == NULL:
        return
    width = scan_put_decimal(digits, attempt)
    old = <size_t>(end - at)
    if n[0] - old + width > room:
        return
    memmove(at + width, end, block + n[0] - end)
    memcpy(at, digits, width)
    n[0] += width - old
