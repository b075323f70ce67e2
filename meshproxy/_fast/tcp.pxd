# tcp.pxd: one L4 session: a downstream connection and the upstream connection its bytes go to, 1:1.
from libc.stdint cimport uint64_t

from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .relay cimport Relay

cdef class TcpSession(Relay):
    cdef Cluster cluster
    cdef Endpoint endpoint
    cdef uint64_t opened_us        # connected; timer: connect timeout, then idle timeout and longest life

    cdef int open(self, int fd) except -1
    cdef int connect_failed(self) except -1
    cdef int start_idle_timer(self) except -1
