from libc.errno cimport EINPROGRESS, errno

cimport cython

from .balancer cimport PickRequest
from .clib.socket cimport *
from .options cimport set_upstream_options
from .outlier cimport FAILED_CONNECTING, FAILED_NOT
from .relay cimport RelaySide
from .runtime cimport Runtime
from .timer cimport Timer


@cython.final
cdef class TcpSession(Relay):
    def __cinit__(self, Runtime rt, Cluster cluster):
        self.rt = rt
        self.cluster = cluster

    # Takes over fd. Without an endpoint the connection is closed at once (UH).
    cdef int open(self, int fd) except -1:
        cdef PickRequest request
        cdef int up
        self.rt.column.downstream_cx_total += 1
        request.random = &self.rt.random
        request.attempt = 0
        request.now_us = self.rt.reactor.now_us
        request.has_hash = False
        if self.cluster is not None:
            self.endpoint = self.cluster.pick(&request)
        if self.endpoint is None:
            if self.cluster is not None:
                self.cluster.column.cx_none_healthy += 1
            close(fd)
            return 0
        if not self.cluster.limits.may_connect():
            self.cluster.column.cx_overflow += 1
            close(fd)
            return 0
        up = socket(self.endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if up < 0:
            close(fd)
            return 0
        set_upstream_options(up, self.cluster)
        if connect(up, <const sockaddr*>&self.endpoint.address, self.endpoint.address_len) < 0 and (
                errno != EINPROGRESS):
            self.connect_failed()
            close(up)
            close(fd)
            return 0
        self.rt.downstream_count += 1
        self.rt.upstream_count += 1
        self.rt.column.downstream_cx_active += 1
        self.cluster.column.cx_total += 1
        self.cluster.column.cx_active += 1
        self.endpoint.column.cx_total += 1
        self.endpoint.column.cx_active += 1
        self.endpoint.column.rq_active += 1    # a session is what least request counts at L4
        self.endpoint.column.rq_total += 1
        self.join()
        self.up.is_connecting = True
        if self.cluster.connect_timeout_us:
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.cluster.connect_timeout_us)
        self.up.attach(up)
        self.down.attach(fd)
        return 0

    cdef void count(self, RelaySide side, size_t n) noexcept:
        self.active_us = self.rt.reactor.now_us
        if side is self.down:
            self.cluster.column.request_bytes += n
        else:
            self.cluster.column.response_bytes += n

    cdef int on_connected(self, int error) except -1:
        if error:
            self.connect_failed()
            self.close_now()
            return 0
        self.up.is_connecting = False
        return self.start_idle_timer()

    cdef int connect_failed(self) except -1:
        cdef dict event
        self.cluster.column.cx_connect_fail += 1
        self.endpoint.column.cx_connect_fail += 1
        event = self.cluster.report(self.endpoint, 503, FAILED_CONNECTING, self.rt.reactor.now_us)
        if event is not None and self.rt.on_health_event is not None:
            self.rt.on_health_event(event)
        return 0

    # Connected: from now on the timer looks for idleness and for the longest a session may live.
    cdef int start_idle_timer(self) except -1:
        self.active_us = self.opened_us = self.rt.reactor.now_us
        self.rt.reactor.cancel(&self.timer)
        self.cluster.report(self.endpoint, 200, FAILED_NOT, self.opened_us)
        return self.on_timer(&self.timer)

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t now = self.rt.reactor.now_us, due = 0, idle = self.cluster.tcp_idle_timeout_us
        cdef uint64_t longest = self.cluster.limits.max_connection_us
        if self.up.is_connecting:
            self.connect_failed()
            self.close_now()
            return 0
        if (idle and now - self.active_us >= idle) or (longest and now - self.opened_us >= longest):
            self.close_now()
            return 0
        if idle:
            due = self.active_us + idle
        if longest and (due == 0 or self.opened_us + longest < due):
            due = self.opened_us + longest
        return self.rt.reactor.arm(t, due) if due else 0

    cdef void close_now(self) noexcept:
        cdef TcpSession kept = self    # the sides hold the only references, and let go below
        if not self.is_open:
            return
        self.rt.downstream_count -= 1
        self.rt.upstream_count -= 1
        self.rt.column.downstream_cx_active -= 1
        self.cluster.column.cx_active -= 1
        self.endpoint.column.cx_active -= 1
        self.endpoint.column.rq_active -= 1
        self.part()
