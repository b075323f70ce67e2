# fault.pxd: injected delay and abort (ISTIO 1.16): each drawn on its own, in parts per million.
from libc.stdint cimport uint32_t, uint64_t

from .random cimport RandomState

cdef class Fault:
    cdef readonly uint64_t delay_us
    cdef readonly uint32_t delay_ppm
    cdef readonly uint32_t abort_status    # 0 = no abort
    cdef readonly uint32_t abort_ppm

    cdef bint draws_delay(self, RandomState* random) noexcept
    cdef bint draws_abort(self, RandomState* random) noexcept
