# outlier.pxd: passive ejection (ISTIO 3.8): what a result means for an endpoint. Pure functions of shared state and
# clock; no sweeper. An ejection ends at the first multiple of `interval` after its length, which is where Envoy's
# sweep would find it; the multiplier falls by one per interval spent admitting.
from libc.stdint cimport uint32_t, uint64_t

from .scoreboard cimport ClusterColumn, Cursor, EndpointState

cdef enum Tripped:
    TRIPPED_NOTHING = 0
    TRIPPED_5XX
    TRIPPED_GATEWAY
    TRIPPED_LOCAL

# How far an attempt came that has no response.
cdef enum FailedAt:
    FAILED_NOT = 0
    FAILED_CONNECTING
    FAILED_CONNECTED               # a connection was had, which in split mode is a success of the local side

cdef class Outlier:
    cdef uint64_t consecutive_5xx      # 0 = off, as the other two
    cdef uint64_t consecutive_gateway
    cdef uint64_t consecutive_local
    cdef bint splits_local
    cdef uint64_t interval_us
    cdef uint64_t base_us
    cdef uint64_t longest_us
    cdef double max_percent

    # Counts a result: status of a response, or what a failure counts as (503, 504). The counter that reached its
    # threshold, its value in value[0]; the counter starts again.
    cdef Tripped count(self, EndpointState* s, uint32_t status, FailedAt failed, uint64_t* value) noexcept
    # Whether one more of `total` may go when `ejected` are out.
    cdef bint may_eject(self, int ejected, int total) noexcept
    # Ejects; returns for how long, in microseconds.
    cdef uint64_t eject(self, EndpointState* s, Cursor* cluster, uint64_t now_us) noexcept
