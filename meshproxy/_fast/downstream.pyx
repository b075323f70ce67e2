from libc.string cimport memcpy, memset, strlen
# Over 400 lines: the states of one connection, each a screen; reading, replying and closing share every field.

cimport cython

from .access_log cimport LogEntry
from .address cimport put_address, put_ip
from .bounds cimport *
from .clib.epoll cimport *
from .clib.socket cimport *
from .edits cimport drop_header
from .encode cimport *
from .headers cimport MAX_HEADERS, table_find, table_names_fields
from .http1 cimport *
from .intake cimport INTAKE_REDIRECT, INTAKE_TAKEN, INTAKE_TOO_LARGE, IntakeVerdict
from .logged cimport log_line
from .normalize cimport head_is_normal
from .reason cimport reason_json, reason_text, wants_json
from .runtime cimport BULK_BYTES, GATHER_SIDE, INLINE_BYTES, SCRATCH_BYTES
from .scan cimport scan_find, scan_put_decimal
from .stream cimport Stream, new_stream
from .transport cimport *
from .types cimport *

cdef enum:
    READS_PER_EVENT = 4            # 1 MiB, then other sockets get their turn
    LINGER_US = 2000000            # how long a refused client may still send before the socket is closed
    LINGER_BYTES = 1048576
    CHECK_US = 30000000            # a timer with nothing due looks again


