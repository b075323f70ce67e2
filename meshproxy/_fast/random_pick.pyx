cimport cython

from .balancer cimport Balancer, PickRequest
from .random cimport random_next


@cython.final
cdef class RandomPick(Balancer):
    cdef int pick(self, PickRequest* request) noexcept:
        return <int>(random_next(request.random) % <unsigned int>self.set.count)
