from math import isqrt

from cpython.bytes cimport PyBytes_AS_STRING
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free, malloc

cimport cython

from .balancer cimport Balancer, PickRequest
from .random cimport random_next
from .shares import shares_of
from .xxh64 cimport xxh64

# One key's permutation of the slots, walked from `at` by `skip`.
cdef struct Claim:
    uint32_t at
    uint32_t skip
    uint32_t owner
    double share
    double target


# taken: a bit per slot, all 0. Most probes hit a slot that is taken, and the bits of five million fit into a core's own
# cache where their owners do not.
cdef void fill_table(uint32_t* table, uint64_t* taken, uint32_t size, Claim* claims, uint32_t n,
                     double heaviest) noexcept nogil:
    cdef uint64_t turn = 0
    cdef uint32_t filled = 0, i, slot
    cdef Claim* c
    while filled < size:
        turn += 1
        for i in range(n):
            c = &claims[i]
            if turn * c.share < c.target:
                continue
            c.target += heaviest
            slot = c.at
            while taken[slot >> 6] >> (slot & 63) & 1:
                slot = next_slot(slot, c.skip, size)
            taken[slot >> 6] |= <uint64_t>1 << (slot & 63)
            table[slot] = c.owner
            c.at = next_slot(slot, c.skip, size)
            filled += 1
            if filled == size:
                break


cdef inline uint32_t next_slot(uint32_t slot, uint32_t skip, uint32_t size) noexcept nogil:
    return slot + skip if slot < size - skip else slot - (size - skip)


def build_table(keys, weights, uint32_t size=65537):
    """The table as uint32 indexes into `keys`, in machine order; `keys` are b"ip:port", `weights` integers >= 1.

    `size` is prime.
    """
    return table_of_shares(keys, shares_of(weights), size)


def table_of_shares(keys, shares, uint32_t size):
    """As build_table, for shares of the whole.

    Source: Envoy maglev_lb.cc: keys take turns in sorted order, each as often as its weight allows,
    and each takes the next free slot of its own permutation.
    """
    cdef uint32_t n = len(keys), i
    cdef uint32_t* table
    cdef uint64_t* taken
    cdef Claim* claims
    cdef bytes key
    if n == 0:
        return b""
    # A step that divides the size never comes by all slots.
    if size < 2 or any([size % step == 0 for step in range(2, isqrt(size) + 1)]):
        raise ValueError(f"maglev: expected a prime number of slots, found {size}")
    table = <uint32_t*>malloc(size * sizeof(uint32_t))
    taken = <uint64_t*>calloc(size // 64 + 1, sizeof(uint64_t))
    claims = <Claim*>malloc(n * sizeof(Claim))
    try:
        if table == NULL or taken == NULL or claims == NULL:
            raise MemoryError()
        for i, owner in enumerate(sorted(range(n), key=keys.__getitem__)):
            key = keys[owner]
            claims[i].owner = owner
            claims[i].at = xxh64(PyBytes_AS_STRING(key), len(key), 0) % size
            claims[i].skip = xxh64(PyBytes_AS_STRING(key), len(key), 1) % (size - 1) + 1
            claims[i].share = shares[owner]
            claims[i].target = 0
        fill_table(table, taken, size, claims, n, max(shares))
        return (<char*>table)[:size * sizeof(uint32_t)]
    finally:
        free(table)
        free(taken)
        free(claims)


def table_moved(bytes table, bytes new_table, names):
    """Share of slots whose owner is another in the new table; `names[old owner]` is its index there, or -1."""
    cdef const uint32_t* a = <const uint32_t*>PyBytes_AS_STRING(table)
    cdef const uint32_t* b = <const uint32_t*>PyBytes_AS_STRING(new_table)
    cdef size_t n = len(table) // 4, i, moved = 0
    if len(table) != len(new_table):
        return 1.0
    for i in range(n):
        moved += names[a[i]] != b[i]
    return <double>moved / n if n else 0.0


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
        if request.attempt:
            hash ^= <uint64_t>0 - request.attempt
        return <int>self.table[hash % self.size]
