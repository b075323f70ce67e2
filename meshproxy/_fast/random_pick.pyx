cimport cython

from .balancer cimport Balancer, PickRequest, first_admitting, is_admitting
from .random cimport random_next


@cython.final
cdef class RandomPick(Balancer):
    cdef int pick(self, PickRequest* request) noexcept:
        cdef int tries, chosen = <int>(random_next(request.random) % <unsigned int>self.set.count)
        if not request.skips_ejected:
            return chosen
        for tries in range(2 * self.set.count):
            if is_admitting(self.set, chosen, request.now_us):
                return chosen
            chosen = <int>(random_next(request.random) % <unsigned int>self.set.count)
        return first_admitting(self.set, chosen, request.now_us)
