from libc.stdint cimport int64_t
# Over 400 lines: one state machine whose steps read straight down; its actions live in route, forward, mirror, cors.
from libc.string cimport memcpy, memmove, memset

cimport cython

from .access_log cimport LogEntry
from .balancer cimport PickRequest
from .clib.socket cimport AF_INET, AF_INET6, inet_pton
from .clib.system cimport memchr, memmem
from .edits cimport drop_header, lines_bytes
from .encode cimport chunk_head, encode_bound, request_encode
from .fault cimport Fault
from .forward cimport Origin, edited_request, response_lines
from .headers cimport *
from .limits cimport Limits
from .retry cimport *
from .http1 cimport request_parse
from .mirror cimport Mirror
from .random cimport random_next
from .reply cimport detail_body, detail_text
from .router cimport VirtualHost, request_hash
from .scan cimport scan_put_decimal
from .scoreboard cimport count_code, count_duration
from .transport cimport SEND_DONE, SEND_FAILED, SEND_PENDING
from .types cimport *
from .upstream cimport pool_of

cdef enum:
    REPLAY_BYTES = 65536           # most body bytes kept for another attempt
    ATTEMPT_ROOM = 8               # x-envoy-attempt-count may grow by a few digits
    BODY_HIGH_WATERMARK = 65536    # request bytes held for an upstream that is not ready yet


cdef class Downstream(Transport):
    cdef int respond_head(self, ResponseHead* h, bint has_body, int64_t service_ms, bytes lines) except -1:
        return 0

    cdef int respond_informational(self, ResponseHead* h) except -1:
        return 0

    cdef int respond_body(self, const char* p, size_t n) except -1:
        return 0

    cdef SendResult respond_flush(self, bint is_complete) except *:
        return SEND_DONE

    cdef SendResult respond_local(self, uint32_t status, bytes body, bytes lines, bint has_body,
                                  Stream stream) except *:
        return SEND_DONE

    cdef int stream_done(self, bint is_clean) except -1:
        return 0

    cdef int resume_request(self) except -1:
        return 0

    cdef int abort(self) except -1:
        return 0

    cdef const char* remote_text(self, size_t* n) noexcept:
        n[0] = 0
        return NULL


