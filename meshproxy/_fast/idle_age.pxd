# idle_age.pxd: at what age an endpoint closes idle connections: learnt, so that we close first.
#
# One close may be a restart; LEARN_AFTER closes at about one age are a habit, unless a connection lived longer. Closes
# of connections that idled side by side are one. What is learnt is forgotten after FORGET_US, since a connection that
# is never left to age cannot show that the habit has changed.
from libc.stdint cimport uint64_t

cdef enum:
    LEARN_AFTER = 3
    NEVER_TOO_OLD_US = 10000           # nobody closes what idles as shortly
    FORGET_US = 60000000

cdef class IdleAge:
    cdef readonly uint64_t age_us      # the youngest age seen of the present habit
    cdef int seen
    cdef uint64_t seen_us              # when, last
    cdef bint is_known
    cdef uint64_t outlived_us          # the longest that a connection idled and was open still

    # The endpoint closed a connection that had idled since then.
    cdef void learn(self, uint64_t idle_since_us, uint64_t now_us) noexcept
    # A connection that idled so long is open.
    cdef void outlive(self, uint64_t age_us) noexcept
    # Half of what others outlived, whatever the habit is.
    cdef bint is_safe(self, uint64_t age_us) noexcept
    # Older than nine tenths of the habit.
    cdef bint is_too_old(self, uint64_t age_us, uint64_t now_us) noexcept

# Of a Keep-Alive field's value, its `timeout`; 0 = none, or nonsense.
cdef uint64_t keep_alive_timeout_us(const char* p, size_t n) noexcept nogil
