# stream.pxd: one request and its response, any version. Reads straight down:
#
#   start: route -> answer | split -> encode -> fault -> dispatch                      (attempts: pick, acquire, send, retry)
#   on_request_body / request_end: bytes to the upstream, chunked again when they came chunked
#   on_response_head / body / flush: bytes to the downstream; behind a 101 both sockets are relayed until on_relay_end
#   finish: counters, access log, connection back to the pool       exactly once, whatever happened
#
# Invariants:
#   (1) counted in flight, exactly once each: by the process from start until finish; by cluster and endpoint from its
#       dispatch until the end of the response is about to be sent, so that who has read it finds it counted by no worker.
#       A request that an injected delay or a backoff holds is none of the cluster's: it loads nobody (ISTIO 3.10)
#   (2) after finish() downstream and upstream are None; no callback reaches a finished stream
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .attempts cimport Attempts
from .buffer cimport Buffer
from .forward cimport Origin
from .headers cimport RequestView
from .http1 cimport RequestHead, ResponseHead
from .logged cimport LoggedRequest
from .runtime cimport Runtime
from .snapshot cimport Binding, Snapshot
from .timer cimport Timer
from .transport cimport SEND_FAILED, SendResult, Transport
from .types cimport Detail
from .upgraded cimport Upgraded

# The server side of a codec, as a stream sees it; implemented above (downstream).
cdef class Downstream(Transport):
    cdef Stream stream             # the request being served, or None (HTTP/1.1)
    cdef Binding binding

    # Whether a head fits with these lines, of which a rule may make any number of bytes.
    cdef bint has_room(self, ResponseHead* h, bytes lines) noexcept
    # lines: header lines to append, or None. service_ms NO_SERVICE_TIME: no upstream sent it.
    cdef int respond_head(self, ResponseHead* h, bint has_body, int64_t service_ms, bytes lines) except -1
    cdef int respond_informational(self, ResponseHead* h) except -1
    cdef int respond_body(self, const char* p, size_t n) except -1
    cdef bint takes_bulk(self) noexcept    # body bytes may be sent as they are, and none wait
    cdef int respond_trailers(self, Buffer lines) except -1            # borrowed; the body is over
    cdef SendResult respond_flush(self, bint is_complete) except? SEND_FAILED
    # A reply of the proxy's own; `stream` None for a head that was no request.
    cdef SendResult respond_local(self, uint32_t status, bytes body, bytes lines, bint has_body,
                                  Stream stream) except? SEND_FAILED
    # The response that began does not come to its end; stream_done follows.
    cdef void cut(self) noexcept
    # The stream is over. is_clean: request and response are whole, the connection may serve another.
    cdef int stream_done(self, bint is_clean) except -1
    cdef int resume_request(self) except -1
    # The protocol was switched: the socket is about to be taken over. Bytes that came early, or None.
    cdef Buffer leave_http(self)
    cdef int abort(self) except -1     # closes at once; the stream hears on_downstream_closed
    cdef const char* remote_text(self, size_t* n) noexcept

cdef class Stream(Attempts):
    cdef Downstream downstream     # None after finish
    cdef Snapshot snapshot
    cdef int minor                 # of the request's HTTP/1.minor
    cdef int arm                   # of the route's split; -1 = none taken
    # begin() sets every field below and in attempts but the timers and the block.
    cdef bint is_spare             # over, and kept for another request
    cdef Stream next_spare
    cdef bint is_counted           # in the cluster's in-flight count, but for backoffs
    cdef bint is_delayed           # by an injected fault: the timer dispatches
    cdef bint is_preflight         # CORS answers it, behind a fault
    cdef bint takes_trailers       # the client said so
    cdef bint explains             # the client asked for the decision, and may
    cdef bint adds_lines           # the response gets header lines that its route does not know of
    cdef uint32_t status
    cdef Detail detail
    cdef uint64_t start_us
    cdef uint64_t request_bytes
    cdef uint64_t response_bytes
    cdef Timer timer               # route timeout, or an injected delay
    cdef LoggedRequest logged      # None when the log is off
    cdef bytes reason              # more exact than the detail's words, or None
    cdef bytes remote              # the client's ip:port, for hashes and variables, or None
    cdef bytes head                # the request's head as it came, for %REQ()% in response edits, or None
    cdef list made_cookies         # (b"set-cookie", value) of the hash policies, or None
    cdef list cors_lines           # to add to the response, or None
    cdef Upgraded upgraded         # what became of the connections after a 101, or None
    cdef list mirrors              # Mirror copies not sent yet, or None

    cdef void begin(self, Runtime rt, Downstream downstream) noexcept
    cdef void put_aside(self) noexcept

    # Called by the downstream, in this order; request_flush (attempts) once per recv.
    # is_redirect: the answer is the path that h has (INTAKE_REDIRECT), whatever the routes say.
    cdef int start(self, RequestHead* h, bint is_redirect) except -1
    cdef int on_request_body(self, const char* p, size_t n) except -1
    # Large pieces of a body may go through the worker's pipe, where n bytes are by then.
    cdef bint may_pipe_request(self) noexcept
    cdef int on_request_bulk(self, size_t n) except -1
    cdef int request_end(self, Buffer trailers, bint may_pass) except -1    # trailers: borrowed until the flush, or None
    # The downstream ends it: status and reason (None = the detail's) if no response began, else what it got is cut.
    cdef int give_up(self, uint32_t status, uint32_t flag, Detail detail, bytes reason) except -1
    cdef int on_downstream_drained(self) except -1
    cdef int on_downstream_closed(self) except -1
    # Lines that the route adds to a response head; flags those it replaces.
    cdef bytes response_lines_for(self, ResponseHead* h)

    cdef int choose(self, RequestHead* h) except -1
    cdef int answer(self, const RequestView* v) except -1
    cdef int encode_head(self, RequestHead* h) except -1
    cdef int hold_or_fail(self) except -1
    cdef int abort_by_fault(self) except -1
    cdef int end_delay(self) except -1
    cdef int proceed(self) except -1
    cdef bint accepts_json(self) except -1
    cdef int end_chunks(self, Buffer trailers, bint may_pass) except -1
    cdef int pass_on(self, const char* p, size_t n) except -1
    cdef int after_request(self) except -1
    cdef int upgrade(self) except -1
    cdef int answer_with(self, uint32_t status, Detail detail, bytes body, bytes lines) except -1
    cdef void leave_flight(self) noexcept
    cdef int finish(self, bint is_clean) except -1
    cdef int write_log(self) except -1
    cdef bytes client(self, const RequestView* v)
    cdef Origin origin(self)

cdef Stream new_stream(Runtime rt, Downstream downstream)
