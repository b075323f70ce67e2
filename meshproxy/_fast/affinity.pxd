# affinity.pxd: which endpoint a client had last, for sessionAffinity ClientIP: one table for all workers.
#
# Invariants:
#   (1) a client is looked for in one set of WAYS entries only; a full set forgets its oldest client
#   (2) an entry is two stores, and another worker may see one without the other: the slot that comes out is
#       a hint, which the caller checks against the endpoints of its cluster
from libc.stdint cimport uint32_t, uint64_t

from .scoreboard cimport Scoreboard

cdef enum:
    AFFINITY_WAYS = 8

# Endpoint slot of the client `key` if it came at most `keep_s` seconds ago, else -1.
cdef int affinity_find(Scoreboard board, uint64_t key, uint32_t now_s, uint32_t keep_s) noexcept
# Remembers the slot; the client's time starts again.
cdef void affinity_keep(Scoreboard board, uint64_t key, uint32_t slot, uint32_t now_s) noexcept
