from libc.stdint cimport uint8_t
from libc.string cimport memmove

cdef const char* HEX = "0123456789ABCDEF"


cdef inline int hex_value(char c) noexcept nogil:
    if c'0' <= c <= c'9':
        return c - c'0'
    if c'a' <= c <= c'f':
        return c - c'a' + 10
    if c'A' <= c <= c'F':
        return c - c'A' + 10
    return -1


# RFC 3986 2.3
cdef inline bint is_unreserved(char c) noexcept nogil:
    return (c'a' <= c <= c'z' or c'A' <= c <= c'Z' or c'0' <= c <= c'9'
            or c == c'-' or c == c'.' or c == c'_' or c == c'~')


# Visible bytes that no URI may hold raw (RFC 3986 2).
cdef inline bint must_escape(char c) noexcept nogil:
    return c in (c'<', c'>', c'"', c'{', c'}', c'|', c'^', c'`')


cdef bint path_is_normal(const char* p, size_t n, int steps) noexcept nogil:
    cdef size_t i
    cdef char c, before = 0
    if steps == PATH_NONE:
        return True
    for i in range(n):
        c = p[i]
        if c == c'%' or c == c'\\' or must_escape(c):
            return False
        # "/." may be a dot segment or a hidden file: the slow way finds out
        if before == c'/' and (c == c'.' or (c == c'/' and steps & PATH_MERGE)):
            return False
        before = c
    return True


cdef ssize_t normalize_path(char* out, const char* p, size_t n, int steps) noexcept nogil:
    cdef size_t at = 0, i = 0
    cdef ssize_t stray = -1            # where the last "%" that begins no escape stands in out
    cdef int high, low, value
    cdef char c
    while i < n:
        if stray >= 0 and at - <size_t>stray >= 3:
            at = close_stray(out, stray, at)
            stray = -1
        c = p[i]
        if c == c'%' and i + 2 < n and hex_value(p[i + 1]) >= 0 and hex_value(p[i + 2]) >= 0:
            high, low = hex_value(p[i + 1]), hex_value(p[i + 2])
            value = high * 16 + low
            if value == 0 and steps & PATH_NORMALIZE:
                return -1
            if is_unreserved(<char>value) and steps & PATH_NORMALIZE:
                out[at] = <char>value
                at += 1
            elif steps & PATH_DECODE and (value == c'/' or value == c'\\'):
                out[at] = c'/'
                at += 1
            else:
                out[at], out[at + 1], out[at + 2] = c, p[i + 1], p[i + 2]
                at += 3
            i += 3
            continue
        if not steps & PATH_NORMALIZE:
            out[at] = c
            at += 1
        elif c == c'\\':
            out[at] = c'/'
            at += 1
        elif must_escape(c):
            out[at], out[at + 1], out[at + 2] = c'%', HEX[<uint8_t>c >> 4], HEX[c & 15]
            at += 3
        else:
            if c == c'%':
                stray = <ssize_t>at
            out[at] = c
            at += 1
        i += 1
    if stray >= 0:
        at = close_stray(out, stray, at)
    if not steps & PATH_NORMALIZE:
        return <ssize_t>at
    return <ssize_t>remove_dots(out, at, steps & PATH_MERGE)


cdef bint has_escaped_slash(const char* p, size_t n) noexcept nogil:
    cdef size_t i
    cdef int value
    for i in range(2, n):
        if p[i - 2] == c'%' and hex_value(p[i - 1]) >= 0 and hex_value(p[i]) >= 0:
            value = hex_value(p[i - 1]) * 16 + hex_value(p[i])
            if value == c'/' or value == c'\\':
                return True
    return False


# "%2%65" must not become "%2e", which the upstream would decode once more: as in Envoy, such a "%" is escaped.
# Returns the new length.
cdef inline size_t close_stray(char* out, ssize_t stray, size_t at) noexcept nogil:
    cdef char* p = out + stray + 1
    if at - <size_t>stray < 3 or hex_value(p[0]) < 0 or hex_value(p[1]) < 0:
        return at
    memmove(p + 2, p, at - <size_t>stray - 1)
    p[0], p[1] = c'2', c'5'
    return at + 2


# RFC 3986 5.2.4 in place; an empty segment is a segment, unless they are merged.
cdef size_t remove_dots(char* path, size_t n, bint merges) noexcept nogil:
    cdef size_t read = 1, write = 1, start, width
    cdef bint is_last
    if n == 0 or path[0] != c'/':
        return n
    while read <= n:
        start = read
        while read < n and path[read] != c'/':
            read += 1
        width = read - start
        is_last = read >= n
        read += 1
        if width == 1 and path[start] == c'.':
            continue
        if width == 2 and path[start] == c'.' and path[start + 1] == c'.':
            if write > 1:
                write -= 1
                while path[write - 1] != c'/':
                    write -= 1
            continue
        if width == 0 and merges and not is_last:
            continue
        while width:
            path[write] = path[start]
            write += 1
            start += 1
            width -= 1
        if not is_last:
            path[write] = c'/'
            write += 1
    return write


cdef bytes normalized_head(const RequestHead* h, const char* p, size_t used, int steps):
    cdef size_t off = h.view.path.off, width = h.view.path.len
    cdef bytearray out = bytearray(3 * width + 1)
    cdef ssize_t n = normalize_path(out, h.view.base + off, width, steps)
    if n < 0:
        return None
    return p[:off] + bytes(out[:n]) + p[off + width:used]


def normalize(bytes path not None, int steps=PATH_BASE):
    """The normal form of a path without query; steps 0 none, 1 base, 3 merge slashes, 7 decode and
    merge slashes, 4 decode slashes alone. Raises ValueError for an encoded NUL."""
    cdef bytearray out = bytearray(3 * len(path) + 1)
    cdef ssize_t n
    if path_is_normal(path, len(path), steps):
        return path
    n = normalize_path(out, path, len(path), steps)
    if n < 0:
        raise ValueError("path: an encoded NUL")
    return bytes(out[:n])
