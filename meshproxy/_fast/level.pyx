cimport cython

from .clib.system cimport atomic_add
from .endpoint cimport Endpoint
from .priority cimport OVERPROVISIONING
from .scoreboard cimport Cursor
from .shares import locality_order, shares_by_locality

cdef enum:
    SPLIT_STEPS = 100              # a locality's effective weight counts to a hundredth of its weight


@cython.final
cdef class Level:
    """`members` as in level.pxd; `localities`: locality -> weight, {"": 1} when traffic is not split by it."""

    def __cinit__(self, Policy policy, list members, dict localities, int first_number, table):
        self.policy = policy
        if policy.hashes:
            members = sorted(members, key=locality_of)
        self.members = members
        self.first_number = first_number
        self.localities = {name: (weight, first_number + i)
                           for i, (name, weight) in enumerate(sorted(localities.items()))}
        self.total = len(members)
        ready = [m for m in members if m[2]]
        self.ready = len(ready)
        self.load = 0
        self.whole = self.make_tiers(ready, table, False)
        self.tiers = self.whole
        self.chosen = None
        self.use_turns(policy.scoreboard.cluster_cursor(policy.cluster_id))
        self.split = self.make_split()

    cdef int count_admitting(self, uint64_t now_us) noexcept:
        cdef int n = 0
        cdef Tier tier
        cdef Endpoint e
        for tier in self.whole:
            for e in tier.endpoints:
                n += e.state.ejected_until_us <= now_us
        return n

    cdef bint settle(self, uint64_t now_us, int admitting, bint is_panic) except -1:
        cdef Tier tier
        cdef bint warms = False
        cdef list chosen = None        # as self.chosen
        if is_panic:
            chosen = self.members
        elif admitting < self.ready:
            chosen = [m for m in self.members
                      if m[2] and (<Endpoint>m[0]).state.ejected_until_us <= now_us]
        if chosen != self.chosen:
            self.chosen = chosen
            self.tiers = (self.whole if chosen is None else
                          self.make_tiers(chosen, None, is_panic))
            self.split = self.make_split()
        for tier in self.tiers:
            warms |= tier.warm(now_us)
        return warms

    cdef Tier choose(self):
        if not self.tiers:
            return None
        if self.split is None:
            return <Tier>self.tiers[0]
        return <Tier>self.tiers[self.split.at(atomic_add(self.turn, 1))]

    cdef void use_turns(self, Cursor* cursor) noexcept:
        cdef Tier tier
        self.turn = &cursor.localities
        for tier in self.tiers:
            tier.use_turns(cursor)

    # In panic localities do not count, except to a hash (ISTIO 3.1, Envoy thread_aware_lb_impl.cc).
    cdef list make_tiers(self, list chosen, table, bint is_panic):
        cdef int number
        if not chosen:
            return []
        if self.policy.hashes:
            weights = {name: weight for name, (weight, _) in self.localities.items()}
            shares = shares_by_locality([(m[1], m[3]) for m in chosen], weights)
            return [self.make_tier(chosen, shares, table, self.first_number)]
        if is_panic or len(self.localities) == 1:
            return [self.make_tier(chosen, None, None, self.first_number)]
        made = []
        for name, (_, number) in self.localities.items():
            group = [m for m in chosen if m[3] == name]
            if group:
                made.append(self.make_tier(group, None, None, number))
        return made

    cdef Tier make_tier(self, list chosen, list shares, table, int number):
        return Tier(self.policy, [m[0] for m in chosen], [m[1] for m in chosen], shares, table, number)

    cdef Schedule make_split(self):
        cdef Tier tier
        if len(self.tiers) < 2:
            return None
        totals = {}
        for m in self.members:
            totals[m[3]] = totals.get(m[3], 0) + 1
        weights = []
        for name, (weight, number) in self.localities.items():
            for tier in self.tiers:
                if tier.number == number:
                    part = min(1.0, OVERPROVISIONING / 100.0 * len(tier.endpoints) / totals[name])
                    weights.append(max(1, round(weight * part * SPLIT_STEPS)))
        return Schedule(weights)


def locality_of(member):
    return locality_order(member[3])
