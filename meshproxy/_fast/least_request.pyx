from libc.stdint cimport uint32_t, uint64_t

cimport cython

from .balancer cimport Balancer, Candidates, PickRequest, active_requests, takes_turn
from .clib.system cimport atomic_add
from .random cimport random_next
from .schedule cimport Schedule


@cython.final
cdef class LeastRequest(Balancer):
    def __cinit__(self, weights):
        self.schedule = Schedule(weights) if len(set(weights)) > 1 else None

    cdef int pick(self, PickRequest* request) noexcept:
        cdef int n = self.set.count, i, ties = 0
        cdef uint32_t load, least = 0xffffffff
        cdef int tied[FULL_SCAN]
        if n > FULL_SCAN:
            return self.pick_of_two(request)
        if self.schedule is not None or self.set.is_warming:
            return self.pick_by_weight(request)
        for i in range(n):
            load = active_requests(self.set, i)
            if load < least:
                least = load
                ties = 0
            tied[ties] = i
            ties += load == least
        if ties == n:
            return self.take_turn(request)
        return tied[0] if ties == 1 else tied[random_next(request.random) % <uint32_t>ties]

    # The same scan by weight, and by what slow start leaves of it.
    cdef int pick_by_weight(self, PickRequest* request) noexcept:
        cdef int n = self.set.count, i, ties = 0
        cdef uint32_t active
        cdef uint64_t sum = 0
        cdef double load, least = 0
        cdef int tied[FULL_SCAN]
        for i in range(n):
            active = active_requests(self.set, i)
            sum += active
            load = (active + 1.0) / (self.set.weights[i] * self.set.ramp[i])
            if i == 0 or load < least:
                least = load
                ties = 0
            tied[ties] = i
            ties += load == least
        if sum == 0:
            return self.take_turn(request)
        return tied[0] if ties == 1 else tied[random_next(request.random) % <uint32_t>ties]

    cdef int take_turn(self, PickRequest* request) noexcept:
        cdef int tries, chosen = 0
        cdef uint64_t turn
        for tries in range(MAX_DRAWS):
            turn = atomic_add(self.set.turn, 1)
            chosen = (<int>(turn % <uint32_t>self.set.count) if self.schedule is None
                      else self.schedule.at(turn))
            if not self.set.is_warming or takes_turn(self.set, chosen, request.random):
                break
        return chosen

    # Weights decide who is drawn, so loads are compared per weight without the request that asks: an idle
    # cluster gets its shares, a busy one levels out.
    cdef int pick_of_two(self, PickRequest* request) noexcept:
        cdef int a = self.draw(request), b = self.draw(request)
        cdef uint64_t load_a = active_requests(self.set, a), load_b = active_requests(self.set, b)
        return b if load_b * self.set.weights[a] < load_a * self.set.weights[b] else a

    cdef int draw(self, PickRequest* request) noexcept:
        cdef int tries, chosen = 0
        for tries in range(MAX_DRAWS):
            chosen = (<int>(random_next(request.random) % <uint32_t>self.set.count)
                      if self.schedule is None
                      else self.schedule.at(random_next(request.random)))
            if not self.set.is_warming or takes_turn(self.set, chosen, request.random):
                break
        return chosen
