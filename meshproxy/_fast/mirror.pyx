from libc.string cimport memset

cimport cython

from .balancer cimport PickRequest
from .http1 cimport ResponseHead
from .scoreboard cimport count_code
from .transport cimport SEND_DONE, SEND_FAILED, SendResult
from .types cimport Detail
from .upstream cimport pool_of


@cython.final
@cython.no_gc_clear  # __dealloc__ needs rt; end() breaks the cycles
cdef class Mirror(UpstreamSink):
    def __cinit__(self, Runtime rt, Cluster cluster):
        self.rt = rt
        self.cluster = cluster
        self.message = Buffer()
        self.is_waiting = self.is_counted = False
        self.status = 0
        self.held_bytes = 0
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    def __dealloc__(self):
        if self.timer.next != NULL:
            self.rt.reactor.cancel(&self.timer)

    cdef int add(self, const char* p, size_t n) except -1:
        if self.message is None:
            return 0
        if self.message.held() + n > MIRROR_BYTES:
            self.message = None
            return 0
        return self.message.append(p, n)

    cdef int send(self, unsigned long long timeout_us) except -1:
        cdef PickRequest request
        if self.message is None or self.rt.mirror_count >= MIRRORS_IN_FLIGHT or (
                self.rt.mirror_bytes + self.message.held() > MIRROR_BYTES_HELD):
            return 0
        request.random = &self.rt.random
        request.attempt = 0
        request.now_us = self.rt.reactor.now_us
        request.has_hash = False
        self.endpoint = self.cluster.pick(&request)
        if self.endpoint is None:
            return 0
        self.is_counted = True
        self.held_bytes = self.message.held()
        self.rt.mirror_bytes += self.held_bytes
        self.rt.mirror_count += 1
        self.cluster.column.rq_total += 1
        self.cluster.column.rq_active += 1
        self.endpoint.column.rq_total += 1
        self.endpoint.column.rq_active += 1
        self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + (
            timeout_us if timeout_us else MIRROR_TIMEOUT_US))
        self.pool = pool_of(self.rt, self.endpoint, self.cluster)
        self.rt.mirrors.add(self)      # keeps the copy alive; dropped in end()
        self.upstream = self.pool.acquire(self, False)
        if self.upstream is None:
            self.is_waiting = True
            return 0
        return self.transmit()

    cdef int transmit(self) except -1:
        cdef SendResult sent
        self.upstream.start_request(self.method)
        self.rt.begin_send()
        self.rt.gather_add(self.message.bytes_at(), self.message.held())
        sent = self.upstream.send_gathered()
        self.message = None            # what did not leave is the connection's
        if sent == SEND_FAILED:
            return self.end()
        if sent == SEND_DONE:
            self.let_go()
        return 0

    cdef int on_upstream_drained(self) except -1:
        self.let_go()
        return 0

    cdef void let_go(self) noexcept:
        self.rt.mirror_bytes -= self.held_bytes
        self.held_bytes = 0

    cdef void on_error(self) noexcept:
        try:
            self.end()
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: the end of a copy failed", "exception": e})

    cdef int on_upstream_ready(self, UpstreamConnection c) except -1:
        self.is_waiting = False
        self.upstream = c
        return self.transmit()

    cdef int on_upstream_failed(self, Detail detail) except -1:
        self.is_waiting = False
        return self.end()

    cdef int on_response_head(self, ResponseHead* h, bint has_body) except -1:
        self.status = h.status
        return 0

    cdef int on_response_flush(self, bint is_complete, bint reusable) except -1:
        cdef UpstreamConnection c = self.upstream
        if not is_complete:
            return 0
        if reusable and not c.has_pending():
            self.upstream = None
            self.pool.release(c)
        return self.end()

    cdef int on_upstream_reset(self, Detail detail) except -1:
        self.upstream = None
        return self.end()

    cdef int on_timer(self, Timer* t) except -1:
        return self.end()

    cdef int end(self) except -1:
        cdef UpstreamConnection c = self.upstream
        self.upstream = None
        if c is not None:
            c.give_up()
        elif self.is_waiting:
            self.pool.forget(self)
        self.is_waiting = False
        self.rt.reactor.cancel(&self.timer)
        self.message = None
        self.let_go()
        if self.is_counted:
            self.is_counted = False
            self.rt.mirror_count -= 1
            self.cluster.column.rq_active -= 1
            self.endpoint.column.rq_active -= 1
            count_code(self.cluster.column, self.status, 0)
            if 0 < self.status < 500:
                self.endpoint.column.rq_success += 1
            else:
                self.endpoint.column.rq_error += 1
            self.rt.mirrors.discard(self)
        return 0
