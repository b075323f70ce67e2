from collections import deque
# Over 400 lines: a connection and its pool hand each other over; apart, each would be half a state machine.

from libc.errno cimport ECONNREFUSED, ECONNRESET, EINPROGRESS, errno
from libc.string cimport memset

cimport cython

from .clib.epoll cimport *
from .clib.socket cimport *
from .headers cimport H_HOP, table_find, table_names_fields
from .http1 cimport *
from .transport cimport *
from .idle_age cimport keep_alive_timeout_us
from .limits cimport Limits
from .options cimport set_upstream_options
from .runtime cimport BULK_BYTES, SCRATCH_BYTES
from .types cimport *

cdef enum:
    READS_PER_EVENT = 4            # 1 MiB, then other sockets get their turn
    HEAD_READ = 4096               # of a response whose body is not to be copied
    LARGE_BODY = 32768


cdef class UpstreamSink(Handler):
    cdef int on_upstream_ready(self, UpstreamConnection c) except -1:
        return 0

    cdef int on_upstream_failed(self, Detail detail) except -1:
        return 0

    cdef int on_informational(self, ResponseHead* h) except -1:
        return 0

    cdef int on_response_head(self, ResponseHead* h, bint has_body) except -1:
        return 0

    cdef int on_response_body(self, const char* p, size_t n) except -1:
        return 0

    cdef int on_response_trailers(self, Buffer section, bint may_pass) except -1:
        return 0

    cdef int on_response_flush(self, bint is_complete, bint reusable) except -1:
        return 0

    cdef int on_upstream_reset(self, Detail detail) except -1:
        return 0

    cdef int on_upstream_drained(self) except -1:
        return 0

    cdef bint may_pipe_response(self) noexcept:
        return False

    cdef int on_response_bulk(self, size_t n, bint is_complete) except -1:
        return 0

    cdef bint is_response_paused(self) noexcept:
        return False

    cdef void on_relayed(self, bint is_request, size_t n) noexcept:
        pass

    cdef int on_relay_end(self) except -1:
        return 0


