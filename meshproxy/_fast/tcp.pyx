from libc.errno cimport EINPROGRESS, errno
from libc.string cimport memset

cimport cython

from .access_log cimport LogEntry
from .address cimport ADDRESS_ROOM, put_address, put_ip
from .affinity cimport affinity_find, affinity_keep
from .balancer cimport PickRequest
from .bounds cimport BOUND_MEMORY
from .clib.socket cimport *
from .options cimport set_upstream_options
from .outlier cimport FAILED_CONNECTING, FAILED_NOT
from .relay cimport RelaySide
from .runtime cimport Runtime
from .scoreboard cimport CODE_CONNECTION, count_code
from .timer cimport Timer
from .types cimport *
from .xxh64 cimport xxh64


@cython.final
cdef class TcpSession(Relay):
    def __cinit__(self, Runtime rt, Cluster cluster):
        self.rt = rt
        self.cluster = cluster
        self.opened_us = rt.reactor.now_us
        self.received_bytes = self.sent_bytes = self.seat = 0
        self.flags = FLAG_NONE
        self.detail = DETAIL_NONE
        memset(&self.remote, 0, sizeof(self.remote))

    # Takes over fd.
    cdef int open(self, int fd) except -1:
        cdef int up
        self.rt.column.downstream_cx_total += 1
        if self.rt.is_shedding:
            self.rt.exceeded(BOUND_MEMORY, self.rt.resident_bytes)
            return self.refuse(fd, FLAG_OM, DETAIL_OVERLOADED)
        if self.cluster is None:
            self.rt.column.no_cluster += 1
            return self.refuse(fd, FLAG_NC, DETAIL_CLUSTER_NOT_FOUND)
        if not self.cluster.limits.may_connect():
            self.cluster.column.cx_overflow += 1
            return self.refuse(fd, FLAG_UO, DETAIL_CX_OVERFLOW)
        self.endpoint = self.choose()
        if self.endpoint is None:
            self.cluster.column.cx_none_healthy += 1
            return self.refuse(fd, FLAG_UH, DETAIL_NO_HEALTHY_UPSTREAM)
        up = socket(self.endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        if up < 0:
            return self.refuse(fd, FLAG_UF | FLAG_URX, DETAIL_CX_FAILURE)
        set_upstream_options(up, self.cluster)
        if connect(up, <const sockaddr*>&self.endpoint.address, self.endpoint.address_len) < 0 and (
                errno != EINPROGRESS):
            close(up)
            self.connect_failed(DETAIL_CX_FAILURE)
            return self.refuse(fd, self.flags, self.detail)
        self.rt.downstream_count += 1
        self.rt.upstream_count += 1
        self.rt.column.downstream_cx_active += 1
        self.cluster.column.cx_total += 1
        self.cluster.column.cx_active += 1
        self.endpoint.column.cx_total += 1
        self.endpoint.column.cx_active += 1
        self.endpoint.column.rq_active += 1    # a session is what least request counts at L4
        self.endpoint.column.rq_total += 1
        self.join()
        self.up.is_connecting = True
        if self.cluster.connect_timeout_us:
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.cluster.connect_timeout_us)
        self.up.fd = up
        self.down.fd = fd              # both are the session's to close, whatever fails from here on
        self.up.attach(up)
        return self.down.attach(fd)

    cdef int refuse(self, int fd, uint32_t flags, Detail detail) except -1:
        self.flags = flags
        self.detail = detail
        self.give_seat()
        close(fd)
        self.log()
        return 0

    # A client with affinity stays with its endpoint while that is ready and not ejected (ISTIO 4.1).
    cdef Endpoint choose(self):
        cdef PickRequest request
        cdef Endpoint e, chosen
        cdef char ip[ADDRESS_ROOM]
        cdef size_t n
        cdef uint64_t key = 0
        cdef uint32_t now_s = <uint32_t>(self.rt.reactor.now_us // 1000000) + 1
        cdef int slot
        request.random = &self.rt.random
        request.attempt = 0
        request.now_us = self.rt.reactor.now_us
        request.hash = 0
        request.has_hash = False
        if not (self.cluster.hashes_source or self.cluster.affinity_s):
            return self.cluster.pick(&request)
        n = put_ip(ip, &self.remote)
        if self.cluster.hashes_source:
            request.has_hash = n > 0
            request.hash = xxh64(ip, n, 0)
            return self.cluster.pick(&request)
        key = xxh64(ip, n, <uint64_t>self.cluster.id)
        slot = affinity_find(self.rt.scoreboard, key, now_s, self.cluster.affinity_s)
        chosen = None
        if slot >= 0:
            for e in self.cluster.healthy:
                if e.slot == slot and e.state.ejected_until_us <= request.now_us:
                    chosen = e
        if chosen is None:
            chosen = self.cluster.pick(&request)
        if chosen is not None:
            affinity_keep(self.rt.scoreboard, key, <uint32_t>chosen.slot, now_s)
        return chosen

    cdef void give_seat(self) noexcept:
        if self.admission is not None:
            self.admission.leave(self.seat)
            self.admission = None

    cdef void count(self, RelaySide side, size_t n) noexcept:
        self.active_us = self.rt.reactor.now_us
        if side is self.down:
            self.received_bytes += n
            self.cluster.column.request_bytes += n
        else:
            self.sent_bytes += n
            self.cluster.column.response_bytes += n

    cdef int on_connected(self, int error) except -1:
        if error:
            self.connect_failed(DETAIL_CX_FAILURE)
            self.close_now()
            return 0
        self.up.is_connecting = False
        return self.start_idle_timer()

    # One attempt, as Istio's max_connect_attempts: so the failure is the end of the retries as well.
    cdef int connect_failed(self, Detail detail) except -1:
        self.flags |= FLAG_UF | FLAG_URX
        self.detail = detail
        self.cluster.column.cx_connect_fail += 1
        self.endpoint.column.cx_connect_fail += 1
        self.rt.tell_health(self.cluster.report(self.endpoint, 503, FAILED_CONNECTING, self.rt.reactor.now_us))
        return 0

    # Connected: from now on the timer looks for idleness and for the longest a session may live.
    cdef int start_idle_timer(self) except -1:
        self.active_us = self.rt.reactor.now_us
        self.rt.reactor.cancel(&self.timer)
        self.cluster.report(self.endpoint, 200, FAILED_NOT, self.active_us)
        return self.on_timer(&self.timer)

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t now = self.rt.reactor.now_us, due = 0, idle = self.cluster.tcp_idle_timeout_us
        cdef uint64_t longest = self.cluster.limits.max_connection_us
        if self.up.is_connecting:
            self.connect_failed(DETAIL_CX_TIMEOUT)
            self.close_now()
            return 0
        if self.last is not None and not self.is_delivering():
            self.close_now()
            return 0
        if longest and now - self.opened_us >= longest:
            self.flags |= FLAG_DT
            self.detail = DETAIL_CX_DURATION
            self.close_now()
            return 0
        if idle and now - self.active_us >= idle and not self.is_taking():
            if self.last is None:
                self.detail = DETAIL_CX_IDLE
            self.close_now()
            return 0
        if idle:
            due = self.active_us + idle
        if longest and (due == 0 or self.opened_us + longest < due):
            due = self.opened_us + longest
        return self.look_at(due)

    cdef void reset_by(self, RelaySide side) noexcept:
        if side is self.up:
            self.flags |= FLAG_UR
            self.detail = DETAIL_CX_RESET
            self.down.reset_on_close()

    cdef void close_now(self) noexcept:
        cdef TcpSession kept = self    # the sides hold the only references, and let go below
        if not self.is_open:
            return
        self.rt.downstream_count -= 1
        self.rt.upstream_count -= 1
        self.rt.column.downstream_cx_active -= 1
        self.cluster.column.cx_active -= 1
        self.endpoint.column.cx_active -= 1
        self.endpoint.column.rq_active -= 1
        self.give_seat()
        self.part()
        self.log()

    cdef void log(self) noexcept:
        cdef LogEntry e
        cdef char remote[ADDRESS_ROOM]
        if self.cluster is not None:
            count_code(self.cluster.column, CODE_CONNECTION, self.flags)
        if self.rt.log is None:
            return
        memset(&e, 0, sizeof(e))
        e.is_tcp = True
        e.duration_us = self.rt.reactor.now_us - self.opened_us
        e.bytes_received = self.received_bytes
        e.bytes_sent = self.sent_bytes
        e.flags = self.flags
        e.detail = self.detail
        if self.endpoint is not None:
            e.upstream_host.p = self.endpoint.log_text
            e.upstream_host.n = len(self.endpoint.log_text)
        if self.cluster is not None:
            e.cluster.p = self.cluster.log_name
            e.cluster.n = len(self.cluster.log_name)
        e.remote.p = remote
        e.remote.n = put_address(remote, &self.remote)
        self.rt.log.record(&e)
        self.rt.reactor.batch_end_wanted = True
