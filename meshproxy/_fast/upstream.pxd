# upstream.pxd: one connection to an endpoint, and the pool that keeps an endpoint's connections.
#
#   Pool.acquire --idle--> BUSY ------------on_response_* to its sink------------> release --> IDLE
#        \--none--> CONNECTING --on_event--> (connected) --waiting sink--> BUSY        \--> closed
#
# Invariants:
#   (1) an open connection is owned by the reactor; the pool's idle list borrows it, close() unlinks it
#   (2) BUSY means sink is set, and no other state has one; a sink has at most one connection
#   (3) the pool decides and never waits: a sink that gets none is called back once, ready or failed
from libc.stdint cimport int64_t, uint64_t

from .buffer cimport Buffer
from .cluster cimport Cluster
from .endpoint cimport Endpoint
from .handler cimport Handler
from .http1 cimport ChunkDecoder, ResponseHead
from .idle_age cimport IdleAge
from .limits cimport Limits
from .runtime cimport Runtime
from .scoreboard cimport ClusterColumn
from .timer cimport Timer
from .transport cimport Transport
from .types cimport Detail, Method

cdef enum UpstreamState:
    UP_CONNECTING = 0
    UP_IDLE
    UP_BUSY
    UP_CLOSED

cdef enum ResponseStage:
    RESP_HEAD = 0
    RESP_LENGTH
    RESP_CHUNKED
    RESP_UNTIL_CLOSE
    RESP_DONE

# Who sent a request and hears what became of it; implemented above (stream).
cdef class UpstreamSink(Handler):
    cdef bint must_be_fresh        # while it waits: only a connection that served nobody yet will do
    cdef bint wants_upgrade        # a 101 is an answer to this request

    cdef int on_upstream_ready(self, UpstreamConnection c) except -1
    cdef int on_upstream_failed(self, Detail detail) except -1     # no connection came about
    cdef int on_informational(self, ResponseHead* h) except -1
    cdef int on_response_head(self, ResponseHead* h, bint has_body) except -1
    cdef int on_response_body(self, const char* p, size_t n) except -1
    # The trailer section, borrowed. may_pass False: Connection names fields, which may be among them.
    cdef int on_response_trailers(self, Buffer section, bint may_pass) except -1
    # All bytes of one recv were given. is_complete: the response ended; reusable: so may the connection be.
    cdef int on_response_flush(self, bint is_complete, bint reusable) except -1
    cdef int on_upstream_reset(self, Detail detail) except -1      # the connection died; it is closed already
    cdef int on_upstream_drained(self) except -1               # pending request bytes have left
    # The body may go through the worker's pipe; if not, on_response_body has to see it.
    cdef bint may_pipe_response(self) noexcept
    # n bytes of the body are in the worker's pipe, behind those of on_response_body; a flush follows the last.
    cdef int on_response_bulk(self, size_t n, bint is_complete) except -1
    cdef bint is_response_paused(self) noexcept
    # Behind a 101: bytes passed either way, and the end. The connection is the relay's by then.
    cdef void on_relayed(self, bint is_request, size_t n) noexcept
    cdef int on_relay_end(self) except -1

