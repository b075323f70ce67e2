# tcp.pxd: one L4 session: a downstream connection and the upstream connection its bytes go to, 1:1.
#
# Invariants:
#   (1) a side is read only while the other side has nothing pending: memory per direction is one scratch buffer
#   (2) EOF on a side is passed on as shutdown(SHUT_WR) when the other side has sent all; both ends gone = closed
from libc.stdint cimport uint64_t

from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .runtime cimport Runtime
from .timer cimport Timer
from .transport cimport Transport

cdef class TcpSide(Transport):
    cdef TcpSession session
    cdef TcpSide other
    cdef bint is_connecting
    cdef bint is_eof               # read side: the peer sent FIN
    cdef bint is_shut              # write side: we sent FIN

    cdef int pump(self) except -1
    cdef int pass_eof(self) except -1

cdef class TcpSession(Transport):
    cdef TcpSide down
    cdef TcpSide up
    cdef Cluster cluster
    cdef Endpoint endpoint
    cdef Timer timer               # connect timeout, then idle timeout and longest life
    cdef uint64_t opened_us
    cdef uint64_t active_us        # last bytes either way
    cdef bint is_open

    cdef int open(self, int fd) except -1
    cdef int connect_failed(self) except -1
    cdef int start_idle_timer(self) except -1
    cdef void count(self, TcpSide side, size_t n) noexcept
    cdef void close_now(self) noexcept