@cython.final
@cython.no_gc_clear  # __dealloc__ needs rt; abort() and stream_done() break the cycles
cdef class Http1Downstream(Downstream):
    def __cinit__(self, rt, binding):
        self.rt = rt
        self.binding = binding
        self.state = DS_CLOSED
        self.remote_len = self.linger_bytes = self.seat = 0
        self.stalled_us = self.stalled_bytes = self.requests = self.pipelined = 0
        self.body_left = 0
        self.is_chunked = self.keep_alive = self.is_http10 = False
        self.encodes_chunks = self.must_close = self.is_processing = False
        self.ends_by_close = self.is_cut = False
        self.deadline_us = 0
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    def __dealloc__(self):
        if self.timer.next != NULL:
            self.rt.reactor.cancel(&self.timer)

    cdef int accept(self, int fd) except -1:
        self.state = DS_HEAD
        self.rt.downstream_count += 1
        self.rt.column.downstream_cx_total += 1
        self.rt.column.downstream_cx_active += 1
        self.attach(fd)
        return self.set_deadline(self.rt.reactor.now_us + (
            self.rt.bounds.first_byte_us or self.rt.bounds.keep_alive_us))

    cdef void close_now(self) noexcept:
        if self.state == DS_CLOSED:
            return
        self.state = DS_CLOSED
        self.held = None
        self.rt.reactor.cancel(&self.timer)
        self.rt.downstream_count -= 1
        self.rt.column.downstream_cx_active -= 1
        if self.admission is not None:
            self.admission.leave(self.seat)
            self.admission = None
        self.close_socket()

    cdef int abort(self) except -1:
        cdef Stream stream = self.stream
        self.stream = None
        self.close_now()
        if stream is not None:
            stream.on_downstream_closed()
        return 0

    cdef void on_error(self) noexcept:
        try:
            self.abort()
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: closing after an error failed", "exception": e})

    # The wheel entry is moved only when the deadline comes sooner; a later one is found when the timer fires.
    cdef int set_deadline(self, uint64_t deadline_us) except -1:
        self.deadline_us = deadline_us
        if self.timer.next == NULL or deadline_us < self.timer.deadline_us:
            self.rt.reactor.arm(&self.timer, deadline_us)
        return 0

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t now = self.rt.reactor.now_us
        if self.out is not None and self.rt.bounds.body_idle_us and self.is_stalled(now):
            self.rt.exceeded(BOUND_BODY_IDLE, now - self.stalled_us)
            if self.stream is not None:
                self.stream.cut_short(FLAG_SI, DETAIL_STREAM_IDLE)
            return self.abort()
        if self.stream is not None:
            return self.on_stream_timer(t, now)
        if self.out is not None or self.deadline_us == 0:
            self.rt.reactor.arm(t, now + self.check_us())
        elif now < self.deadline_us:
            self.rt.reactor.arm(t, self.deadline_us)
        elif self.state == DS_HEAD and self.held is not None and self.out is None:
            self.rt.column.header_timeout += 1
            request_parse(&self.rt.request, self.held.bytes_at(), <uint32_t>self.held.held(),
                          <uint32_t>self.rt.bounds.head_bytes)
            return self.refuse_head(408, FLAG_DPE, DETAIL_HEADER_TIMEOUT, self.rt.exceeded(
                BOUND_HEAD_TIME, now - self.deadline_us + self.rt.bounds.head_us))
        else:
            if self.state == DS_HEAD:
                self.rt.column.exceeded[<int>(BOUND_KEEP_ALIVE if self.requests else BOUND_FIRST_BYTE)] += 1
            return self.abort()
        return 0

    cdef uint64_t check_us(self) noexcept:
        cdef uint64_t idle = self.rt.bounds.body_idle_us
        return idle if 0 < idle < CHECK_US else CHECK_US

    # A request is in progress: the client owes its body, or nothing but patience.
    cdef int on_stream_timer(self, Timer* t, uint64_t now) except -1:
        cdef uint64_t next = now + self.check_us(), longest = self.rt.bounds.stream_us
        cdef Stream stream = self.stream
        if longest:
            if now >= stream.start_us + longest:
                return self.end_stream(408, FLAG_DT, DETAIL_MAX_DURATION, self.rt.exceeded(
                    BOUND_STREAM_TIME, now - stream.start_us))
            next = min(next, stream.start_us + longest)
        if self.state == DS_BODY and self.rt.bounds.body_idle_us:
            if stream.is_request_paused() and not self.peer_closed:
                self.deadline_us = now + self.rt.bounds.body_idle_us
            elif now >= self.deadline_us:
                return self.end_stream(408, FLAG_SI, DETAIL_STREAM_IDLE, self.rt.exceeded(
                    BOUND_BODY_IDLE, now - self.deadline_us + self.rt.bounds.body_idle_us))
            next = min(next, self.deadline_us)
        return self.rt.reactor.arm(t, next)

    cdef int end_stream(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1:
        self.must_close = True
        return self.stream.give_up(status, flag, detail, reason)

    # Looked at by the timer alone: what a reader takes costs nothing to note. One that takes less than a third of the
    # kernel's send buffer makes no EPOLLOUT edge, and is a reader all the same.
    cdef bint is_stalled(self, uint64_t now) noexcept:
        cdef size_t left = self.unacknowledged()
        if self.stalled_us == 0 or left < self.stalled_bytes:
            self.stalled_us = now
            self.stalled_bytes = left
            return False
        return now - self.stalled_us >= self.rt.bounds.body_idle_us

    cdef int on_event(self, uint32_t events) except -1:
        cdef SendResult sent
        if events & EPOLLOUT and self.out is not None:
            sent = self.flush()
            self.stalled_us = 0
            if sent == SEND_FAILED:
                return self.abort()
            if sent == SEND_DONE:
                if self.stream is not None:
                    self.stream.on_downstream_drained()
                elif self.must_close:
                    # Else begin_close() would leave unread what this same event tells of.
                    if events & EPOLLIN:
                        self.is_readable = True
                    return self.begin_close()
                else:
                    self.rt.reactor.again(self)
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) and self.fd >= 0:
            self.is_readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self.peer_closed = True
                # A client that goes away while its request is served: as in nginx and Envoy, the request ends.
                if self.state == DS_WAIT or events & (EPOLLHUP | EPOLLERR):
                    return self.abort()
            return self.read_loop()
        return 0

    cdef int on_again(self) except -1:
        cdef Buffer held = self.held
        cdef size_t used
        if self.fd < 0 or self.out is not None and self.state == DS_HEAD:
            return 0
        if held is not None and self.state == DS_HEAD:
            used = self.process(held.bytes_at(), held.held(), True)
            if self.held is held:
                held.consume(used)
                if held.held() == 0:
                    self.held = None
                elif self.state == DS_HEAD and self.out is None:
                    self.set_deadline(self.rt.reactor.now_us + self.rt.bounds.head_us)
        self.read_loop()
        # A response that began before the drain did not say close.
        return self.drain() if self.rt.is_draining else 0

    cdef int resume_request(self) except -1:
        if self.is_readable:
            return self.rt.reactor.again(self)
        return 0

    cdef int read_loop(self) except -1:
        cdef ssize_t n
        cdef int reads = 0
        while self.fd >= 0 and self.is_readable and self.state != DS_WAIT:
            if self.state == DS_BODY and self.stream.is_request_paused():
                return 0
            if self.state == DS_HEAD and self.out is not None:
                return 0
            if reads == READS_PER_EVENT:
                return self.rt.reactor.again(self)
            reads += 1
            n = RECV_NO_PIPE
            if self.state == DS_BODY and self.may_pipe():
                n = self.receive_piped(<size_t>min(self.body_left, <int64_t>SCRATCH_BYTES))
                if n > 0:
                    self.rt.begin_send()
                    self.pass_bulk(<size_t>n)
                    continue
            if n == RECV_NO_PIPE:
                n = self.receive(SCRATCH_BYTES)
            if n > 0:
                self.take(self.rt.scratch, <size_t>n)
            elif n != RECV_AGAIN:
                return self.abort()
        return 0

    cdef bint may_pipe(self) noexcept:
        return not self.is_chunked and self.body_left >= BULK_BYTES and self.held is None and (
            self.stream.may_pipe_request())

    cdef int pass_bulk(self, size_t n) except -1:
        cdef Stream stream = self.stream
        self.deadline_us = self.rt.reactor.now_us + self.rt.bounds.body_idle_us
        self.body_left -= <int64_t>n
        stream.on_request_bulk(n)
        if self.body_left == 0 and self.state == DS_BODY and self.stream is stream:
            self.state = DS_WAIT
            stream.request_end(None, False)
            stream.request_flush()
        return 0

    # Bytes from the socket: handled at once, or behind those held already.
    cdef int take(self, const char* p, size_t n) except -1:
        cdef Buffer held = self.held
        cdef size_t used
        if self.state == DS_LINGER:
            self.linger_bytes += n
            if self.linger_bytes > LINGER_BYTES:
                self.close_now()
            return 0
        if held is None:
            used = self.process(p, n, False)
            if used < n and self.fd >= 0:
                self.held = Buffer()
                self.held.append(p + used, n - used)
                if self.state == DS_HEAD and self.out is None:
                    self.set_deadline(self.rt.reactor.now_us + self.rt.bounds.head_us)
            return 0
        held.append(p, n)
        # A head is parsed again only when a new line ended: a dribbling client costs O(n).
        if self.state == DS_HEAD and scan_find(p, n, c'\n') == n and held.held() < self.rt.bounds.request_line_bytes:
            return 0
        used = self.process(held.bytes_at(), held.held(), False)
        if self.held is held:
            held.consume(used)
            if held.held() == 0:
                self.held = None
        return 0

    # Bytes used; the rest waits.
    cdef size_t process(self, const char* p, size_t n, bint is_ahead) except? 0:
        cdef size_t at = 0
        cdef int used
        cdef ssize_t width
        self.is_processing = True
        self.rt.begin_send()
        try:
            while at < n and self.fd >= 0:
                if self.state == DS_HEAD:
                    # The reply before waits for its reader: further requests wait too, or a client that asks
                    # and does not read would have all its replies kept here.
                    if self.out is not None:
                        break
                    used = self.process_head(p + at, n - at, is_ahead or at > 0)
                    if used == 0:
                        break
                    if used < 0:
                        at = n
                        break
                    at += <size_t>used
                elif self.state == DS_BODY:
                    width = self.process_body(p + at, n - at)
                    if width < 0:
                        at = n
                        break
                    at += <size_t>width
                elif self.state == DS_WAIT:
                    break
                else:
                    at = n
        finally:
            self.is_processing = False
        if self.state == DS_BODY and self.stream is not None:
            self.stream.request_flush()
        return at

    # Bytes of the head, 0 for more, -1 when the request was refused.
    cdef int process_head(self, const char* p, size_t n, bint is_ahead) except -2:
        cdef RequestHead* h = &self.rt.request
        cdef Stream stream
        cdef bytes taken               # keeps the parsed bytes until start() returned
        cdef IntakeVerdict verdict = INTAKE_TAKEN
        cdef int used = request_parse(h, p, <uint32_t>n, <uint32_t>self.rt.bounds.head_bytes)
        if used == NEED_MORE:
            if n > self.rt.bounds.request_line_bytes and (
                    scan_find(p, n, c'\n') > self.rt.bounds.request_line_bytes):
                self.refuse_large(414, DETAIL_URI_TOO_LONG, n)
                return -1
            return 0
        if used < 0:
            self.rt.column.codec_error += 1
            self.refuse_large(h.error_status, h.error_detail, n)
            return -1
        if self.is_refused(h, is_ahead):
            return -1
        if self.rt.intake.is_edge or not head_is_normal(h, self.rt.intake.path_steps):
            taken = self.rt.intake.take(h, p, <size_t>used, self.remote_ip(), &verdict)
            if verdict > INTAKE_REDIRECT:
                self.turn_away(h, verdict, n)
                return -1
        self.is_http10 = h.minor == 0
        self.requests += 1
        self.keep_alive = h.keep_alive and self.requests != self.rt.bounds.requests
        self.is_chunked = h.framing == BODY_CHUNKED
        self.body_left = h.content_length
        self.state = DS_WAIT if h.framing == BODY_NONE else DS_BODY
        if self.is_chunked:
            chunk_reset(&self.chunks)
            self.trailers = None
            self.may_pass_trailers = not table_names_fields(&h.view.headers, h.view.base)
        if self.state == DS_BODY and self.rt.bounds.body_idle_us:
            self.set_deadline(self.rt.reactor.now_us + self.rt.bounds.body_idle_us)
        if self.rt.bounds.stream_us and self.rt.reactor.now_us + self.rt.bounds.stream_us < self.timer.deadline_us:
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.rt.bounds.stream_us)
        # While nobody asked it may have been put off by an hour.
        if self.timer.deadline_us > self.rt.reactor.now_us + 2 * self.check_us():
            self.rt.reactor.arm(&self.timer, self.rt.reactor.now_us + self.check_us())
        stream = new_stream(self.rt, self)
        self.stream = stream
        stream.start(h, verdict == INTAKE_REDIRECT)
        if self.state == DS_WAIT and self.stream is stream:
            stream.request_end(None, False)
            stream.request_flush()
        return used

    cdef ssize_t process_body(self, const char* p, size_t n) except -2:
        cdef Stream stream = self.stream
        cdef size_t at = 0
        cdef Span data
        cdef ChunkEvent event
        self.deadline_us = self.rt.reactor.now_us + self.rt.bounds.body_idle_us
        if not self.is_chunked:
            if <int64_t>n > self.body_left:
                n = <size_t>self.body_left
            self.body_left -= <int64_t>n
            stream.on_request_body(p, n)
            at = n
            if self.body_left:
                return <ssize_t>n
        else:
            while True:
                event = chunk_next(&self.chunks, p, n, &at, &data)
                if event == CHUNK_EV_DATA:
                    stream.on_request_body(p + data.off, data.len)
                    if self.rt.bounds.body_bytes and stream.request_bytes > self.rt.bounds.body_bytes:
                        self.end_stream(413, FLAG_DPE, DETAIL_BODY_TOO_LARGE,
                                        self.rt.exceeded(BOUND_BODY, stream.request_bytes))
                        return -1
                elif event == CHUNK_EV_MORE:
                    return <ssize_t>at
                elif event == CHUNK_EV_TRAILER:
                    if self.trailers is None:
                        self.trailers = Buffer()
                    self.trailers.append(p + data.off, data.len)
                elif event == CHUNK_EV_END:
                    break
                else:
                    self.rt.column.codec_error += 1
                    self.end_stream(400, FLAG_DPE, DETAIL_BODY_CODEC_ERROR, None)
                    return -1
                if self.stream is not stream:
                    return <ssize_t>at
        if self.state == DS_BODY and self.stream is stream:
            self.state = DS_WAIT
            stream.request_end(self.trailers, self.may_pass_trailers)
            stream.request_flush()
        if self.is_chunked:
            self.trailers = None
        return <ssize_t>at

    # A whole head that a bound refuses. is_ahead: it came before the response to the one before.
    cdef bint is_refused(self, RequestHead* h, bint is_ahead) except -1:
        cdef const Bounds* b = &self.rt.bounds
        cdef size_t line = h.view.target.off + h.view.target.len + 11      # " HTTP/1.1" CRLF
        self.pipelined = self.pipelined + 1 if is_ahead else 0
        if line > b.request_line_bytes:
            self.refuse_head(414, FLAG_DPE, DETAIL_URI_TOO_LONG, self.rt.exceeded(BOUND_REQUEST_LINE, line))
        elif <uint64_t>h.view.headers.count > b.header_count:
            self.refuse_head(431, FLAG_DPE, DETAIL_TOO_MANY_HEADERS,
                             self.rt.exceeded(BOUND_HEADERS, h.view.headers.count))
        elif b.body_bytes and h.framing == BODY_LENGTH and <uint64_t>h.content_length > b.body_bytes:
            self.refuse_head(413, FLAG_DPE, DETAIL_BODY_TOO_LARGE,
                             self.rt.exceeded(BOUND_BODY, <uint64_t>h.content_length))
        elif b.pipelined and self.pipelined > b.pipelined:
            self.refuse_head(429, FLAG_DPE, DETAIL_PIPELINED, self.rt.exceeded(BOUND_PIPELINED, self.pipelined))
        elif self.rt.is_shedding:
            self.rt.exceeded(BOUND_MEMORY, self.rt.resident_bytes)
            self.refuse_head(503, FLAG_OM, DETAIL_OVERLOADED, None)
        else:
            return False
        return True

    cdef int turn_away(self, RequestHead* h, IntakeVerdict verdict, size_t n) except -1:
        if verdict == INTAKE_TOO_LARGE:
            return self.refuse_large(h.error_status, h.error_detail, n)
        self.rt.column.codec_error += 1
        return self.refuse_head(400, FLAG_DPE, DETAIL_BAD_PATH, None)

    # The codec gave up on what came: n bytes so far.
    cdef int refuse_large(self, uint32_t status, Detail detail, size_t n) except -1:
        cdef bytes reason = None
        if detail == DETAIL_URI_TOO_LONG:
            reason = self.rt.exceeded(BOUND_REQUEST_LINE, n)
        elif detail == DETAIL_HEADERS_TOO_LARGE:
            reason = self.rt.exceeded(BOUND_HEAD, n)
        elif detail == DETAIL_TOO_MANY_HEADERS:
            reason = self.rt.exceeded(BOUND_HEADERS, MAX_HEADERS + 1)
        return self.refuse_head(status, FLAG_DPE, detail, reason)

    # A head that is no request: answered here, without a stream, and the connection ends. rt.request has what was
    # understood of it.
    cdef int refuse_head(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1:
        cdef bytes text = reason_text(detail, reason)
        if wants_json(&self.rt.request):
            return self.refuse_with(status, flag, detail, reason_json(status, flag, detail, text),
                                    b"content-type: application/json\r\n")
        return self.refuse_with(status, flag, detail, text, b"")

    cdef int refuse_with(self, uint32_t status, uint32_t flag, Detail detail, bytes text, bytes lines) except -1:
        cdef LogEntry e
        cdef Buffer held = self.held   # may have the head
        self.must_close = True
        self.held = None
        self.rt.begin_send()
        self.respond_local(status, text, lines, self.rt.request.view.method != METHOD_HEAD, None)
        self.rt.column.downstream_rq_total += 1
        self.rt.column.downstream_rq_xx[status // 100] += 1
        if self.rt.log is not None:
            memset(&e, 0, sizeof(e))
            e.status = status
            e.flags = flag
            e.detail = detail
            e.bytes_sent = len(text)
            log_line(&e, &self.rt.request)
            e.remote.p = self.remote_text(&e.remote.n)
            self.rt.log.record(&e)
            self.rt.reactor.batch_end_wanted = True
        self.state = DS_LINGER
        return self.close_when_sent()

    cdef int respond_informational(self, ResponseHead* h) except -1:
        cdef char* out
        if self.is_http10:
            return 0
        out = self.rt.gather_room(encode_bound(self.rt.bounds.head_bytes, &h.headers))
        if out == NULL:
            return 0
        self.rt.gather_wrote(informational_encode(out, h))
        if self.send_gathered() == SEND_FAILED:
            return self.abort()
        return 0

    cdef bint has_room(self, ResponseHead* h, bytes lines) noexcept:
        return encode_bound(self.rt.bounds.head_bytes, &h.headers) + <size_t>len(lines) <= GATHER_SIDE

    cdef int respond_head(self, ResponseHead* h, bint has_body, int64_t service_ms, bytes lines) except -1:
        cdef int how = 0
        cdef char* out
        cdef const char* extra = NULL
        cdef size_t extra_len = 0
        self.encodes_chunks = False
        # A response that starts before its request ended: the rest of the request may never come, or never
        # be read. Envoy closes here too.
        if h.status == 101:
            pass
        elif self.rt.is_draining or not self.keep_alive or self.state == DS_BODY:
            self.must_close = True
        if has_body and h.framing != BODY_LENGTH and h.status != 101:
            if self.is_http10:
                self.must_close = self.ends_by_close = True
            else:
                self.encodes_chunks = True
                how |= RESPONSE_CHUNKED
                if self.stream.takes_trailers and h.framing == BODY_CHUNKED and (
                        not table_names_fields(&h.headers, h.base)):
                    how |= RESPONSE_TRAILERS
        if self.must_close:
            how |= RESPONSE_CLOSE
        elif self.is_http10:
            how |= RESPONSE_KEEP_ALIVE
        if h.status == 101 or h.status == 426:
            how |= RESPONSE_UPGRADE
        if lines is not None:
            extra = lines
            extra_len = len(lines)
        out = self.rt.gather_room(encode_bound(self.rt.bounds.head_bytes, &h.headers) + extra_len)
        if out == NULL:
            raise MemoryError("a response head does not fit into the send buffer")
        self.rt.gather_wrote(response_encode(out, h, extra, extra_len, how, service_ms, self.rt.http_date()))
        return 0

    cdef int respond_body(self, const char* p, size_t n) except -1:
        cdef char head[18]
        if not self.encodes_chunks:
            return self.put(p, n)
        self.put(head, chunk_head(head, n))
        self.put(p, n)
        return self.put(b"\r\n", 2)

    cdef bint takes_bulk(self) noexcept:
        return not self.encodes_chunks and self.out is None and self.fd >= 0

    cdef int respond_trailers(self, Buffer lines) except -1:
        if not self.encodes_chunks:
            return 0
        self.encodes_chunks = False
        self.put(b"0\r\n", 3)
        self.put(lines.bytes_at(), lines.held())
        self.put(b"\r\n", 2)
        if lines.held() > INLINE_BYTES:    # not copied, and borrowed
            self.send_gathered()
        return 0

    cdef int put(self, const char* p, size_t n) except -1:
        if not self.rt.gather_add(p, n):
            # A failed send shows again at respond_flush, which reports it.
            self.stream.response_started = True
            self.send_gathered()
            self.rt.gather_add(p, n)
        return 0

    cdef SendResult respond_flush(self, bint is_complete) except? SEND_FAILED:
        if is_complete and self.encodes_chunks:
            self.put(b"0\r\n\r\n", 5)
        if not is_complete or self.stream.status == 101:
            return self.send_gathered()
        if not self.must_close:
            return self.send_soon()
        # The last bytes of a connection wait for its end, which follows, and leave in one segment with it. That end
        # is a shutdown: close() with input unread sends RST, and drops what waits.
        return self.send_ahead()

    # Made as an upstream would send it and passed on like one, so that a route's header edits apply. A body
    # without a type is plain text (ISTIO 1.13).
    cdef SendResult respond_local(self, uint32_t status, bytes body, bytes lines, bint has_body,
                                  Stream stream) except? SEND_FAILED:
        cdef ResponseHead* h = &self.rt.response
        cdef char made[ENCODE_EXTRA]
        cdef size_t n = local_encode(made, status, len(body), self.rt.http_date())
        cdef bytes head = made[:n - 2] + lines + b"\r\n"
        cdef int i
        lines = b""
        response_parse(h, head, <uint32_t>len(head), <uint32_t>len(head) + 1, METHOD_HEAD)
        if stream is not None:
            lines = stream.response_lines_for(h)
            # The client hears of what failed, if not in the rule's words.
            if not self.has_room(h, lines):
                lines = b""
        if len(body) == 0:
            drop_header(&h.headers, h.base, b"content-type")
            lines = b"".join([line for line in lines.splitlines(True)
                              if not line.lower().startswith(b"content-type:")])
        else:
            i = table_find(&h.headers, h.base, b"content-type", 12, 0)
            if i < 0 and b"\r\ncontent-type:" not in b"\r\n" + lines.lower():
                lines += b"content-type: text/plain\r\n"
        self.respond_head(h, False, NO_SERVICE_TIME, lines)
        if has_body:
            self.rt.gather_add(body, len(body))
        return self.send_gathered()

    cdef void cut(self) noexcept:
        self.is_cut = self.ends_by_close

    cdef int stream_done(self, bint is_clean) except -1:
        self.stream = None
        if self.state == DS_CLOSED:
            return 0
        if self.state == DS_UPGRADED:
            self.close_now()
            return 0
        if not is_clean or self.must_close:
            self.must_close = True
            if not is_clean:
                self.state = DS_LINGER
            return self.close_when_sent()
        return self.enter_head()

    cdef Buffer leave_http(self):
        cdef Buffer early = self.held
        self.state = DS_UPGRADED
        self.held = None
        self.rt.reactor.cancel(&self.timer)
        return early

    cdef int enter_head(self) except -1:
        self.state = DS_HEAD
        self.must_close = False
        # With a reply still leaving, not the next head is late but the client's reading.
        if self.held is None or self.out is not None:
            self.set_deadline(self.rt.reactor.now_us + self.rt.bounds.keep_alive_us)
        else:
            self.set_deadline(self.rt.reactor.now_us + self.rt.bounds.head_us)
        if not self.is_processing and (self.held is not None or self.is_readable or self.rt.is_draining):
            return self.rt.reactor.again(self)
        return 0

    # The timer finds who never reads the rest; it may have just fired, and then is not armed.
    cdef int close_when_sent(self) except -1:
        if self.out is None:
            return self.begin_close()
        return self.set_deadline(self.rt.reactor.now_us + self.check_us())

    # Everything is sent. A client that may still be sending, as one that asks ahead, is listened to for a while:
    # closing at once would make the kernel send RST, which destroys the reply on its way (RFC 9112 9.6).
    cdef int begin_close(self) except -1:
        if self.is_cut:
            self.reset_on_close()
            self.close_now()
            return 0
        if self.state == DS_LINGER or self.is_readable or self.held is not None:
            return self.linger()
        # What has come since the last look is a reset at close(): by then the reply has left.
        shutdown(self.fd, SHUT_WR)
        self.close_now()
        return 0

    cdef int linger(self) except -1:
        self.state = DS_LINGER
        self.held = None
        if self.peer_closed and not self.is_readable:
            self.close_now()
            return 0
        shutdown(self.fd, SHUT_WR)
        self.set_deadline(self.rt.reactor.now_us + LINGER_US)
        if self.is_readable and not self.is_processing:
            return self.rt.reactor.again(self)
        return 0

    cdef int drain(self) except -1:
        if self.state != DS_HEAD or self.held is not None or self.out is not None:
            return 0
        # A request may stand in the socket already: it is served, and its response says that it was the last.
        self.is_readable = True
        self.read_loop()
        if self.state == DS_HEAD and self.held is None:
            self.close_now()
        return 0

    cdef bytes remote_ip(self):
        cdef char ip[ADDRESS_ROOM]
        return ip[:put_ip(ip, &self.remote)]

    cdef const char* remote_text(self, size_t* n) noexcept:
        if self.remote_len == 0:
            self.remote_len = put_address(self.remote_buf, &self.remote)
            if self.remote_len == 0:
                n[0] = 0
                return NULL
        n[0] = self.remote_len
        return self.remote_buf
