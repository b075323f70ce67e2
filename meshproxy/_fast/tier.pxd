# tier.pxd: the healthy endpoints of one priority and locality, with their balancer. Never changes.
from libc.stdint cimport uint32_t, uint64_t

from .balancer cimport Balancer, Candidates, PickRequest
from .endpoint cimport Endpoint
from .scoreboard cimport Scoreboard

cdef class Tier:
    cdef readonly list healthy     # Endpoint, in pick order
    cdef Candidates candidates     # parallel to healthy; arrays owned, freed in __dealloc__
    cdef Balancer balancer         # None when nothing is healthy
    cdef readonly uint32_t weight  # of the locality among those of its priority

    # None when nothing is healthy, or request.skips_ejected and nothing admits.
    cdef Endpoint pick(self, PickRequest* request)
    cdef int admitting(self, uint64_t now_us) noexcept

# The endpoints of one priority: `total` counts the unready ones too.
cdef class Level:
    cdef readonly list tiers
    cdef readonly int total
    cdef readonly int ready

    # Percent of traffic it can take, 0..100: healthy * 140 / total (overprovisioning 1.4, ISTIO 3.1).
    cdef int health(self, uint64_t now_us) noexcept
    cdef Tier choose(self, PickRequest* request)
