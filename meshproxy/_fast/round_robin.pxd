# round_robin.pxd: turns in order, by weight when weights differ; the cursor is the whole proxy's.
from .balancer cimport Balancer
from .schedule cimport Schedule

cdef enum:
    MAX_PASSES = 64                # turns that warming endpoints may pass on; then whoever is next takes it

cdef class RoundRobin(Balancer):
    cdef Schedule schedule         # None when all weights are equal

    cdef int turn(self) noexcept
