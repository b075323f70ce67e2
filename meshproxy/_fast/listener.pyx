from libc.errno cimport EMFILE, ENFILE, ENOBUFS, ENOMEM, errno
from libc.string cimport memcpy, memset

cimport cython

from .clib.epoll cimport *
from .clib.socket cimport *
from .cluster cimport Cluster
from .downstream cimport Http1Downstream
from .snapshot cimport Binding
from .tcp cimport TcpSession

cdef enum:
    PAUSE_US = 100000

cdef Binding BY_HOST = Binding()


@cython.final
cdef class Listener(Handler):
    def __cinit__(self, Runtime rt, int id):
        self.rt = rt
        self.id = id
        self.socket = -1
        if rt.bounds.connections or rt.bounds.source_connections:
            self.admission = Admission(rt, id)
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    # The descriptor stays its owner's: stop() leaves the epoll set and does not close it.
    cdef int open(self, int fd) except -1:
        cdef int one = 1
        self.socket = self.fd = fd
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))    # tcp(7): accepted sockets inherit it
        return self.rt.reactor.register(self, EPOLLIN | EPOLLEXCLUSIVE)

    cdef void stop(self) noexcept:
        self.rt.reactor.cancel(&self.timer)
        self.socket = -1
        self.leave()

    # Without a descriptor to spare accept() fails while the socket stays readable: look again a little later.
    cdef int pause(self) except -1:
        self.leave()
        return self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + PAUSE_US)

    cdef int on_timer(self, Timer* t) except -1:
        return self.open(self.socket) if self.socket >= 0 else 0

    # It could not be watched: later, perhaps.
    cdef void on_error(self) noexcept:
        if self.socket >= 0:
            self.pause()

    cdef void leave(self) noexcept:
        if self.fd >= 0:
            epoll_ctl(self.rt.reactor.epfd, EPOLL_CTL_DEL, self.fd, NULL)
            self.rt.reactor.unregister(self)

    cdef int on_event(self, uint32_t events) except -1:
        self.accept_some(ACCEPTS_SHARED if self.rt.scoreboard.workers > 1 else ACCEPTS_PER_EVENT)
        return 0

    # Bounded, though new connections may keep coming.
    cdef int accept_all(self) except -1:
        return self.accept_some(ACCEPTS_IN_DRAIN) if self.fd >= 0 else 1

    cdef int accept_some(self, int most) except -1:
        cdef int i, fd
        cdef sockaddr_in6 remote
        cdef socklen_t width
        cdef Http1Downstream connection
        cdef TcpSession session
        cdef uint64_t seat = 0
        cdef Binding binding = self.rt.snapshot.bindings.get(self.id, BY_HOST)
        for i in range(most):
            width = sizeof(remote)
            fd = accept4(self.fd, <sockaddr*>&remote, &width, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                if errno in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
                    self.pause()
                return 1
            if self.admission is not None:
                if not self.admission.admit(&remote, &seat):
                    close(fd)
                    continue
            if binding.is_tcp:
                session = TcpSession(self.rt, self.rt.snapshot.cluster_at(binding.take_cluster()))
                memcpy(&session.remote, &remote, min(width, sizeof(remote)))
                session.admission = self.admission
                session.seat = seat
                try:
                    session.open(fd)
                except BaseException as e:
                    self.rt.reactor.report(e, session)
                continue
            connection = Http1Downstream(self.rt, binding)
            memcpy(&connection.remote, &remote, min(width, sizeof(remote)))
            connection.admission = self.admission
            connection.seat = seat
            try:
                connection.accept(fd)
            except BaseException as e:
                self.rt.reactor.report(e, connection)
            if self.fd < 0:
                return 1
        return 0
