# http1: see http1.pxd for the contract.
# Over 400 lines: one grammar, request, response and chunks, read from top to bottom beside RFC 9112.
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from .headers cimport *
from .lines cimport *
from .scan cimport *
from .types cimport *


# Fields from base[at] to the empty line. Offset behind it, NEED_MORE, or BAD with detail[0] set.
cdef int parse_fields(HeaderTable* t, const char* base, uint32_t at, uint32_t size,
                      uint32_t limit, Detail* detail) noexcept nogil:
    cdef uint32_t lf, name_len, v, end
    cdef uint8_t hid
    cdef HeaderField* f
    while True:
        if at + 1 < size and base[at] == b'\r' and base[at + 1] == b'\n' and at + 1 < limit:
            return <int>(at + 2)
        # A plain name and a value without controls up to CRLF: one look at each byte. Else the line is judged below.
        name_len = <uint32_t>line_name(base, at, size)
        end = <uint32_t>line_value_end(base, at + name_len + 1, size) if name_len else size
        lf = end + 1
        if lf >= size or base[end] != b'\r' or base[lf] != b'\n' or lf >= limit or name_len > 0xffff:
            lf = at + <uint32_t>scan_find(base + at, size - at, b'\n')
            if lf >= limit:
                detail[0] = DETAIL_HEADERS_TOO_LARGE
                return BAD
            if lf == size:
                return NEED_MORE
            detail[0] = DETAIL_CODEC_ERROR
            if lf == at or base[lf - 1] != b'\r':
                return BAD                 # bare LF: RFC 9112 2.2 allows it, smugglers use it
            end = lf - 1
            if end == at:
                return <int>(lf + 1)
            if t.count == MAX_HEADERS:
                detail[0] = DETAIL_TOO_MANY_HEADERS
                return BAD
            name_len = <uint32_t>scan_span(base + at, end - at, CLASS_TOKEN)
            # Also refuses obs-fold and a space before the colon (RFC 9112 5.1, 5.2).
            if name_len == 0 or at + name_len >= end or base[at + name_len] != b':' or name_len > 0xffff:
                return BAD
            if not scan_value_ok(base + at + name_len + 1, end - at - name_len - 1):
                return BAD
        elif t.count == MAX_HEADERS:
            detail[0] = DETAIL_TOO_MANY_HEADERS
            return BAD
        v = at + name_len + 1
        while v < end and (base[v] == b' ' or base[v] == b'\t'):
            v += 1
        f = &t.fields[t.count]
        f.name = at
        f.name_len = <uint16_t>name_len
        f.value = v
        f.flags = 0
        at = lf + 1
        if v == f.name + name_len + 2 and base[v - 1] == b' ' and (
                v == end or (base[end - 1] != b' ' and base[end - 1] != b'\t')):
            f.flags = HF_PLAIN
        else:
            while end > v and (base[end - 1] == b' ' or base[end - 1] == b'\t'):
                end -= 1
        f.value_len = end - v
        hid = header_id(base + f.name, name_len, &t.names)
        f.id = hid
        if t.slot[hid] < 0:
            t.slot[hid] = <int16_t>t.count
        else:
            t.repeated |= <uint32_t>1 << hid
        t.count += 1


