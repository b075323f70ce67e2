cimport cython

from .bounds cimport BOUND_STREAM_TIME, BOUND_UPGRADE_IDLE
from .relay cimport RelaySide
from .runtime cimport Runtime
from .timer cimport Timer
from .transport cimport SEND_FAILED


@cython.final
cdef class Upgraded(Relay):
    def __cinit__(self, Runtime rt, UpstreamSink sink, UpstreamConnection upstream, uint64_t started_us):
        self.rt = rt
        self.sink = sink
        self.upstream = upstream
        self.started_us = started_us

    cdef int open(self, Transport downstream, Buffer early) except -1:
        cdef Upgraded kept = self      # close_now may let go of it
        self.join()
        self.active_us = self.rt.reactor.now_us
        self.rt.column.upgrades += 1
        self.rt.column.upgrades_active += 1
        try:
            self.up.take_over(self.upstream)
            self.down.take_over(downstream)
        except Exception as e:
            self.rt.reactor.report(e, self)
            return 0
        if self.due_us():
            self.rt.reactor.arm(&self.timer, self.due_us())
        if early is not None:
            self.count(self.down, early.held())
            self.rt.begin_send()
            self.rt.gather_add(early.bytes_at(), early.held())
            if self.up.send_gathered() == SEND_FAILED:
                self.up.break_off()
        return 0

    cdef void count(self, RelaySide side, size_t n) noexcept:
        self.active_us = self.rt.reactor.now_us
        self.sink.on_relayed(side is self.down, n)

    # When it ends if nothing moves; 0 = never.
    cdef uint64_t due_us(self) noexcept:
        cdef uint64_t idle = self.rt.bounds.upgrade_idle_us, longest = self.rt.bounds.stream_us
        cdef uint64_t due = self.active_us + idle if idle else 0
        if longest and (due == 0 or self.started_us + longest < due):
            return self.started_us + longest
        return due

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t now = self.rt.reactor.now_us, longest = self.rt.bounds.stream_us
        if self.last is not None and not self.is_delivering():
            self.close_now()
            return 0
        if self.due_us() == 0 or now < self.due_us():
            return self.look_at(self.due_us())
        if longest and now - self.started_us >= longest:
            self.rt.exceeded(BOUND_STREAM_TIME, now - self.started_us)
        elif self.is_taking():
            return self.look_at(self.due_us())
        else:
            self.rt.exceeded(BOUND_UPGRADE_IDLE, now - self.active_us)
        self.close_now()
        return 0

    cdef void close_now(self) noexcept:
        cdef UpstreamSink sink = self.sink
        cdef Upgraded kept = self      # the sides hold the only references, and let go below
        if not self.is_open:
            return
        self.part()
        self.sink = None
        self.rt.column.upgrades_active -= 1
        try:
            self.upstream.give_up()
            sink.on_relay_end()
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: the end of an upgraded connection failed", "exception": e})
