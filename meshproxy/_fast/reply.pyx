from libc.string cimport memcpy, strlen

from .types cimport *

cdef enum:
    FLAG_COUNT = 18

cdef const char* FLAG_NAMES[FLAG_COUNT]
FLAG_NAMES[:] = [b"DI", b"FI", b"NR", b"NC", b"UH", b"UO", b"URX", b"UF", b"UC", b"UT", b"UPE", b"LR", b"DPE",
                 b"DC", b"UR", b"DT", b"SI", b"OM"]


# (detail, body): Envoy's words where Envoy has them (ISTIO 3.13), else a short reason.
cdef const char* DETAILS[DETAIL_COUNT]
cdef const char* BODIES[DETAIL_COUNT]
cdef int filled = 0


cdef void fill(Detail detail, const char* text, const char* body) noexcept:
    global filled
    DETAILS[<int>detail] = text
    BODIES[<int>detail] = body
    filled += 1


fill(DETAIL_VIA_UPSTREAM, "via_upstream", "")
fill(DETAIL_ROUTE_NOT_FOUND, "route_not_found", "")
fill(DETAIL_CLUSTER_NOT_FOUND, "cluster_not_found", "")
fill(DETAIL_NO_HEALTHY_UPSTREAM, "no_healthy_upstream", "no healthy upstream")
fill(DETAIL_RESPONSE_TIMEOUT, "response_timeout", "upstream request timeout")
fill(DETAIL_CONNECT_FAILURE,
     "upstream_reset_before_response_started{remote_connection_failure}",
     "upstream connect error or disconnect/reset before headers. "
     "reset reason: remote connection failure")
fill(DETAIL_CONNECT_TIMEOUT,
     "upstream_reset_before_response_started{connection_timeout}",
     "upstream connect error or disconnect/reset before headers. "
     "reset reason: connection timeout")
fill(DETAIL_LOCAL_CONNECT_FAILURE,
     "upstream_reset_before_response_started{local_connection_failure}",
     "upstream connect error or disconnect/reset before headers. "
     "reset reason: local connection failure")
fill(DETAIL_CONNECTION_TERMINATION,
     "upstream_reset_before_response_started{connection_termination}",
     "upstream connect error or disconnect/reset before headers. "
     "reset reason: connection termination")
fill(DETAIL_UPSTREAM_PROTOCOL_ERROR,
     "upstream_reset_before_response_started{protocol_error}",
     "upstream connect error or disconnect/reset before headers. reset reason: protocol error")
fill(DETAIL_AFTER_RESPONSE_STARTED,
     "upstream_reset_after_response_started{connection_termination}", "")
fill(DETAIL_PROTOCOL_AFTER_RESPONSE_STARTED,
     "upstream_reset_after_response_started{protocol_error}", "")
fill(DETAIL_DOWNSTREAM_DISCONNECT, "downstream_remote_disconnect", "")
fill(DETAIL_CODEC_ERROR, "http1.codec_error", "Bad Request")
fill(DETAIL_HEADERS_TOO_LARGE, "http1.headers_too_large", "Request Header Fields Too Large")
fill(DETAIL_TOO_MANY_HEADERS, "http1.too_many_headers", "Request Header Fields Too Large")
fill(DETAIL_URI_TOO_LONG, "http1.uri_too_long", "URI Too Long")
fill(DETAIL_MISSING_HOST, "missing_host_header", "")
fill(DETAIL_INVALID_HOST, "invalid_host_header", "Bad Request")
fill(DETAIL_BAD_FRAMING, "http1.inconsistent_framing", "Bad Request")
fill(DETAIL_BAD_TRANSFER_ENCODING, "http1.invalid_transfer_encoding", "Not Implemented")
fill(DETAIL_BAD_VERSION, "http1.unsupported_version", "HTTP Version Not Supported")
fill(DETAIL_BAD_PATH, "path_normalization_failed", "")
fill(DETAIL_ABSOLUTE_PATH_REJECTED, "absolute_path_rejected", "")
fill(DETAIL_CONNECT_NOT_SUPPORTED, "connect_not_supported", "Not Implemented")
fill(DETAIL_HEADER_TIMEOUT, "request_header_timeout", "request header timeout")
fill(DETAIL_BODY_CODEC_ERROR, "http1.body_codec_error", "Bad Request")
fill(DETAIL_LOCAL_RESET, "upstream_reset_before_response_started{local_reset}",
     "upstream connect error or disconnect/reset before headers. reset reason: local reset")