# Content-Length of the table: -1 none, -2 malformed or given twice. 18 digits stay below 2**63.
cdef int64_t content_length(HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = t.slot[<int>H_CONTENT_LENGTH]
    cdef int64_t value = 0
    cdef uint32_t k
    cdef HeaderField* f
    cdef char c
    if i < 0:
        return -1
    if t.repeated & (1 << <int>H_CONTENT_LENGTH):
        return -2
    f = &t.fields[i]
    if f.value_len == 0 or f.value_len > 18:
        return -2
    for k in range(f.value_len):
        c = base[f.value + k]
        if c < b'0' or c > b'9':
            return -2
        value = value * 10 + (c - c'0')
    return value


# 0 no Transfer-Encoding, 1 exactly one "chunked", -1 anything else (RFC 9112 6.1).
cdef int transfer_coding(HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = t.slot[<int>H_TRANSFER_ENCODING]
    if i < 0:
        return 0
    if t.repeated & (1 << <int>H_TRANSFER_ENCODING):
        return -1
    if t.fields[i].value_len == 7 and scan_ieq(base + t.fields[i].value, b"chunked", 7):
        return 1
    return -1


cdef int request_bad(RequestHead* h, uint32_t status, Detail detail) noexcept nogil:
    h.error_status = status
    h.error_detail = detail
    return BAD


# The one place that decides where a request body ends (RFC 9112 6.3).
cdef int request_framing(RequestHead* h) noexcept nogil:
    cdef HeaderTable* t = &h.view.headers
    cdef int64_t length = content_length(t, h.view.base)
    cdef int coding = transfer_coding(t, h.view.base)
    h.framing = BODY_NONE
    h.content_length = 0
    if length == -2:
        return request_bad(h, 400, DETAIL_BAD_FRAMING)
    if coding != 0:
        if length >= 0 or h.minor == 0:
            return request_bad(h, 400, DETAIL_BAD_FRAMING)
        if coding < 0:
            return request_bad(h, 501, DETAIL_BAD_TRANSFER_ENCODING)
        h.framing = BODY_CHUNKED
    elif length > 0:
        h.framing = BODY_LENGTH
        h.content_length = length
    return 1


cdef Method method_of(const char* p, uint32_t n) noexcept nogil:
    if n == 3:
        if memcmp(p, b"GET", 3) == 0:
            return METHOD_GET
        if memcmp(p, b"PUT", 3) == 0:
            return METHOD_PUT
    elif n == 4:
        if memcmp(p, b"HEAD", 4) == 0:
            return METHOD_HEAD
        if memcmp(p, b"POST", 4) == 0:
            return METHOD_POST
    elif n == 5:
        if memcmp(p, b"PATCH", 5) == 0:
            return METHOD_PATCH
        if memcmp(p, b"TRACE", 5) == 0:
            return METHOD_TRACE
    elif n == 6:
        if memcmp(p, b"DELETE", 6) == 0:
            return METHOD_DELETE
    elif n == 7:
        if memcmp(p, b"OPTIONS", 7) == 0:
            return METHOD_OPTIONS
        if memcmp(p, b"CONNECT", 7) == 0:
            return METHOD_CONNECT
    return METHOD_OTHER


# base[at..end) is the request line without CRLF.
cdef int parse_request_line(RequestHead* h, const char* base, uint32_t at, uint32_t end) noexcept nogil:
    cdef RequestView* v = &h.view
    cdef uint32_t n = <uint32_t>scan_span(base + at, end - at, CLASS_TOKEN)
    cdef uint32_t t, version
    if n == 0 or at + n >= end or base[at + n] != b' ':
        return request_bad(h, 400, DETAIL_CODEC_ERROR)
    v.method_name.off = at
    v.method_name.len = n
    v.method = method_of(base + at, n)
    t = at + n + 1
    n = <uint32_t>line_target_end(base, t, end) - t
    v.target.off = t
    v.target.len = n
    version = t + n + 1
    if n == 0 or version > end or base[t + n] != b' ':
        if n and t + n < end and base[t + n] == b'#':
            return request_bad(h, 400, DETAIL_BAD_PATH)
        return request_bad(h, 400, DETAIL_CODEC_ERROR)
    if end - version != 8 or memcmp(base + version, b"HTTP/", 5) != 0 or base[version + 6] != b'.':
        return request_bad(h, 400, DETAIL_CODEC_ERROR)
    if base[version + 5] != b'1' or (base[version + 7] != b'0' and base[version + 7] != b'1'):
        if base[version + 5] < b'0' or base[version + 5] > b'9' or (
                base[version + 7] < b'0' or base[version + 7] > b'9'):
            return request_bad(h, 400, DETAIL_CODEC_ERROR)
        return request_bad(h, 505, DETAIL_BAD_VERSION)
    h.minor = base[version + 7] - c'0'
    h.has_line = True
    return 1


# uri-host [ ":" port ], the port 65535 at most and maybe empty, or nothing (RFC 9110 7.2); an IP literal is not read further than its brackets.
cdef bint host_ok(const char* p, size_t n) noexcept nogil:
    cdef size_t i = 0
    cdef uint32_t port = 0
    if scan_span(p, n, CLASS_HOST) != n:
        return False
    if n and p[0] == b'[':
        i = scan_find(p, n, b']') + 1
        if i > n or i < 4:
            return False
    while i < n and p[i] != b':':
        if p[i] == b'[' or p[i] == b']' or p[0] == b'[':
            return False
        i += 1
    if i == n:
        return True
    if i == 0 or n - i > 6:
        return False
    for i in range(i + 1, n):
        if p[i] < b'0' or p[i] > b'9':
            return False
        port = port * 10 + <uint32_t>(p[i] - c'0')
    return port <= 65535


# Splits the target into authority, path and query (RFC 9112 3.2).
cdef int parse_target(RequestHead* h) noexcept nogil:
    cdef RequestView* v = &h.view
    cdef const char* base = v.base
    cdef uint32_t at = v.target.off, end = v.target.off + v.target.len, n, scheme = 0
    h.is_absolute = False
    if v.method == METHOD_CONNECT:
        return request_bad(h, 501, DETAIL_CONNECT_NOT_SUPPORTED)
    if base[at] != b'/':
        if v.target.len == 1 and base[at] == b'*' and v.method == METHOD_OPTIONS:
            return request_bad(h, 404, DETAIL_ABSOLUTE_PATH_REJECTED)
        if v.target.len > 7 and scan_ieq(base + at, b"http://", 7):
            scheme = 7
        elif v.target.len > 8 and scan_ieq(base + at, b"https://", 8):
            scheme = 8
        else:
            return request_bad(h, 400, DETAIL_CODEC_ERROR)
        h.is_absolute = True
        at += scheme
        n = <uint32_t>scan_span(base + at, end - at, CLASS_HOST)
        if n == 0 or (at + n < end and base[at + n] != b'/' and base[at + n] != b'?') or (
                not host_ok(base + at, n)):
            return request_bad(h, 400, DETAIL_INVALID_HOST)
        v.authority.off = at
        v.authority.len = n
        at += n
        v.target.off = at
        v.target.len = end - at
    n = <uint32_t>scan_find(base + at, end - at, b'?')
    v.path.off = at
    v.path.len = n
    if n == 0:                             # an absolute-form target without a path means "/" (RFC 9112 3.2.1)
        v.path.off = v.authority.off - 1   # the second slash of "://"
        v.path.len = 1
    v.query.off = v.query.len = 0
    if at + n < end:
        v.query.off = at + n + 1
        v.query.len = end - v.query.off
    return 1


cdef int parse_authority(RequestHead* h, uint32_t size) noexcept nogil:
    cdef RequestView* v = &h.view
    cdef int i = v.headers.slot[<int>H_HOST]
    cdef HeaderField* f
    if i < 0:
        if h.minor == 1:
            return request_bad(h, 400, DETAIL_MISSING_HOST)
        if not h.is_absolute:
            v.authority.off = v.authority.len = 0
        return 1
    if v.headers.repeated & (1 << <int>H_HOST):
        return request_bad(h, 400, DETAIL_INVALID_HOST)
    f = &v.headers.fields[i]
    # A plain one needs no look at its port or brackets.
    if not line_plain(v.base, f.value, f.value + f.value_len, size) and not host_ok(v.base + f.value, f.value_len):
        return request_bad(h, 400, DETAIL_INVALID_HOST)
    if not h.is_absolute:
        v.authority.off = f.value
        v.authority.len = f.value_len
    return 1


cdef int request_parse(RequestHead* h, const char* base, uint32_t size, uint32_t limit) noexcept nogil:
    cdef uint32_t at = 0, lf
    cdef int used, bits, i
    cdef RequestView* v = &h.view
    v.base = base
    v.method = METHOD_OTHER
    h.has_line = False
    table_clear(&v.headers)
    # An empty line before the request line is skipped (RFC 9112 2.2).
    while at + 1 < size and at < 4 and base[at] == b'\r' and base[at + 1] == b'\n':
        at += 2
    lf = at + <uint32_t>scan_find(base + at, size - at, b'\n')
    if lf >= limit:
        return request_bad(h, 414, DETAIL_URI_TOO_LONG)
    if lf == size:
        return NEED_MORE
    if lf == at or base[lf - 1] != b'\r':
        return request_bad(h, 400, DETAIL_CODEC_ERROR)
    if parse_request_line(h, base, at, lf - 1) < 0:
        return BAD
    used = parse_fields(&v.headers, base, lf + 1, size, limit, &h.error_detail)
    if used == NEED_MORE:
        return NEED_MORE
    if used < 0:
        return request_bad(h, 400 if h.error_detail == DETAIL_CODEC_ERROR else 431, h.error_detail)
    if parse_target(h) < 0 or parse_authority(h, <uint32_t>used) < 0 or request_framing(h) < 0:
        return BAD
    bits = table_connection(&v.headers, base)
    if bits < 0:
        return request_bad(h, 431, DETAIL_TOO_MANY_HEADERS)
    h.keep_alive = not (bits & CONN_CLOSE) and (h.minor == 1 or bits & CONN_KEEP_ALIVE)
    i = v.headers.slot[<int>H_EXPECT]
    h.expect_continue = i >= 0 and v.headers.fields[i].value_len == 12 and scan_ieq(
        base + v.headers.fields[i].value, b"100-continue", 12)
    i = v.headers.slot[<int>H_X_FORWARDED_PROTO]
    v.is_https = i >= 0 and v.headers.fields[i].value_len == 5 and scan_ieq(
        base + v.headers.fields[i].value, b"https", 5)
    h.wish = WISH_NONE
    if bits & (CONN_UPGRADE | CONN_TE) and h.minor == 1:
        h.wish = hop_wish(h, bits)
    h.head_len = <uint32_t>used
    return used


cdef HopWish hop_wish(const RequestHead* h, int bits) noexcept nogil:
    cdef const HeaderTable* t = &h.view.headers
    cdef const char* base = h.view.base
    cdef const char* p
    cdef size_t at, stop, n
    cdef int i
    if bits & CONN_UPGRADE and h.framing == BODY_NONE and upgrade_ok(t, base):
        return WISH_UPGRADE
    i = table_find(t, base, b"te", 2, 0)
    while i >= 0:
        at = t.fields[i].value
        stop = at + t.fields[i].value_len
        while at < stop:
            p = list_next(base, &at, stop, &n)
            if n == 8 and scan_ieq(p, b"trailers", 8):
                return WISH_TRAILERS
        i = table_find(t, base, b"te", 2, i + 1)
    return WISH_NONE


# RFC 9110 7.8. A switch to HTTP itself (h2c, HTTP/2.0, TLS/1.2) would carry requests past the routes: it is not
# asked for, as a recipient may do with any upgrade.
cdef bint upgrade_ok(const HeaderTable* t, const char* base) noexcept nogil:
    cdef int i = table_find(t, base, b"upgrade", 7, 0)
    cdef size_t at, stop, n
    cdef const char* p
    cdef bint names = False
    while i >= 0:
        at = t.fields[i].value
        stop = at + t.fields[i].value_len
        while at < stop:
            p = list_next(base, &at, stop, &n)
            if (n >= 3 and (scan_ieq(p, b"h2c", 3) or scan_ieq(p, b"tls", 3))) or (
                    n >= 4 and scan_ieq(p, b"http", 4)):
                return False
            names = names or n > 0
        i = table_find(t, base, b"upgrade", 7, i + 1)
    return names


# The one place that decides where a response body ends (RFC 9112 6.3).
cdef int response_framing(ResponseHead* h, Method method) noexcept nogil:
    cdef int64_t length = content_length(&h.headers, h.base)
    cdef int coding = transfer_coding(&h.headers, h.base)
    h.content_length = 0
    if length == -2 or coding < 0 or (coding and (length >= 0 or h.minor == 0)):
        h.error_detail = DETAIL_UPSTREAM_PROTOCOL_ERROR
        return BAD
    if method == METHOD_HEAD or h.status < 200 or h.status == 204 or h.status == 304:
        h.framing = BODY_NONE
        if length >= 0 and (h.status < 200 or h.status == 204):    # it may carry none (RFC 9110 8.6)
            h.headers.fields[h.headers.slot[<int>H_CONTENT_LENGTH]].flags |= HF_DROP
    elif coding:
        h.framing = BODY_CHUNKED
    elif length >= 0:
        h.framing = BODY_LENGTH if length else BODY_NONE
        h.content_length = length
    else:
        h.framing = BODY_UNTIL_CLOSE
        h.keep_alive = False
    return 1


cdef int response_parse(ResponseHead* h, const char* base, uint32_t size, uint32_t limit,
                        Method method) noexcept nogil:
    cdef uint32_t lf, end
    cdef int used, bits, i
    h.base = base
    h.error_detail = DETAIL_UPSTREAM_PROTOCOL_ERROR
    lf = <uint32_t>scan_find(base, size, b'\n')
    if lf >= limit:
        return BAD
    if lf == size:
        return NEED_MORE
    end = lf - 1
    # status-line = "HTTP/1." DIGIT SP 3DIGIT SP [reason]; the last SP is optional in practice
    if lf < 13 or base[end] != b'\r' or memcmp(base, b"HTTP/1.", 7) != 0 or base[8] != b' ' or (
            base[7] != b'0' and base[7] != b'1'):
        return BAD
    h.minor = base[7] - c'0'
    h.status = 0
    for i in range(9, 12):
        if base[i] < b'0' or base[i] > b'9':
            return BAD
        h.status = h.status * 10 + (base[i] - c'0')
    if h.status < 100 or h.status > 999:
        return BAD
    h.reason.off = h.reason.len = 0
    if end > 12:
        if base[12] != b' ' or not scan_value_ok(base + 13, end - 13):
            return BAD
        h.reason.off = 13
        h.reason.len = end - 13
    table_clear(&h.headers)
    used = parse_fields(&h.headers, base, lf + 1, size, limit, &h.error_detail)
    h.error_detail = DETAIL_UPSTREAM_PROTOCOL_ERROR
    if used <= 0:
        return used
    bits = table_connection(&h.headers, base)
    if bits < 0:
        return BAD
    h.keep_alive = not (bits & CONN_CLOSE) and (h.minor == 1 or bits & CONN_KEEP_ALIVE)
    if response_framing(h, method) < 0:
        return BAD
    return used


cdef bint take_switch(ResponseHead* h) noexcept nogil:
    if h.minor == 0 or not upgrade_ok(&h.headers, h.base):
        return False
    h.framing = BODY_UNTIL_CLOSE
    h.keep_alive = False
    return True


cdef inline int hex_value(char c) noexcept nogil:
    if b'0' <= c <= b'9':
        return c - c'0'
    if b'a' <= c <= b'f':
        return c - c'a' + 10
    if b'A' <= c <= b'F':
        return c - c'A' + 10
    return -1


# The trailer section: at most a line of it in one event.
cdef ChunkEvent trailer_next(ChunkDecoder* d, const char* p, size_t n, size_t* at, Span* data) noexcept nogil:
    cdef char c
    data.off = <uint32_t>at[0]
    while at[0] < n:
        c = p[at[0]]
        at[0] += 1
        if d.stage == TRAILER_START and c == b'\r':
            d.stage = TRAILER_END_LF
            continue
        if d.stage == TRAILER_END_LF and c == b'\n':
            d.stage = CHUNK_DONE
            return CHUNK_EV_END
        if d.stage == TRAILER_START or d.stage == TRAILER_NAME:
            if d.stage == TRAILER_START:
                d.digits += 1
            d.line_bytes += 1
            if d.stage == TRAILER_NAME and c == b':':
                d.stage = TRAILER_LINE
                continue
            if d.digits > MAX_HEADERS or d.line_bytes > MAX_TRAILER_BYTES or scan_span(&c, 1, CLASS_TOKEN) == 0:
                return CHUNK_EV_BAD
            d.stage = TRAILER_NAME
        elif d.stage == TRAILER_LINE:
            d.line_bytes += 1
            if c == b'\r':
                d.stage = TRAILER_LF
            elif d.line_bytes > MAX_TRAILER_BYTES or (<uint8_t>c < 0x20 and c != b'\t') or c == 0x7f:
                return CHUNK_EV_BAD
        elif d.stage == TRAILER_LF and c == b'\n':
            d.stage = TRAILER_START
            break
        else:
            return CHUNK_EV_BAD
    data.len = <uint32_t>(at[0] - data.off)
    return CHUNK_EV_MORE if d.stage == TRAILER_END_LF else CHUNK_EV_TRAILER


cdef ChunkEvent chunk_next(ChunkDecoder* d, const char* p, size_t n, size_t* at, Span* data) noexcept nogil:
    cdef size_t take
    cdef int digit
    cdef char c
    while at[0] < n:
        if d.stage == CHUNK_DATA:
            take = n - at[0]
            if take > d.left:
                take = <size_t>d.left
            data.off = <uint32_t>at[0]
            data.len = <uint32_t>take
            at[0] += take
            d.left -= take
            if d.left == 0:
                d.stage = CHUNK_DATA_CR
            return CHUNK_EV_DATA
        c = p[at[0]]
        at[0] += 1
        if d.stage == CHUNK_SIZE:
            digit = hex_value(c)
            if digit >= 0:
                d.digits += 1
                if d.digits > 15:
                    return CHUNK_EV_BAD
                d.left = (d.left << 4) | <uint64_t>digit
                continue
            if d.digits == 0:
                return CHUNK_EV_BAD
            d.line_bytes = 0
            if c == b'\r':
                d.stage = CHUNK_SIZE_LF
            elif c == b';':
                d.stage = CHUNK_EXT
            elif c == b' ' or c == b'\t':
                d.stage = CHUNK_PAD
            else:
                return CHUNK_EV_BAD
        elif d.stage == CHUNK_PAD:
            d.line_bytes += 1
            if c == b'\r':
                d.stage = CHUNK_SIZE_LF
            elif c == b';':
                d.stage = CHUNK_EXT
            elif d.line_bytes > MAX_CHUNK_LINE or (c != b' ' and c != b'\t'):
                return CHUNK_EV_BAD
        elif d.stage == CHUNK_EXT:
            d.line_bytes += 1
            if c == b'\r':
                d.stage = CHUNK_SIZE_LF
            elif d.line_bytes > MAX_CHUNK_LINE or (<uint8_t>c < 0x20 and c != b'\t') or c == 0x7f:
                return CHUNK_EV_BAD
        elif d.stage == CHUNK_SIZE_LF:
            if c != b'\n':
                return CHUNK_EV_BAD
            d.digits = d.line_bytes = 0
            d.stage = CHUNK_DATA if d.left else TRAILER_START
        elif d.stage == CHUNK_DATA_CR:
            if c != b'\r':
                return CHUNK_EV_BAD
            d.stage = CHUNK_DATA_LF
        elif d.stage == CHUNK_DATA_LF:
            if c != b'\n':
                return CHUNK_EV_BAD
            d.stage = CHUNK_SIZE
        else:
            at[0] -= 1
            return trailer_next(d, p, n, at, data)
    return CHUNK_EV_MORE
