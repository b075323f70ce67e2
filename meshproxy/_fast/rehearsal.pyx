cimport cython

from .balancer cimport PickRequest
from .http1 cimport request_parse, response_parse
from .intake cimport INTAKE_REDIRECT, INTAKE_TAKEN, IntakeVerdict
from .limits cimport Limits
from .normalize cimport head_is_normal
from .outlier cimport FAILED_CONNECTED, FAILED_CONNECTING, FAILED_NOT, FailedAt
from .random cimport random_seed
from .reply cimport detail_text, flags_text
from .retry cimport *
from .router cimport VirtualHost, request_hash
from .scoreboard cimport count_code, count_duration
from .snapshot cimport Binding
from .types cimport *

# What acquire() says.
IDLE, OPEN, WAIT, OVERFLOW = range(4)

ENDS = {"refused": END_CONNECT_FAILURE, "reset": END_RESET, "per_try_timeout": END_PER_TRY_TIMEOUT}

cdef Binding BY_HOST = Binding()
cdef const char* EMPTY_RESPONSE = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@cython.final
cdef class Stage:
    """Worker `worker` of a scoreboard that nobody else uses; random numbers come from `seed`. `intake`: None = a
    proxy without flags."""

    def __cinit__(self, Scoreboard scoreboard, int worker, uint64_t seed, Intake intake=None):
        self.intake = intake or Intake()
        self.scoreboard = scoreboard
        self.snapshot = Snapshot(scoreboard, worker)
        self.events = []
        random_seed(&self.random, seed)
        response_parse(&self.response, EMPTY_RESPONSE, len(EMPTY_RESPONSE), 1024, METHOD_GET)

    def apply(self, update, uint64_t now_us):
        """Take over SnapshotData; requests in progress end on theirs."""
        self.snapshot = self.snapshot.apply(update, now_us)

    cdef bytes parse(self, RequestHead* h, bytes head, bytes source):
        cdef IntakeVerdict verdict
        cdef int used = request_parse(h, head, len(head), len(head) + 1)
        if used <= 0:
            raise ValueError("the request is refused: "
                             + (<bytes>detail_text(h.error_detail)).decode() if used else "half a head")
        if not self.intake.is_edge and head_is_normal(h, self.intake.path_steps):
            return head
        head = self.intake.take(h, head, used, source.rpartition(b":")[0].strip(b"[]"), &verdict)
        if verdict == INTAKE_REDIRECT:
            raise ValueError("the request is redirected: its path has an escaped slash")
        if verdict != INTAKE_TAKEN:
            raise ValueError("the request is refused: path_normalization_failed, or its head is too large")
        return head

    def begin(self, bytes head, bytes source, uint64_t now_us):
        """Decide where a request goes. `source`: its client, "10.0.0.9:41234". Raises ValueError when it is refused."""
        cdef RequestHead h
        cdef bytes kept = self.parse(&h, head, source)
        cdef VirtualHost host = self.snapshot.host_of(&h.view, BY_HOST)
        cdef Rehearsal r = Rehearsal()
        r.stage = self
        r.start_us = now_us
        r.method = h.view.method
        r.route = host.match(&h.view) if host is not None else None
        if r.route is None:
            r.end(404, FLAG_NR, DETAIL_ROUTE_NOT_FOUND, now_us)
            return r
        if r.route.redirect is not None:
            r.end(r.route.redirect.status, 0, DETAIL_DIRECT_RESPONSE, now_us)
            return r
        if r.route.is_direct:
            r.end(r.route.direct_status, 0, DETAIL_DIRECT_RESPONSE, now_us)
            return r
        r.is_preflight = r.route.cors is not None and r.route.cors.judge(&h.view, []) == 1
        r.arm = r.route.take_arm()
        r.cluster = self.snapshot.cluster_of(r.route, r.arm)
        if r.cluster is not None:
            r.cluster.column.rq_total += 1
        if r.route.hash_count:
            r.has_hash = request_hash(r.route, &h.view, self.intake.client(&h.view, source, len(source)), &r.hash,
                                      [] if r.route.cookies else None)
        if r.route.fault is not None and r.route.fault.draws_delay(&self.random):
            r.flags |= FLAG_DI
            r.delay_us = r.route.fault.delay_us
        return r

    def reachable(self, bytes head):
        """Ids of the clusters that the rules of a request's virtual host name."""
        cdef RequestHead h
        cdef bytes kept = self.parse(&h, head, b"")
        cdef VirtualHost host = self.snapshot.host_of(&h.view, BY_HOST)
        cdef Route route
        cdef set found = set()
        if host is not None:
            for route in host.routes:
                found.update(route.cluster_ids)
        return found

    def slot_of(self, bytes head, bytes source, int arm, uint64_t now_us):
        """Scoreboard slot of the endpoint that the hash of a request leads to in an arm of its route; -1 when
        it has no hash, or nothing to go to. Counts nothing, draws nothing."""
        cdef RequestHead h
        cdef bytes kept = self.parse(&h, head, source)
        cdef VirtualHost host = self.snapshot.host_of(&h.view, BY_HOST)
        cdef Route route = host.match(&h.view) if host is not None else None
        cdef Cluster cluster = None
        cdef Endpoint endpoint
        cdef PickRequest request
        if route is None or route.hash_count == 0 or arm >= len(route.cluster_ids) or not request_hash(
                route, &h.view, self.intake.client(&h.view, source, len(source)), &request.hash, None):
            return -1
        cluster = self.snapshot.cluster_of(route, arm)
        if cluster is None or cluster.policy not in ("RING_HASH", "MAGLEV"):
            return -1
        request.random = &self.random
        request.has_hash = True
        request.attempt = 0
        request.now_us = now_us
        endpoint = cluster.pick(&request)
        return endpoint.slot if endpoint is not None else -1


