from libc.errno cimport EINTR, errno
from libc.stdint cimport uint8_t
from libc.string cimport strlen

cimport cython

from .clib.socket cimport write
from .clib.system cimport CLOCK_REALTIME, clock_gettime, gmtime_r, time_t, timespec, tm
from .reply cimport detail_text, put_flags
from .scan cimport scan_find, scan_put_decimal

cdef enum:
    FLUSH_BYTES = 65536

cdef const char* HEX = "0123456789abcdef"


@cython.final
cdef class AccessLog:
    """Istio's default text line, or JSON with the same names. Writes to `fd`, which stays the caller's."""

    def __cinit__(self, int fd, str format):
        self.fd = fd
        self.is_json = format == "json"
        self.lines = Buffer()
        self.is_torn = False

    cdef int record(self, LogEntry* e) except -1:
        if self.is_json:
            self.json(e)
        else:
            self.text(e)
        if self.lines.held() >= FLUSH_BYTES:
            self.flush()
        return 0

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
            self.lines.consume(<size_t>n)

    cdef int put(self, const char* p, size_t n) except -1:
        return self.lines.append(p, n)

    cdef int put_number(self, uint64_t value) except -1:
        cdef char digits[20]
        return self.put(digits, scan_put_decimal(digits, value))

    # Quotes, backslashes and bytes outside printable ASCII leave as \xHH (JSON: \u00HH).
    cdef int put_text(self, LogText* t, bint escape) except -1:
        cdef size_t i, start = 0
        cdef uint8_t c
        cdef char code[6]
        if t.n == 0:
            return self.put(b"-", 1)
        if not escape:
            return self.put(t.p, t.n)
        for i in range(t.n):
            c = <uint8_t>t.p[i]
            if 0x20 <= c < 0x7f and c != c'"' and c != c'\\':
                continue
            self.put(t.p + start, i - start)
            start = i + 1
            code[0] = c'\\'
            if self.is_json:
                code[1], code[2], code[3] = c'u', c'0', c'0'
                code[4], code[5] = HEX[c >> 4], HEX[c & 15]
                self.put(code, 6)
            else:
                code[1], code[2], code[3] = c'x', HEX[c >> 4], HEX[c & 15]
                self.put(code, 4)
        return self.put(t.p + start, t.n - start)

    cdef int text(self, LogEntry* e) except -1:
        cdef char buf[64]
        cdef const char* detail = detail_text(e.detail)
        self.put(b"[", 1)
        self.put(buf, put_time(buf))
        self.put(b'] "', 3)
        self.put_text(&e.method, True)
        self.put(b" ", 1)
        self.put_text(&e.path, True)
        self.put(b' HTTP/1.1" ' if e.minor else b' HTTP/1.0" ', 11)
        self.put_number(e.status)
        self.put(b" ", 1)
        self.put(buf, put_flags(buf, e.flags))
        self.put(b" ", 1)
        self.put(detail, strlen(detail))
        self.put(b' - "-" ', 7)
        self.put_number(e.bytes_received)
        self.put(b" ", 1)
        self.put_number(e.bytes_sent)
        self.put(b" ", 1)
        self.put_number(e.duration_us // 1000)
        self.put(b" ", 1)
        if e.has_service_ms:
            self.put_number(e.service_ms)
        else:
            self.put(b"-", 1)
        self.put(b' "', 2)
        self.put_text(&e.forwarded_for, True)
        self.put(b'" "', 3)
        self.put_text(&e.user_agent, True)
        self.put(b'" "', 3)
        self.put_text(&e.request_id, True)
        self.put(b'" "', 3)
        self.put_text(&e.authority, True)
        self.put(b'" "', 3)
        self.put_text(&e.upstream_host, False)
        self.put(b'" ', 2)
        self.put_text(&e.cluster, False)
        self.put(b" - - ", 5)
        self.put_text(&e.remote, False)
        self.put(b" - ", 3)
        self.put_text(&e.route, True)
        return self.put(b"\n", 1)

    cdef int json_text(self, const char* name, LogText* t) except -1:
        self.put(b',"', 2)
        self.put(name, strlen(name))
        if t.n == 0:
            return self.put(b'":null', 6)
        self.put(b'":"', 3)
        self.put_text(t, True)
        return self.put(b'"', 1)

    cdef int json_number(self, const char* name, uint64_t value) except -1:
        self.put(b',"', 2)
        self.put(name, strlen(name))
        self.put(b'":', 2)
        return self.put_number(value)

    cdef int json(self, LogEntry* e) except -1:
        cdef char buf[64]
        cdef LogText t
        self.put(b'{"start_time":"', 15)
        self.put(buf, put_time(buf))
        self.put(b'"', 1)
        self.json_text("method", &e.method)
        self.json_text("path", &e.path)
        t.p = b"HTTP/1.1" if e.minor else b"HTTP/1.0"
        t.n = 8
        self.json_text("protocol", &t)
        self.json_number("response_code", e.status)
        t.p = buf
        t.n = put_flags(buf, e.flags)
        self.json_text("response_flags", &t)
        t.p = detail_text(e.detail)
        t.n = strlen(t.p)
        self.json_text("response_code_details", &t)
        self.json_number("bytes_received", e.bytes_received)
        self.json_number("bytes_sent", e.bytes_sent)
        self.json_number("duration", e.duration_us // 1000)
        if e.has_service_ms:
            self.json_number("upstream_service_time", e.service_ms)
        self.json_text("x_forwarded_for", &e.forwarded_for)
        self.json_text("user_agent", &e.user_agent)
        self.json_text("request_id", &e.request_id)
        self.json_text("authority", &e.authority)
        self.json_text("upstream_host", &e.upstream_host)
        self.json_text("upstream_cluster", &e.cluster)
        self.json_text("downstream_remote_address", &e.remote)
        self.json_text("route_name", &e.route)
        return self.put(b"}\n", 2)


# "2026-01-31T23:59:59.123Z", 24 bytes.
cdef uint32_t put_time(char* out) noexcept:
    cdef timespec ts
    cdef time_t when
    cdef tm t
    clock_gettime(CLOCK_REALTIME, &ts)
    when = ts.tv_sec
    gmtime_r(&when, &t)
    put_digits(out, t.tm_year + 1900, 4)
    put_digits(out + 5, t.tm_mon + 1, 2)
    put_digits(out + 8, t.tm_mday, 2)
    put_digits(out + 11, t.tm_hour, 2)
    put_digits(out + 14, t.tm_min, 2)
    put_digits(out + 17, t.tm_sec, 2)
    put_digits(out + 20, <int>(ts.tv_nsec // 1000000), 3)
    out[4] = out[7] = c'-'
    out[10] = c'T'
    out[13] = out[16] = c':'
    out[19] = c'.'
    out[23] = c'Z'
    return 24


cdef inline void put_digits(char* out, int value, int width) noexcept nogil:
    while width:
        width -= 1
        out[width] = <char>(48 + value % 10)
        value //= 10
