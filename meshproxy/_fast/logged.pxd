# logged.pxd: what the access log keeps of a request until its response is over: copies, since the bytes are gone by then.
from .access_log cimport LogEntry, LogText
from .buffer cimport Buffer
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .headers cimport RequestView
from .http1 cimport RequestHead
from .route cimport Route
from .types cimport Span

cdef class LoggedRequest:
    cdef Buffer text
    cdef Span method               # spans over text
    cdef Span path
    cdef Span authority
    cdef Span forwarded_for
    cdef Span user_agent
    cdef Span request_id
    cdef bytes remote              # the client that X-Forwarded-For names, or None: the peer

    # In place of what was kept before.
    cdef int keep(self, const RequestView* v) except -1
    # The line is written: little memory stays for the stream's next request.
    cdef void forget(self) noexcept
    # A request id the proxy made, at s in base.
    cdef int keep_id(self, const char* base, Span s) except -1
    cdef void fill(self, LogEntry* e) noexcept
    cdef int copy(self, const char* base, Span s, Span* kept) except -1
    cdef int copy_field(self, const RequestView* v, int i, Span* kept) except -1

# What is known of a head that became no request; borrowed.
cdef void log_line(LogEntry* e, const RequestHead* h) noexcept
# Where the request went; each may be None. The entry borrows their names.
cdef void log_target(LogEntry* e, Route route, Cluster cluster, Endpoint endpoint) noexcept
