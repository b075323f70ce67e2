# cluster.pxd: a cluster as the snapshot has it: endpoints in tiers, limits, and what makes an endpoint an outlier.
#
# Invariants:
#   (1) a Cluster never changes but for who may be picked, which settle() derives from shared state and clock; a
#       change of configuration or endpoints makes a new one
#   (2) the new Cluster takes an Endpoint over from the old one, with its pool and its counts
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport Balancer, PickRequest
from .endpoint cimport Endpoint
from .level cimport Level
from .limits cimport Limits
from .outlier cimport FailedAt, Outlier
from .priority cimport PriorityHealth
from .scoreboard cimport ClusterColumn, Cursor, Scoreboard
from .tier cimport Policy, Tier

cdef class Cluster:
    # What every request asks stands together, as in Route.
    cdef ClusterColumn* column     # this worker's; borrowed from the scoreboard
    cdef Endpoint sole             # the only endpoint there is to choose, whatever the policy; else None
    # settle() looked at ejections and ramps; what it found holds for so long, or until the next ejection
    cdef uint64_t settled_us
    cdef uint64_t settled_for_us
    cdef Outlier outlier           # None = no passive ejection
    cdef bint is_limited           # limits has some that a request or a connection may meet
    cdef Tier only                 # the only tier there is to choose; else None
    cdef readonly Limits limits
    cdef uint64_t settled_ejections
    cdef Cursor* cursor            # shared; borrowed from the scoreboard

    cdef readonly int id
    cdef readonly str name
    cdef readonly str policy
    cdef bytes log_name
    cdef bint is_tcp
    cdef uint64_t connect_timeout_us
    cdef uint64_t idle_timeout_us
    cdef uint64_t tcp_idle_timeout_us  # L4 session without bytes; 0 = none
    cdef uint32_t affinity_s           # L4: how long a client keeps its endpoint; 0 = no affinity
    cdef bint hashes_source            # L4: the client's address is hashed
    cdef int keepalive_probes          # TCP keep-alive upstream; -1 = the kernel's, time 0 = off
    cdef int keepalive_time_s
    cdef int keepalive_interval_s
    cdef dict endpoints            # (address, port) -> Endpoint: all of them
    cdef readonly list healthy     # Endpoint, in pick order
    cdef Policy picking
    cdef list levels               # Level, by priority
    cdef int panic_percent         # a priority with fewer healthy is picked from as a whole; 0 = never
    cdef PriorityHealth* health    # by level; scratch of settle(), owned, freed in __dealloc__
    cdef Scoreboard scoreboard     # keeps the columns and the cursor mapped

    # The chosen endpoint, or None when none is healthy. Counts nothing.
    cdef Endpoint pick(self, PickRequest* request)
    # A retry looks elsewhere first: past `tried`, up to HOST_ATTEMPTS draws (ISTIO 3.11).
    cdef Endpoint pick_untried(self, PickRequest* request, list tried)
    cdef Endpoint untried_beside(self, PickRequest* request, list tried, Endpoint drawn)
    # Round robin turns come from this cursor from now on: explain's own, then the shared one again.
    cdef void use_turns(self, Cursor* cursor) noexcept
    # Of a priority by its load, of a locality by its turn; None when nobody may be picked.
    cdef Tier choose_tier(self, PickRequest* request)
    cdef int settle(self, uint64_t now_us) except -1
    # Where on its ring a request's hash falls; -1 without a ring.
    cdef long ring_point(self, PickRequest* request) except -2
    # Takes in what became of a request: its status, or 503 and 504 when it failed without one. What tripped, as a
    # dict for the log, or None.
    cdef dict report(self, Endpoint endpoint, uint32_t status, FailedAt failed, uint64_t now_us)
