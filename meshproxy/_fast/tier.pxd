# tier.pxd: endpoints of one priority and locality that may be picked, with their balancer.
# Never changes, but for what slow start leaves of each weight.
from libc.stdint cimport uint64_t

from .balancer cimport Balancer, Candidates, PickRequest
from .endpoint cimport Endpoint
from .scoreboard cimport Cursor, Scoreboard

cdef enum:
    CURSOR_TURNS = 5               # of Cursor.turns

# What the tiers of a cluster have in common; of its ClusterData.
cdef class Policy:
    cdef str name
    cdef bint hashes
    cdef long ring_size
    cdef long table_size
    cdef long balance_factor       # percent; 0 = no bound
    cdef uint64_t warmup_us        # slow start window; 0 = off
    cdef double warmup_least       # factor at its beginning
    cdef double warmup_power       # 1 / aggression
    cdef int cluster_id
    cdef Scoreboard scoreboard

    cdef Balancer make_balancer(self, list endpoints, list weights, list shares, table)

cdef class Tier:
    cdef readonly list endpoints   # Endpoint, in pick order; at least one
    cdef Candidates candidates     # parallel to endpoints; arrays owned, freed in __dealloc__
    cdef Balancer balancer
    cdef Policy policy
    cdef int number                # of the cluster's tiers: which cursor it turns

    cdef Endpoint pick(self, PickRequest* request)
    cdef void use_turns(self, Cursor* cursor) noexcept
    # Sets the ramps for now; whether an endpoint warms up still.
    cdef bint warm(self, uint64_t now_us) noexcept
