# idle_age.pxd: at what age an endpoint closes idle connections: learnt, so that we close first.
#
# One close may be a restart; LEARN_AFTER closes at about one age are a habit. What is learnt is forgotten after
# FORGET_US, since a connection that is never left to age cannot show that the habit has changed.
from libc.stdint cimport uint64_t

cdef enum:
    LEARN_AFTER = 3
    FORGET_US = 60000000

cdef class IdleAge:
    cdef readonly uint64_t age_us      # the youngest age seen of the present habit
    cdef int seen
    cdef uint64_t learnt_us            # when
    cdef bint is_known

    cdef void learn(self, uint64_t age_us, uint64_t now_us) noexcept
    # Older than nine tenths of the habit.
    cdef bint is_too_old(self, uint64_t age_us, uint64_t now_us) noexcept
