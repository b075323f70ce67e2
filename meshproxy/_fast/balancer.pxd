# balancer.pxd: what every policy is: a pure choice among the healthy endpoints of one cluster.
from libc.stdint cimport uint32_t, uint64_t

from libc.math cimport pow

from .random cimport RandomState, random_next
from .scoreboard cimport Cursor, EndpointColumn, EndpointState

# What a pick may look at. Borrowed for the call.
cdef struct PickRequest:
    RandomState* random
    uint64_t hash
    bint has_hash
    uint32_t attempt               # 0 first try, then 1, 2, ... for retries
    uint64_t now_us                # monotonic
    bint skips_ejected             # some endpoint of the cluster is ejected, or warming up

# The endpoints a balancer chooses from; fixed for the life of its cluster.
cdef struct Candidates:
    int count
    int workers                    # columns to sum: 1..workers
    size_t stride                  # bytes between the same slot of two workers' columns
    uint32_t* weights              # owned by the Cluster
    EndpointColumn** columns       # worker 1's column of each endpoint; owned array, borrowed columns
    Cursor* cursor                 # shared: round robin turn, latest ejection
    EndpointState** states         # of each endpoint; owned array, borrowed states
    uint64_t warmup_us             # slow start window; 0 = off
    double warmup_least            # factor at its beginning
    double warmup_power            # 1 / aggression

cdef class Balancer:
    cdef Candidates* set           # borrowed from the Cluster that owns this balancer

    # Index of the chosen endpoint, or -1 when request.skips_ejected and none admits; called with count >= 1.
    cdef int pick(self, PickRequest* request) noexcept

cdef inline uint32_t active_requests(Candidates* c, int i) noexcept nogil:
    cdef char* column = <char*>c.columns[i]
    cdef uint32_t sum = 0
    cdef int w
    for w in range(c.workers):
        sum += (<EndpointColumn*>(column + w * c.stride)).rq_active
    return sum


cdef inline bint is_admitting(Candidates* c, int i, uint64_t now_us) noexcept nogil:
    return c.states[i].ejected_until_us <= now_us


# Share of its weight an endpoint has while it warms up (ISTIO 3.9), 1.0 outside the window.
cdef inline double warmup_factor(Candidates* c, int i, uint64_t now_us) noexcept nogil:
    cdef uint64_t seen = c.states[i].first_seen_us
    cdef uint64_t age = now_us - seen if now_us > seen else 0
    cdef double factor
    if c.warmup_us == 0 or seen == 0 or age >= c.warmup_us:
        return 1.0
    factor = pow(<double>(age if age > 1000 else 1000) / <double>c.warmup_us, c.warmup_power)
    return factor if factor > c.warmup_least else c.warmup_least


# An endpoint in its warm-up takes its turn with the probability of its factor.
cdef inline bint takes_turn(Candidates* c, int i, PickRequest* r) noexcept nogil:
    cdef double factor
    if not is_admitting(c, i, r.now_us):
        return False
    if c.warmup_us == 0:
        return True
    factor = warmup_factor(c, i, r.now_us)
    return factor >= 1.0 or <double>(random_next(r.random) >> 11) * (1.0 / 9007199254740992.0) < factor


# The first that admits, from i on; -1 = none.
cdef inline int first_admitting(Candidates* c, int i, uint64_t now_us) noexcept nogil:
    cdef int step
    for step in range(c.count):
        if is_admitting(c, i, now_us):
            return i
        i = i + 1 if i + 1 < c.count else 0
    return -1
