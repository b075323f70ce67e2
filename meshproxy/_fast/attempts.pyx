from libc.string cimport memset

cimport cython

from .balancer cimport PickRequest
from .encode cimport attempt_encode
from .limits cimport Limits
from .outlier cimport FAILED_CONNECTED, FAILED_CONNECTING, FAILED_NOT, FailedAt
from .retry cimport *
from .transport cimport SEND_FAILED
from .types cimport *
from .upstream cimport pool_of

cdef enum:
    RETRY_BYTES = 1048576          # of a body, kept for retries that the user asked for: Envoy's buffer limit
    STALE_BYTES = 65536            # of any body, since a kept-alive connection may close under it


@cython.no_gc_clear  # __dealloc__ needs rt
cdef class Attempts(UpstreamSink):
    def __cinit__(self):
        self.block = NULL
        memset(&self.try_timer, 0, sizeof(Timer))
        self.try_timer.owner = <void*>self

    def __dealloc__(self):
        if self.block != NULL:
            self.rt.give_block(self.block, self.block_size)

    cdef void begin_attempts(self, Runtime rt) noexcept:
        if self.block != NULL:
            self.rt.give_block(self.block, self.block_size)
            self.block = NULL
        self.rt = rt
        self.must_be_fresh = self.wants_upgrade = False
        self.route = None
        self.trail = NULL
        self.cluster = None
        self.endpoint = None
        self.pool = None
        self.upstream = None
        self.body = self.replay = None
        self.tried = None
        self.request_done = self.response_started = self.is_finished = False
        self.has_hash = False
        self.hash = 0
        self.flags = 0
        self.is_dispatched = self.is_sent = self.is_waiting = self.is_on_endpoint = False
        self.was_stale = self.was_unread = self.is_replayed = self.is_discarding = self.is_backing_off = False
        self.replay_room = 0
        self.is_body_lost = False
        self.retry_count = 0
        self.sent_us = self.service_us = 0

    cdef int local_reply(self, uint32_t status, uint32_t flag, Detail detail) except -1:
        return 0

    cdef int cut_short(self, uint32_t flag, Detail detail) except -1:
        return 0

    cdef int resume_request(self) except -1:
        return 0

    # Picks the endpoint and gathers the head for it; request_flush sends.
    cdef int dispatch(self) except -1:
        cdef Cluster cluster = self.cluster
        self.is_dispatched = True
        self.endpoint = self.choose_endpoint()
        if self.endpoint is None:
            cluster.column.cx_none_healthy += 1
            return self.local_reply(503, FLAG_UH, DETAIL_NO_HEALTHY_UPSTREAM)
        self.pool = pool_of(self.rt, self.endpoint, cluster)
        if cluster.is_limited and self.is_over(cluster.limits):
            return self.overflow()
        self.endpoint.column.rq_total += 1
        self.endpoint.column.rq_active += 1
        self.is_on_endpoint = True
        self.rt.begin_send()
        if not METHOD_GET <= self.method <= METHOD_HEAD and not is_idempotent(self.method) and (
                self.pool.is_doubtful(cluster.limits)):
            self.pool.enqueue(self, False)
        else:
            self.upstream = self.pool.acquire(self, False)
        if self.upstream is None:
            self.set_waiting(True)
        else:
            self.upstream.start_request(self.method)
            self.rt.gather_add(self.block, self.block_len)
            if self.trail != NULL:
                self.leave_trail()
        return 0

    cdef void leave_trail(self) noexcept:
        self.trail.cluster = <void*>self.cluster
        self.trail.column = self.cluster.column
        self.trail.endpoint = <void*>self.endpoint
        self.trail.endpoint_column = self.endpoint.column
        self.trail.pool = <void*>self.pool
        self.trail.connection = <void*>self.upstream

    # Behind a limit on connections it waits instead, and takes the place of one that ended.
    cdef bint is_over(self, Limits limits) noexcept:
        return (self.pool.idle_first == NULL and not limits.may_wait()) or (
            not limits.may_request() and not self.pool.is_full(limits))

    cdef Endpoint choose_endpoint(self):
        cdef PickRequest request
        request.random = &self.rt.random
        request.attempt = 0
        request.now_us = self.rt.reactor.now_us
        request.hash = self.hash
        request.has_hash = self.has_hash
        if self.tried is not None and self.route.retry.avoids_previous:
            return self.cluster.pick_untried(&request, self.tried)
        return self.cluster.pick(&request)

    cdef int overflow(self) except -1:
        self.cluster.column.rq_overflow += 1
        return self.local_reply(503, FLAG_UO, DETAIL_OVERFLOW)

    cdef void set_waiting(self, bint waits) noexcept:
        if waits != self.is_waiting:
            self.is_waiting = waits
            if waits:
                self.cluster.column.rq_pending += 1
            else:
                self.cluster.column.rq_pending -= 1

    # Behind a dispatch outside of the call that received the request: what was kept of it leaves.
    cdef int resend(self) except -1:
        if self.is_finished:
            return 0
        if self.upstream is not None:
            self.send_kept()
        if not self.request_done and not self.is_request_paused():
            return self.resume_request()
        return 0

    # Head and what there is of the body, in one send; the head is gathered already.
    cdef int send_kept(self) except -1:
        cdef Buffer kept = self.replay if self.replay is not None else self.body
        self.body = None
        if kept is not None and not self.rt.gather_add(kept.bytes_at(), kept.held()):
            self.send_to_upstream()
            self.rt.gather_add(kept.bytes_at(), kept.held())
        self.send_to_upstream()
        if self.request_done:
            self.arm_try_timer()
        return 0

    # Small pieces are copied by the gather; larger ones stay where they are until request_flush.
    cdef int gather_request(self, const char* p, size_t n) except -1:
        if self.is_finished:
            return 0
        if self.replay_room:
            self.keep_body(p, n)
        if self.upstream is None:
            if self.replay is None:
                if self.body is None:
                    self.body = Buffer()
                self.body.append(p, n)
            return 0
        if not self.rt.gather_add(p, n):
            self.send_to_upstream()
            if self.upstream is not None:
                self.rt.gather_add(p, n)
        return 0

    cdef void reserve_replay(self) noexcept:
        cdef RetryPolicy policy = self.route.retry
        self.replay_room = RETRY_BYTES if policy is not None and policy.is_users else STALE_BYTES

    # For another attempt; beyond its room the request is streamed and has no other.
    cdef int keep_body(self, const char* p, size_t n) except -1:
        if self.replay is None:
            self.replay = Buffer()
        if self.replay.held() + n <= self.replay_room:
            return self.replay.append(p, n)
        self.replay_room = 0
        self.is_body_lost = True
        if self.upstream is None:
            self.body = self.replay
        self.replay = None
        return 0

    cdef int request_flush(self) except -1:
        if self.upstream is not None and self.rt.gathered:
            return self.send_to_upstream()
        return 0

    cdef int send_to_upstream(self) except -1:
        if self.is_sent:
            return self.upstream.break_off() if self.upstream.send_gathered() == SEND_FAILED else 0
        self.is_sent = True
        self.sent_us = self.rt.reactor.now_us
        return self.upstream.on_departure_failed() if self.upstream.send_soon() == SEND_FAILED else 0

    # Nothing of the body is to be kept, and nothing waits in front of it.
    cdef bint takes_bulk(self) noexcept:
        return self.upstream is not None and self.is_sent and self.replay_room == 0 and self.replay is None and (
            self.body is None and not self.upstream.has_pending())

    cdef int send_bulk(self) except -1:
        return self.upstream.break_off() if self.upstream.send_piped() == SEND_FAILED else 0

    cdef bint is_request_paused(self) noexcept:
        if self.upstream is not None:
            return self.upstream.has_pending()
        if self.replay is not None and self.replay.held() >= self.rt.bounds.pending_bytes:
            return True
        return self.body is not None and self.body.held() >= self.rt.bounds.pending_bytes

    cdef int on_upstream_ready(self, UpstreamConnection c) except -1:
        self.set_waiting(False)
        self.upstream = c
        c.start_request(self.method)
        self.rt.begin_send()
        self.rt.gather_add(self.block, self.block_len)
        self.send_kept()
        if not self.is_finished and not self.request_done and not self.is_request_paused():
            return self.resume_request()
        return 0

    cdef int on_upstream_drained(self) except -1:
        if not self.is_finished and not self.request_done:
            return self.resume_request()
        return 0

    # What the head of a response means for the attempt. False: the response is dropped, and another attempt follows.
    cdef bint accepts(self, ResponseHead* h, bint has_body) except -1:
        self.service_us = self.rt.reactor.now_us - self.sent_us
        self.rt.reactor.cancel(&self.try_timer)
        if self.cluster.outlier is not None:
            self.report(h.status, FAILED_NOT)
        if self.route.retry is not None and (
                h.status >= self.route.retry.least_status or not has_body) and self.retries_response(h):
            self.is_discarding = True
            return False
        return True

    cdef int end_discarded(self, bint reusable) except -1:
        self.let_go(reusable)
        return self.schedule_retry(END_RESPONSE)

    # The upstream connection goes back to its pool when both messages are whole.
    cdef int let_go(self, bint reusable) except -1:
        cdef UpstreamConnection c = self.upstream
        self.upstream = None
        if reusable and self.request_done and not c.has_pending():
            return self.pool.release(c)
        return c.give_up()

    cdef int on_upstream_failed(self, Detail detail) except -1:
        self.set_waiting(False)
        return self.upstream_lost(detail)

    cdef int on_upstream_reset(self, Detail detail) except -1:
        cdef UpstreamConnection c = self.upstream
        cdef size_t body_bytes = self.replay.held() if self.replay is not None else 0
        self.was_stale = c is not None and c.requests > 1 and not c.is_answered
        self.was_unread = self.was_stale and c.unread_bytes >= self.block_len + body_bytes
        self.upstream = None
        return self.upstream_lost(detail)

    cdef int upstream_lost(self, Detail detail) except -1:
        cdef AttemptEnd end = END_RESET
        if self.is_finished:
            return 0
        self.rt.reactor.cancel(&self.try_timer)
        if self.is_discarding:
            return self.schedule_retry(END_RESPONSE)
        if self.response_started:
            self.report(503, FAILED_CONNECTED)
            if detail == DETAIL_UPSTREAM_PROTOCOL_ERROR:
                return self.cut_short(FLAG_UPE, DETAIL_PROTOCOL_AFTER_RESPONSE_STARTED)
            return self.cut_short(FLAG_UC, DETAIL_AFTER_RESPONSE_STARTED)
        if detail == DETAIL_CONNECTION_TERMINATION and self.can_replay():
            self.is_replayed = True
            self.is_sent = False
            self.cluster.column.rq_replayed += 1
            self.set_waiting(True)
            self.pool.acquire(self, True)
            return 0
        if detail in (DETAIL_CONNECT_FAILURE, DETAIL_CONNECT_TIMEOUT, DETAIL_LOCAL_CONNECT_FAILURE):
            end = END_CONNECT_FAILURE
        elif not self.is_sent:
            end = END_RESET_BEFORE_REQUEST
        self.report(503, FAILED_CONNECTING if end == END_CONNECT_FAILURE else FAILED_CONNECTED)
        if detail != DETAIL_INTERNAL_ERROR and self.retries_end(end):
            return self.schedule_retry(end)
        if detail == DETAIL_UPSTREAM_PROTOCOL_ERROR:
            return self.local_reply(502, FLAG_UPE, detail)
        if detail == DETAIL_CONNECTION_TERMINATION:
            return self.local_reply(503, FLAG_UC, detail)
        if detail == DETAIL_INTERNAL_ERROR:
            return self.local_reply(500, FLAG_LR, detail)
        return self.local_reply(503, FLAG_UF, detail)

    # A kept-alive connection closed under the request before a byte of the response: once, on a fresh one, and
    # only what nobody has read, or what may be repeated without harm (RFC 9110 9.2.2).
    cdef bint can_replay(self) noexcept:
        return self.was_stale and not self.is_replayed and not self.is_body_lost and (
            self.was_unread or is_idempotent(self.method))

    # What became of an attempt, for outlier detection.
    cdef int report(self, uint32_t status, FailedAt failed) except -1:
        cdef dict event = self.cluster.report(self.endpoint, status, failed, self.rt.reactor.now_us)
        if event is not None:
            self.rt.tell_health(event)
        return 0

    cdef bint retries_end(self, AttemptEnd end) except -1:
        cdef RetryPolicy policy = self.route.retry
        return policy is not None and policy.wants_end(end) and self.may_retry(end != END_CONNECT_FAILURE)

    cdef bint retries_response(self, ResponseHead* h) except -1:
        return self.route.retry.wants_response(h) and self.may_retry(True)

    cdef bint may_retry(self, bint was_sent) except -1:
        cdef RetryVerdict verdict = self.route.retry.judge(
            self.cluster.limits, self.method, self.retry_count, was_sent, self.is_body_lost)
        if verdict == RETRY_USED_UP:
            self.flags |= FLAG_URX
        elif verdict == RETRY_OVERFLOW:
            self.cluster.column.rq_retry_overflow += 1
            self.flags |= FLAG_UO
        return verdict == RETRY_NOW

    # The attempt is over; the next one starts after the backoff.
    cdef int schedule_retry(self, AttemptEnd end) except -1:
        self.is_discarding = False
        self.tried = (self.tried or []) + [self.endpoint]
        if self.retry_count == 0:
            self.cluster.column.rq_retrying += 1
        self.retry_count += 1
        self.cluster.column.rq_retry += 1
        self.cluster.column.rq_retry_after[<int>end] += 1
        self.is_sent = self.is_replayed = False
        self.is_backing_off = True
        self.cluster.column.rq_active -= 1
        return self.rt.reactor.arm(
            &self.try_timer,
            self.rt.reactor.now_us + self.route.retry.backoff(self.retry_count, &self.rt.random))

    cdef void leave_endpoint(self, bint is_success) noexcept:
        if self.is_on_endpoint:
            self.is_on_endpoint = False
            self.endpoint.column.rq_active -= 1
            if is_success:
                self.endpoint.column.rq_success += 1
            else:
                self.endpoint.column.rq_error += 1

    cdef int on_try_timer(self) except -1:
        return self.end_backoff() if self.is_backing_off else self.end_try()

    cdef void leave_backoff(self) noexcept:
        if self.is_backing_off:
            self.is_backing_off = False
            self.cluster.column.rq_active += 1

    cdef int end_backoff(self) except -1:
        self.leave_backoff()
        self.leave_endpoint(False)     # not before: who fails fast would always be the least loaded
        attempt_encode(self.block, &self.block_len, self.block_size, self.retry_count + 1)
        self.dispatch()
        return self.resend()

    # Runs while an attempt waits for its response; the route's own timeout ends all of them.
    cdef int arm_try_timer(self) except -1:
        cdef RetryPolicy policy = self.route.retry
        if self.response_started or policy is None or policy.per_try_timeout_us == 0 or (
                self.route.timeout_us and policy.per_try_timeout_us >= self.route.timeout_us):
            return 0
        return self.rt.reactor.arm(&self.try_timer, self.rt.reactor.now_us + policy.per_try_timeout_us)

    cdef int end_try(self) except -1:
        self.endpoint.column.rq_timeout += 1
        self.cluster.column.rq_timeout += 1
        self.report(504, FAILED_CONNECTED)
        self.drop_upstream()
        if self.retries_end(END_PER_TRY_TIMEOUT):
            return self.schedule_retry(END_PER_TRY_TIMEOUT)
        return self.local_reply(504, FLAG_UT, DETAIL_PER_TRY_TIMEOUT)

    cdef int drop_upstream(self) except -1:
        cdef UpstreamConnection c = self.upstream
        self.upstream = None
        self.leave_backoff()
        if c is not None:
            return c.give_up()
        if self.is_waiting:
            self.set_waiting(False)
            self.pool.forget(self)
        return 0
