# transport.pxd: one socket: receives into the worker's scratch, sends a gather, keeps what the peer does not take yet.
#
# Invariants:
#   (1) edge-triggered: is_readable is true from an input edge until recv drained the socket (a short read, or EAGAIN)
#   (2) out is None unless bytes wait for an EPOLLOUT edge; new bytes always go behind them
from .buffer cimport Buffer
from .handler cimport Handler
from .runtime cimport Runtime

cdef enum SendResult:
    SEND_DONE = 0
    SEND_PENDING = 1               # the rest waits in out
    SEND_FAILED = 2                # the socket is broken; errno was EPIPE, ECONNRESET, ...

cdef enum:
    RECV_EOF = 0
    RECV_AGAIN = -2
    RECV_ERROR = -3
    RECV_NO_PIPE = -4              # this socket cannot be spliced: receive() instead

cdef class Transport(Handler):
    cdef Runtime rt
    cdef Buffer out
    cdef bint is_readable
    cdef bint peer_closed          # RDHUP, HUP or ERR was seen

    cdef inline bint has_pending(self) noexcept:
        return self.out is not None

    # Bytes put into rt.scratch, at most SCRATCH_BYTES, or RECV_*.
    cdef ssize_t receive(self, size_t most) noexcept
    # Bytes sent that the peer's kernel has not, and those that wait in out.
    cdef size_t unacknowledged(self) noexcept
    # Nothing waits unread, not even an end.
    cdef bint is_drained(self) noexcept
    # Bytes put into rt.pipe, or RECV_*; the next thing to happen is send_piped.
    cdef ssize_t receive_piped(self, size_t most) noexcept
    # Sends what rt.pipe holds, behind what is pending.
    cdef SendResult send_piped(self) except? SEND_FAILED
    # Sends what rt gathered.
    cdef SendResult send_gathered(self) except? SEND_FAILED
    # The same, but the last segment waits for what follows at once: more bytes, or the end of the connection.
    cdef SendResult send_ahead(self) except? SEND_FAILED
    # The same, but a small message leaves with others, once the events at hand were served; then failing shows as
    # the socket's end, and what it does not take waits in out.
    cdef SendResult send_soon(self) except? SEND_FAILED
    # A message of send_soon did not leave, and none will.
    cdef int on_departure_failed(self) except -1
    # A send failed: what came on the socket before is read, and then its end.
    cdef int break_off(self) except -1
    # Sends more of out after an EPOLLOUT edge.
    cdef SendResult flush(self) noexcept
    cdef int attach(self, int fd) except -1
    # Becomes what `other` is: its socket and its pending bytes. `other` is left without.
    cdef int take_over(self, Transport other) except -1
    # Its end, when it is closed, will be a reset.
    cdef void reset_on_close(self) noexcept
    cdef void close_socket(self) noexcept
