from libc.string cimport memcpy, memset
# Over 400 lines: one state machine whose steps read straight down; its actions live in attempts, forward, mirror, cors.

cimport cython

from .access_log cimport LogEntry
from .cluster cimport Cluster
from .edits cimport drop_header, lines_bytes
from .encode cimport chunk_head, encode_bound, request_encode
from .explanation cimport explanation, take_explain
from .fault cimport Fault
from .forward cimport Origin, edited_request, response_lines
from .headers cimport H_X_FORWARDED_FOR, HeaderTable, RequestView
from .http1 cimport *
from .logged cimport log_target
from .mirror cimport Mirror
from .outlier cimport FAILED_CONNECTED
from .random cimport random_next
from .reason cimport reason_json, reason_text, wants_json
from .retry cimport AttemptEnd
from .router cimport request_hash
from .scoreboard cimport count_code, count_duration
from .trailers cimport keep_trailers
from .transport cimport SEND_DONE, SEND_FAILED
from .types cimport *
from .upgraded cimport Upgraded
from .upstream cimport UpstreamConnection

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(Stream stream) noexcept

cdef enum:
    ATTEMPT_ROOM = 8               # x-envoy-attempt-count may grow by a few digits
    SPARE_STREAMS = 64


cdef class Downstream(Transport):
    cdef bint has_room(self, ResponseHead* h, bytes lines) noexcept:
        return True

    cdef int respond_head(self, ResponseHead* h, bint has_body, int64_t service_ms, bytes lines) except -1:
        return 0

    cdef int respond_informational(self, ResponseHead* h) except -1:
        return 0

    cdef int respond_body(self, const char* p, size_t n) except -1:
        return 0

    cdef bint takes_bulk(self) noexcept:
        return False

    cdef int respond_trailers(self, Buffer lines) except -1:
        return 0

    cdef SendResult respond_flush(self, bint is_complete) except? SEND_FAILED:
        return SEND_DONE

    cdef SendResult respond_local(self, uint32_t status, bytes body, bytes lines, bint has_body,
                                  Stream stream) except? SEND_FAILED:
        return SEND_DONE

    cdef void cut(self) noexcept:
        pass

    cdef int stream_done(self, bint is_clean) except -1:
        return 0

    cdef int resume_request(self) except -1:
        return 0

    cdef Buffer leave_http(self):
        return None

    cdef int abort(self) except -1:
        return 0

    cdef const char* remote_text(self, size_t* n) noexcept:
        n[0] = 0
        return NULL


# One that ended, if nobody up the stack holds it still; else a new one.
cdef Stream new_stream(Runtime rt, Downstream downstream):
    cdef Stream stream = <Stream>rt.spare_stream
    if stream is not None:
        rt.spare_stream = stream.next_spare
        rt.spare_count -= 1
        stream.next_spare = None
    if stream is None or Py_REFCNT(stream) > 1:
        stream = Stream.__new__(Stream)
    stream.begin(rt, downstream)
    return stream


