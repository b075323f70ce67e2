from math import gcd

from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport cython

cdef enum:
    NOBODY = -1

# Indexes chained by turn: those whose next turn may not come earlier, and those whose must come before.
cdef struct Agenda:
    int32_t* released_at           # first of the chain of each turn
    int32_t* due_before
    int32_t* following             # of each index in its chain
    int32_t* served
    uint64_t* is_due               # a bit for each turn with a chain in due_before

cdef extern from * nogil:
    int lowest_bit "__builtin_ctzll" (uint64_t word)


# Earliest deadline first: the k-th turn of an index falls into [k, k + 1) x period / weight, so each has had its
# share, rounded down or up, at any turn (Baruah et al. 1996, "Proportionate progress").
cdef void fill_turns(uint16_t* turns, int64_t period, const int64_t* weights, Agenda* a) noexcept nogil:
    cdef int64_t turn, due, word
    cdef uint64_t bits
    cdef int32_t i, following
    for turn in range(period):
        i = a.released_at[turn]
        while i != NOBODY:
            following = a.following[i]
            due = ((a.served[i] + 1) * period + weights[i] - 1) // weights[i]
            a.following[i] = a.due_before[due]
            a.due_before[due] = i
            a.is_due[due >> 6] |= <uint64_t>1 << (due & 63)
            i = following
        word = (turn + 1) >> 6
        bits = a.is_due[word] & (~<uint64_t>0 << ((turn + 1) & 63))
        while bits == 0:               # somebody is due: the weights add up to the period
            word += 1
            bits = a.is_due[word]
        due = (word << 6) + lowest_bit(bits)
        i = a.due_before[due]
        a.due_before[due] = a.following[i]
        if a.due_before[due] == NOBODY:
            a.is_due[due >> 6] &= ~(<uint64_t>1 << (due & 63))
        turns[turn] = <uint16_t>i
        a.served[i] += 1
        if a.served[i] < weights[i]:
            due = max(a.served[i] * period // weights[i], turn + 1)
            a.following[i] = a.released_at[due]
            a.released_at[due] = i


@cython.final
cdef class Schedule:
    """One period of turns for positive integer weights (at most 65,535 of them)."""

    def __cinit__(self, weights):
        cdef Agenda a
        cdef int64_t i, n = len(weights)
        cdef int64_t* share
        cdef int32_t* chains
        self.turns = NULL
        if not 1 <= n < MAX_PERIOD or min(weights) < 1:
            raise ValueError("weights: expected 1 to 65535 integers above 0")
        scale = gcd(*weights)
        shares = [w // scale for w in weights]
        total = sum(shares)
        if total > MAX_PERIOD:
            shares = [max(1, round(w * (MAX_PERIOD - n) / total)) for w in shares]
        self.period = sum(shares)
        self.turns = <uint16_t*>malloc(self.period * sizeof(uint16_t))
        share = <int64_t*>malloc(n * sizeof(int64_t))
        chains = <int32_t*>malloc((2 * (self.period + 1) + 2 * n) * sizeof(int32_t))
        a.is_due = <uint64_t*>malloc((self.period // 64 + 1) * sizeof(uint64_t))
        try:
            if self.turns == NULL or share == NULL or chains == NULL or a.is_due == NULL:
                raise MemoryError()
            memset(chains, 0xff, 2 * (self.period + 1) * sizeof(int32_t))  # NOBODY
            memset(a.is_due, 0, (self.period // 64 + 1) * sizeof(uint64_t))
            a.released_at = chains
            a.due_before = a.released_at + self.period + 1
            a.following = a.due_before + self.period + 1
            a.served = a.following + n
            for i in range(n):
                share[i] = shares[i]
                a.served[i] = 0
                a.following[i] = a.released_at[0]
                a.released_at[0] = <int32_t>i
            fill_turns(self.turns, self.period, share, &a)
        finally:
            free(share)
            free(chains)
            free(a.is_due)

    def __dealloc__(self):
        free(self.turns)
