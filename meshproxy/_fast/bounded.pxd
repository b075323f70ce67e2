# bounded.pxd: a ring or table whose endpoints never hold much more than their share (Envoy's hash_balance_factor).
#
# An endpoint of share s has ceil(s x factor percent of all requests in flight) slots. A key whose endpoint is beyond
# them goes to the first other that is not, in an order that the key's hash shuffles, so it has one second choice; if
# all are beyond, to the one least so. In flight counts over all workers.
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport Balancer
from .scoreboard cimport ClusterColumn

cdef enum:
    TWISTER_WORDS = 624

# MT19937 (Matsumoto, Nishimura 1998), since Envoy shuffles with std::mt19937.
cdef struct Twister:
    uint32_t words[TWISTER_WORDS]
    int at

cdef void twister_seed(Twister* t, uint32_t seed) noexcept nogil
cdef uint32_t twister_next(Twister* t) noexcept nogil

cdef class BoundedLoad(Balancer):
    cdef Balancer hashing          # where keys belong
    cdef ClusterColumn* cluster    # worker 1's column; borrowed from the scoreboard
    cdef double* shares            # of each candidate; owned, freed in __dealloc__
    cdef uint32_t* order           # scratch of the shuffle; owned likewise
    cdef uint32_t factor           # percent, 100 or more
    cdef int count

    # In flight per slot of candidate i; above 1.0 it is overloaded.
    cdef double overload(self, int i, uint32_t slots) noexcept
    cdef uint32_t all_slots(self) noexcept
    cdef int pick_another(self, uint64_t hash, int chosen, uint32_t slots) noexcept
