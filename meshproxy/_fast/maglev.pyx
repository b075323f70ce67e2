from xxhash import xxh64_intdigest

from libc.stdint cimport uint64_t
from libc.stdlib cimport free, malloc

cimport cython

from .balancer cimport Balancer, PickRequest, is_admitting
from .random cimport random_next


def build_table(keys, weights, uint32_t size=65537):
    """The table as little-endian uint32 indexes into `keys`: b"ip:port"; `weights` integers >= 1.

    `size` is prime. Source: Envoy maglev_lb.cc: keys take turns in sorted order, each as often as its
    weight allows, and each takes the next free slot of its own permutation.
    """
    cdef uint32_t n = len(keys), filled = 0, i, slot
    cdef uint32_t* table
    cdef uint64_t* offset
    cdef uint64_t* skip
    cdef uint64_t* following
    cdef double* weight
    cdef double* target
    cdef uint64_t turn = 0
    cdef double heaviest
    if n == 0:
        return b""
    order = sorted(range(n), key=lambda k: keys[k])
    total = float(sum(weights))
    table = <uint32_t*>malloc(size * sizeof(uint32_t))
    offset = <uint64_t*>malloc(n * sizeof(uint64_t))
    skip = <uint64_t*>malloc(n * sizeof(uint64_t))
    following = <uint64_t*>malloc(n * sizeof(uint64_t))
    weight = <double*>malloc(n * sizeof(double))
    target = <double*>malloc(n * sizeof(double))
    owner = [order[k] for k in range(n)]
    try:
        if not (table and offset and skip and following and weight and target):
            raise MemoryError()
        for i in range(size):
            table[i] = 0xffffffff
        for i in range(n):
            key = keys[owner[i]]
            offset[i] = xxh64_intdigest(key) % size
            skip[i] = xxh64_intdigest(key, 1) % (size - 1) + 1
            following[i] = 0
            weight[i] = weights[owner[i]] / total
            target[i] = 0
        heaviest = max(weights) / total
        while filled < size:
            turn += 1
            for i in range(n):
                if filled == size:
                    break
                if turn * weight[i] < target[i]:
                    continue
                target[i] += heaviest
                while True:
                    slot = <uint32_t>((offset[i] + skip[i] * following[i]) % size)
                    following[i] += 1
                    if table[slot] == 0xffffffff:
                        break
                table[slot] = i
                filled += 1
        for i in range(size):
            table[i] = owner[table[i]]
        return (<char*>table)[:size * sizeof(uint32_t)]
    finally:
        free(table)
        free(offset)
        free(skip)
        free(following)
        free(weight)
        free(target)


@cython.final
cdef class Maglev(Balancer):
    """A table over candidates, as build_table gives it."""

    def __cinit__(self, bytes table, int count):
        cdef uint32_t i
        self.table_kept = table
        self.table = <const uint32_t*><const char*>table
        self.size = len(table) // 4
        if self.size == 0:
            raise ValueError("maglev: expected at least one slot")
        for i in range(self.size):
            if self.table[i] >= <uint32_t>count:
                raise ValueError("maglev: a slot names an endpoint that is not there")

    cdef int pick(self, PickRequest* request) noexcept:
        cdef uint64_t hash = request.hash if request.has_hash else random_next(request.random)
        cdef uint32_t at, step
        if request.attempt:
            hash ^= <uint64_t>0 - request.attempt
        at = <uint32_t>(hash % self.size)
        if not request.skips_ejected:
            return <int>self.table[at]
        for step in range(self.size):
            if is_admitting(self.set, <int>self.table[at], request.now_us):
                return <int>self.table[at]
            at = at + 1 if at + 1 < self.size else 0
        return -1
