# seats.pxd: open connections by listener and by source address, counted for the whole proxy.
#
# Invariants:
#   (1) a worker writes its own column alone, so that a dead worker's connections go with it (clear_worker)
#   (2) who takes a seat adds first and sums all columns then, with a full barrier between: a bound is never passed. Two
#       workers at the last seat may both refuse.
#   (3) a source counts in one counter of each row, chosen by a keyed hash, and the lesser sum holds: a count is never too
#       low, and too high only by those whose sources share both counters
from libc.stdint cimport uint32_t, uint64_t

from .scoreboard cimport Scoreboard

# Takes a seat if at most `most` are taken with it.
cdef bint take_listener_seat(Scoreboard board, int worker, int listener_id, uint64_t most) noexcept
cdef void leave_listener_seat(Scoreboard board, int worker, int listener_id) noexcept
# source: a hash of listener and address.
cdef bint take_source_seat(Scoreboard board, int worker, uint64_t source, uint64_t most) noexcept
cdef void leave_source_seat(Scoreboard board, int worker, uint64_t source) noexcept
