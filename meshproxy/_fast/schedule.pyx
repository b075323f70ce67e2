from math import gcd

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc

cimport cython


@cython.final
cdef class Schedule:
    """One period of turns for positive integer weights (at most 65,535 of them)."""

    def __cinit__(self, weights):
        cdef int64_t n = len(weights), best, lag, best_lag
        cdef uint32_t turn
        cdef int64_t i
        cdef int64_t[:] given
        self.turns = NULL
        if not 1 <= n < MAX_PERIOD or min(weights) < 1:
            raise ValueError("weights: expected 1 to 65535 integers above 0")
        import array

        scale = gcd(*weights)
        shares = [w // scale for w in weights]
        total = sum(shares)
        if total > MAX_PERIOD:
            shares = [max(1, round(w * (MAX_PERIOD - n) / total)) for w in shares]
        share = array.array("q", shares)
        self.period = sum(shares)
        self.turns = <uint16_t*>malloc(self.period * sizeof(uint16_t))
        if self.turns == NULL:
            raise MemoryError()
        cdef int64_t[:] weight = share
        given = array.array("q", [0] * n)
        # Each turn goes to the index furthest behind its share; at period's end every lag is 0.
        for turn in range(self.period):
            best = 0
            best_lag = -(<int64_t>1 << 62)
            for i in range(n):
                lag = weight[i] * (<int64_t>turn + 1) - given[i] * <int64_t>self.period
                if lag > best_lag:
                    best, best_lag = i, lag
            self.turns[turn] = <uint16_t>best
            given[best] += 1

    def __dealloc__(self):
        free(self.turns)
