from libc.string cimport memcpy, memset

cimport cython

from .bounds cimport BOUND_CONNECTIONS, BOUND_SOURCE
from .clib.socket cimport AF_INET, sockaddr_in
from .seats cimport *
from .xxh64 cimport xxh64


@cython.final
cdef class Admission:
    def __cinit__(self, Runtime rt, int listener_id):
        self.rt = rt
        self.listener_id = listener_id

    cdef bint admit(self, const sockaddr_in6* remote, uint64_t* seat) except -1:
        cdef uint64_t most = self.rt.bounds.connections, most_of_source = self.rt.bounds.source_connections
        seat[0] = self.source_of(remote) if most_of_source else 0
        if most and not take_listener_seat(self.rt.scoreboard, self.rt.worker, self.listener_id, most):
            self.rt.column.exceeded[<int>BOUND_CONNECTIONS] += 1
            return False
        if most_of_source and not take_source_seat(self.rt.scoreboard, self.rt.worker, seat[0], most_of_source):
            if most:
                leave_listener_seat(self.rt.scoreboard, self.rt.worker, self.listener_id)
            self.rt.column.exceeded[<int>BOUND_SOURCE] += 1
            return False
        return True

    cdef void leave(self, uint64_t seat) noexcept:
        if self.rt.bounds.connections:
            leave_listener_seat(self.rt.scoreboard, self.rt.worker, self.listener_id)
        if self.rt.bounds.source_connections:
            leave_source_seat(self.rt.scoreboard, self.rt.worker, seat)

    cdef uint64_t source_of(self, const sockaddr_in6* remote) except? 0:
        cdef char key[20]
        memset(key, 0, 20)
        memcpy(key, &self.listener_id, 4)
        if remote.sin6_family == AF_INET:
            memcpy(key + 4, &(<sockaddr_in*>remote).sin_addr, 4)
        else:
            memcpy(key + 4, &remote.sin6_addr, 16)
        return xxh64(key, 20, self.rt.scoreboard.secret())
