cimport cython

from .random cimport random_next


@cython.final
cdef class Fault:
    """Built from FaultData: `delay_ms`, `delay_ppm`, `abort_status`, `abort_ppm`."""

    def __cinit__(self, data):
        self.delay_us = <uint64_t>data["delay_ms"] * 1000
        self.delay_ppm = data["delay_ppm"]
        self.abort_status = data["abort_status"]
        self.abort_ppm = data["abort_ppm"]

    cdef bint draws_delay(self, RandomState* random) noexcept:
        return self.delay_us > 0 and draw(random, self.delay_ppm)

    cdef bint draws_abort(self, RandomState* random) noexcept:
        return self.abort_status > 0 and draw(random, self.abort_ppm)


cdef inline bint draw(RandomState* random, uint32_t ppm) noexcept:
    return ppm >= 1000000 or (ppm > 0 and random_next(random) % 1000000 < ppm)
