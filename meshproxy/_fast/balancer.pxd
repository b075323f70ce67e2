# balancer.pxd: what every policy is: a pure choice among endpoints that may all be picked.
from libc.stdint cimport uint32_t, uint64_t

from .random cimport RandomState, random_next
from .scoreboard cimport EndpointColumn

# What a pick may look at. Borrowed for the call.
cdef struct PickRequest:
    RandomState* random
    uint64_t hash
    bint has_hash
    uint32_t attempt               # of this pick: the caller refused as many choices
    uint64_t now_us                # monotonic

# The endpoints a balancer chooses from; fixed for its life, but for `ramp`.
cdef struct Candidates:
    int count
    int workers                    # columns to sum: 1..workers
    size_t stride                  # bytes between the same slot of two workers' columns
    void** endpoints               # of the Tier's list, borrowed; array owned by the Tier, as the following
    EndpointColumn** columns       # worker 1's column of each endpoint, borrowed; in the same block
    uint32_t* weights
    uint64_t* turn                 # shared by all workers; borrowed
    double* ramp                   # the share of its weight that slow start leaves each, the largest 1.0
    bint is_warming                # some ramp is below 1.0

cdef class Balancer:
    cdef Candidates* set           # borrowed from the Tier that owns this balancer

    # Index of the chosen endpoint; called with count >= 1.
    cdef int pick(self, PickRequest* request) noexcept

cdef inline uint32_t active_requests(Candidates* c, int i) noexcept nogil:
    cdef char* column = <char*>c.columns[i]
    cdef uint32_t sum = 0
    cdef int w
    for w in range(c.workers):
        sum += (<EndpointColumn*>(column + w * c.stride)).rq_active
    return sum


# An endpoint that warms up takes its turn with the probability of its ramp.
cdef inline bint takes_turn(Candidates* c, int i, RandomState* random) noexcept nogil:
    return c.ramp[i] >= 1.0 or (
        <double>(random_next(random) >> 11) * (1.0 / 9007199254740992.0) < c.ramp[i])
