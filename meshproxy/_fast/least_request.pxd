# least_request.pxd: the least (in-flight + 1) / weight, in-flight summed over all workers.
#
# Up to FULL_SCAN endpoints every one is looked at, so the choice is exact; beyond, two drawn by weight are compared
# (power of two choices, as Envoy). Ties are fair: while all are equal they take turns, by weight when nothing is in
# flight at all; of some that are equal one is drawn.
from libc.stdint cimport uint64_t

from .balancer cimport Balancer, PickRequest
from .schedule cimport Schedule

cdef enum:
    FULL_SCAN = 64                 # 68 ns with one worker's counts, 124 ns with four's (bench_full_scan); twice is too much
    MAX_DRAWS = 16                 # past endpoints that warm up; then whoever is drawn is taken

cdef class LeastRequest(Balancer):
    cdef Schedule schedule         # None when all weights are equal

    cdef int draw(self, PickRequest* request) noexcept
    cdef int take_turn(self, PickRequest* request) noexcept
    cdef int pick_of_two(self, PickRequest* request) noexcept
    cdef int pick_by_weight(self, PickRequest* request) noexcept
