# http1.pxd: RFC 9112 without I/O: heads to spans, body framing, chunked coding. Strict: what two readers
# could read differently is refused, never repaired.
#
# A head is parsed from its first byte in one call over all bytes received so far; NEED_MORE means call again
# with more. Lines are judged one by one as their LF arrives, so every split of the input gives the same
# verdict. A caller that re-parses only when a new LF came does at most MAX_HEADERS + 3 passes per head.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .headers cimport HeaderTable, RequestView
from .types cimport BodyFraming, Detail, Method, Span

cdef enum:
    DEFAULT_HEAD_BYTES = 61440       # Envoy's max_request_headers_kb, 60
    MAX_CHUNK_LINE = 4096            # a chunk-size line with extensions
    MAX_TRAILER_BYTES = 16384

# What a request asks of the next hop alone.
cdef enum HopWish:
    WISH_NONE = 0
    WISH_UPGRADE                     # a protocol that may be relayed unread
    WISH_TRAILERS                    # TE: trailers

cdef struct RequestHead:
    RequestView view
    bint has_line                    # method_name, target and minor were understood, whatever the result
    int minor                        # HTTP/1.minor
    uint32_t head_len                # bytes of the head
    BodyFraming framing
    int64_t content_length           # BODY_LENGTH only
    bint keep_alive                  # the client allows another request
    bint expect_continue
    bint is_absolute                 # absolute-form target: authority replaces Host
    HopWish wish
    uint32_t error_status            # after BAD: what to answer
    Detail error_detail

cdef struct ResponseHead:
    const char* base                 # borrowed: valid during the call that got the head
    uint32_t status
    int minor
    Span reason
    HeaderTable headers
    BodyFraming framing
    int64_t content_length
    bint keep_alive                  # the upstream allows another request
    Detail error_detail

# Bytes of the head, NEED_MORE, or BAD with error_status and error_detail set. `limit`: most bytes a head may have.
# Whatever the result, view has the method and the fields that were understood.
cdef int request_parse(RequestHead* h, const char* base, uint32_t size, uint32_t limit) noexcept nogil
# The same for a response to `method`, whose framing depends on it. BAD sets error_detail.
cdef int response_parse(ResponseHead* h, const char* base, uint32_t size, uint32_t limit,
                        Method method) noexcept nogil

# Whether a 101 names the protocol it switches to; then what follows the head is a body until close, unread.
cdef bint take_switch(ResponseHead* h) noexcept nogil

# Chunked decoder: a state machine over any split of the input.
cdef enum ChunkStage:
    CHUNK_SIZE = 0
    CHUNK_PAD                        # blanks between the size and ";" or CR
    CHUNK_EXT
    CHUNK_SIZE_LF
    CHUNK_DATA
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    TRAILER_START
    TRAILER_NAME
    TRAILER_LINE
    TRAILER_LF
    TRAILER_END_LF
    CHUNK_DONE

cdef struct ChunkDecoder:
    ChunkStage stage
    uint32_t line_bytes              # of the current size line, or of all trailers
    uint32_t digits                  # of the size; behind the last chunk, trailer lines: MAX_HEADERS at most
    uint64_t left                    # data bytes left in the current chunk

cdef enum ChunkEvent:
    CHUNK_EV_DATA = 1                # data holds a span of body bytes
    CHUNK_EV_END = 2                 # the body is complete
    CHUNK_EV_MORE = 3                # all input used
    CHUNK_EV_BAD = 4
    CHUNK_EV_TRAILER = 5             # data holds a piece of the trailer section: a line, or what there is of it

cdef inline void chunk_reset(ChunkDecoder* d) noexcept nogil:
    d.stage = CHUNK_SIZE
    d.line_bytes = d.digits = 0
    d.left = 0

# Decodes from p[at[0]..n): advances at[0], returns the next event; for DATA and TRAILER the span is p[data.off, +len).
cdef ChunkEvent chunk_next(ChunkDecoder* d, const char* p, size_t n, size_t* at, Span* data) noexcept nogil
