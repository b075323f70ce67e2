# schedule.pxd: a weighted choice spread as evenly as can be: one period of turns, read with a shared cursor.
# Invariant: any `period` consecutive turns hold every index exactly weight / gcd times, so a 99/1 split is
# 99 and 1 in every 100 consecutive requests, from whichever worker they come.
from libc.stdint cimport uint16_t, uint32_t, uint64_t

cdef enum:
    MAX_PERIOD = 65536             # larger sums of weights are scaled down to this

cdef class Schedule:
    cdef uint16_t* turns           # owned, freed in __dealloc__
    cdef readonly uint32_t period

    cdef inline int at(self, uint64_t turn) noexcept:
        return self.turns[turn % self.period]