@cython.final
@cython.no_gc_clear  # __dealloc__ needs rt; close_now() breaks the cycles
cdef class UpstreamConnection(Transport):
    def __cinit__(self, Pool pool):
        self.rt = pool.rt
        self.pool = pool
        self.state = UP_CONNECTING
        self.stage = RESP_DONE
        self.connect_failure = DETAIL_LOCAL_CONNECT_FAILURE
        self.keep_alive = self.is_answered = self.expects_bulk = False
        self.body_left = 0
        self.requests = self.promised_us = 0
        self.unread_bytes = 0
        self.idle_next = self.idle_prev = NULL
        memset(&self.timer, 0, sizeof(Timer))
        self.timer.owner = <void*>self

    def __dealloc__(self):
        if self.timer.next != NULL:
            self.rt.reactor.cancel(&self.timer)

    cdef int assign(self, UpstreamSink sink) except -1:
        self.state = UP_BUSY
        self.sink = sink
        self.requests += 1
        return 0

    # The request's head is about to be sent.
    cdef int start_request(self, Method method) except -1:
        self.method = method
        self.stage = RESP_HEAD
        self.is_answered = False
        return 0

    cdef void close_now(self) noexcept:
        if self.state == UP_CLOSED:
            return
        if self.state == UP_IDLE:
            self.pool.unlink_idle(self)
        elif self.state == UP_CONNECTING:
            self.pool.connecting -= 1
        self.state = UP_CLOSED
        self.sink = None
        self.partial = None
        self.rt.reactor.cancel(&self.timer)
        self.rt.upstream_count -= 1
        self.pool.open_count -= 1
        self.pool.column.cx_active -= 1
        self.pool.endpoint.column.cx_active -= 1
        self.close_socket()

    cdef int give_up(self) except -1:
        self.close_now()
        return self.pool.connect_for_waiting() if self.pool.waiting_count else 0

    # Closes and tells whoever waits for it.
    cdef int fail(self, Detail detail) except -1:
        cdef UpstreamSink sink = self.sink
        cdef UpstreamConnection c
        cdef bint was_connecting = self.state == UP_CONNECTING
        self.close_now()
        if was_connecting:
            self.pool.column.cx_connect_fail += 1
            self.pool.endpoint.column.cx_connect_fail += 1
            # A surplus one, whose sink went away or was served otherwise, fails nobody. Behind a limit several
            # waited for this one: each would have to wait for a failure of its own.
            for _ in range(self.pool.waiting_count - self.pool.connecting):
                sink = self.pool.next_waiting()
                c = <UpstreamConnection>self.pool.idle_first if self.pool.idle_first != NULL else None
                if c is None or sink.must_be_fresh:
                    sink.on_upstream_failed(detail)
                    continue
                # It was to be spared a doubtful connection; now that is the only one.
                self.pool.unlink_idle(c)
                c.assign(sink)
                sink.on_upstream_ready(c)
        elif sink is not None:
            sink.on_upstream_reset(detail)
        if self.pool.waiting_count:
            self.pool.connect_for_waiting()
        return 0

    cdef void on_error(self) noexcept:
        try:
            self.fail(DETAIL_INTERNAL_ERROR)
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: reset after an error failed", "exception": e})

    cdef int on_event(self, uint32_t events) except -1:
        cdef int error = 0
        cdef socklen_t width = sizeof(error)
        cdef SendResult sent
        if self.state == UP_CONNECTING:
            if not events & (EPOLLOUT | EPOLLERR | EPOLLHUP):
                return 0
            getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &width)
            if error:
                return self.fail(DETAIL_CONNECT_FAILURE)
            self.on_connected()
        elif events & EPOLLOUT and self.out is not None:
            sent = self.flush()
            if sent == SEND_DONE and self.sink is not None:
                self.sink.on_upstream_drained()
        if events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR) and self.fd >= 0:
            self.is_readable = True
            if events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR):
                self.peer_closed = True
            return self.read_loop()
        return 0

    cdef int on_again(self) except -1:
        if self.fd < 0 and self.state == UP_CONNECTING:
            return self.fail(self.connect_failure)
        if self.fd >= 0 and self.is_readable:
            return self.read_loop()
        return 0

    cdef int on_timer(self, Timer* t) except -1:
        cdef uint64_t now = self.rt.reactor.now_us
        if self.state == UP_CONNECTING:
            return self.fail(DETAIL_CONNECT_TIMEOUT)
        if self.state == UP_CLOSED:
            return 0
        if self.state == UP_IDLE and (self.is_stale(now) or self.pool.is_spent(self)):
            self.close_now()
            return 0
        return self.arm_idle()

    # When it has to be looked at: idle for too long, or too old to serve. While busy, as if idle from now on.
    cdef int arm_idle(self) except -1:
        cdef uint64_t now = self.rt.reactor.now_us
        cdef uint64_t since = self.idle_since_us if self.state == UP_IDLE else now
        cdef uint64_t most = self.idle_limit()
        cdef uint64_t at = since + most if most else 0
        cdef uint64_t end = self.opened_us + self.pool.cluster.limits.max_connection_us
        if self.pool.cluster.limits.max_connection_us and (at == 0 or end < at) and (
                end > now or self.state == UP_IDLE):
            at = end
        return self.rt.reactor.arm(&self.timer, at) if at else 0

    # The configured timeout, or what the endpoint promised, less a tenth for the way; 0 = none.
    cdef uint64_t idle_limit(self) noexcept:
        cdef uint64_t promised = self.promised_us - self.promised_us // 10
        if promised and (self.pool.idle_timeout_us == 0 or promised < self.pool.idle_timeout_us):
            return promised
        return self.pool.idle_timeout_us

    cdef bint is_stale(self, uint64_t now) noexcept:
        cdef uint64_t most = self.idle_limit()
        return most > 0 and now - self.idle_since_us >= most

    # "Keep-Alive: timeout=5, max=100": the endpoint closes what idles that long.
    cdef int keep_promise(self, ResponseHead* h) except -1:
        cdef int i = table_find(&h.headers, h.base, b"keep-alive", 10, 0)
        cdef uint64_t promised
        if i < 0:
            return 0
        promised = keep_alive_timeout_us(h.base + h.headers.fields[i].value, h.headers.fields[i].value_len)
        if promised == 0 or promised == self.promised_us:
            return 0
        self.promised_us = promised
        self.pool.checks_age = True
        return self.arm_idle()

    cdef int on_connected(self) except -1:
        self.pool.connecting -= 1
        self.state = UP_BUSY           # until release() finds it a sink, keeps it or closes it
        self.rt.reactor.cancel(&self.timer)
        self.idle_since_us = self.rt.reactor.now_us
        self.arm_idle()
        return self.pool.release(self)

    # Nobody has read anything of the request.
    cdef int on_departure_failed(self) except -1:
        self.unread_bytes = <size_t>-1
        return self.break_off()

    # Reading was paused by the sink; goes on in the reactor's again list, when scratch is free.
    cdef int resume(self) except -1:
        if self.fd >= 0 and self.is_readable:
            return self.rt.reactor.again(self)
        return 0

    cdef int read_loop(self) except -1:
        cdef ssize_t n
        cdef int reads = 0
        while self.fd >= 0 and self.is_readable:
            if self.state == UP_BUSY and self.sink.is_response_paused():
                return 0
            if reads == READS_PER_EVENT:
                return self.rt.reactor.again(self)
            reads += 1
            n = RECV_NO_PIPE
            if self.may_pipe():
                n = self.receive_bulk()
                if n > 0:
                    self.rt.begin_send()
                    self.pass_bulk(<size_t>n)
                    continue
            if n == RECV_NO_PIPE:
                n = self.receive(self.read_size())
            if n == RECV_AGAIN:
                return 0
            if n > 0 and self.state == UP_BUSY and self.stage != RESP_DONE:
                self.process(self.rt.scratch, <size_t>n)
                continue
            if n == RECV_EOF and self.state == UP_BUSY and self.stage == RESP_UNTIL_CLOSE:
                self.stage = RESP_DONE
                self.rt.begin_send()
                return self.sink.on_response_flush(True, False)
            if n > 0 and self.state == UP_BUSY:
                return self.fail(DETAIL_UPSTREAM_PROTOCOL_ERROR)
            # Idle: the endpoint closed the connection, or spoke without being asked. Its FIN came with an
            # acknowledgement of all that its kernel took of the request.
            if n == RECV_EOF and self.requests > 1 and not self.is_answered and self.unread_bytes == 0 and (
                    self.state == UP_BUSY):
                self.unread_bytes = self.unacknowledged()
            if n <= 0 and (self.state == UP_IDLE or self.unread_bytes):
                self.pool.learn_idle_age(self.idle_since_us)
            if self.partial is not None or self.stage == RESP_LENGTH or self.stage == RESP_CHUNKED:
                return self.fail(DETAIL_UPSTREAM_PROTOCOL_ERROR)
            return self.fail(DETAIL_CONNECTION_TERMINATION)
        return 0

    cdef size_t read_size(self) noexcept:
        return HEAD_READ if self.expects_bulk and self.stage == RESP_HEAD and self.partial is None else SCRATCH_BYTES

    cdef bint may_pipe(self) noexcept:
        return self.stage == RESP_LENGTH and self.body_left >= BULK_BYTES and self.rt.pipe.is_open() and (
            self.sink.may_pipe_response())

    cdef ssize_t receive_bulk(self) noexcept:
        return self.receive_piped(<size_t>min(self.body_left, <int64_t>SCRATCH_BYTES))

    cdef int pass_bulk(self, size_t n) except -1:
        cdef UpstreamSink sink = self.sink
        self.body_left -= <int64_t>n
        if self.body_left:
            return sink.on_response_bulk(n, False)
        self.stage = RESP_DONE
        sink.on_response_bulk(n, True)
        if self.state != UP_BUSY or self.sink is not sink:
            return 0
        self.rt.begin_send()
        return sink.on_response_flush(True, self.keep_alive and self.is_drained())

    cdef int process(self, const char* p, size_t n) except -1:
        cdef ssize_t used, piped
        cdef Buffer held
        cdef UpstreamSink sink = self.sink
        self.is_answered = True
        self.rt.begin_send()
        if self.stage == RESP_HEAD:
            held = self.partial
            if held is not None:
                held.append(p, n)
                p = held.bytes_at()
                n = held.held()
                self.partial = None
            used = self.process_head(p, n)
            if used < 0:
                return self.fail(DETAIL_UPSTREAM_PROTOCOL_ERROR)
            p += used
            n -= <size_t>used
            if self.state != UP_BUSY:
                return 0
            if self.stage == RESP_HEAD:
                if n:
                    if held is None:
                        held = Buffer()
                        held.append(p, n)
                    else:
                        held.consume(<size_t>used)
                    self.partial = held
                return 0
        if n and self.stage != RESP_DONE:
            used = self.process_body(p, n)
            if used < 0:
                return self.fail(DETAIL_UPSTREAM_PROTOCOL_ERROR)
            n -= <size_t>used
        if self.state != UP_BUSY or self.sink is not sink:
            return 0
        # Bytes behind the response: nobody asked for them, and they must not answer the next request.
        if self.stage == RESP_DONE:
            return sink.on_response_flush(True, self.keep_alive and n == 0 and self.is_drained())
        # More of a large body is there: it leaves with the little that was read, not behind a small packet.
        if self.is_readable and self.rt.gathered < BULK_BYTES and self.may_pipe():
            piped = self.receive_bulk()
            if piped > 0:
                return self.pass_bulk(<size_t>piped)
            # Its end is no edge again: read_loop has to find it, once what came before has left.
            if piped != RECV_AGAIN:
                self.is_readable = True
        return sink.on_response_flush(False, False)

    # Bytes of the heads found (1xx ones and the final one), or -1 for a protocol error.
    cdef ssize_t process_head(self, const char* p, size_t n) except -2:
        cdef ResponseHead* h = &self.rt.response
        cdef size_t at = 0
        cdef int used
        while True:
            used = response_parse(h, p + at, <uint32_t>(n - at), <uint32_t>self.rt.bounds.head_bytes, self.method)
            if used == NEED_MORE:
                return <ssize_t>at
            if used < 0:
                return -1
            at += <size_t>used
            if h.status >= 200:
                break
            if h.status == 101:
                if not self.sink.wants_upgrade or not take_switch(h):
                    return -1
                break
            self.sink.on_informational(h)
            if self.state != UP_BUSY:
                return <ssize_t>at
        self.keep_alive = h.keep_alive
        if h.headers.slot[<int>H_HOP] >= 0:
            self.keep_promise(h)
        self.body_left = h.content_length
        self.expects_bulk = h.framing == BODY_LENGTH and h.content_length >= LARGE_BODY
        if h.framing == BODY_LENGTH:
            self.stage = RESP_LENGTH
        elif h.framing == BODY_CHUNKED:
            self.stage = RESP_CHUNKED
            chunk_reset(&self.chunks)
            self.trailers = None
            self.may_pass_trailers = not table_names_fields(&h.headers, h.base)
        elif h.framing == BODY_UNTIL_CLOSE:
            self.stage = RESP_UNTIL_CLOSE
        else:
            self.stage = RESP_DONE
        self.sink.on_response_head(h, h.framing != BODY_NONE)
        return <ssize_t>at

    # Bytes of the body used, or -1 for a protocol error.
    cdef ssize_t process_body(self, const char* p, size_t n) except -2:
        cdef size_t at = 0
        cdef Span data
        cdef ChunkEvent event
        if self.stage == RESP_LENGTH:
            if <int64_t>n > self.body_left:
                n = <size_t>self.body_left
            self.body_left -= <int64_t>n
            if self.body_left == 0:
                self.stage = RESP_DONE
            self.sink.on_response_body(p, n)
            return <ssize_t>n
        if self.stage == RESP_UNTIL_CLOSE:
            self.sink.on_response_body(p, n)
            return <ssize_t>n
        while self.state == UP_BUSY:
            event = chunk_next(&self.chunks, p, n, &at, &data)
            if event == CHUNK_EV_DATA:
                self.sink.on_response_body(p + data.off, data.len)
            elif event == CHUNK_EV_TRAILER:
                if self.trailers is None:
                    self.trailers = Buffer()
                self.trailers.append(p + data.off, data.len)
            elif event == CHUNK_EV_END:
                self.stage = RESP_DONE
                if self.trailers is not None:
                    self.sink.on_response_trailers(self.trailers, self.may_pass_trailers)
                    self.trailers = None
                break
            elif event == CHUNK_EV_MORE:
                break
            else:
                return -1
        return <ssize_t>at


