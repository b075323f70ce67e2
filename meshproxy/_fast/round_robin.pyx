cimport cython

from .balancer cimport Balancer, PickRequest, takes_turn
from .clib.system cimport atomic_add
from .schedule cimport Schedule


@cython.final
cdef class RoundRobin(Balancer):
    def __cinit__(self, weights):
        self.schedule = Schedule(weights) if len(set(weights)) > 1 else None

    cdef int pick(self, PickRequest* request) noexcept:
        cdef int tries, chosen = self.turn()
        if self.set.is_warming:
            for tries in range(MAX_PASSES):
                if takes_turn(self.set, chosen, request.random):
                    break
                chosen = self.turn()
        return chosen

    cdef int turn(self) noexcept:
        cdef unsigned long long turn = atomic_add(self.set.turn, 1)
        if self.schedule is None:
            return <int>(turn % <unsigned int>self.set.count)
        return self.schedule.at(turn)
