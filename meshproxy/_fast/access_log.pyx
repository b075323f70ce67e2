from libc.errno cimport EINTR, errno
from libc.stdint cimport uint8_t
from libc.string cimport memcpy, strlen

cimport cython

from .clib.socket cimport write
from .clib.system cimport CLOCK_REALTIME, clock_gettime, gmtime_r, timespec, tm
from .reply cimport detail_text, put_flags
from .scan cimport scan_find, scan_is_plain, scan_put_decimal
from .types cimport DETAIL_NONE

cdef enum:
    FLUSH_BYTES = 65536
    LINE_BYTES = 1024              # of a line, without its texts
    ESCAPED = 6                    # most that one byte of a text becomes

cdef const char* HEX = "0123456789abcdef"


@cython.final
cdef class AccessLog:
    """Istio's default text line, or JSON with the same names. Writes to `fd`, which stays the caller's."""

    def __cinit__(self, int fd, str format):
        self.fd = fd
        self.is_json = format == "json"
        self.lines = Buffer()
        self.is_torn = False
        self.second = -1

    cdef void record(self, LogEntry* e) noexcept:
        if self.is_json:
            self.json(e)
        else:
            self.text(e)
        if self.lines.held() >= FLUSH_BYTES:
            self.flush()

    # A line that cannot be written is lost, and no request waits for it; one that was begun is ended later.
    cdef void flush(self) noexcept:
        cdef ssize_t n
        cdef size_t held
        while self.lines.held():
            n = write(self.fd, self.lines.bytes_at(), self.lines.held())
            if n < 0:
                if errno == EINTR:
                    continue
                held = self.lines.held()
                if self.is_torn:
                    self.lines.tail = self.lines.head + scan_find(self.lines.bytes_at(), held - 1, c'\n') + 1
                else:
                    self.lines.clear()
                return
            if n:
                self.is_torn = self.lines.bytes_at()[n - 1] != c'\n'
            if <size_t>n == self.lines.held():
                self.lines.rewind(2 * FLUSH_BYTES)
            else:
                self.lines.consume(<size_t>n)

    # Room for a line at most this long, or NULL: no piece of it is checked again.
    cdef char* begin(self, const LogEntry* e) noexcept:
        cdef size_t n = LINE_BYTES + ESCAPED * (
            e.method.n + e.path.n + e.forwarded_for.n + e.user_agent.n + e.request_id.n + e.authority.n
            + e.upstream_host.n + e.cluster.n + e.route.n + e.remote.n)
        return self.lines.data + self.lines.tail if self.lines.tail + n <= self.lines.size else self.grow(n)

    cdef char* grow(self, size_t n) noexcept:
        try:
            return self.lines.reserve(n)
        except MemoryError:
            return NULL

    cdef void text(self, LogEntry* e) noexcept:
        cdef char* at = self.begin(e)
        if at == NULL:
            return
        at = put(at, b"[", 1)
        at += self.put_time(at)
        at = put(at, b'] "', 3)
        at = put_text(at, &e.method)
        at = put(at, b" ", 1)
        at = put_text(at, &e.path)
        if e.is_tcp:
            at = put(at, b' -" ', 4)
        else:
            at = put(at, b' HTTP/1.1" ' if e.minor else b' HTTP/1.0" ', 11)
        at += scan_put_decimal(at, e.status)
        at = put(at, b" ", 1)
        at += put_flags(at, e.flags)
        at = put(at, b" ", 1)
        at = put(at, detail_text(e.detail), strlen(detail_text(e.detail)))
        at = put(at, b' - "-" ', 7)
        at += scan_put_decimal(at, e.bytes_received)
        at = put(at, b" ", 1)
        at += scan_put_decimal(at, e.bytes_sent)
        at = put(at, b" ", 1)
        at += scan_put_decimal(at, e.duration_us // 1000)
        at = put(at, b" ", 1)
        if e.has_service_ms:
            at += scan_put_decimal(at, e.service_ms)
        else:
            at = put(at, b"-", 1)
        at = put(at, b' "', 2)
        at = put_text(at, &e.forwarded_for)
        at = put(at, b'" "', 3)
        at = put_text(at, &e.user_agent)
        at = put(at, b'" "', 3)
        at = put_text(at, &e.request_id)
        at = put(at, b'" "', 3)
        at = put_text(at, &e.authority)
        at = put(at, b'" "', 3)
        at = put_text(at, &e.upstream_host)
        at = put(at, b'" ', 2)
        at = put_text(at, &e.cluster)
        at = put(at, b" - - ", 5)
        at = put_text(at, &e.remote)
        at = put(at, b" - ", 3)
        at = put_text(at, &e.route)
        self.lines.commit(put(at, b"\n", 1))

    cdef void json(self, LogEntry* e) noexcept:
        cdef char flags[64]
        cdef LogText t
        cdef char* at = self.begin(e)
        if at == NULL:
            return
        at = put(at, b'{"start_time":"', 15)
        at += self.put_time(at)
        at = put(at, b'"', 1)
        at = json_text(at, b"method", &e.method)
        at = json_text(at, b"path", &e.path)
        t.p = b"HTTP/1.1" if e.minor else b"HTTP/1.0"
        t.n = 0 if e.is_tcp else 8
        at = json_text(at, b"protocol", &t)
        at = json_number(at, b"response_code", e.status)
        t.p = flags
        t.n = put_flags(flags, e.flags)
        at = json_text(at, b"response_flags", &t)
        t.p = detail_text(e.detail)
        t.n = strlen(t.p) if e.detail != DETAIL_NONE else 0
        at = json_text(at, b"response_code_details", &t)
        at = json_number(at, b"bytes_received", e.bytes_received)
        at = json_number(at, b"bytes_sent", e.bytes_sent)
        at = json_number(at, b"duration", e.duration_us // 1000)
        if e.has_service_ms:
            at = json_number(at, b"upstream_service_time", e.service_ms)
        at = json_text(at, b"x_forwarded_for", &e.forwarded_for)
        at = json_text(at, b"user_agent", &e.user_agent)
        at = json_text(at, b"request_id", &e.request_id)
        at = json_text(at, b"authority", &e.authority)
        at = json_text(at, b"upstream_host", &e.upstream_host)
        at = json_text(at, b"upstream_cluster", &e.cluster)
        at = json_text(at, b"downstream_remote_address", &e.remote)
        at = json_text(at, b"route_name", &e.route)
        self.lines.commit(put(at, b"}\n", 2))

    # "2026-01-31T23:59:59.123Z", 24 bytes; all but the milliseconds is made once a second.
    cdef uint32_t put_time(self, char* out) noexcept:
        cdef timespec ts
        cdef tm t
        clock_gettime(CLOCK_REALTIME, &ts)
        if ts.tv_sec != self.second:
            self.second = ts.tv_sec
            gmtime_r(&self.second, &t)
            memcpy(self.stamp, b"    -  -  T  :  :  .   Z", 24)
            put_digits(self.stamp, t.tm_year + 1900, 4)
            put_digits(self.stamp + 5, t.tm_mon + 1, 2)
            put_digits(self.stamp + 8, t.tm_mday, 2)
            put_digits(self.stamp + 11, t.tm_hour, 2)
            put_digits(self.stamp + 14, t.tm_min, 2)
            put_digits(self.stamp + 17, t.tm_sec, 2)
        memcpy(out, self.stamp, 24)
        put_digits(out + 20, <int>(ts.tv_nsec // 1000000), 3)
        return 24


cdef inline char* put(char* out, const char* p, size_t n) noexcept nogil:
    memcpy(out, p, n)
    return out + n


cdef inline char* put_text(char* out, const LogText* t) noexcept nogil:
    if t.n == 0:
        return put(out, b"-", 1)
    return put_escaped(out, t, False)


# Quotes, backslashes and bytes outside printable ASCII leave as \xHH (JSON: \u00HH).
cdef char* put_escaped(char* out, const LogText* t, bint is_json) noexcept nogil:
    cdef size_t i
    cdef uint8_t c
    if scan_is_plain(t.p, t.n):
        return put(out, t.p, t.n)
    for i in range(t.n):
        c = <uint8_t>t.p[i]
        if 0x20 <= c < 0x7f and c != c'"' and c != c'\\':
            out = put(out, <const char*>&c, 1)
            continue
        out = put(out, b"\\u00", 4) if is_json else put(out, b"\\x", 2)
        out = put(out, &HEX[c >> 4], 1)
        out = put(out, &HEX[c & 15], 1)
    return out


cdef char* json_name(char* out, const char* name) noexcept nogil:
    out = put(out, b',"', 2)
    out = put(out, name, strlen(name))
    return put(out, b'":', 2)


cdef char* json_text(char* out, const char* name, const LogText* t) noexcept nogil:
    out = json_name(out, name)
    if t.n == 0:
        return put(out, b"null", 4)
    out = put(out, b'"', 1)
    out = put_escaped(out, t, True)
    return put(out, b'"', 1)


cdef char* json_number(char* out, const char* name, uint64_t value) noexcept nogil:
    out = json_name(out, name)
    return out + scan_put_decimal(out, value)


cdef inline void put_digits(char* out, int value, int width) noexcept nogil:
    while width:
        width -= 1
        out[width] = <char>(48 + value % 10)
        value //= 10
