# access_log.pxd: one line per request, or per L4 session, written once per batch of events.
from libc.stdint cimport uint32_t, uint64_t

from .buffer cimport Buffer
from .clib.system cimport time_t
from .types cimport Detail

# What a line says. All pointers are borrowed for the call; a NULL or empty text prints as "-".
cdef struct LogText:
    const char* p
    size_t n

cdef struct LogEntry:
    uint64_t duration_us
    uint64_t service_ms            # upstream service time
    bint has_service_ms
    uint64_t bytes_received
    uint64_t bytes_sent
    uint32_t status                # 0 = no response
    uint32_t flags
    Detail detail
    int minor
    bint is_tcp                    # no protocol, no status
    LogText method
    LogText path
    LogText forwarded_for
    LogText user_agent
    LogText request_id
    LogText authority
    LogText upstream_host
    LogText cluster
    LogText route
    LogText remote

cdef class AccessLog:
    cdef readonly int fd           # borrowed from the engine's caller
    cdef bint is_json
    cdef Buffer lines
    cdef time_t second             # that stamp was made for
    cdef char stamp[24]
    cdef bint is_torn              # the last byte written was not the end of a line

    # A line for which there is no memory is lost: no request ends otherwise than it would without a log.
    cdef void record(self, LogEntry* e) noexcept
    cdef void flush(self) noexcept
    cdef char* begin(self, const LogEntry* e) noexcept
    cdef char* grow(self, size_t n) noexcept
    cdef void text(self, LogEntry* e) noexcept
    cdef void json(self, LogEntry* e) noexcept
    cdef uint32_t put_time(self, char* out) noexcept
