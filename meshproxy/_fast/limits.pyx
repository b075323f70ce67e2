cimport cython

from .scoreboard cimport Scoreboard

# Without a word from the user retries may be a fifth of what is in flight, and three at least: a storm of
# retries must not be what finishes a failing service (Envoy's retry_budget defaults).
DEFAULT_BUDGET = {"retry_budget_percent": 20.0, "retry_budget_least": 3}


@cython.final
cdef class Limits:
    """Built from LimitsData or None."""

    def __cinit__(self, data, Scoreboard scoreboard, int cluster_id):
        data = data or {}
        self.columns = scoreboard.cluster_column(1, cluster_id)
        self.stride = scoreboard.column_stride()
        self.workers = scoreboard.workers
        self.max_connections = data.get("max_connections", 0)
        self.max_pending = data.get("max_pending", 0)
        self.max_requests = data.get("max_requests", 0)
        self.max_requests_per_connection = data.get("max_requests_per_connection", 0)
        self.max_retries = data.get("max_retries", 0)
        self.max_connection_us = data.get("max_connection_ms", 0) * 1000
        budget = data.get("retry_budget_percent", 0)
        least = data.get("retry_budget_least", 0)
        self.is_default_budget = not budget and not self.max_retries
        if self.is_default_budget:
            budget = DEFAULT_BUDGET["retry_budget_percent"]
            least = DEFAULT_BUDGET["retry_budget_least"]
        self.retry_budget = budget / 100.0
        self.retry_budget_least = least

    cdef bint bounds_any(self) noexcept:
        return (self.max_connections or self.max_pending or self.max_requests or self.max_requests_per_connection
                or self.max_connection_us) != 0

    cdef ClusterColumn* column(self, int worker) noexcept:
        return <ClusterColumn*>(<char*>self.columns + worker * self.stride)

    cdef bint may_connect(self) noexcept:
        cdef int w
        cdef uint32_t sum = 0
        if self.max_connections == 0:
            return True
        for w in range(self.workers):
            sum += self.column(w).cx_active
        return sum < self.max_connections

    cdef bint may_wait(self) noexcept:
        cdef int w
        cdef uint32_t sum = 0
        if self.max_pending == 0:
            return True
        for w in range(self.workers):
            sum += self.column(w).rq_pending
        return sum < self.max_pending

    cdef bint may_request(self) noexcept:
        cdef int w
        cdef uint32_t sum = 0
        if self.max_requests == 0:
            return True
        for w in range(self.workers):
            sum += self.column(w).rq_active - self.column(w).rq_pending
        return sum <= self.max_requests

    cdef bint may_retry(self, bint was_sent, bint is_retrying) noexcept:
        cdef int w
        cdef uint32_t active = 0, retrying = 0, allowed
        if self.is_default_budget and not was_sent:
            return True
        for w in range(self.workers):
            active += self.column(w).rq_active
            retrying += self.column(w).rq_retrying
        retrying -= is_retrying
        if self.retry_budget > 0:
            allowed = <uint32_t>(self.retry_budget * active)
            return retrying < (allowed if allowed > self.retry_budget_least else self.retry_budget_least)
        return retrying < self.max_retries