fill(DETAIL_INTERNAL_ERROR, "internal_error", "Internal Server Error")
fill(DETAIL_DIRECT_RESPONSE, "direct_response", "")
fill(DETAIL_CORS_RESPONSE, "cors_response", "")
fill(DETAIL_FAULT_ABORT, "fault_filter_abort", "fault filter abort")
fill(DETAIL_OVERFLOW, "upstream_reset_before_response_started{overflow}",
     "upstream connect error or disconnect/reset before headers. reset reason: overflow")
fill(DETAIL_PER_TRY_TIMEOUT, "upstream_per_try_timeout", "upstream request timeout")
fill(DETAIL_NONE, "-", "")
fill(DETAIL_CX_OVERFLOW, "connection_overflow", "")
fill(DETAIL_CX_FAILURE, "connection_failure", "")
fill(DETAIL_CX_TIMEOUT, "connection_timeout", "")
fill(DETAIL_CX_RESET, "upstream_remote_reset", "")
fill(DETAIL_CX_IDLE, "tcp_session_idle_timeout", "")
fill(DETAIL_CX_DURATION, "duration_timeout", "")
fill(DETAIL_BODY_TOO_LARGE, "request_payload_too_large", "Payload Too Large")
fill(DETAIL_STREAM_IDLE, "stream_idle_timeout", "stream timeout")
fill(DETAIL_MAX_DURATION, "max_duration_timeout", "downstream duration timeout")
fill(DETAIL_OVERLOADED, "overload", "overloaded")
fill(DETAIL_PIPELINED, "http1.too_many_pipelined", "Too Many Requests")
if filled != DETAIL_COUNT:
    raise ImportError("reply: a detail has no text")

cdef const char* REASONS[600]
cdef const char* UNKNOWN = "Unknown"
for _status in range(600):
    REASONS[_status] = UNKNOWN


cdef void reason(uint32_t status, const char* text) noexcept:
    REASONS[status] = text


reason(100, "Continue")
reason(200, "OK")
reason(204, "No Content")
reason(301, "Moved Permanently")
reason(302, "Found")
reason(303, "See Other")
reason(304, "Not Modified")
reason(307, "Temporary Redirect")
reason(308, "Permanent Redirect")
reason(400, "Bad Request")
reason(403, "Forbidden")
reason(404, "Not Found")
reason(408, "Request Timeout")
reason(413, "Content Too Large")
reason(414, "URI Too Long")
reason(421, "Misdirected Request")
reason(426, "Upgrade Required")
reason(429, "Too Many Requests")
reason(431, "Request Header Fields Too Large")
reason(500, "Internal Server Error")
reason(501, "Not Implemented")
reason(502, "Bad Gateway")
reason(503, "Service Unavailable")
reason(504, "Gateway Timeout")
reason(505, "HTTP Version Not Supported")


cdef const char* detail_text(Detail detail) noexcept nogil:
    return DETAILS[<int>detail]


cdef const char* detail_body(Detail detail) noexcept nogil:
    return BODIES[<int>detail]


cdef const char* status_reason(uint32_t status) noexcept nogil:
    return REASONS[status] if status < 600 else UNKNOWN


cdef uint32_t put_flags(char* out, uint32_t flags) noexcept nogil:
    cdef uint32_t n = 0, i, width
    if flags == 0:
        out[0] = b'-'
        return 1
    for i in range(FLAG_COUNT):
        if flags & (1 << i):
            if n:
                out[n] = b','
                n += 1
            width = <uint32_t>strlen(FLAG_NAMES[i])
            memcpy(out + n, FLAG_NAMES[i], width)
            n += width
    return n


cdef str flags_text(uint32_t flags):
    cdef char out[64]
    cdef uint32_t n = put_flags(out, flags)
    return out[:n].decode()
