# relay.pxd: bytes both ways between a downstream and an upstream socket, unread: an L4 session, or a connection that
# HTTP/1.1 was upgraded on.
#
# Invariants:
#   (1) a side is read only while the other side has nothing pending: memory per direction is one scratch buffer
#   (2) is_bulk: the last piece was large, so the next one is not copied
#   (3) EOF on a side is passed on as shutdown(SHUT_WR) when the other side has sent all; both ends gone = closed
#   (4) a side that takes no more is read to its end, which then counts as a reset: its last words reach the other side
#   (5) a side whose peer reset it is done; what it said before waits for the other side's peer, as long as that takes of it
#       within the idle time, and then both close
from libc.stdint cimport uint64_t

from .buffer cimport Buffer
from .handler cimport Handler
from .runtime cimport Runtime
from .timer cimport Timer
from .transport cimport Transport

cdef class RelaySide(Transport):
    cdef Relay relay
    cdef RelaySide other
    cdef bint is_connecting
    cdef bint is_eof               # read side: the peer sent FIN
    cdef bint is_shut              # write side: we sent FIN
    cdef bint is_bulk
    cdef bint is_broken            # a send to it failed, or its peer reset it
    cdef bint has_urgent           # urgent data is ahead: recv(2) stops short of it, splice(2) never passes it

    cdef ssize_t take(self) noexcept
    cdef int pump(self) except -1
    cdef int pass_eof(self) except -1

cdef class Relay(Handler):
    cdef Runtime rt
    cdef RelaySide down            # None before join and after part, as up
    cdef RelaySide up
    cdef Timer timer
    cdef uint64_t active_us        # last bytes either way
    cdef size_t untaken_bytes      # by either peer, as the timer saw it last
    cdef RelaySide last            # the side that is still owed what the other said; None while neither was reset
    cdef bint is_open

    cdef int join(self) except -1  # makes both sides; the caller gives them their sockets
    cdef void part(self) noexcept  # closes both
    # Idle by active_us: whether a peer takes bytes that came before, which makes no event. Asked by the timer alone; with
    # bytes that wait it asks twice.
    cdef bint is_taking(self) noexcept
    # The side's peer broke its connection off: ends once the other side's peer has what came before.
    cdef int end_with(self, RelaySide side) except -1
    # Whether the last side is alive and its peer has not acknowledged all.
    cdef bint is_delivering(self) noexcept
    # Arms the timer; 0 = never. It looks sooner while the last side is waited for.
    cdef int look_at(self, uint64_t due_us) except -1
    # What it means; implemented above.
    cdef int on_connected(self, int error) except -1
    cdef void count(self, RelaySide side, size_t n) noexcept
    cdef void reset_by(self, RelaySide side) noexcept   # told once, before end_with waits
    cdef void close_now(self) noexcept