@cython.final
cdef class Rehearsal:
    """One request. Times are microseconds of the caller's clock."""

    def __cinit__(self):
        self.status = self.flags = self.retry_count = 0
        self.detail = DETAIL_VIA_UPSTREAM
        self.arm = -1
        self.start_us = self.delay_us = self.hash = 0
        self.has_hash = self.is_preflight = self.is_on_endpoint = self.is_waiting = False
        self.is_backing_off = self.is_counted = False

    @property
    def reason(self):
        """Response flags and detail, "UF upstream_reset...", of a request that is over."""
        return f"{flags_text(self.flags)} {(<bytes>detail_text(self.detail)).decode()}"

    @property
    def cluster_id(self):
        return self.cluster.id if self.cluster is not None else -1

    @property
    def timeout_us(self):
        """Of the route, over all attempts; 0 = none."""
        return self.route.timeout_us

    @property
    def try_timeout_us(self):
        """Of one attempt; 0 = none, or no shorter than the route's."""
        cdef RetryPolicy policy = self.route.retry
        if policy is None or self.route.timeout_us and policy.per_try_timeout_us >= self.route.timeout_us:
            return 0
        return policy.per_try_timeout_us

    def dispatch(self, uint64_t now_us):
        """Pick an endpoint, for the first attempt or the next; its scoreboard slot, or -1: it is over."""
        cdef PickRequest request
        if self.is_backing_off:
            self.is_backing_off = False
            self.leave_endpoint(False)
        if self.retry_count == 0:
            if self.route.fault is not None and self.route.fault.draws_abort(&self.stage.random):
                self.end(self.route.fault.abort_status, FLAG_FI, DETAIL_FAULT_ABORT, now_us)
                return -1
            if self.is_preflight:
                self.end(200, 0, DETAIL_CORS_RESPONSE, now_us)
                return -1
        if self.cluster is None:
            self.end(503, FLAG_NC, DETAIL_CLUSTER_NOT_FOUND, now_us)
            return -1
        self.cluster.column.rq_active += 1
        self.is_counted = True
        request.random = &self.stage.random
        request.attempt = 0
        request.now_us = now_us
        request.hash = self.hash
        request.has_hash = self.has_hash
        if self.tried is not None and self.route.retry.avoids_previous:
            self.endpoint = self.cluster.pick_untried(&request, self.tried)
        else:
            self.endpoint = self.cluster.pick(&request)
        if self.endpoint is None:
            self.cluster.column.cx_none_healthy += 1
            self.end(503, FLAG_UH, DETAIL_NO_HEALTHY_UPSTREAM, now_us)
            return -1
        return self.endpoint.slot

    def acquire(self, int idle, int opened, uint64_t now_us):
        """Ask for a connection to an endpoint that has so many idle and open: IDLE, OPEN, WAIT, or OVERFLOW,
        and then it is over."""
        cdef Limits limits = self.cluster.limits
        cdef bint is_full = idle == 0 and opened > 0 and not limits.may_connect()
        if idle == 0 and not limits.may_wait() or not is_full and not limits.may_request():
            self.cluster.column.rq_overflow += 1
            self.end(503, FLAG_UO, DETAIL_OVERFLOW, now_us)
            return OVERFLOW
        self.endpoint.column.rq_total += 1
        self.endpoint.column.rq_active += 1
        self.is_on_endpoint = True
        if idle:
            return IDLE
        if not is_full:
            self.connect()
            return OPEN
        self.cluster.column.cx_overflow += 1
        self.is_waiting = True
        self.cluster.column.rq_pending += 1
        return WAIT

    cdef void connect(self) noexcept:
        self.cluster.column.cx_active += 1
        self.cluster.column.cx_total += 1
        self.endpoint.column.cx_active += 1
        self.endpoint.column.cx_total += 1

    def assign(self, bint is_new):
        """A connection that it waited for is there, or was opened for it."""
        self.stop_waiting()
        if is_new:
            self.connect()

    cdef void stop_waiting(self) noexcept:
        if self.is_waiting:
            self.is_waiting = False
            self.cluster.column.rq_pending -= 1

    def disconnect(self):
        """The attempt's connection is closed, rather than kept for another request."""
        self.cluster.column.cx_active -= 1
        self.endpoint.column.cx_active -= 1

    def respond(self, uint32_t status, uint64_t now_us):
        """The endpoint answered. Microseconds until dispatch() for another attempt, or -1: it is over."""
        self.report(status, FAILED_NOT, now_us)
        self.stage.response.status = status
        return self.retry_or_end(
            self.route.retry is not None and self.route.retry.wants_response(&self.stage.response),
            True, status, 0, DETAIL_VIA_UPSTREAM, now_us)

    def fail(self, str how, uint64_t now_us):
        """The attempt got no response: `refused`, `reset`, `per_try_timeout`. As respond()."""
        cdef AttemptEnd end = <AttemptEnd><int>ENDS[how]
        cdef bint wants = self.route.retry is not None and self.route.retry.wants_end(end)
        if end == END_PER_TRY_TIMEOUT:
            self.endpoint.column.rq_timeout += 1
            self.cluster.column.rq_timeout += 1
            self.report(504, FAILED_CONNECTED, now_us)
            return self.retry_or_end(wants, True, 504, FLAG_UT, DETAIL_PER_TRY_TIMEOUT, now_us)
        self.report(503, FAILED_CONNECTING if end == END_CONNECT_FAILURE else FAILED_CONNECTED, now_us)
        if end == END_CONNECT_FAILURE:
            self.endpoint.column.cx_connect_fail += 1
            self.cluster.column.cx_connect_fail += 1
            return self.retry_or_end(wants, False, 503, FLAG_UF, DETAIL_CONNECT_FAILURE, now_us)
        return self.retry_or_end(wants, True, 503, FLAG_UC, DETAIL_CONNECTION_TERMINATION, now_us)

    def time_out(self, uint64_t now_us):
        """The route's timeout passed, in an attempt, in a queue or between attempts: it is over."""
        if self.endpoint is not None:
            self.endpoint.column.rq_timeout += 1
            self.cluster.column.rq_timeout += 1
            if self.is_on_endpoint and not self.is_backing_off and not self.is_waiting:
                self.report(504, FAILED_CONNECTED, now_us)
        self.end(504, FLAG_UT, DETAIL_RESPONSE_TIMEOUT, now_us)

    cdef int report(self, uint32_t status, FailedAt failed, uint64_t now_us) except -1:
        cdef dict event = self.cluster.report(self.endpoint, status, failed, now_us)
        if event is not None:
            event["at_us"] = now_us
            self.stage.events.append(event)
        return 0

    cdef int64_t retry_or_end(self, bint wants, bint was_sent, uint32_t status, uint32_t flag, Detail detail,
                              uint64_t now_us) except -2:
        cdef RetryVerdict verdict = RETRY_UNSAFE
        if wants:
            verdict = self.route.retry.judge(self.cluster.limits, self.method, self.retry_count, was_sent, False)
        if verdict != RETRY_NOW:
            if verdict == RETRY_USED_UP:
                flag |= FLAG_URX
            elif verdict == RETRY_OVERFLOW:
                self.cluster.column.rq_retry_overflow += 1
                flag |= FLAG_UO
            self.end(status, flag, detail, now_us)
            return -1
        self.is_backing_off = True
        self.leave_cluster()
        self.tried = (self.tried or []) + [self.endpoint]
        if self.retry_count == 0:
            self.cluster.column.rq_retrying += 1
        self.retry_count += 1
        self.cluster.column.rq_retry += 1
        return <int64_t>self.route.retry.backoff(self.retry_count, &self.stage.random)

    cdef void leave_cluster(self) noexcept:
        if self.is_counted:
            self.is_counted = False
            self.cluster.column.rq_active -= 1

    cdef void leave_endpoint(self, bint is_success) noexcept:
        if self.is_on_endpoint:
            self.is_on_endpoint = False
            self.endpoint.column.rq_active -= 1
            if is_success:
                self.endpoint.column.rq_success += 1
            else:
                self.endpoint.column.rq_error += 1

    cdef int end(self, uint32_t status, uint32_t flag, Detail detail, uint64_t now_us) except -1:
        self.status = status
        self.flags |= flag
        self.detail = detail
        self.stop_waiting()
        self.leave_cluster()
        if self.cluster is not None:
            count_code(self.cluster.column, status, self.flags)
            count_duration(self.cluster.column, now_us - self.start_us)
            if self.retry_count:
                self.cluster.column.rq_retrying -= 1
                if status < 500:
                    self.cluster.column.rq_retry_success += 1
        self.leave_endpoint(status < 500)
        return 0