@cython.final
@cython.no_gc_clear  # __dealloc__ needs rt; finish() breaks the cycles
cdef class Stream(Attempts):
    def __cinit__(self):
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self
        self.is_spare = True

    def __dealloc__(self):
        if not self.is_spare:
            self.rt.stream_count -= 1

    cdef void begin(self, Runtime rt, Downstream downstream) noexcept:
        self.begin_attempts(rt)
        self.downstream = downstream
        self.snapshot = rt.snapshot
        self.reason = self.remote = self.head = None
        self.made_cookies = self.cors_lines = self.mirrors = None
        self.is_spare = self.is_counted = self.is_delayed = self.is_preflight = False
        self.explains = self.adds_lines = False
        self.takes_trailers = False
        self.arm = -1
        self.status = 0
        self.detail = DETAIL_VIA_UPSTREAM
        self.request_bytes = self.response_bytes = 0
        rt.stream_count += 1
        rt.column.downstream_rq_total += 1
        rt.column.downstream_rq_active += 1

    # For a request to come, unless it holds what has been replaced.
    cdef void put_aside(self) noexcept:
        if self.snapshot is self.rt.snapshot and self.rt.spare_count < SPARE_STREAMS:
            self.is_spare = True
            self.rt.stream_count -= 1
            self.next_spare = <Stream>self.rt.spare_stream
            self.rt.spare_stream = self
            self.rt.spare_count += 1

    cdef int start(self, RequestHead* h, bint is_redirect) except -1:
        self.start_us = self.rt.reactor.now_us
        self.method = h.view.method
        self.minor = h.minor
        self.framing = h.framing
        self.request_done = h.framing == BODY_NONE
        if self.rt.adds_lines:
            self.explains = self.rt.explains and take_explain(h)
            self.adds_lines = self.explains or len(self.rt.intake.via) > 0
        if self.rt.log is not None:
            if self.logged is None:
                self.logged = LoggedRequest()
            self.logged.keep(&h.view)
            if h.view.headers.slot[<int>H_X_FORWARDED_FOR] >= 0:
                self.logged.remote = self.client(&h.view)
        else:
            self.logged = None
        if is_redirect:
            return self.answer_with(307, DETAIL_BAD_PATH, b"", b"location: %b\r\n" % self.rt.intake.location(h))
        self.choose(h)
        if self.is_finished:
            return 0
        if h.wish:
            self.takes_trailers = h.wish == WISH_TRAILERS
            self.wants_upgrade = h.wish == WISH_UPGRADE and self.route.upgrades
            if not self.takes_trailers and not self.wants_upgrade:
                h.wish = WISH_NONE
        if self.route.hash_count:
            self.made_cookies = [] if self.route.cookies else None
            self.has_hash = request_hash(self.route, &h.view, self.remote, &self.hash, self.made_cookies)
        self.encode_head(h)
        if self.framing != BODY_NONE:
            self.reserve_replay()
        if not self.route.is_plain and self.hold_or_fail():
            return 0
        return self.proceed()

    # Route, split and cluster; or an answer of the route's own, which finishes the stream.
    cdef int choose(self, RequestHead* h) except -1:
        cdef RequestView* v = &h.view
        cdef int host = self.snapshot.host_id(v, self.downstream.binding)
        self.trail = self.snapshot.hosts.follow(host)
        self.route = self.snapshot.hosts.match(host, v)
        if self.route is None:
            self.rt.column.no_route += 1
            return self.local_reply(404, FLAG_NR, DETAIL_ROUTE_NOT_FOUND)
        if not self.route.is_plain:
            self.remote = self.client(v)
            if self.route.edits_response:
                self.head = v.base[:h.head_len]
            if self.answer(v):
                return 0
        elif self.route.hashes_remote:
            self.remote = self.client(v)
        self.arm = self.route.take_arm()
        self.cluster = self.snapshot.cluster_of(self.route, self.arm)
        if self.cluster is not None:
            self.cluster.column.rq_total += 1
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
        self.cluster.column.rq_active += 1
        self.is_counted = True
        return self.dispatch()

    # The head as the upstream gets it, kept in block.
    cdef int encode_head(self, RequestHead* h) except -1:
        cdef HeaderTable* t = &h.view.headers
        cdef Span request_id
        cdef uint32_t head_end = h.view.target.off + h.view.target.len
        cdef bytes edited
        request_id.off = request_id.len = 0
        if not self.route.edits_request and not self.rt.intake.marks:
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
        for cluster_id, ppm in self.route.mirrors if not self.wants_upgrade else ():
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

    # The 101 has left, or waits for its reader in front of what the upstream says next.
    cdef int upgrade(self) except -1:
        cdef Downstream downstream = self.downstream
        cdef UpstreamConnection c = self.upstream
        self.rt.reactor.cancel(&self.timer)
        self.upstream = None
        self.upgraded = Upgraded(self.rt, self, c, self.start_us)
        return self.upgraded.open(downstream, downstream.leave_http())

    cdef void on_relayed(self, bint is_request, size_t n) noexcept:
        if is_request:
            self.request_bytes += n
        else:
            self.response_bytes += n

    cdef int on_relay_end(self) except -1:
        return self.finish(False)

    # What came of a response before it broke left nowhere.
    cdef int schedule_retry(self, AttemptEnd end) except -1:
        self.status = 0
        self.response_bytes = 0
        return Attempts.schedule_retry(self, end)

    # The injected delay is over.
    cdef int end_delay(self) except -1:
        self.is_delayed = False
        if self.abort_by_fault():
            return 0
        self.proceed()
        self.resend()
        return self.after_request() if self.request_done and not self.is_finished else 0

    cdef int on_request_body(self, const char* p, size_t n) except -1:
        cdef char head[18]
        self.request_bytes += n
        if self.framing != BODY_CHUNKED:
            return self.pass_on(p, n)
        self.pass_on(head, chunk_head(head, n))
        self.pass_on(p, n)
        return self.pass_on(b"\r\n", 2)

    cdef bint may_pipe_request(self) noexcept:
        return self.mirrors is None and self.takes_bulk() and self.rt.pipe.is_open()

    cdef int on_request_bulk(self, size_t n) except -1:
        self.request_bytes += n
        return self.send_bulk()

    cdef int request_end(self, Buffer trailers, bint may_pass) except -1:
        self.request_done = True
        if self.is_finished:
            return 0
        if self.framing == BODY_CHUNKED:
            self.end_chunks(trailers, may_pass)
        return self.after_request() if not self.is_delayed else 0

    cdef int end_chunks(self, Buffer trailers, bint may_pass) except -1:
        if trailers is None:
            return self.pass_on(b"0\r\n\r\n", 5)
        keep_trailers(trailers, may_pass, &self.rt.column.trailers_dropped)
        self.pass_on(b"0\r\n", 3)
        if trailers.held():
            self.pass_on(trailers.bytes_at(), trailers.held())
        return self.pass_on(b"\r\n", 2)

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

    cdef bint is_response_paused(self) noexcept:
        return self.downstream is not None and self.downstream.has_pending()

    cdef int on_downstream_drained(self) except -1:
        if self.upstream is not None:
            return self.upstream.resume()
        return 0

    cdef int on_informational(self, ResponseHead* h) except -1:
        return self.downstream.respond_informational(h)

    cdef int on_response_head(self, ResponseHead* h, bint has_body) except -1:
        cdef bytes lines
        if not self.accepts(h, has_body):
            return 0
        self.status = h.status
        if self.route.is_plain and not self.adds_lines:
            return self.downstream.respond_head(h, has_body, <int64_t>(self.service_us // 1000), None)
        lines = self.response_lines_for(h)
        if self.rt.intake.via:
            lines += lines_bytes(self.rt.intake.mark_response(h))
        if not self.downstream.has_room(h, lines):
            return self.give_up(500, FLAG_LR, DETAIL_INTERNAL_ERROR, None)
        return self.downstream.respond_head(h, has_body, <int64_t>(self.service_us // 1000), lines)

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
            lines += explanation(self.snapshot, self.route, self.cluster, self.endpoint, self.detail)
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

    cdef Origin origin(self):
        cdef Origin origin = Origin()
        origin.intake = self.rt.intake
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

    cdef bint may_pipe_response(self) noexcept:
        return not self.is_discarding and self.downstream.takes_bulk()

    cdef int on_response_bulk(self, size_t n, bint is_complete) except -1:
        cdef SendResult sent
        self.response_bytes += n
        self.response_started = True
        if is_complete:
            self.leave_flight()
        sent = self.downstream.send_ahead()
        if sent == SEND_FAILED or self.downstream.send_piped() == SEND_FAILED:
            return self.downstream.abort()
        return 0

    cdef int on_response_trailers(self, Buffer section, bint may_pass) except -1:
        if self.is_discarding:
            return 0
        keep_trailers(section, may_pass and self.takes_trailers, &self.rt.column.trailers_dropped)
        return self.downstream.respond_trailers(section) if section.held() else 0

    cdef int on_response_flush(self, bint is_complete, bint reusable) except -1:
        if self.is_discarding:
            return self.end_discarded(is_complete and reusable)
        if is_complete and self.status != 101:
            self.leave_flight()
        self.response_started = True
        if self.downstream.respond_flush(is_complete) == SEND_FAILED:
            return self.downstream.abort()
        if self.status == 101:
            return self.upgrade()
        if not is_complete:
            return 0
        self.let_go(reusable)
        return self.finish(self.request_done)

    cdef int on_timer(self, Timer* t) except -1:
        if t == &self.try_timer:
            return self.on_try_timer()
        if self.is_delayed:
            return self.end_delay()
        self.endpoint.column.rq_timeout += 1
        self.cluster.column.rq_timeout += 1
        if not self.is_backing_off and not self.is_waiting:
            self.report(504, FAILED_CONNECTED)
        return self.give_up(504, FLAG_UT, DETAIL_RESPONSE_TIMEOUT, None)

    cdef void on_error(self) noexcept:
        try:
            if self.downstream is not None:
                self.downstream.abort()
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: abort after an error failed", "exception": e})

    cdef int give_up(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1:
        if self.is_finished:
            return 0
        if self.response_started:
            return self.cut_short(flag, detail)
        self.reason = reason
        return self.local_reply(status, flag, detail)

    # downstream stays until finish: the log names the client that went away.
    cdef int on_downstream_closed(self) except -1:
        if self.is_finished:
            return 0
        return self.cut_short(FLAG_DC, DETAIL_DOWNSTREAM_DISCONNECT)

    # No reply any more, or no more of it.
    cdef int cut_short(self, uint32_t flag, Detail detail) except -1:
        self.flags |= flag
        self.detail = detail
        self.drop_upstream()
        self.downstream.cut()
        return self.finish(False)

    cdef int local_reply(self, uint32_t status, uint32_t flag, Detail detail) except -1:
        cdef bytes lines = b"x-envoy-overloaded: true\r\n" if detail == DETAIL_OVERFLOW else b""
        cdef bytes body = reason_text(detail, self.reason)
        self.flags |= flag
        if self.retry_count:
            body = body.replace(b"reset reason", b"retried and the latest reset reason")
        if self.accepts_json():
            lines += b"content-type: application/json\r\n"
            body = reason_json(status, self.flags, detail, body)
        return self.answer_with(status, detail, body, lines)

    # Of the head as it leaves, or, before that was made, the one that is being read.
    cdef bint accepts_json(self) except -1:
        if self.block == NULL:
            return wants_json(&self.rt.request)
        return request_parse(&self.rt.request, self.block, <uint32_t>self.block_len,
                             <uint32_t>self.block_len + 1) > 0 and wants_json(&self.rt.request)

    cdef int resume_request(self) except -1:
        return self.downstream.resume_request()

    cdef int answer_with(self, uint32_t status, Detail detail, bytes body, bytes lines) except -1:
        self.detail = detail
        self.status = status
        self.response_started = True
        if self.method != METHOD_HEAD:
            self.response_bytes = len(body)
        self.drop_upstream()
        self.leave_flight()
        self.rt.begin_send()
        if self.downstream.respond_local(status, body, lines, self.method != METHOD_HEAD,
                                         self) == SEND_FAILED:
            return self.downstream.abort()
        return self.finish(self.request_done)

    cdef void leave_flight(self) noexcept:
        if self.is_counted:
            self.is_counted = False
            self.cluster.column.rq_active -= 1
            if self.retry_count:
                self.cluster.column.rq_retrying -= 1
            self.leave_endpoint(0 < self.status < 500)

    cdef int finish(self, bint is_clean) except -1:
        cdef Downstream downstream = self.downstream
        cdef uint64_t duration
        if self.is_finished:
            return 0
        self.is_finished = True
        self.rt.reactor.cancel(&self.timer)
        self.rt.reactor.cancel(&self.try_timer)
        duration = self.rt.reactor.now_us - self.start_us
        self.leave_flight()
        if self.cluster is not None:
            self.cluster.column.request_bytes += self.request_bytes
            self.cluster.column.response_bytes += self.response_bytes
            count_code(self.cluster.column, self.status, self.flags)
            count_duration(self.cluster.column, duration)
            if self.retry_count and 0 < self.status < 500:
                self.cluster.column.rq_retry_success += 1
        self.rt.column.downstream_rq_active -= 1
        self.rt.column.downstream_rq_xx[self.status // 100 if self.status < 600 else 0] += 1
        if self.rt.log is not None:
            self.write_log()
        self.downstream = None
        self.body = self.replay = None
        self.mirrors = None
        self.upgraded = None
        self.put_aside()
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
        log_target(&e, self.route, self.cluster, self.endpoint)
        if self.logged.remote is not None:
            e.remote.p = self.logged.remote
            e.remote.n = len(self.logged.remote)
        elif self.downstream is not None:
            e.remote.p = self.downstream.remote_text(&n)
            e.remote.n = n
        self.rt.log.record(&e)
        self.logged.forget()
        self.rt.reactor.batch_end_wanted = True
        return 0

    cdef bytes client(self, const RequestView* v):
        cdef size_t n = 0
        cdef const char* p = self.downstream.remote_text(&n)
        return self.rt.intake.client(v, p, n)
