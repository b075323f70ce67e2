cimport cython

from .clib.system cimport atomic_add

# Envoy's max_ejection_time: 300 s, or the base when that is longer.
LONGEST_MS = 300_000


@cython.final
cdef class Outlier:
    """Built from OutlierData."""

    def __cinit__(self, data):
        self.consecutive_5xx = data["consecutive_5xx"]
        self.consecutive_gateway = data["consecutive_gateway"]
        self.consecutive_local = data["consecutive_local"]
        self.splits_local = data["split_local"]
        self.interval_us = max(1, data["interval_ms"]) * 1000
        self.base_us = data["base_ejection_ms"] * 1000
        self.longest_us = max(LONGEST_MS, data["base_ejection_ms"]) * 1000
        self.max_percent = data["max_ejection_percent"]

    cdef Tripped count(self, EndpointState* s, uint32_t status, FailedAt failed, uint64_t* value) noexcept:
        if self.splits_local:
            if failed != FAILED_CONNECTING and s.consecutive_local:
                s.consecutive_local = 0
            if failed != FAILED_NOT:
                value[0] = atomic_add(&s.consecutive_local, 1) + 1
                if self.consecutive_local and value[0] >= self.consecutive_local:
                    s.consecutive_local = 0
                    return TRIPPED_LOCAL
                return TRIPPED_NOTHING
        if status < 500:
            # Read first: the line stays shared among workers while all is well.
            if s.consecutive_5xx:
                s.consecutive_5xx = 0
            if s.consecutive_gateway:
                s.consecutive_gateway = 0
            return TRIPPED_NOTHING
        if 502 <= status <= 504:
            value[0] = atomic_add(&s.consecutive_gateway, 1) + 1
            if self.consecutive_gateway and value[0] >= self.consecutive_gateway:
                s.consecutive_gateway = 0
                atomic_add(&s.consecutive_5xx, 1)
                return TRIPPED_GATEWAY
        else:
            s.consecutive_gateway = 0
        value[0] = atomic_add(&s.consecutive_5xx, 1) + 1
        if self.consecutive_5xx and value[0] >= self.consecutive_5xx:
            s.consecutive_5xx = 0
            return TRIPPED_5XX
        return TRIPPED_NOTHING

    cdef bint may_eject(self, int ejected, int total) noexcept:
        return total > 0 and (ejected + 1) * 100.0 / total <= self.max_percent

    cdef uint64_t eject(self, EndpointState* s, Cursor* cluster, uint64_t now_us) noexcept:
        cdef uint64_t calm = 0, length, until
        if s.ejections and now_us > s.ejected_until_us:
            calm = (now_us - s.ejected_until_us) // self.interval_us
        s.ejections = s.ejections - calm if s.ejections > calm else 0
        s.ejections += 1
        length = self.base_us * s.ejections
        if length > self.longest_us:
            length = self.longest_us
            s.ejections = self.longest_us // self.base_us if self.base_us else 1
        until = ((now_us + length) // self.interval_us + 1) * self.interval_us
        s.ejected_until_us = until
        atomic_add(&cluster.ejections, 1)  # last: who sees it sees the ejection
        return until - now_us
