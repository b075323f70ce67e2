from libc.math cimport ceil
from libc.stdlib cimport calloc, free

cimport cython

from .balancer cimport Balancer, PickRequest, active_requests
from .random cimport random_next
from .scoreboard cimport Scoreboard


cdef void twister_seed(Twister* t, uint32_t seed) noexcept nogil:
    cdef uint32_t i
    t.words[0] = seed
    for i in range(1, TWISTER_WORDS):
        seed = <uint32_t>1812433253 * (seed ^ (seed >> 30)) + i
        t.words[i] = seed
    t.at = 0


# One word of the next block at a time: a shuffle needs few of the 624.
cdef uint32_t twister_next(Twister* t) noexcept nogil:
    cdef int at = t.at, following = at + 1 if at + 1 < TWISTER_WORDS else 0
    cdef uint32_t y = (t.words[at] & <uint32_t>0x80000000) | (t.words[following] & <uint32_t>0x7fffffff)
    y = t.words[(at + 397) % TWISTER_WORDS] ^ (y >> 1) ^ (<uint32_t>0x9908b0df if y & 1 else <uint32_t>0)
    t.words[at] = y
    t.at = following
    y ^= y >> 11
    y ^= (y << 7) & <uint32_t>0x9d2c5680
    y ^= (y << 15) & <uint32_t>0xefc60000
    return y ^ (y >> 18)


# Below k, each with the same chance; the bounds are those of Envoy's uniform_int.
cdef uint32_t twister_below(Twister* t, uint32_t k) noexcept nogil:
    cdef uint64_t width = <uint64_t>0x100000000 // k
    cdef uint32_t x = k
    while x >= k:
        x = <uint32_t>(twister_next(t) // width)
    return x


@cython.final
cdef class BoundedLoad(Balancer):
    def __cinit__(self, Balancer hashing, shares, uint32_t factor, Scoreboard scoreboard, int cluster):
        cdef int i
        self.hashing = hashing
        self.factor = factor
        self.count = len(shares)
        self.cluster = scoreboard.cluster_column(1, cluster)
        self.shares = <double*>calloc(self.count + 1, sizeof(double))
        self.order = <uint32_t*>calloc(self.count + 1, sizeof(uint32_t))
        if self.shares == NULL or self.order == NULL:
            raise MemoryError()
        for i in range(self.count):
            self.shares[i] = shares[i]

    def __dealloc__(self):
        free(self.shares)
        free(self.order)

    cdef int pick(self, PickRequest* request) noexcept:
        cdef PickRequest hashed = request[0]
        cdef uint32_t slots = self.all_slots()
        cdef int chosen
        if not request.has_hash:
            hashed.hash = random_next(request.random)
            hashed.has_hash = True
        chosen = self.hashing.pick(&hashed)
        if self.overload(chosen, slots) <= 1.0:
            return chosen
        return self.pick_another(hashed.hash, chosen, slots)

    # The request that asks is in its cluster's count already, where Envoy adds one.
    cdef uint32_t all_slots(self) noexcept:
        cdef uint64_t active = 0
        cdef int w
        for w in range(self.set.workers):
            active += (<ClusterColumn*>(<char*>self.cluster + w * self.set.stride)).rq_active
        return <uint32_t>((max(active, <uint64_t>1) * self.factor + 99) // 100)

    cdef double overload(self, int i, uint32_t slots) noexcept:
        cdef double own = ceil(slots * self.shares[i])
        return active_requests(self.set, i) / (own if own > 1.0 else 1.0)

    cdef int pick_another(self, uint64_t hash, int chosen, uint32_t slots) noexcept:
        cdef Twister twister
        cdef double load, least = self.overload(chosen, slots)
        cdef uint32_t i, k, n = self.count
        cdef int other, best = chosen
        twister_seed(&twister, <uint32_t>hash)
        for i in range(n):
            self.order[i] = i
        for i in range(n):
            k = i + twister_below(&twister, n - i)
            other = <int>self.order[k]
            self.order[k] = self.order[i]
            if other == chosen:
                continue
            load = self.overload(other, slots)
            if load <= 1.0:
                return other
            if load < least:
                best, least = other, load
        return best
