# headers.pxd: a header list as a table of spans over a buffer, common to every codec. Order is kept.
# Invariants:
#   (1) every span lies inside [0, size) of the buffer that was parsed; the table holds no pointer
#   (2) slot[id] is the first field with that id, or -1; repeated has its bit if there is another
#   (3) fields[i].name is a token, fields[i].value holds no CR, LF, NUL or other control byte but HTAB
from libc.stdint cimport int16_t, uint8_t, uint16_t, uint32_t, uint64_t

from .scan cimport scan_find
from .types cimport Method, Span

cdef enum:
    MAX_HEADERS = 100          # Envoy's max_request_headers_count

# Headers the proxy reads or rewrites. One id may stand for several names that are treated alike.
cdef enum HeaderId:
    H_OTHER = 0
    H_HOST
    H_CONTENT_LENGTH
    H_TRANSFER_ENCODING
    H_CONNECTION
    H_HOP                      # keep-alive, proxy-connection, upgrade, te, trailer: never forwarded
    H_EXPECT
    H_DATE
    H_USER_AGENT
    H_X_REQUEST_ID
    H_X_FORWARDED_FOR
    H_X_FORWARDED_PROTO
    H_X_FORWARDED_HOST
    H_ATTEMPT_COUNT            # x-envoy-attempt-count
    H_UPSTREAM_SERVICE_TIME    # x-envoy-upstream-service-time
    H_TUNING                   # x-envoy-* that only a trusted caller may send (ISTIO 3.14)
    H_COUNT

cdef struct HeaderField:
    uint32_t name
    uint32_t value
    uint32_t value_len
    uint16_t name_len
    uint8_t id
    uint8_t flags

cdef enum HeaderFlag:
    HF_DROP = 1                # hop-by-hop, or named by Connection
    HF_PLAIN = 2               # the line reads "name: value" CRLF exactly: may be copied whole

cdef struct HeaderTable:
    int count
    uint64_t names             # a bit for each name by its hash: a clear bit means that none is here
    uint32_t repeated
    int16_t slot[H_COUNT]
    HeaderField fields[MAX_HEADERS]

# What a request says, whatever the version. Spans are over `base`.
cdef struct RequestView:
    const char* base           # borrowed: valid during the call that got the view
    Method method
    Span method_name
    Span path                  # without query
    Span query                 # without "?"; len 0 and off 0 = none
    Span target                # path and query as sent: what an origin-form request line holds
    Span authority             # Host, or the authority of an absolute-form target
    bint is_https              # :scheme, from X-Forwarded-Proto (ISTIO 3.14)
    HeaderTable headers

cdef void table_clear(HeaderTable* t) noexcept nogil
# Id of a name, in any case; sets its bit in names[0].
cdef HeaderId header_id(const char* name, size_t n, uint64_t* names) noexcept nogil
# Index of the first field at or after `start` with this lower-case name, or -1.
cdef int table_find(const HeaderTable* t, const char* base, const char* name, size_t n,
                    int start) noexcept nogil
# Flags hop-by-hop fields and those that Connection names (RFC 9110 7.6.1) with HF_DROP. Returns bits of CONN_*,
# or -1: Connection lists more than MAX_HEADERS members, which would cost members times fields.
cdef int table_connection(HeaderTable* t, const char* base) noexcept nogil

# Whether Connection names fields of the message, so that trailers of the same name would have to go (RFC 9110 7.6.1).
cdef bint table_names_fields(const HeaderTable* t, const char* base) noexcept nogil
# The next member of a comma-separated value base[at[0]..stop), trimmed, maybe empty.
cdef inline const char* list_next(const char* base, size_t* at, size_t stop, size_t* n) noexcept nogil:
    cdef const char* p = base + at[0]
    n[0] = scan_find(p, stop - at[0], b',')
    at[0] += n[0] + 1
    while n[0] and (p[0] == b' ' or p[0] == b'\t'):
        p += 1
        n[0] -= 1
    while n[0] and (p[n[0] - 1] == b' ' or p[n[0] - 1] == b'\t'):
        n[0] -= 1
    return p

cdef enum:
    CONN_CLOSE = 1
    CONN_KEEP_ALIVE = 2
    CONN_UPGRADE = 4
    CONN_TE = 8                # a TE field is there, whether Connection names it or not