@cython.final
cdef class Pool:
    def __cinit__(self, Runtime rt, Endpoint endpoint, Cluster cluster):
        self.rt = rt
        self.endpoint = endpoint
        self.column = cluster.column
        self.idle_first = NULL
        self.idle_count = self.connecting = self.open_count = self.waiting_count = 0
        self.waiting = deque()
        self.cluster = cluster
        self.follow(cluster)
        self.idle_age = IdleAge()
        self.checks_age = False

    cdef UpstreamConnection acquire(self, UpstreamSink sink, bint must_be_fresh):
        cdef UpstreamConnection c
        if self.idle_first != NULL and self.checks_age:
            self.drop_aged()
        if self.idle_first != NULL and not must_be_fresh:
            c = <UpstreamConnection>self.idle_first
            self.unlink_idle(c)
            c.assign(sink)
            return c
        self.enqueue(sink, must_be_fresh)
        return None

    cdef int enqueue(self, UpstreamSink sink, bint must_be_fresh) except -1:
        sink.must_be_fresh = must_be_fresh
        self.waiting.append(sink)
        self.waiting_count += 1
        # One connection for each that waits: the failure of another's connect is not this one's.
        return self.connect_within_limits()

    cdef bint follow(self, Cluster cluster) noexcept:
        cdef bint may_end = self.idle_timeout_us != cluster.idle_timeout_us or (
            self.cluster.limits.max_connection_us != cluster.limits.max_connection_us)
        self.cluster = cluster
        self.connect_timeout_us = cluster.connect_timeout_us
        self.idle_timeout_us = cluster.idle_timeout_us
        return may_end

    cdef bint is_doubtful(self, Limits limits) noexcept:
        cdef UpstreamConnection c
        cdef uint64_t age, now = self.rt.reactor.now_us
        if self.idle_first == NULL or not limits.may_connect() or not limits.may_wait():
            return False
        age = now - (<UpstreamConnection>self.idle_first).idle_since_us
        if self.idle_age.is_safe(age):
            return False
        c = <UpstreamConnection>self.idle_first
        while c.idle_next != NULL:
            c = <UpstreamConnection>c.idle_next
        self.idle_age.outlive(now - c.idle_since_us)
        return not self.idle_age.is_safe(age)

    cdef int connect_for_waiting(self) except -1:
        return self.connect_within_limits() if self.connecting < self.waiting_count else 0

    # A host may always have one connection, whatever the limit (ISTIO 3.10).
    cdef bint is_full(self, Limits limits) noexcept:
        return self.idle_first == NULL and self.open_count > 0 and not limits.may_connect()

    cdef int connect_within_limits(self) except -1:
        if self.is_full(self.cluster.limits):
            self.column.cx_overflow += 1
            return 0
        return self.connect()

    # The endpoint closes connections that idle as long as these have: better we do.
    cdef void drop_aged(self) noexcept:
        cdef UpstreamConnection c
        cdef uint64_t now = self.rt.reactor.now_us
        while self.idle_first != NULL:
            c = <UpstreamConnection>self.idle_first
            if not c.is_stale(now) and not self.idle_age.is_too_old(now - c.idle_since_us, now):
                self.idle_age.outlive(now - c.idle_since_us)
                return
            self.column.cx_aged += 1
            c.close_now()

    cdef void learn_idle_age(self, uint64_t idle_since_us) noexcept:
        self.idle_age.learn(idle_since_us, self.rt.reactor.now_us)
        self.checks_age = True

    cdef int connect(self) except -1:
        cdef UpstreamConnection c = UpstreamConnection(self)
        cdef int fd = socket(self.endpoint.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
        c.opened_us = self.rt.reactor.now_us
        self.connecting += 1
        self.open_count += 1
        self.rt.upstream_count += 1
        self.column.cx_active += 1
        self.column.cx_total += 1
        self.endpoint.column.cx_active += 1
        self.endpoint.column.cx_total += 1
        if fd < 0:
            return self.rt.reactor.again(c)        # on_again: local connect failure
        set_upstream_options(fd, self.cluster)
        if connect(fd, <const sockaddr*>&self.endpoint.address, self.endpoint.address_len) < 0 and (
                errno != EINPROGRESS):
            if errno == ECONNREFUSED or errno == ECONNRESET:
                c.connect_failure = DETAIL_CONNECT_FAILURE
            close(fd)
            return self.rt.reactor.again(c)
        try:
            c.attach(fd)
        except Exception as e:
            self.rt.reactor.loop.call_exception_handler(
                {"message": "meshproxy: a connection to an endpoint cannot be watched", "exception": e})
            c.close_socket()
            return self.rt.reactor.again(c)
        if self.connect_timeout_us:
            self.rt.reactor.arm(&c.timer, self.rt.reactor.now_us + self.connect_timeout_us)
        return 0

    cdef void forget(self, UpstreamSink sink) noexcept:
        try:
            self.waiting.remove(sink)
            self.waiting_count -= 1
        except ValueError:
            pass

    cdef UpstreamSink next_waiting(self):
        self.waiting_count -= 1
        return self.waiting.popleft()

    cdef int release(self, UpstreamConnection c) except -1:
        cdef UpstreamSink sink
        cdef bint is_over = c.peer_closed or self.is_spent(c)
        c.sink = None
        c.stage = RESP_DONE
        if self.waiting_count and not is_over:
            sink = self.waiting[0]
            if c.requests == 0 or not sink.must_be_fresh:
                self.next_waiting()
                c.assign(sink)
                return sink.on_upstream_ready(c)
            # It waits for a fresh one: this one makes room, if it takes that.
            is_over = self.connecting < self.waiting_count
        if is_over or self.endpoint.is_retired or c.rt.is_draining:
            c.close_now()
            return self.connect_for_waiting() if self.waiting_count else 0
        c.state = UP_IDLE
        c.idle_since_us = c.rt.reactor.now_us
        self.push_idle(c)
        return 0

    cdef bint is_spent(self, UpstreamConnection c) noexcept:
        cdef Limits limits
        if not self.cluster.is_limited:
            return False
        limits = self.cluster.limits
        if limits.max_requests_per_connection and c.requests >= limits.max_requests_per_connection:
            return True
        return limits.max_connection_us > 0 and (
            self.rt.reactor.now_us - c.opened_us >= limits.max_connection_us)

    cdef void push_idle(self, UpstreamConnection c) noexcept:
        c.idle_prev = NULL
        c.idle_next = self.idle_first
        if self.idle_first != NULL:
            (<UpstreamConnection>self.idle_first).idle_prev = <void*>c
        self.idle_first = <void*>c
        self.idle_count += 1

    cdef void unlink_idle(self, UpstreamConnection c) noexcept:
        if c.idle_prev != NULL:
            (<UpstreamConnection>c.idle_prev).idle_next = c.idle_next
        else:
            self.idle_first = c.idle_next
        if c.idle_next != NULL:
            (<UpstreamConnection>c.idle_next).idle_prev = c.idle_prev
        c.idle_next = c.idle_prev = NULL
        self.idle_count -= 1

    cdef void retire(self) noexcept:
        cdef UpstreamConnection c
        self.endpoint.is_retired = True
        while self.idle_first != NULL:
            c = <UpstreamConnection>self.idle_first
            c.close_now()


cdef Pool pool_of(Runtime rt, Endpoint endpoint, Cluster cluster):
    cdef Cluster latest
    if endpoint.pool is None:
        # The request may have begun on a snapshot before this one.
        latest = rt.snapshot.cluster_at(cluster.id)
        endpoint.pool = Pool(rt, endpoint, latest if latest is not None else cluster)
    return <Pool>endpoint.pool
