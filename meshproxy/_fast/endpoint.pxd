# endpoint.pxd: an endpoint's runtime state, which outlives snapshots: one (cluster id, address, port).
from .clib.socket cimport sockaddr_in6, socklen_t
from .scoreboard cimport EndpointColumn, EndpointState, Scoreboard

cdef class Endpoint:
    # What every request asks stands together, as in Route.
    cdef EndpointColumn* column    # this worker's; borrowed from the scoreboard, which the cluster keeps
    cdef object pool               # upstream.Pool; None until first used, and in explain
    cdef bint is_retired           # no snapshot names it any more: its pool closes what is idle
    cdef int family
    cdef sockaddr_in6 address      # or a sockaddr_in: see family
    cdef socklen_t address_len
    cdef readonly str text         # "10.0.0.1:8080", "[::1]:8080"
    cdef bytes log_text
    cdef readonly str name         # "namespace/pod"
    cdef readonly int slot
    cdef EndpointState* state      # all workers'; borrowed likewise
