from libc.stdint cimport uint32_t, uint64_t

cimport cython

from .balancer cimport Balancer, Candidates, PickRequest, active_requests
from .clib.system cimport atomic_add
from .random cimport random_next


@cython.final
cdef class LeastRequest(Balancer):
    cdef int pick(self, PickRequest* request) noexcept:
        cdef int n = self.set.count, i, step, best
        cdef uint64_t load, weight, best_load, best_weight
        if n == 1:
            return 0
        if n > FULL_SCAN:
            best = <int>(random_next(request.random) % <uint32_t>n)
            i = <int>(random_next(request.random) % <uint32_t>n)
            if is_less_loaded(self.set, i, best):
                best = i
            return best
        i = <int>(atomic_add(&self.set.cursor.value, 1) % <uint32_t>n)
        best = i
        best_load = active_requests(self.set, i) + 1
        best_weight = self.set.weights[i]
        for step in range(1, n):
            i += 1
            if i == n:
                i = 0
            load = active_requests(self.set, i) + 1
            weight = self.set.weights[i]
            if load * best_weight < best_load * weight:
                best, best_load, best_weight = i, load, weight
        return best


cdef inline bint is_less_loaded(Candidates* c, int a, int b) noexcept nogil:
    cdef uint64_t load_a = active_requests(c, a) + 1
    cdef uint64_t load_b = active_requests(c, b) + 1
    return load_a * c.weights[b] < load_b * c.weights[a]
