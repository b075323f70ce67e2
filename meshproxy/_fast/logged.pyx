cimport cython

from .headers cimport *

cdef enum:
    KEPT_BYTES = 4096              # of memory by a stream that ended, of which a worker keeps some

cdef Span NOTHING = Span(0, 0)
cdef Span ROOT = Span(0, 1)        # of b"/"


@cython.final
cdef class LoggedRequest:
    def __cinit__(self):
        self.text = Buffer()

    cdef int keep(self, const RequestView* v) except -1:
        cdef Span query
        if self.text.held():           # its line was never written
            self.forget()
        self.copy(v.base, v.method_name, &self.method)
        if v.path.off == v.target.off:
            self.copy(v.base, v.target, &self.path)
        else:                           # absolute-form without a path (RFC 9112 3.2.1)
            self.copy(b"/", ROOT, &self.path)
            self.copy(v.base, v.target, &query)
            self.path.len += query.len
        self.copy(v.base, v.authority, &self.authority)
        self.copy_field(v, v.headers.slot[<int>H_X_FORWARDED_FOR], &self.forwarded_for)
        self.copy_field(v, v.headers.slot[<int>H_USER_AGENT], &self.user_agent)
        return self.copy_field(v, v.headers.slot[<int>H_X_REQUEST_ID], &self.request_id)

    cdef void forget(self) noexcept:
        self.remote = None
        self.method = self.path = self.authority = NOTHING
        self.forwarded_for = self.user_agent = self.request_id = NOTHING
        self.text.rewind(KEPT_BYTES)

    cdef int keep_id(self, const char* base, Span s) except -1:
        return self.copy(base, s, &self.request_id)

    cdef int copy(self, const char* base, Span s, Span* kept) except -1:
        cdef uint32_t off = <uint32_t>self.text.held()
        if s.len:
            self.text.append(base + s.off, s.len)
        kept.off = off                 # only now: without memory nothing of it is logged
        kept.len = s.len
        return 0

    cdef int copy_field(self, const RequestView* v, int i, Span* kept) except -1:
        cdef Span s
        s.off = s.len = 0
        if i >= 0:
            s.off = v.headers.fields[i].value
            s.len = v.headers.fields[i].value_len
        return self.copy(v.base, s, kept)

    cdef void fill(self, LogEntry* e) noexcept:
        put(self.text, &e.method, self.method)
        put(self.text, &e.path, self.path)
        put(self.text, &e.authority, self.authority)
        put(self.text, &e.forwarded_for, self.forwarded_for)
        put(self.text, &e.user_agent, self.user_agent)
        put(self.text, &e.request_id, self.request_id)


cdef void put(Buffer text, LogText* out, Span s) noexcept:
    out.p = text.bytes_at() + s.off if s.len else NULL
    out.n = s.len


cdef void log_line(LogEntry* e, const RequestHead* h) noexcept:
    e.minor = 1
    if h.has_line:
        e.minor = h.minor
        e.method.p = h.view.base + h.view.method_name.off
        e.method.n = h.view.method_name.len
        e.path.p = h.view.base + h.view.target.off
        e.path.n = h.view.target.len


cdef void log_target(LogEntry* e, Route route, Cluster cluster, Endpoint endpoint) noexcept:
    if route is not None:
        put_bytes(&e.route, route.log_name)
    if cluster is not None:
        put_bytes(&e.cluster, cluster.log_name)
    if endpoint is not None:
        put_bytes(&e.upstream_host, endpoint.log_text)


cdef inline void put_bytes(LogText* out, bytes text) noexcept:
    out.p = text
    out.n = len(text)