cdef class UpstreamConnection(Transport):
    # What every request touches stands together, as in Route.
    cdef Pool pool
    cdef UpstreamSink sink
    cdef Buffer partial            # a response head not complete yet, or None
    cdef UpstreamState state
    cdef ResponseStage stage
    cdef Method method             # of the request in flight: decides the response's framing
    cdef bint is_answered          # a byte of the response came, 1xx included
    cdef bint keep_alive
    cdef bint expects_bulk         # the last body was large: its head is read alone, that the next need not be copied
    cdef int64_t body_left
    cdef uint64_t requests         # taken so far; 1 = the first
    cdef void* idle_next           # borrowed UpstreamConnection, in the pool's idle list
    cdef void* idle_prev
    cdef uint64_t idle_since_us

    cdef Detail connect_failure    # what a connect() that failed at once means
    cdef bint may_pass_trailers
    cdef ChunkDecoder chunks
    cdef Buffer trailers           # read so far, or None
    cdef Timer timer               # connecting: connect timeout; else idle timeout
    cdef uint64_t opened_us
    cdef uint64_t promised_us      # Keep-Alive: timeout of the last response that had one; 0 = none
    cdef size_t unread_bytes       # of the request in flight, not acknowledged when the endpoint closed in order

    cdef int assign(self, UpstreamSink sink) except -1
    cdef int start_request(self, Method method) except -1
    cdef void close_now(self) noexcept
    # Closes, and makes room for whoever waits for a connection.
    cdef int give_up(self) except -1
    cdef int fail(self, Detail detail) except -1
    cdef int arm_idle(self) except -1
    cdef uint64_t idle_limit(self) noexcept
    cdef bint is_stale(self, uint64_t now) noexcept
    cdef int keep_promise(self, ResponseHead* h) except -1
    cdef int read_loop(self) except -1
    cdef size_t read_size(self) noexcept
    cdef bint may_pipe(self) noexcept
    cdef ssize_t receive_bulk(self) noexcept
    cdef int pass_bulk(self, size_t n) except -1
    cdef int resume(self) except -1
    cdef int process(self, const char* p, size_t n) except -1
    cdef ssize_t process_head(self, const char* p, size_t n) except -2
    cdef ssize_t process_body(self, const char* p, size_t n) except -2
    cdef int on_connected(self) except -1

cdef class Pool:
    # What every request asks stands together, as in Route.
    cdef Cluster cluster           # as of the last request: timeouts and limits, for connections that were there too
    cdef void* idle_first          # borrowed UpstreamConnection: most recently used first
    cdef readonly int idle_count
    cdef bint checks_age           # a close was seen or promised: what idles is looked at before it is used
    cdef int waiting_count         # of waiting
    cdef Endpoint endpoint

    cdef Runtime rt
    cdef int connecting            # connections under way: at least as many as sinks wait
    cdef object waiting            # deque of UpstreamSink
    cdef ClusterColumn* column     # borrowed from the scoreboard
    cdef IdleAge idle_age
    cdef readonly int open_count   # connecting, busy and idle
    cdef uint64_t connect_timeout_us
    cdef uint64_t idle_timeout_us

    # Another version of the cluster; True when connections may have to end sooner: arm_idle() each of them.
    cdef bint follow(self, Cluster cluster) noexcept
    # A connection assigned to the sink, or None: the sink will be called back.
    cdef UpstreamConnection acquire(self, UpstreamSink sink, bint must_be_fresh)
    # Calls the sink back with a connection, or a failure.
    cdef int enqueue(self, UpstreamSink sink, bint must_be_fresh) except -1
    # What may not be repeated had better not use the connection that acquire would give: it may be closing.
    cdef bint is_doubtful(self, Limits limits) noexcept
    cdef int connect(self) except -1
    # Opens another connection when more wait than are under way.
    cdef int connect_for_waiting(self) except -1
    # Nobody more can be served before somebody ends.
    cdef bint is_full(self, Limits limits) noexcept
    cdef int connect_within_limits(self) except -1
    cdef void drop_aged(self) noexcept
    cdef void learn_idle_age(self, uint64_t idle_since_us) noexcept
    cdef void forget(self, UpstreamSink sink) noexcept
    cdef UpstreamSink next_waiting(self)
    cdef int release(self, UpstreamConnection c) except -1
    cdef bint is_spent(self, UpstreamConnection c) noexcept
    cdef void push_idle(self, UpstreamConnection c) noexcept
    cdef void unlink_idle(self, UpstreamConnection c) noexcept
    # Closes what is idle; what is busy closes when it is released.
    cdef void retire(self) noexcept

# The endpoint's pool in this worker, made on first use.
cdef Pool pool_of(Runtime rt, Endpoint endpoint, Cluster cluster)