@cython.final
@cython.no_gc_clear  # __dealloc__ needs rt; finish() breaks the cycles
cdef class Stream(UpstreamSink):
    def __cinit__(self, Runtime rt, Downstream downstream):
        self.rt = rt
        self.downstream = downstream
        self.block = NULL
        self.block_len = self.block_size = 0
        self.is_sent = self.request_done = self.response_started = False
        self.is_waiting = self.was_stale = self.is_replayed = self.is_counted = self.is_finished = False
        self.is_delayed = self.has_hash = self.explains = False
        self.is_preflight = self.is_dispatched = False
        self.is_on_endpoint = self.is_discarding = self.is_backing_off = False
        self.keeps_body = self.is_body_lost = False
        self.retry_count = 0
        memset(&self.try_timer, 0, sizeof(Timer))
        self.try_timer.owner = <void*>self
        self.arm = -1
        self.hash = 0
        self.status = self.flags = 0
        self.detail = DETAIL_VIA_UPSTREAM
        self.sent_us = self.service_us = self.request_bytes = self.response_bytes = 0
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self
        rt.stream_count += 1
        rt.column.downstream_rq_total += 1
        rt.column.downstream_rq_active += 1

    def __dealloc__(self):
        self.rt.stream_count -= 1
        if self.block != NULL:
            self.rt.give_block(self.block, self.block_size)

    cdef int start(self, RequestHead* h) except -1:
        self.start_us = self.rt.reactor.now_us
        self.method = h.view.method
        self.minor = h.minor
        self.framing = h.framing
        self.request_done = h.framing == BODY_NONE
        self.snapshot = self.rt.snapshot
        if self.rt.explains:
            self.explains = self.asks_explain(h)
        if self.rt.log is not None:
            self.logged = LoggedRequest()
            self.logged.keep(&h.view)
        self.choose(h)
        if self.is_finished:
            return 0
        if self.route.hash_count:
            self.made_cookies = [] if self.route.cookies else None
            self.has_hash = request_hash(self.route, &h.view, self.remote, &self.hash, self.made_cookies)
        self.encode_head(h)
        if self.framing != BODY_NONE and self.route.retry is not None:
            self.keeps_body = self.route.retry.is_users or is_idempotent(self.method)
        if not self.route.is_plain and self.hold_or_fail():
            return 0
        return self.proceed()

    # Route, split and cluster; or an answer of the route's own, which finishes the stream.
    cdef int choose(self, RequestHead* h) except -1:
        cdef RequestView* v = &h.view
        cdef VirtualHost host = self.snapshot.host_of(v, self.downstream.binding)
        if host is not None:
            self.route = host.match(v)
        if self.route is None:
            self.rt.column.no_route += 1
            return self.local_reply(404, FLAG_NR, DETAIL_ROUTE_NOT_FOUND)
        if not self.route.is_plain:
            self.remote = client_address(self.downstream, v)
            if self.route.edits_response:
                self.head = v.base[:h.head_len]
            if self.answer(v):
                return 0
        elif self.route.hashes_remote:
            self.remote = client_address(self.downstream, v)
        self.arm = self.route.take_arm()
        self.cluster = self.snapshot.cluster_of(self.route, self.arm)
        if self.cluster is not None:
            self.cluster.column.rq_total += 1
            self.cluster.column.rq_active += 1
            self.is_counted = True
        return 0

    # Redirect or direct response: 1 when it was one. A CORS preflight is judged here, and answered by proceed.
    cdef int answer(self, const RequestView* v) except -1:
        if self.route.redirect is not None:
            self.answer_with(self.route.redirect.status, DETAIL_DIRECT_RESPONSE, b"",
                             b"location: %b\r\n" % self.route.redirect.location(v))
            return 1
        if self.route.is_direct:
            self.answer_with(self.route.direct_status, DETAIL_DIRECT_RESPONSE,
                             self.route.direct_body, b"")
            return 1
        if self.route.cors is not None:
            self.cors_lines = []
            self.is_preflight = self.route.cors.judge(v, self.cors_lines) == 1
        return 0

    # Behind the fault filter, as in Envoy: CORS, then the cluster, then an endpoint.
    cdef int proceed(self) except -1:
        if self.is_preflight:
            lines = lines_bytes(self.cors_lines)
            self.cors_lines = None
            return self.answer_with(200, DETAIL_CORS_RESPONSE, b"", lines)
        if self.cluster is None:
            self.rt.column.no_cluster += 1
            return self.local_reply(503, FLAG_NC, DETAIL_CLUSTER_NOT_FOUND)
        return self.dispatch()

    # The head as the upstream gets it, kept in block.
    cdef int encode_head(self, RequestHead* h) except -1:
        cdef HeaderTable* t = &h.view.headers
        cdef Span request_id
        cdef uint32_t head_end = h.view.target.off + h.view.target.len
        cdef bytes edited
        request_id.off = request_id.len = 0
        if not self.route.edits_request:
            if t.count:
                head_end = t.fields[t.count - 1].value + t.fields[t.count - 1].value_len
            self.block_size = encode_bound(head_end, t)
            self.block = self.rt.take_block(self.block_size)
            self.block_len = request_encode(self.block, h, NULL, self.route.timeout_us,
                                            &self.rt.random, &request_id)
        else:
            edited = edited_request(self.route, self.arm, h, self.origin(), &self.rt.random, &request_id)
            self.block_len = len(edited)
            self.block_size = self.block_len + ATTEMPT_ROOM
            self.block = self.rt.take_block(self.block_size)
            memcpy(self.block, <const char*>edited, self.block_len)
        if self.logged is not None and request_id.off:
            self.logged.keep_id(self.block, request_id)
        return 0

    # Mirrors are made, a fault is drawn. 1: the stream is finished, or delayed until its timer fires.
    cdef int hold_or_fail(self) except -1:
        cdef Fault fault = self.route.fault
        cdef Cluster cluster
        cdef Mirror mirror
        for cluster_id, ppm in self.route.mirrors:
            cluster = self.snapshot.cluster_at(cluster_id)
            if cluster is not None and random_next(&self.rt.random) % 1000000 < <uint64_t>ppm:
                mirror = Mirror(self.rt, cluster)
                mirror.method = self.method
                mirror.add(self.block, self.block_len)
                self.mirrors = (self.mirrors or []) + [mirror]
        if fault is None:
            return 0
        if fault.draws_delay(&self.rt.random):
            self.is_delayed = True
            self.flags |= FLAG_DI
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + fault.delay_us)
            return 1
        return self.abort_by_fault()

    cdef int abort_by_fault(self) except -1:
        if self.route.fault is None or not self.route.fault.draws_abort(&self.rt.random):
            return 0
        self.cors_lines = None         # that filter is behind this one
        self.is_preflight = False
        self.local_reply(self.route.fault.abort_status, FLAG_FI, DETAIL_FAULT_ABORT)
        return 1

    # Picks the endpoint and gathers the head for it; request_flush sends.
    cdef int dispatch(self) except -1:
        cdef Limits limits = self.cluster.limits
        self.is_dispatched = True
        if limits.max_requests and not limits.may_request():
            return self.overflow()
        self.endpoint = self.choose_endpoint()
        if self.endpoint is None:
            self.cluster.column.cx_none_healthy += 1
            return self.local_reply(503, FLAG_UH, DETAIL_NO_HEALTHY_UPSTREAM)
        self.pool = pool_of(self.rt, self.endpoint, self.cluster)
        if limits.max_pending and self.pool.idle_first == NULL and not limits.may_wait():
            return self.overflow()
        self.endpoint.column.rq_total += 1
        self.endpoint.column.rq_active += 1
        self.is_on_endpoint = True
        self.rt.begin_send()
        self.upstream = self.pool.acquire(self, self.cluster, False)
        if self.upstream is None:
            self.set_waiting(True)
        else:
            self.upstream.start_request(self.method)
            self.rt.gather_add(self.block, self.block_len)
        return 0

    cdef Endpoint choose_endpoint(self):
        cdef PickRequest request
        request.random = &self.rt.random
        request.attempt = self.retry_count
        request.now_us = self.rt.reactor.now_us
        request.hash = self.hash
        request.has_hash = self.has_hash
        if self.tried is not None and self.route.retry.avoids_previous:
            return self.cluster.pick_untried(&request, self.tried)
        return self.cluster.pick(&request)

    cdef int overflow(self) except -1:
        self.cluster.column.rq_overflow += 1
        self.flags |= FLAG_UO
        return self.answer_with(503, DETAIL_OVERFLOW, <bytes>detail_body(DETAIL_OVERFLOW),
                                b"x-envoy-overloaded: true\r\n")

    cdef void set_waiting(self, bint waits) noexcept:
        if waits != self.is_waiting:
            self.is_waiting = waits
            if waits:
                self.cluster.column.rq_pending += 1
            else:
                self.cluster.column.rq_pending -= 1

    # The injected delay is over.
    cdef int end_delay(self) except -1:
        self.is_delayed = False
        if self.abort_by_fault():
            return 0
        if self.request_done:
            self.redispatch()
            return self.after_request() if not self.is_finished else 0
        return self.redispatch()

    # Dispatches outside of the call that received the request: sends what was kept of it.
    cdef int redispatch(self) except -1:
        self.proceed()
        if self.is_finished:
            return 0
        if self.upstream is not None:
            self.send_kept()
        if not self.request_done and not self.is_request_paused():
            return self.downstream.resume_request()
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

    cdef int on_request_body(self, const char* p, size_t n) except -1:
        cdef char head[18]
        self.request_bytes += n
        if self.framing != BODY_CHUNKED:
            return self.pass_on(p, n)
        self.pass_on(head, chunk_head(head, n))
        self.pass_on(p, n)
        return self.pass_on(b"\r\n", 2)

    cdef int request_end(self) except -1:
        self.request_done = True
        if self.is_finished:
            return 0
        if self.framing == BODY_CHUNKED:
            self.pass_on(b"0\r\n\r\n", 5)
        return self.after_request() if not self.is_delayed else 0

    cdef int pass_on(self, const char* p, size_t n) except -1:
        cdef Mirror mirror
        if self.mirrors is not None:
            for mirror in self.mirrors:
                mirror.add(p, n)
        return self.gather_request(p, n)

    # The whole request was received and dispatched: the route's clock starts, mirrors leave (ISTIO 1.14, 1.17).
    cdef int after_request(self) except -1:
        if self.route.timeout_us:
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.route.timeout_us)
        if self.upstream is not None:
            self.arm_try_timer()
        if self.mirrors is None:
            return 0
        # The gather may hold this request's own bytes: they leave before a mirror uses it.
        self.request_flush()
        for mirror in self.mirrors:
            (<Mirror>mirror).send(self.route.timeout_us)
        self.mirrors = None
        return 0

    # Small pieces are copied by the gather; larger ones stay where they are until request_flush.
    cdef int gather_request(self, const char* p, size_t n) except -1:
        if self.is_finished:
            return 0
        if self.keeps_body:
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

    # For another attempt; beyond REPLAY_BYTES the request is streamed and has no other.
    cdef int keep_body(self, const char* p, size_t n) except -1:
        if self.replay is None:
            self.replay = Buffer()
        if self.replay.held() + n <= REPLAY_BYTES:
            return self.replay.append(p, n)
        self.keeps_body = False
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
        if not self.is_sent:
            self.is_sent = True
            self.sent_us = self.rt.reactor.now_us
        if self.upstream.send_gathered() == SEND_FAILED:
            # The endpoint may have answered before it closed: what it sent is read first.
            self.upstream.is_readable = True
            self.upstream.peer_closed = True
            return self.rt.reactor.again(self.upstream)
        return 0

    cdef bint is_request_paused(self) noexcept:
        if self.upstream is not None:
            return self.upstream.has_pending()
        if self.replay is not None and self.replay.held() >= BODY_HIGH_WATERMARK:
            return True
        return self.body is not None and self.body.held() >= BODY_HIGH_WATERMARK

    cdef int on_upstream_ready(self, UpstreamConnection c) except -1:
        self.set_waiting(False)
        self.upstream = c
        c.start_request(self.method)
        self.rt.begin_send()
        self.rt.gather_add(self.block, self.block_len)
        self.send_kept()
        if not self.is_finished and not self.request_done and not self.is_request_paused():
            return self.downstream.resume_request()
        return 0

    cdef int on_upstream_drained(self) except -1:
        if not self.is_finished and not self.request_done:
            return self.downstream.resume_request()
        return 0

    cdef bint is_response_paused(self) noexcept:
        return self.downstream is not None and self.downstream.has_pending()

    cdef int on_downstream_drained(self) except -1:
        if self.upstream is not None:
            return self.upstream.resume()
        return 0

    cdef int on_informational(self, ResponseHead* h) except -1:
        return self.downstream.respond_informational(h)

    cdef int on_response_head(self, ResponseHead* h, bint has_body) except -1:
        self.service_us = self.rt.reactor.now_us - self.sent_us
        self.rt.reactor.cancel(&self.try_timer)
        if self.cluster.outlier is not None:
            self.report(h.status, False)
        if self.route.retry is not None and (h.status >= 400 or not has_body) and self.retries_response(h):
            self.is_discarding = True
            return 0
        self.status = h.status
        self.response_started = True
        if self.route.is_plain and not self.explains:
            return self.downstream.respond_head(h, has_body, <int64_t>(self.service_us // 1000), None)
        return self.downstream.respond_head(h, has_body, <int64_t>(self.service_us // 1000),
                                            self.response_lines_for(h))

    # Lines that the route adds to a response head; flags those it replaces.
    cdef bytes response_lines_for(self, ResponseHead* h):
        cdef RequestHead* request = NULL
        cdef bytes lines = b""
        if self.cors_lines is not None:
            for name, _ in self.cors_lines:
                drop_header(&h.headers, h.base, name)
            lines = lines_bytes(self.cors_lines)
        if self.made_cookies:
            lines += lines_bytes(self.made_cookies)
        if self.explains:
            lines += self.explanation()
        if self.route is None or not self.route.edits_response or self.is_preflight:
            return lines
        # %REQ()% sees the head as it leaves, or as it came when the route went no further.
        if self.is_dispatched and request_parse(&self.rt.request, self.block, <uint32_t>self.block_len,
                                          <uint32_t>self.block_len + 1) > 0:
            request = &self.rt.request
        elif self.head is not None and request_parse(&self.rt.request, self.head, <uint32_t>len(self.head),
                                                     <uint32_t>len(self.head) + 1) > 0:
            request = &self.rt.request
        return lines + response_lines(self.route, self.arm, h, request, self.origin())

    # The header is between the client and this proxy: it goes no further.
    cdef bint asks_explain(self, RequestHead* h) noexcept:
        cdef HeaderTable* t = &h.view.headers
        cdef int i = table_find(t, h.view.base, b"x-meshproxy-explain", 19, 0)
        if i < 0:
            return False
        t.fields[i].flags |= HF_DROP
        return t.fields[i].value_len == 1 and h.view.base[t.fields[i].value] == c'1'

    cdef bytes explanation(self):
        parts = [f"generation={self.snapshot.generation}"]
        if self.route is not None:
            if self.route.virtual_service:
                parts.append(f"virtual_service={self.route.virtual_service}")
                parts.append(f"rule={self.route.rule}")
            if self.route.name:
                parts.append(f"route={self.route.name}")
        if self.cluster is not None:
            parts.append(f"cluster={self.cluster.name}")
        if self.endpoint is not None:
            parts.append(f"endpoint={self.endpoint.text}")
        parts.append(f"detail={(<bytes>detail_text(self.detail)).decode()}")
        text = "; ".join(parts).encode("ascii", "replace")
        return b"x-meshproxy-explain: %b\r\n" % text.translate(None, b"\r\n\0")

    cdef Origin origin(self):
        cdef Origin origin = Origin()
        origin.remote = self.remote if self.remote is not None else b""
        if self.cluster is not None:
            origin.cluster = self.cluster.log_name
        if self.endpoint is not None:
            origin.host = self.endpoint.log_text
        return origin

    cdef int on_response_body(self, const char* p, size_t n) except -1:
        if self.is_discarding:
            return 0
        self.response_bytes += n
        return self.downstream.respond_body(p, n)

    cdef int on_response_flush(self, bint is_complete, bint reusable) except -1:
        if self.is_discarding:
            self.let_go(is_complete and reusable)
            return self.schedule_retry()
        if self.downstream.respond_flush(is_complete) == SEND_FAILED:
            return self.downstream.abort()
        if not is_complete:
            return 0
        self.let_go(reusable)
        return self.finish(self.request_done)

    # The upstream connection goes back to its pool when both messages are whole.
    cdef int let_go(self, bint reusable) except -1:
        cdef UpstreamConnection c = self.upstream
        self.upstream = None
        if reusable and self.request_done and not c.has_pending():
            return self.pool.release(c)
        c.close_now()
        return 0

    cdef int on_upstream_failed(self, Detail detail) except -1:
        self.set_waiting(False)
        return self.upstream_lost(detail)

    cdef int on_upstream_reset(self, Detail detail) except -1:
        self.was_stale = (self.upstream is not None and self.upstream.requests > 1
                          and not self.upstream.is_answered)
        self.upstream = None
        return self.upstream_lost(detail)

    cdef int upstream_lost(self, Detail detail) except -1:
        cdef AttemptEnd end = END_RESET
        if self.is_finished:
            return 0
        self.rt.reactor.cancel(&self.try_timer)
        if self.is_discarding:
            return self.schedule_retry()
        if self.response_started:
            self.report(503, True)
            self.flags |= FLAG_UC
            self.detail = DETAIL_AFTER_RESPONSE_STARTED
            return self.finish(False)
        if detail == DETAIL_CONNECTION_TERMINATION and self.can_replay():
            self.is_replayed = True
            self.is_sent = False
            self.cluster.column.rq_replayed += 1
            self.set_waiting(True)
            self.pool.acquire(self, self.cluster, True)
            return 0
        self.report(503, True)
        if detail in (DETAIL_CONNECT_FAILURE, DETAIL_CONNECT_TIMEOUT, DETAIL_LOCAL_CONNECT_FAILURE):
            end = END_CONNECT_FAILURE
        elif not self.is_sent:
            end = END_RESET_BEFORE_REQUEST
        if detail != DETAIL_INTERNAL_ERROR and self.retries_end(end):
            return self.schedule_retry()
        if detail == DETAIL_UPSTREAM_PROTOCOL_ERROR:
            return self.local_reply(502, FLAG_UPE, detail)
        if detail == DETAIL_CONNECTION_TERMINATION:
            return self.local_reply(503, FLAG_UC, detail)
        if detail == DETAIL_INTERNAL_ERROR:
            return self.local_reply(500, FLAG_LR, detail)
        return self.local_reply(503, FLAG_UF, detail)

    # What became of an attempt, for outlier detection.
    cdef int report(self, uint32_t status, bint is_local) except -1:
        cdef dict event = self.cluster.report(self.endpoint, status, is_local, self.rt.reactor.now_us)
        if event is not None and self.rt.on_health_event is not None:
            self.rt.on_health_event(event)
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
    cdef int schedule_retry(self) except -1:
        self.is_discarding = False
        self.leave_endpoint(False)
        self.tried = (self.tried or []) + [self.endpoint]
        if self.retry_count == 0:
            self.cluster.column.rq_retrying += 1
        self.retry_count += 1
        self.cluster.column.rq_retry += 1
        self.is_sent = self.is_replayed = False
        self.is_backing_off = True
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

    cdef int end_backoff(self) except -1:
        self.is_backing_off = False
        put_attempt(self.block, &self.block_len, self.block_size, self.retry_count + 1)
        return self.redispatch()

    # Runs while an attempt waits for its response; the route's own timeout ends all of them.
    cdef int arm_try_timer(self) except -1:
        cdef RetryPolicy policy = self.route.retry
        if policy is None or policy.per_try_timeout_us == 0 or (
                self.route.timeout_us and policy.per_try_timeout_us >= self.route.timeout_us):
            return 0
        return self.rt.reactor.arm(&self.try_timer, self.rt.reactor.now_us + policy.per_try_timeout_us)

    cdef int end_try(self) except -1:
        self.endpoint.column.rq_timeout += 1
        self.cluster.column.rq_timeout += 1
        self.report(504, True)
        self.drop_upstream()
        if self.retries_end(END_PER_TRY_TIMEOUT):
            return self.schedule_retry()
        return self.local_reply(504, FLAG_UT, DETAIL_PER_TRY_TIMEOUT)

    # A kept-alive connection closed under the request before a byte of the response: once, on a fresh one, and
    # only what may be repeated without harm (RFC 9110 9.2.2).
    cdef bint can_replay(self) noexcept:
        return self.was_stale and not self.is_replayed and self.framing == BODY_NONE and self.request_done and (
            is_idempotent(self.method))

    cdef int on_timer(self, Timer* t) except -1:
        if t == &self.try_timer:
            return self.end_backoff() if self.is_backing_off else self.end_try()
        if self.is_delayed:
            return self.end_delay()
        self.endpoint.column.rq_timeout += 1
        self.cluster.column.rq_timeout += 1
        if not self.is_backing_off:
            self.report(504, True)
        if self.response_started:
            self.flags |= FLAG_UT
            self.detail = DETAIL_RESPONSE_TIMEOUT
            self.drop_upstream()
            return self.finish(False)
        return self.local_reply(504, FLAG_UT, DETAIL_RESPONSE_TIMEOUT)

    cdef void on_error(self) noexcept:
        try:
            if self.downstream is not None:
                self.downstream.abort()
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: abort after an error failed", "exception": e})

    # The request body broke the codec's rules: nothing of it may reach the upstream as a whole request.
    cdef int on_bad_request_body(self) except -1:
        if self.is_finished:
            return 0
        if self.response_started:
            self.flags |= FLAG_DPE
            self.detail = DETAIL_BODY_CODEC_ERROR
            self.drop_upstream()
            return self.finish(False)
        return self.local_reply(400, FLAG_DPE, DETAIL_BODY_CODEC_ERROR)

    # downstream stays until finish: the log names the client that went away.
    cdef int on_downstream_closed(self) except -1:
        if self.is_finished:
            return 0
        self.flags |= FLAG_DC
        self.detail = DETAIL_DOWNSTREAM_DISCONNECT
        self.drop_upstream()
        return self.finish(False)

    cdef int local_reply(self, uint32_t status, uint32_t flag, Detail detail) except -1:
        self.flags |= flag
        return self.answer_with(status, detail, <bytes>detail_body(detail), b"")

    cdef int answer_with(self, uint32_t status, Detail detail, bytes body, bytes lines) except -1:
        self.detail = detail
        self.status = status
        self.response_started = True
        if self.method != METHOD_HEAD:
            self.response_bytes = len(body)
        self.drop_upstream()
        self.rt.begin_send()
        if self.downstream.respond_local(status, body, lines, self.method != METHOD_HEAD,
                                         self) == SEND_FAILED:
            return self.downstream.abort()
        return self.finish(self.request_done)

    cdef int drop_upstream(self) except -1:
        cdef UpstreamConnection c = self.upstream
        self.upstream = None
        if c is not None:
            c.close_now()
        elif self.is_waiting:
            self.set_waiting(False)
            self.pool.forget(self)
        return 0

    cdef int finish(self, bint is_clean) except -1:
        cdef Downstream downstream = self.downstream
        cdef uint64_t duration
        if self.is_finished:
            return 0
        self.is_finished = True
        self.rt.reactor.cancel(&self.timer)
        self.rt.reactor.cancel(&self.try_timer)
        duration = self.rt.reactor.now_us - self.start_us
        if self.is_counted:
            self.cluster.column.rq_active -= 1
            self.cluster.column.request_bytes += self.request_bytes
            self.cluster.column.response_bytes += self.response_bytes
            count_code(self.cluster.column, self.status, self.flags)
            count_duration(self.cluster.column, duration)
            if self.retry_count:
                self.cluster.column.rq_retrying -= 1
                if self.status and self.status < 500:
                    self.cluster.column.rq_retry_success += 1
            self.leave_endpoint(0 < self.status < 500)
        self.rt.column.downstream_rq_active -= 1
        self.rt.column.downstream_rq_xx[self.status // 100 if self.status < 600 else 0] += 1
        if self.rt.log is not None:
            self.write_log()
        self.downstream = None
        self.body = self.replay = None
        if downstream is not None:
            return downstream.stream_done(is_clean)
        return 0

    cdef int write_log(self) except -1:
        cdef LogEntry e
        cdef size_t n = 0
        if self.logged is None:
            return 0
        memset(&e, 0, sizeof(e))
        e.duration_us = self.rt.reactor.now_us - self.start_us
        e.has_service_ms = self.detail == DETAIL_VIA_UPSTREAM
        e.service_ms = self.service_us // 1000
        e.bytes_received = self.request_bytes
        e.bytes_sent = self.response_bytes
        e.status = self.status
        e.flags = self.flags
        e.detail = self.detail
        e.minor = self.minor
        self.logged.fill(&e)
        if self.endpoint is not None:
            e.upstream_host.p = self.endpoint.log_text
            e.upstream_host.n = len(self.endpoint.log_text)
        if self.cluster is not None:
            e.cluster.p = self.cluster.log_name
            e.cluster.n = len(self.cluster.log_name)
        if self.route is not None:
            e.route.p = self.route.log_name
            e.route.n = len(self.route.log_name)
        if self.downstream is not None:
            e.remote.p = self.downstream.remote_text(&n)
            e.remote.n = n
        self.rt.log.record(&e)
        self.rt.reactor.batch_end_wanted = True
        return 0


# The client as the mesh sees it: the last X-Forwarded-For entry, with port 0, else the peer (ISTIO 3.14).
cdef bytes client_address(Downstream downstream, const RequestView* v):
    cdef size_t n = 0
    cdef const char* p = downstream.remote_text(&n)
    cdef HeaderTable* t = <HeaderTable*>&v.headers
    cdef int i = t.slot[<int>H_X_FORWARDED_FOR], last = -1
    cdef unsigned char address[16]
    while i >= 0:
        last = i
        i = table_find(t, v.base, b"x-forwarded-for", 15, i + 1)
    if last >= 0:
        entry = (v.base + t.fields[last].value)[:t.fields[last].value_len].rpartition(b",")[2].strip()
        if inet_pton(AF_INET, entry, address) == 1:
            return entry + b":0"
        if inet_pton(AF_INET6, entry, address) == 1:
            return b"[" + entry + b"]:0"
    return p[:n] if n else b""


# Writes the attempt's number into a serialised head (ISTIO 3.11).
cdef void put_attempt(char* block, size_t* n, size_t room, uint32_t attempt) noexcept:
    cdef char* at = <char*>memmem(block, n[0], b"\r\nx-envoy-attempt-count: ", 25)
    cdef char* end
    cdef char digits[20]
    cdef size_t width, old
    if at == NULL:
        return
    at += 25
    end = <char*>memchr(at, c'\r', block + n[0] - at)
    if end == NULL:
        return
    width = scan_put_decimal(digits, attempt)
    old = <size_t>(end - at)
    if n[0] - old + width > room:
        return
    memmove(at + width, end, block + n[0] - end)
    memcpy(at, digits, width)
    n[0] += width - old
