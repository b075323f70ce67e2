# least_request.pxd: the least (in-flight + 1) / weight, in-flight summed over all workers.
#
# Up to FULL_SCAN endpoints every one is looked at, so the choice is exact; beyond, two random ones (power of two
# choices, as Envoy). Ties go round: the scan starts behind the shared cursor and keeps the first minimum, so an
# idle cluster is served in turn and equal endpoints get equal shares.
from libc.stdint cimport uint64_t

from .balancer cimport Balancer

cdef enum:
    FULL_SCAN = 64                 # one cache line per endpoint and worker: 64 cost about 50 ns

cdef class LeastRequest(Balancer):
    cdef int pick_admitting(self, int i, uint64_t now_us) noexcept
