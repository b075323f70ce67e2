# cluster.pxd: a cluster as the snapshot has it, and an endpoint's runtime state, which outlives snapshots.
#
# Invariants:
#   (1) a Cluster never changes; a change of configuration or endpoints makes a new one
#   (2) an Endpoint is one (cluster id, address, port); the new Cluster takes it over from the old one, with its
#       pool and its counts
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport Balancer, Candidates, PickRequest
from .clib.socket cimport sockaddr_in6, socklen_t
from .scoreboard cimport ClusterColumn, EndpointColumn, Scoreboard

cdef class Endpoint:
    cdef sockaddr_in6 address      # or a sockaddr_in: see family
    cdef socklen_t address_len
    cdef int family
    cdef readonly str text         # "10.0.0.1:8080", "[::1]:8080"
    cdef bytes log_text
    cdef readonly str name         # "namespace/pod"
    cdef readonly int slot
    cdef bint is_retired           # no snapshot names it any more: its pool closes what is idle
    cdef EndpointColumn* column    # this worker's; borrowed from the scoreboard
    cdef object pool               # upstream.Pool; None until first used, and in explain

cdef class Cluster:
    cdef readonly int id
    cdef readonly str name
    cdef readonly str policy
    cdef bytes log_name
    cdef bint is_tcp
    cdef uint64_t connect_timeout_us
    cdef uint64_t idle_timeout_us
    cdef dict endpoints            # (address, port) -> Endpoint: all of them
    cdef list healthy              # Endpoint, in pick order
    cdef Candidates candidates     # parallel to healthy
    cdef Balancer balancer         # None when nothing is healthy
    cdef ClusterColumn* column     # this worker's; borrowed from the scoreboard
    cdef Scoreboard scoreboard     # keeps the columns and the cursor mapped

    cdef int fill_candidates(self, list weights, Scoreboard scoreboard) except -1
    cdef Balancer make_balancer(self, lb, list weights, dict owner_of)
    # The chosen endpoint, or None when none is healthy. Counts nothing.
    cdef Endpoint pick(self, PickRequest* request)
