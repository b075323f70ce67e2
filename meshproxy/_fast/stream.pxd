# stream.pxd: one request and its response, any version. Reads straight down:
#
#   start: route -> answer | split -> encode -> fault -> dispatch: pick -> acquire     (on_upstream_ready when it had to wait)
#   on_request_body / request_end: bytes to the upstream, chunked again when they came chunked
#   on_response_head / body / flush: bytes to the downstream
#   finish: counters, access log, connection back to the pool       exactly once, whatever happened
#
# Invariants:
#   (1) counted in flight (cluster, endpoint, process) from start to finish, exactly once each
#   (2) after finish() downstream and upstream are None; no callback reaches a finished stream
#   (3) block holds the serialised request head until finish, so it can be sent again
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .buffer cimport Buffer
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .forward cimport Origin
from .headers cimport RequestView
from .http1 cimport RequestHead, ResponseHead
from .logged cimport LoggedRequest
from .retry cimport AttemptEnd
from .route cimport Route
from .runtime cimport Runtime
from .snapshot cimport Binding, Snapshot
from .timer cimport Timer
from .transport cimport SendResult, Transport
from .types cimport BodyFraming, Detail, Method, Span
from .upstream cimport Pool, UpstreamConnection, UpstreamSink

# The server side of a codec, as a stream sees it; implemented above (downstream).
cdef class Downstream(Transport):
    cdef Stream stream             # the request being served, or None (HTTP/1.1)
    cdef Binding binding

    # lines: header lines to append, or None. service_ms NO_SERVICE_TIME: no upstream sent it.
    cdef int respond_head(self, ResponseHead* h, bint has_body, int64_t service_ms, bytes lines) except -1
    cdef int respond_informational(self, ResponseHead* h) except -1
    cdef int respond_body(self, const char* p, size_t n) except -1
    cdef SendResult respond_flush(self, bint is_complete) except *
    # A reply of the proxy's own; `stream` None for a head that was no request.
    cdef SendResult respond_local(self, uint32_t status, bytes body, bytes lines, bint has_body,
                                  Stream stream) except *
    # The stream is over. is_clean: request and response are whole, the connection may serve another.
    cdef int stream_done(self, bint is_clean) except -1
    cdef int resume_request(self) except -1
    cdef int abort(self) except -1     # closes at once; the stream hears on_downstream_closed
    cdef const char* remote_text(self, size_t* n) noexcept

cdef class Stream(UpstreamSink):
    cdef Runtime rt
    cdef Downstream downstream     # None after finish
    cdef Snapshot snapshot
    cdef Route route
    cdef Cluster cluster
    cdef Endpoint endpoint
    cdef Pool pool
    cdef UpstreamConnection upstream   # None until assigned, and after finish
    cdef char* block               # serialised request head; from rt.take_block
    cdef size_t block_len
    cdef size_t block_size
    cdef Buffer replay             # the body so far, for another attempt, or None
    cdef Buffer body               # request body bytes that wait for an upstream, or None
    cdef Method method
    cdef int minor
    cdef BodyFraming framing       # of the request
    cdef bint is_sent                 # the head went into the upstream's socket
    cdef bint request_done         # the whole request was received
    cdef bint response_started     # a byte of the response went downstream
    cdef bint is_waiting           # in pool.waiting
    cdef bint was_stale            # the connection that was lost had served before, and not begun to answer
    cdef bint is_replayed
    cdef bint is_counted           # in the cluster's and endpoint's in-flight counts
    cdef bint is_finished
    cdef bint is_on_endpoint       # counted in flight on the endpoint
    cdef bint keeps_body           # into replay
    cdef bint is_body_lost         # it outgrew replay: no attempt after bytes were sent
    cdef bint is_discarding        # this response is dropped, and retried
    cdef bint is_backing_off
    cdef uint32_t retry_count
    cdef list tried                # Endpoints of earlier attempts, or None
    cdef Timer try_timer           # per-try timeout, or backoff
    cdef uint32_t status
    cdef uint32_t flags
    cdef Detail detail
    cdef uint64_t start_us
    cdef uint64_t sent_us          # request head sent
    cdef uint64_t service_us       # response head received - sent_us
    cdef uint64_t request_bytes
    cdef uint64_t response_bytes
    cdef Timer timer               # route timeout, or an injected delay
    cdef LoggedRequest logged      # None when the log is off
    cdef int arm                   # of the route's split; -1 = none taken
    cdef bint is_delayed           # by an injected fault: the timer dispatches
    cdef bint has_hash
    cdef bint explains             # the client asked for the decision, and may
    cdef uint64_t hash
    cdef bytes remote              # the client's ip:port, for hashes and variables, or None
    cdef bytes head                # the request's head as it came, for %REQ()% in response edits, or None
    cdef bint is_dispatched        # an endpoint was asked for
    cdef bint is_preflight         # CORS answers it, behind a fault
    cdef list made_cookies         # (b"set-cookie", value) of the hash policies, or None
    cdef list cors_lines           # to add to the response, or None
    cdef list mirrors              # Mirror copies not sent yet, or None

    cdef int start(self, RequestHead* h) except -1
    cdef int on_request_body(self, const char* p, size_t n) except -1
    cdef int request_end(self) except -1
    # Sends what start and on_request_body put together. Called once per recv.
    cdef int request_flush(self) except -1
    cdef bint is_request_paused(self) noexcept
    cdef int on_downstream_drained(self) except -1
    cdef int on_downstream_closed(self) except -1
    cdef int on_bad_request_body(self) except -1
    cdef int local_reply(self, uint32_t status, uint32_t flag, Detail detail) except -1
    cdef int choose(self, RequestHead* h) except -1
    cdef int answer(self, const RequestView* v) except -1
    cdef int answer_with(self, uint32_t status, Detail detail, bytes body, bytes lines) except -1
    cdef int encode_head(self, RequestHead* h) except -1
    cdef int hold_or_fail(self) except -1
    cdef int abort_by_fault(self) except -1
    cdef int proceed(self) except -1
    cdef int dispatch(self) except -1
    cdef Endpoint choose_endpoint(self)
    cdef int overflow(self) except -1
    cdef void set_waiting(self, bint waits) noexcept
    cdef int end_delay(self) except -1
    cdef int redispatch(self) except -1
    cdef int send_kept(self) except -1
    cdef int keep_body(self, const char* p, size_t n) except -1
    cdef int let_go(self, bint reusable) except -1
    cdef int report(self, uint32_t status, bint is_local) except -1
    cdef bint retries_end(self, AttemptEnd end) except -1
    cdef bint retries_response(self, ResponseHead* h) except -1
    cdef bint may_retry(self, bint was_sent) except -1
    cdef int schedule_retry(self) except -1
    cdef void leave_endpoint(self, bint is_success) noexcept
    cdef int end_backoff(self) except -1
    cdef int arm_try_timer(self) except -1
    cdef int end_try(self) except -1
    cdef int after_request(self) except -1
    cdef int pass_on(self, const char* p, size_t n) except -1
    cdef bytes response_lines_for(self, ResponseHead* h)
    cdef bint asks_explain(self, RequestHead* h) noexcept
    cdef bytes explanation(self)
    cdef Origin origin(self)
    cdef int send_to_upstream(self) except -1
    cdef int gather_request(self, const char* p, size_t n) except -1
    cdef int upstream_lost(self, Detail detail) except -1
    cdef bint can_replay(self) noexcept
    cdef int drop_upstream(self) except -1
    cdef int finish(self, bint is_clean) except -1
    cdef int write_log(self) except -1
