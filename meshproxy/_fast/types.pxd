# types.pxd: the words every module shares: spans, framing, response flags, details, verdicts of scanners.
from libc.stdint cimport uint8_t, uint16_t, uint32_t

# A span is an offset and a length over a buffer named where the span is kept; never a pointer.
cdef struct Span:
    uint32_t off
    uint32_t len

# Results of a leaf scanner: > 0 bytes used, or one of these.
cdef enum:
    NEED_MORE = 0
    BAD = -1

cdef enum BodyFraming:
    BODY_NONE = 0
    BODY_LENGTH = 1
    BODY_CHUNKED = 2
    BODY_UNTIL_CLOSE = 3

cdef enum Method:
    METHOD_OTHER = 0
    METHOD_GET
    METHOD_HEAD
    METHOD_POST
    METHOD_PUT
    METHOD_DELETE
    METHOD_OPTIONS
    METHOD_CONNECT
    METHOD_TRACE
    METHOD_PATCH

# Envoy's response flags, one bit each, in the order they come up in: the order they are printed in (`reply.pyx`).
cdef enum ResponseFlag:
    FLAG_NONE = 0
    FLAG_DI  = 1 << 0   # delay injected
    FLAG_FI  = 1 << 1   # abort injected
    FLAG_NR  = 1 << 2   # no route
    FLAG_NC  = 1 << 3   # cluster not found
    FLAG_UH  = 1 << 4   # no healthy upstream
    FLAG_UO  = 1 << 5   # upstream overflow
    FLAG_URX = 1 << 6   # retry limit exceeded
    FLAG_UF  = 1 << 7   # upstream connection failure
    FLAG_UC  = 1 << 8   # upstream connection termination
    FLAG_UT  = 1 << 9   # upstream request timeout
    FLAG_UPE = 1 << 10  # upstream protocol error
    FLAG_LR  = 1 << 11  # local reset
    FLAG_DPE = 1 << 12  # downstream protocol error
    FLAG_DC  = 1 << 13  # downstream connection termination
    FLAG_UR  = 1 << 14  # upstream reset the connection
    FLAG_DT  = 1 << 15  # connection duration exceeded
    FLAG_SI  = 1 << 16  # stream idle timeout
    FLAG_OM  = 1 << 17  # overload manager

# Response code details: constants, the same word in log, metric, header and test (`reply.pyx`).
cdef enum Detail:
    DETAIL_VIA_UPSTREAM = 0
    DETAIL_ROUTE_NOT_FOUND
    DETAIL_CLUSTER_NOT_FOUND
    DETAIL_NO_HEALTHY_UPSTREAM
    DETAIL_RESPONSE_TIMEOUT
    DETAIL_CONNECT_FAILURE
    DETAIL_CONNECT_TIMEOUT
    DETAIL_LOCAL_CONNECT_FAILURE
    DETAIL_CONNECTION_TERMINATION
    DETAIL_UPSTREAM_PROTOCOL_ERROR
    DETAIL_AFTER_RESPONSE_STARTED
    DETAIL_PROTOCOL_AFTER_RESPONSE_STARTED
    DETAIL_DOWNSTREAM_DISCONNECT
    DETAIL_CODEC_ERROR
    DETAIL_HEADERS_TOO_LARGE
    DETAIL_TOO_MANY_HEADERS
    DETAIL_URI_TOO_LONG
    DETAIL_MISSING_HOST
    DETAIL_INVALID_HOST
    DETAIL_BAD_FRAMING
    DETAIL_BAD_TRANSFER_ENCODING
    DETAIL_BAD_VERSION
    DETAIL_BAD_PATH
    DETAIL_ABSOLUTE_PATH_REJECTED
    DETAIL_CONNECT_NOT_SUPPORTED
    DETAIL_HEADER_TIMEOUT
    DETAIL_BODY_CODEC_ERROR
    DETAIL_LOCAL_RESET
    DETAIL_INTERNAL_ERROR
    DETAIL_DIRECT_RESPONSE
    DETAIL_CORS_RESPONSE
    DETAIL_FAULT_ABORT
    DETAIL_OVERFLOW
    DETAIL_PER_TRY_TIMEOUT
    DETAIL_BODY_TOO_LARGE
    DETAIL_STREAM_IDLE
    DETAIL_MAX_DURATION
    DETAIL_OVERLOADED
    DETAIL_PIPELINED
    # Of connections (L4)
    DETAIL_NONE
    DETAIL_CX_OVERFLOW
    DETAIL_CX_FAILURE
    DETAIL_CX_TIMEOUT
    DETAIL_CX_RESET
    DETAIL_CX_IDLE
    DETAIL_CX_DURATION
    DETAIL_COUNT
