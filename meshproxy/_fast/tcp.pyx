from libc.errno cimport EINPROGRESS, errno
from libc.string cimport memset

cimport cython

from .balancer cimport PickRequest
from .clib.epoll cimport *
from .clib.socket cimport *
from .options cimport set_upstream_options
from .transport cimport *

cdef enum:
    READS_PER_EVENT = 4            # 1 MiB, then other sockets get their turn


@cython.final
cdef class TcpSide(Transport):
    def __cinit__(self, TcpSession session):
        self.session = session
        self.rt = session.rt
        self.is_connecting = self.is_eof = self.is_shut = False

    cdef void on_error(self) noexcept:
        if self.session is not None:
            self.session.close_now()

    cdef int on_event(self, uint32_t events) except -1:
        cdef int error = 0
        cdef socklen_t width = sizeof(error)
        cdef TcpSession session = self.session
        if self.is_connecting:
            if not events & (EPOLLOUT | EPOLLERR | EPOLLHUP):
                return 0
            getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &width)
            if error:
                session.connect_failed()
                session.close_now()
                return 0
            self.is_connecting = False
            session.start_idle_timer()
            if self.fd < 0:
                return 0
            self.other.pump()
        if self.fd >= 0 and events & EPOLLOUT and self.out is not None:
            error = self.flush()
            if error == SEND_FAILED:
                session.close_now()
                return 0
            if error == SEND_DONE:
                if self.other.is_eof:
                    self.other.pass_eof()
                else:
                    self.other.pump()
        if self.fd >= 0 and events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.is_readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self.peer_closed = True
            return self.pump()
        return 0

    cdef int on_again(self) except -1:
        return self.pump() if self.fd >= 0 else 0

    # Moves bytes from this side to the other until the socket is drained or the other side is full.
    cdef int pump(self) except -1:
        cdef ssize_t n
        cdef int reads = 0
        while self.fd >= 0 and self.is_readable and not self.other.is_connecting:
            if self.other.out is not None:
                return 0
            if reads == READS_PER_EVENT:
                return self.rt.reactor.again(self)
            reads += 1
            n = self.receive()
            if n == RECV_AGAIN:
                return 0
            if n == RECV_ERROR:
                self.session.close_now()
                return 0
            if n == RECV_EOF:
                self.is_eof = True
                return self.pass_eof()
            self.session.count(self, <size_t>n)
            self.rt.begin_send()
            self.rt.gather_add(self.rt.scratch, <size_t>n)
            if self.other.send_gathered() == SEND_FAILED:
                self.session.close_now()
        return 0

    cdef int pass_eof(self) except -1:
        if self.fd < 0 or self.other.out is not None or self.other.is_shut:
            return 0
        self.other.is_shut = True
        shutdown(self.other.fd, SHUT_WR)
        if self.other.is_eof and self.out is None:
            self.session.close_now()
        return 0


@cython.final
cdef class TcpSession(Transport):
    def __cinit__(self, Runtime rt, Cluster cluster):
        self.rt = rt
        self.cluster = cluster
        self.is_open = False
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

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
        self.is_open = True
        self.rt.downstream_count += 1
        self.rt.upstream_count += 1
        self.rt.column.downstream_cx_active += 1
        self.cluster.column.cx_total += 1
        self.cluster.column.cx_active += 1
        self.endpoint.column.cx_total += 1
        self.endpoint.column.cx_active += 1
        self.endpoint.column.rq_active += 1    # a session is what least request counts at L4
        self.endpoint.column.rq_total += 1
        self.down = TcpSide(self)
        self.up = TcpSide(self)
        self.down.other = self.up
        self.up.other = self.down
        self.up.is_connecting = True
        if self.cluster.connect_timeout_us:
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.cluster.connect_timeout_us)
        self.up.attach(up)
        self.down.attach(fd)
        return 0

    cdef void count(self, TcpSide side, size_t n) noexcept:
        self.active_us = self.rt.reactor.now_us
        if side is self.down:
            self.cluster.column.request_bytes += n
        else:
            self.cluster.column.response_bytes += n

    cdef int connect_failed(self) except -1:
        cdef dict event
        self.cluster.column.cx_connect_fail += 1
        self.endpoint.column.cx_connect_fail += 1
        event = self.cluster.report(self.endpoint, 503, True, self.rt.reactor.now_us)
        if event is not None and self.rt.on_health_event is not None:
            self.rt.on_health_event(event)
        return 0

    # Connected: from now on the timer looks for idleness and for the longest a session may live.
    cdef int start_idle_timer(self) except -1:
        self.active_us = self.opened_us = self.rt.reactor.now_us
        self.rt.reactor.cancel(&self.timer)
        self.cluster.report(self.endpoint, 200, False, self.opened_us)
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
        cdef TcpSide down = self.down
        cdef TcpSide up = self.up
        cdef TcpSession kept = self    # the sides hold the only references, and let go below
        if not self.is_open:
            return
        self.is_open = False
        self.rt.reactor.cancel(&self.timer)
        self.rt.downstream_count -= 1
        self.rt.upstream_count -= 1
        self.rt.column.downstream_cx_active -= 1
        self.cluster.column.cx_active -= 1
        self.endpoint.column.cx_active -= 1
        self.endpoint.column.rq_active -= 1
        down.close_socket()
        up.close_socket()
        down.session = up.session = None
        down.other = up.other = None
        self.down = self.up = None
