# cluster.pxd: a cluster as the snapshot has it: endpoints in tiers, limits, and what makes an endpoint an outlier.
#
# Invariants:
#   (1) a Cluster never changes; a change of configuration or endpoints makes a new one
#   (2) the new Cluster takes an Endpoint over from the old one, with its pool and its counts
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport PickRequest
from .endpoint cimport Endpoint
from .limits cimport Limits
from .outlier cimport Outlier
from .scoreboard cimport ClusterColumn, Cursor, Scoreboard
from .tier cimport Tier

cdef class Cluster:
    cdef readonly int id
    cdef readonly str name
    cdef readonly str policy
    cdef bytes log_name
    cdef bint is_tcp
    cdef uint64_t connect_timeout_us
    cdef uint64_t idle_timeout_us
    cdef uint64_t tcp_idle_timeout_us  # L4 session without bytes; 0 = none
    cdef int keepalive_probes          # TCP keep-alive upstream; -1 = the kernel's, time 0 = off
    cdef int keepalive_time_s
    cdef int keepalive_interval_s
    cdef dict endpoints            # (address, port) -> Endpoint: all of them
    cdef readonly list healthy     # Endpoint, in pick order
    cdef Tier tier                 # all healthy endpoints, when there is one priority and locality; else None
    cdef list levels               # Level by priority, when there is more
    cdef uint64_t warm_until_us    # an endpoint warms up until then
    cdef int panic_percent         # below this share of admitting endpoints ejection is ignored; 0 = never
    cdef readonly Limits limits
    cdef Outlier outlier           # None = no passive ejection
    cdef Cursor* cursor            # shared; borrowed from the scoreboard
    cdef ClusterColumn* column     # this worker's; borrowed from the scoreboard
    cdef Scoreboard scoreboard     # keeps the columns and the cursor mapped

    # The chosen endpoint, or None when none is healthy. Counts nothing. Fills request.skips_ejected.
    cdef Endpoint pick(self, PickRequest* request)
    # A retry looks elsewhere first: past `tried`, up to HOST_ATTEMPTS draws (ISTIO 3.11).
    cdef Endpoint pick_untried(self, PickRequest* request, list tried)
    # Round robin turns come from this cursor from now on: explain's own, then the shared one again.
    cdef void use_turns(self, Cursor* cursor) noexcept
    cdef Endpoint pick_by_level(self, PickRequest* request)
    # Takes in what became of a request: its status, or 503 and 504 with is_local. What tripped, as a dict for the
    # log, or None.
    cdef dict report(self, Endpoint endpoint, uint32_t status, bint is_local, uint64_t now_us)
