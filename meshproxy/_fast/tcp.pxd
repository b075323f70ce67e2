# tcp.pxd: one L4 session: a downstream connection and the upstream connection its bytes go to, 1:1.
# Invariant: a reset by the upstream becomes a reset of the client's connection, as Envoy does, behind what the client is
# still to take; one by the client closes the upstream's.
from libc.stdint cimport uint32_t, uint64_t

from .admission cimport Admission
from .clib.socket cimport sockaddr_in6
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .relay cimport Relay
from .types cimport Detail

cdef class TcpSession(Relay):
    cdef Cluster cluster           # None: the listener's cluster does not exist
    cdef Endpoint endpoint
    cdef sockaddr_in6 remote       # or a sockaddr_in: the client
    cdef uint64_t opened_us        # accepted; timer: connect timeout, then idle timeout and longest life
    cdef uint64_t received_bytes   # from the client
    cdef uint64_t sent_bytes       # to the client
    cdef uint32_t flags            # ResponseFlag
    cdef Detail detail
    cdef Admission admission       # None: not counted, or it left
    cdef uint64_t seat             # there

    cdef int open(self, int fd) except -1
    # Closes a connection that goes nowhere.
    cdef int refuse(self, int fd, uint32_t flags, Detail detail) except -1
    cdef void give_seat(self) noexcept
    cdef Endpoint choose(self)
    cdef int connect_failed(self, Detail detail) except -1
    cdef int start_idle_timer(self) except -1
    cdef void log(self) noexcept
