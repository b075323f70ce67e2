from libc.stdint cimport uint32_t, uint64_t

cimport cython

from .balancer cimport (
    Balancer, Candidates, PickRequest, active_requests, is_admitting, warmup_factor,
)
from .clib.system cimport atomic_add
from .random cimport random_next


@cython.final
cdef class LeastRequest(Balancer):
    cdef int pick(self, PickRequest* request) noexcept:
        cdef int n = self.set.count, i, step, best
        cdef uint64_t load, weight, best_load, best_weight
        if n == 1 and not request.skips_ejected:
            return 0
        if n > FULL_SCAN and not request.skips_ejected:
            best = <int>(random_next(request.random) % <uint32_t>n)
            i = <int>(random_next(request.random) % <uint32_t>n)
            if is_less_loaded(self.set, i, best):
                best = i
            return best
        i = <int>(atomic_add(&self.set.cursor.value, 1) % <uint32_t>n)
        if request.skips_ejected:
            return self.pick_admitting(i, request.now_us)
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

    # The same scan past ejected endpoints; a weight counts by its warm-up factor.
    cdef int pick_admitting(self, int i, uint64_t now_us) noexcept:
        cdef int n = self.set.count, step, best = -1
        cdef double load, least = 0
        for step in range(n):
            if is_admitting(self.set, i, now_us):
                load = (active_requests(self.set, i) + 1) / (
                    self.set.weights[i] * warmup_factor(self.set, i, now_us))
                if best < 0 or load < least:
                    best, least = i, load
            i = i + 1 if i + 1 < n else 0
        return best


cdef inline bint is_less_loaded(Candidates* c, int a, int b) noexcept nogil:
    cdef uint64_t load_a = active_requests(c, a) + 1
    cdef uint64_t load_b = active_requests(c, b) + 1
    return load_a * c.weights[b] < load_b * c.weights[a]
