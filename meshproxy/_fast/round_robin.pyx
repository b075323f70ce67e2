cimport cython

from .balancer cimport Balancer, PickRequest
from .clib.system cimport atomic_add
from .schedule cimport Schedule


@cython.final
cdef class RoundRobin(Balancer):
    def __cinit__(self, weights):
        self.schedule = Schedule(weights) if len(set(weights)) > 1 else None

    cdef int pick(self, PickRequest* request) noexcept:
        cdef unsigned long long turn = atomic_add(&self.set.cursor.value, 1)
        if self.schedule is None:
            return <int>(turn % <unsigned int>self.set.count)
        return self.schedule.at(turn)
