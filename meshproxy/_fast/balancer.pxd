# balancer.pxd: what every policy is: a pure choice among the healthy endpoints of one cluster.
from libc.stdint cimport uint32_t, uint64_t

from .random cimport RandomState
from .scoreboard cimport Cursor, EndpointColumn

# What a pick may look at. Borrowed for the call.
cdef struct PickRequest:
    RandomState* random
    uint64_t hash
    bint has_hash
    uint32_t attempt               # 0 first try, then 1, 2, ... for retries

# The endpoints a balancer chooses from; fixed for the life of its cluster.
cdef struct Candidates:
    int count
    int workers                    # columns to sum: 1..workers
    size_t stride                  # bytes between the same slot of two workers' columns
    uint32_t* weights              # owned by the Cluster
    EndpointColumn** columns       # worker 1's column of each endpoint; owned array, borrowed columns
    Cursor* cursor                 # shared round robin cursor of the cluster

cdef class Balancer:
    cdef Candidates* set           # borrowed from the Cluster that owns this balancer

    # Index of the chosen endpoint; called with count >= 1.
    cdef int pick(self, PickRequest* request) noexcept

cdef inline uint32_t active_requests(Candidates* c, int i) noexcept nogil:
    cdef char* column = <char*>c.columns[i]
    cdef uint32_t sum = 0
    cdef int w
    for w in range(c.workers):
        sum += (<EndpointColumn*>(column + w * c.stride)).rq_active
    return sum
