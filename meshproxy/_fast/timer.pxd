# timer.pxd: a hashed timer wheel; arming and cancelling are O(1) and allocate nothing.
# Invariants:
#   (1) a Timer is linked in exactly one slot while next != NULL, in none otherwise
#   (2) the owner embeds the Timer and cancels it before it dies; the wheel holds no reference
# A deadline beyond one revolution stays in its slot and is looked at once per revolution.
from libc.stdint cimport uint64_t

cdef enum:
    WHEEL_SLOTS = 512
    WHEEL_TICK_US = 10000      # one revolution = 5.12 s

cdef struct Timer:
    Timer* next                # NULL = not armed
    Timer* prev
    uint64_t deadline_us       # monotonic
    void* owner                # borrowed: the Handler that embeds this Timer
    int kind                   # the owner's own word for what expired

cdef class TimerWheel:
    cdef Timer slots[WHEEL_SLOTS]   # list heads
    cdef uint64_t tick              # the first tick not yet expired
    cdef Timer* resume              # where pop_due goes on in the slot of `tick`; NULL = at its start
    cdef size_t armed

    cdef void arm(self, Timer* t, uint64_t deadline_us) noexcept
    cdef void cancel(self, Timer* t) noexcept
    # Unlinks and returns one due timer, or NULL when none is due at now_us.
    cdef Timer* pop_due(self, uint64_t now_us) noexcept
    # Microseconds until the next slot that holds a timer, at least one tick; 0 = none armed.
    cdef uint64_t next_due_in(self, uint64_t now_us) noexcept
