cimport cython

from .balancer cimport Balancer, PickRequest, first_admitting, takes_turn
from .clib.system cimport atomic_add
from .schedule cimport Schedule


@cython.final
cdef class RoundRobin(Balancer):
    def __cinit__(self, weights):
        self.schedule = Schedule(weights) if len(set(weights)) > 1 else None

    cdef int pick(self, PickRequest* request) noexcept:
        cdef int tries, chosen = self.turn()
        if not request.skips_ejected:
            return chosen
        # Each turn is offered once; after as many refusals as turns, whoever is next and admits takes it.
        for tries in range(2 * self.set.count):
            if takes_turn(self.set, chosen, request):
                return chosen
            chosen = self.turn()
        return first_admitting(self.set, chosen, request.now_us)

    cdef int turn(self) noexcept:
        cdef unsigned long long turn = atomic_add(&self.set.cursor.value, 1)
        if self.schedule is None:
            return <int>(turn % <unsigned int>self.set.count)
        return self.schedule.at(turn)
