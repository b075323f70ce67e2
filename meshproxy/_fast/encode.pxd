# encode.pxd: heads as they leave the proxy: one Host, one framing header, hop-by-hop fields gone, order and case kept.
# Every function writes at `out`, which has room for at least the matching *_bound(), and returns the bytes written.
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .headers cimport HeaderTable
from .http1 cimport RequestHead, ResponseHead
from .random cimport RandomState
from .types cimport Span

cdef enum:
    ENCODE_EXTRA = 512             # what the proxy adds to a head, with room to spare

cdef enum ResponseEncoding:
    RESPONSE_CHUNKED = 1           # body follows in chunked coding
    RESPONSE_CLOSE = 2             # connection: close
    RESPONSE_KEEP_ALIVE = 4        # connection: keep-alive, for an HTTP/1.0 client
    RESPONSE_UPGRADE = 8           # Upgrade goes on: 101, and 426, which has to name what it asks for
    RESPONSE_TRAILERS = 16         # so does Trailer: they may follow the chunks

# What a route changes in a request head besides fields flagged HF_DROP. Borrowed; n 0 = as it is.
cdef struct HeadChanges:
    const char* target
    size_t target_len
    const char* authority
    size_t authority_len
    const char* lines              # header lines to append, each with CRLF
    size_t lines_len

cdef enum:
    NO_SERVICE_TIME = -1           # a response that no upstream sent

# Most bytes request_encode or response_encode can write for a head of head_bytes.
cdef inline size_t encode_bound(size_t head_bytes, const HeaderTable* t) noexcept nogil:
    return head_bytes + 2 * <size_t>t.count + ENCODE_EXTRA

# request_id[0]: where x-request-id's value stands in out.
# changes: NULL on the plain path. Its pieces must be added to the bound.
cdef size_t request_encode(char* out, const RequestHead* h, const HeadChanges* changes, uint64_t timeout_us,
                           RandomState* random, Span* request_id) noexcept nogil
# lines: header lines to append, each with CRLF; must be added to the bound.
cdef size_t response_encode(char* out, const ResponseHead* h, const char* lines, size_t lines_len, int how,
                            int64_t service_ms, const char* date) noexcept nogil
# A head the proxy makes itself, in the form an upstream would send it: response_encode makes the final one of it.
cdef size_t local_encode(char* out, uint32_t status, size_t body_len, const char* date) noexcept nogil
# A 1xx head, forwarded.
cdef size_t informational_encode(char* out, const ResponseHead* h) noexcept nogil
# "<hex>\r\n", at most 18 bytes.
cdef size_t chunk_head(char* out, size_t n) noexcept nogil
# Writes the attempt's number over the one in a serialised head (ISTIO 3.11). room: of the block; too small = no change.
cdef void attempt_encode(char* block, size_t* n, size_t room, uint32_t attempt) noexcept nogil
