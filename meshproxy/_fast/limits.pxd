# limits.pxd: circuit limits of a cluster (ISTIO 3.10), over all workers: a sum of gauges, so a burst may overshoot by
# what the workers admit at the same instant, as in Envoy. 0 = no limit.
from libc.stdint cimport uint32_t, uint64_t

from .scoreboard cimport ClusterColumn

cdef class Limits:
    cdef ClusterColumn* columns        # worker 1's column of the cluster; borrowed from the scoreboard
    cdef size_t stride                 # bytes to the next worker's
    cdef int workers
    cdef uint32_t max_connections
    cdef uint32_t max_pending
    cdef uint32_t max_requests
    cdef uint32_t max_requests_per_connection
    cdef uint32_t max_retries
    cdef uint64_t max_connection_us
    cdef double retry_budget           # share of the active requests that may be retries; 0 = max_retries rules
    cdef uint32_t retry_budget_least
    cdef bint is_default_budget

    cdef ClusterColumn* column(self, int worker) noexcept
    # Of connections and requests; retries are looked at when there is one.
    cdef bint bounds_any(self) noexcept
    cdef bint may_connect(self) noexcept
    cdef bint may_wait(self) noexcept
    # The request asking is counted already; those that wait for a connection are not.
    cdef bint may_request(self) noexcept
    # A connect that failed loads no endpoint: the budget that nobody asked for does not count it. is_retrying: the
    # request asking is counted; its retry before is over.
    cdef bint may_retry(self, bint was_sent, bint is_retrying) noexcept
