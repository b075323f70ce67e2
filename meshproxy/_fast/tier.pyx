import array

from libc.stdlib cimport calloc, free

cimport cython

from .ketama cimport RingHash
from .ketama import build_ring
from .least_request cimport LeastRequest
from .maglev cimport Maglev
from .maglev import build_table
from .random cimport random_next
from .random_pick cimport RandomPick
from .round_robin cimport RoundRobin
from .scoreboard cimport EndpointColumn, EndpointState


@cython.final
cdef class Tier:
    """`members` are (index in ClusterData.endpoints, Endpoint, weight); `is_whole`: they are all healthy ones,
    so a ring or table made by the control process fits."""

    def __cinit__(self, data, list members, Scoreboard scoreboard, uint32_t weight, bint is_whole):
        cdef int i, n = len(members)
        cdef Candidates* c = &self.candidates
        warmup = data.get("warmup")
        self.weight = weight
        self.healthy = [endpoint for _, endpoint, _ in members]
        c.count = n
        c.workers = scoreboard.workers
        c.stride = scoreboard.column_stride()
        c.cursor = scoreboard.cluster_cursor(data["id"])
        c.warmup_us = 0
        if warmup is not None and data["lb"]["policy"] in ("ROUND_ROBIN", "LEAST_REQUEST"):
            c.warmup_us = warmup["duration_ms"] * 1000
            c.warmup_least = warmup["minimum_percent"] / 100.0
            c.warmup_power = 1.0 / warmup["aggression"]
        c.weights = <uint32_t*>calloc(n + 1, sizeof(uint32_t))
        c.columns = <EndpointColumn**>calloc(n + 1, sizeof(void*))
        c.states = <EndpointState**>calloc(n + 1, sizeof(void*))
        if c.weights == NULL or c.columns == NULL or c.states == NULL:
            raise MemoryError()
        for i in range(n):
            c.weights[i] = members[i][2]
            c.columns[i] = scoreboard.endpoint_column(1, (<Endpoint>self.healthy[i]).slot)
            c.states[i] = (<Endpoint>self.healthy[i]).state
        self.balancer = make_balancer(data["lb"], members, is_whole)
        if self.balancer is not None:
            self.balancer.set = c

    def __dealloc__(self):
        free(self.candidates.weights)
        free(self.candidates.columns)
        free(self.candidates.states)

    cdef Endpoint pick(self, PickRequest* request):
        cdef int chosen
        if self.balancer is None:
            return None
        chosen = self.balancer.pick(request)
        return <Endpoint>self.healthy[chosen] if chosen >= 0 else None

    cdef int admitting(self, uint64_t now_us) noexcept:
        cdef int i, n = 0
        for i in range(self.candidates.count):
            n += self.candidates.states[i].ejected_until_us <= now_us
        return n


cdef Balancer make_balancer(lb, list members, bint is_whole):
    if not members:
        return None
    policy = lb["policy"]
    if policy == "ROUND_ROBIN":
        return RoundRobin([weight for _, _, weight in members])
    if policy == "RANDOM":
        return RandomPick()
    if policy not in ("RING_HASH", "MAGLEV"):
        return LeastRequest()
    keys = [(<Endpoint>endpoint).log_text for _, endpoint, _ in members]
    weights = [weight for _, _, weight in members]
    given = lb.get("ring_endpoints") if policy == "RING_HASH" else lb.get("maglev_table")
    owners = None
    if is_whole and given is not None:
        place = {index: i for i, (index, _, _) in enumerate(members)}
        owners = array.array("I", [place[k] for k in array.array("I", given)]).tobytes()
    if policy == "RING_HASH":
        if owners is not None:
            return RingHash(lb["ring_hashes"], owners, len(members))
        hashes, owners = build_ring(keys, weights)
        return RingHash(hashes, owners, len(members))
    return Maglev(owners if owners is not None else build_table(keys, weights, lb.get("table_size", 65537)), len(members))


@cython.final
cdef class Level:
    def __cinit__(self, list tiers, int total):
        self.tiers = tiers
        self.total = total
        self.ready = sum([len((<Tier>t).healthy) for t in tiers])

    cdef int health(self, uint64_t now_us) noexcept:
        cdef int n = 0
        cdef Tier t
        if self.total == 0:
            return 0
        for t in self.tiers:
            n += t.admitting(now_us)
        n = n * 140 // self.total
        return n if n < 100 else 100

    cdef Tier choose(self, PickRequest* request):
        cdef Tier t
        cdef uint64_t sum = 0, ticket
        if len(self.tiers) == 1:
            return <Tier>self.tiers[0]
        for t in self.tiers:
            if t.healthy:
                sum += t.weight
        if sum == 0:
            return None
        ticket = (request.hash if request.has_hash else random_next(request.random)) % sum
        for t in self.tiers:
            if t.healthy:
                if ticket < t.weight:
                    return t
                ticket -= t.weight
        return None
