# level.pxd: the endpoints of one priority: who may be picked now, and by which tier.
#
# Who may be picked changes when an endpoint is ejected, or comes back, or the priority is in panic. Then settle()
# makes new tiers over exactly those, as Envoy builds its balancers anew; until then a pick looks at no health at all.
from libc.stdint cimport uint64_t

from .schedule cimport Schedule
from .scoreboard cimport Cursor
from .tier cimport Policy, Tier

cdef class Level:
    cdef list members              # (Endpoint, weight, is ready, locality), all of them
    cdef dict localities           # locality -> (its weight, tier number); {"": ...} when traffic is not split by it
    cdef Policy policy
    cdef readonly int total        # as many as Envoy would know: unready ones too
    cdef readonly int ready
    cdef int load                  # percent of the cluster's traffic, of the last settle()
    cdef int first_number          # of its tiers
    cdef list whole                # Tiers of all that are ready
    cdef list chosen               # members that may be picked; None = all that are ready
    cdef list tiers                # their Tiers; [] = none
    cdef Schedule split            # turns of the tiers, by effective locality weight; None when there is one
    cdef uint64_t* turn            # shared; borrowed from the scoreboard

    cdef int count_admitting(self, uint64_t now_us) noexcept
    # Also sets ramps; whether an endpoint warms up still.
    cdef bint settle(self, uint64_t now_us, int admitting, bint is_panic) except -1
    # None when nobody may be picked.
    cdef Tier choose(self)
    cdef void use_turns(self, Cursor* cursor) noexcept
    # `table`: hash table over `chosen` in their order, or None.
    cdef list make_tiers(self, list chosen, table, bint is_panic)
    cdef Tier make_tier(self, list chosen, list shares, table, int number)
    cdef Schedule make_split(self)
