from libc.math cimport pow
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

cimport cython

from .bounded cimport BoundedLoad
from .ketama cimport RingHash
from .ketama import ring_of_shares
from .least_request cimport LeastRequest
from .maglev cimport Maglev
from .maglev import table_of_shares
from .random_pick cimport RandomPick
from .round_robin cimport RoundRobin
from .scoreboard cimport EndpointColumn

MAX_RING_SIZE = 8388608                # Envoy's maximum_ring_size


# ISTIO 3.9: share of its weight that an endpoint has; 1 outside of the window. An endpoint not seen yet is not new.
cdef double ramp_at(uint64_t seen_us, uint64_t now_us, uint64_t window_us, double least, double power) noexcept nogil:
    cdef uint64_t age = now_us - seen_us if now_us > seen_us else 0
    if seen_us == 0 or age >= window_us:
        return 1.0
    return min(1.0, max(least, pow(<double>(age if age > 1000 else 1000) / <double>window_us, power)))


def effective_weight(int weight, warmup, uint64_t first_seen_us, uint64_t now_us):
    """What slow start leaves of a weight; `warmup`: WarmupData."""
    return weight * ramp_at(first_seen_us, now_us, warmup["duration_ms"] * 1000,
                            warmup["minimum_percent"] / 100.0, 1.0 / warmup["aggression"])


@cython.final
cdef class Policy:
    def __cinit__(self, data, Scoreboard scoreboard):
        lb = data["lb"]
        warmup = data.get("warmup")
        self.name = lb["policy"]
        self.hashes = self.name in ("RING_HASH", "MAGLEV")
        self.ring_size = lb.get("ring_size", 1024)
        self.table_size = lb.get("table_size", 65537)
        self.balance_factor = lb.get("balance_factor", 0)
        self.cluster_id = data["id"]
        self.scoreboard = scoreboard
        self.warmup_us = 0
        if warmup is not None and self.name in ("ROUND_ROBIN", "LEAST_REQUEST"):
            self.warmup_us = warmup["duration_ms"] * 1000
            self.warmup_least = warmup["minimum_percent"] / 100.0
            self.warmup_power = 1.0 / warmup["aggression"]

    # `table` is (hashes, owners) of a ring, (b"", owners) of a Maglev table, or None: it is made here.
    cdef Balancer make_balancer(self, list endpoints, list weights, list shares, table):
        cdef Balancer hashing
        if self.name == "ROUND_ROBIN":
            return RoundRobin(weights)
        if self.name == "RANDOM":
            return RandomPick()
        if not self.hashes:
            return LeastRequest(weights)
        keys = [(<Endpoint>e).log_text for e in endpoints]
        if self.name == "RING_HASH":
            hashes, owners = table or ring_of_shares(keys, shares, self.ring_size, MAX_RING_SIZE)
            hashing = RingHash(hashes, owners, len(endpoints))
        else:
            _, owners = table or (b"", table_of_shares(keys, shares, self.table_size))
            hashing = Maglev(owners, len(endpoints))
        if not self.balance_factor:
            return hashing
        return BoundedLoad(hashing, shares, self.balance_factor, self.scoreboard, self.cluster_id)


@cython.final
cdef class Tier:
    def __cinit__(self, Policy policy, list endpoints, list weights, list shares, table, int number):
        cdef int i, n = len(endpoints)
        cdef Candidates* c = &self.candidates
        cdef Scoreboard scoreboard = policy.scoreboard
        self.policy = policy
        self.endpoints = endpoints
        self.number = number
        c.count = n
        c.workers = scoreboard.workers
        c.stride = scoreboard.column_stride()
        c.is_warming = False
        c.weights = <uint32_t*>calloc(n + 1, sizeof(uint32_t))
        c.endpoints = <void**>calloc(2 * n + 1, sizeof(void*))
        c.ramp = <double*>calloc(n + 1, sizeof(double))
        if c.weights == NULL or c.endpoints == NULL or c.ramp == NULL:
            raise MemoryError()
        c.columns = <EndpointColumn**>(c.endpoints + n)
        for i in range(n):
            c.endpoints[i] = <void*>endpoints[i]
            c.weights[i] = weights[i]
            c.columns[i] = scoreboard.endpoint_column(1, (<Endpoint>endpoints[i]).slot)
            c.ramp[i] = 1.0
        self.use_turns(scoreboard.cluster_cursor(policy.cluster_id))
        self.balancer = policy.make_balancer(endpoints, weights, shares, table)
        self.balancer.set = c
        if isinstance(self.balancer, BoundedLoad):
            (<BoundedLoad>self.balancer).hashing.set = c

    def __dealloc__(self):
        free(self.candidates.weights)
        free(self.candidates.endpoints)
        free(self.candidates.ramp)

    cdef Endpoint pick(self, PickRequest* request):
        return <Endpoint>self.candidates.endpoints[self.balancer.pick(request)]

    cdef void use_turns(self, Cursor* cursor) noexcept:
        self.candidates.turn = (&cursor.value if self.number == 0
                                else &cursor.turns[(self.number - 1) % CURSOR_TURNS])

    # Only the ratio of the ramps counts, so the largest becomes 1: endpoints that are all new share alike.
    cdef bint warm(self, uint64_t now_us) noexcept:
        cdef int i
        cdef double largest = 0
        cdef Policy p = self.policy
        cdef Candidates* c = &self.candidates
        cdef bint warms = False
        if p.warmup_us == 0:
            return False
        c.is_warming = False
        for i in range(c.count):
            c.ramp[i] = ramp_at((<Endpoint>self.endpoints[i]).state.first_seen_us, now_us,
                                p.warmup_us, p.warmup_least, p.warmup_power)
            warms = warms or c.ramp[i] < 1.0
            largest = max(largest, c.ramp[i])
        for i in range(c.count):
            c.ramp[i] = c.ramp[i] / largest if largest > 0 else 1.0
            c.is_warming = c.is_warming or c.ramp[i] < 1.0
        return warms
