from libc.string cimport memset

cimport cython

from .clib.epoll cimport *
from .clib.socket cimport *
from .runtime cimport BULK_BYTES, SCRATCH_BYTES
from .transport cimport *

cdef enum:
    READS_PER_EVENT = 4            # 1 MiB, then other sockets get their turn
    DELIVERY_LOOK_US = 20000       # an acknowledgement makes no event; half of what a peer may delay one by


@cython.final
cdef class RelaySide(Transport):
    def __cinit__(self, Relay relay):
        self.relay = relay
        self.rt = relay.rt
        self.is_connecting = self.is_eof = self.is_shut = self.is_bulk = False
        self.is_broken = self.has_urgent = False

    cdef void on_error(self) noexcept:
        if self.relay is not None:
            self.relay.close_now()

    cdef int on_event(self, uint32_t events) except -1:
        cdef int error = 0
        cdef socklen_t width = sizeof(error)
        cdef Relay relay = self.relay
        if self.is_connecting:
            if not events & (EPOLLOUT | EPOLLERR | EPOLLHUP):
                return 0
            getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &width)
            relay.on_connected(error)
            if self.fd < 0:
                return 0
            self.other.pump()
        if self.fd >= 0 and events & EPOLLOUT and self.out is not None:
            error = self.flush()
            if error == SEND_FAILED:
                return self.break_off()
            if error == SEND_DONE:
                if self.other.is_eof:
                    self.other.pass_eof()
                else:
                    self.other.pump()
        if self.fd >= 0 and events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR):
            self.is_readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self.peer_closed = True
            if events & EPOLLPRI:
                self.has_urgent = True
            if events & EPOLLERR and relay.last is self:
                return relay.end_with(self)     # nobody reads it any more, who would be told
            return self.pump()
        return 0

    cdef int break_off(self) except -1:
        if self.other.is_broken:
            self.is_broken = True
            return self.relay.end_with(self.other)
        self.is_broken = True
        self.out = None
        return Transport.break_off(self)

    cdef int on_again(self) except -1:
        return self.pump() if self.fd >= 0 else 0

    # Bytes in rt.pipe if is_bulk, else in rt.scratch; or RECV_*.
    cdef ssize_t take(self) noexcept:
        cdef ssize_t n = RECV_NO_PIPE
        if self.is_bulk and self.rt.pipe.is_open() and not self.has_urgent:
            n = self.receive_piped(SCRATCH_BYTES)
        if n == RECV_NO_PIPE:
            self.is_bulk = False
            n = self.receive(SCRATCH_BYTES)
        return n

    # Moves bytes from this side to the other until the socket is drained or the other side is full.
    cdef int pump(self) except -1:
        cdef ssize_t n
        cdef int reads = 0
        cdef SendResult sent
        while self.fd >= 0 and self.is_readable and not self.other.is_connecting:
            if self.other.out is not None or self.other.is_broken:
                return 0
            if reads == READS_PER_EVENT:
                return self.rt.reactor.again(self)
            reads += 1
            n = self.take()
            if n == RECV_AGAIN:
                self.has_urgent = False
                return 0
            if n == RECV_ERROR or n == RECV_EOF and self.is_broken:
                return self.relay.end_with(self)
            if n == RECV_EOF:
                self.is_eof = True
                return self.pass_eof()
            if self.has_urgent:
                self.is_readable = True
            self.relay.count(self, <size_t>n)
            if self.is_bulk:
                sent = self.other.send_piped()
            else:
                self.rt.begin_send()
                self.rt.gather_add(self.rt.scratch, <size_t>n)
                sent = self.other.send_gathered()
            self.is_bulk = n >= BULK_BYTES
            if sent == SEND_FAILED:
                return self.other.break_off()
        return 0

    cdef int pass_eof(self) except -1:
        if self.fd < 0 or self.other.out is not None or self.other.is_shut:
            return 0
        self.other.is_shut = True
        shutdown(self.other.fd, SHUT_WR)
        if self.other.is_eof and self.out is None:
            self.relay.close_now()
        return 0


cdef class Relay(Handler):
    def __cinit__(self):
        self.is_open = False
        self.untaken_bytes = 0
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    cdef void on_error(self) noexcept:
        self.close_now()

    cdef int on_connected(self, int error) except -1:
        return 0

    cdef void count(self, RelaySide side, size_t n) noexcept:
        pass

    cdef void reset_by(self, RelaySide side) noexcept:
        pass

    cdef void close_now(self) noexcept:
        pass

    cdef int join(self) except -1:
        self.down = RelaySide(self)
        self.up = RelaySide(self)
        self.down.other = self.up
        self.up.other = self.down
        self.is_open = True
        return 0

    cdef bint is_taking(self) noexcept:
        cdef size_t before = self.untaken_bytes
        self.untaken_bytes = self.down.unacknowledged() + self.up.unacknowledged()
        if self.untaken_bytes == before:
            return False
        self.active_us = self.rt.reactor.now_us
        return True

    cdef int end_with(self, RelaySide side) except -1:
        if self.last is None:
            side.is_broken = True
            self.last = side.other
            self.reset_by(side)
        elif side is self.last:        # its error may have been told already: SO_ERROR tells once
            side.is_broken = True
        return self.on_timer(&self.timer)

    # SO_ERROR: the peer may have reset it too, which no read will tell.
    cdef bint is_delivering(self) noexcept:
        cdef int error = 0
        cdef socklen_t width = sizeof(error)
        if self.last.is_broken:
            return False
        getsockopt(self.last.fd, SOL_SOCKET, SO_ERROR, &error, &width)
        return error == 0 and self.last.unacknowledged() > 0

    cdef int look_at(self, uint64_t due_us) except -1:
        cdef uint64_t soon = self.rt.reactor.now_us + DELIVERY_LOOK_US
        if self.last is not None and (due_us == 0 or soon < due_us):
            due_us = soon
        return self.rt.reactor.arm(&self.timer, due_us) if due_us else 0

    cdef void part(self) noexcept:
        cdef RelaySide down = self.down
        cdef RelaySide up = self.up
        self.is_open = False
        self.rt.reactor.cancel(&self.timer)
        down.close_socket()
        up.close_socket()
        down.relay = up.relay = None
        down.other = up.other = None
        self.down = self.up = self.last = None
