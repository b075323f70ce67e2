from libc.string cimport memcpy

cimport cython

from .clib.epoll cimport *
from .clib.socket cimport *
from .cluster cimport Cluster
from .downstream cimport Http1Downstream
from .snapshot cimport Binding
from .tcp cimport TcpSession

cdef Binding BY_HOST = Binding()


@cython.final
cdef class Listener(Handler):
    def __cinit__(self, Runtime rt, int id):
        self.rt = rt
        self.id = id

    # The descriptor stays its owner's: stop() leaves the epoll set and does not close it.
    cdef int open(self, int fd) except -1:
        self.fd = fd
        return self.rt.reactor.register(self, EPOLLIN | EPOLLEXCLUSIVE)

    cdef void stop(self) noexcept:
        if self.fd >= 0:
            epoll_ctl(self.rt.reactor.epfd, EPOLL_CTL_DEL, self.fd, NULL)
            self.rt.reactor.unregister(self)

    cdef int on_event(self, uint32_t events) except -1:
        cdef int i, fd, one = 1
        cdef sockaddr_in6 remote
        cdef socklen_t width
        cdef Http1Downstream connection
        cdef Binding binding = self.rt.snapshot.bindings.get(self.id, BY_HOST)
        for i in range(ACCEPTS_PER_EVENT):
            width = sizeof(remote)
            fd = accept4(self.fd, <sockaddr*>&remote, &width, SOCK_NONBLOCK | SOCK_CLOEXEC)
            if fd < 0:
                return 0
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
            if binding.is_tcp:
                TcpSession(self.rt, self.rt.snapshot.cluster_at(binding.cluster)).open(fd)
                continue
            connection = Http1Downstream(self.rt, binding)
            memcpy(&connection.remote, &remote, width if width <= sizeof(remote) else sizeof(remote))
            connection.accept(fd)
            if self.fd < 0:
                return 0
        return 0
