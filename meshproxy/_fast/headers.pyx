from libc.string cimport memset, strlen

from .scan cimport *

# Names by id. A name is found by one hash of length and four bytes; the table is made collision-free below.
KNOWN = {
    H_HOST: ["host"],
    H_CONTENT_LENGTH: ["content-length"],
    H_TRANSFER_ENCODING: ["transfer-encoding"],
    H_CONNECTION: ["connection"],
    H_HOP: ["keep-alive", "proxy-connection", "upgrade", "te", "trailer"],
    H_EXPECT: ["expect"],
    H_DATE: ["date"],
    H_USER_AGENT: ["user-agent"],
    H_X_REQUEST_ID: ["x-request-id"],
    H_X_FORWARDED_FOR: ["x-forwarded-for"],
    H_X_FORWARDED_PROTO: ["x-forwarded-proto"],
    H_X_FORWARDED_HOST: ["x-forwarded-host"],
    H_ATTEMPT_COUNT: ["x-envoy-attempt-count"],
    H_UPSTREAM_SERVICE_TIME: ["x-envoy-upstream-service-time"],
    H_TUNING: [
        "x-envoy-retry-on", "x-envoy-retry-grpc-on", "x-envoy-max-retries",
        "x-envoy-retriable-status-codes", "x-envoy-retriable-header-names",
        "x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-timeout-alt-response", "x-envoy-expected-rq-timeout-ms",
        "x-envoy-upstream-alt-stat-name", "x-envoy-force-trace", "x-envoy-ip-tags",
        "x-envoy-original-url", "x-envoy-hedge-on-per-try-timeout", "x-envoy-internal",
        "x-envoy-upstream-stream-duration-ms"],
}

cdef struct KnownName:
    const char* name
    uint8_t n
    uint8_t id

cdef enum:
    KNOWN_SLOTS = 512
    CASE = 0x20                    # with this bit, letters of both cases are one

cdef KnownName known[KNOWN_SLOTS]
cdef uint32_t mul_len, mul_first, mul_mid
_kept = []     # owns the bytes that known[].name borrows


cdef inline uint32_t name_hash(const char* p, size_t n) noexcept nogil:
    cdef uint32_t first = <uint8_t>p[0] | CASE
    cdef uint32_t mid = <uint8_t>p[n // 2] | CASE
    cdef uint32_t last = <uint8_t>p[n - 1] | CASE
    cdef uint32_t late = <uint8_t>p[n - 1 - n // 4] | CASE
    return (<uint32_t>n * mul_len + first * mul_first + mid * mul_mid + (last ^ (late << 3))) % KNOWN_SLOTS


def _build_known():
    global mul_len, mul_first, mul_mid
    cdef uint32_t h
    names = [(name.encode(), hid) for hid, group in KNOWN.items() for name in group]
    for a in range(1, 64):
        for b in range(1, 64, 2):
            for c in range(1, 64, 2):
                mul_len, mul_first, mul_mid = a, b, c
                if len({name_hash(name, len(name)) for name, _ in names}) == len(names):
                    memset(known, 0, sizeof(known))
                    for name, hid in names:
                        _kept.append(name)
                        h = name_hash(name, len(name))
                        known[h].name = name
                        known[h].n = len(name)
                        known[h].id = hid
                    return
    raise ImportError("headers: no collision-free hash for the known names")


_build_known()


cdef void table_clear(HeaderTable* t) noexcept nogil:
    t.count = 0
    t.names = 0
    t.repeated = 0
    memset(t.slot, 0xff, sizeof(t.slot))


cdef HeaderId header_id(const char* name, size_t n, uint64_t* names) noexcept nogil:
    cdef uint32_t h = name_hash(name, n)
    cdef KnownName* k = &known[h]
    names[0] |= <uint64_t>1 << (h & 63)
    if k.n == n and scan_is_name(name, k.name, n):
        return <HeaderId>k.id
    return H_OTHER


cdef int table_find(const HeaderTable* t, const char* base, const char* name, size_t n,
                    int start) noexcept nogil:
    cdef int i
    for i in range(start, t.count):
        if t.fields[i].name_len == n and scan_ieq(base + t.fields[i].name, name, n):
            return i
    return -1


cdef enum:
    IDENTITY_COUNT = 8

# Who sent a request, as other proxies in front of this one say it.
cdef const char* IDENTITY[IDENTITY_COUNT]
IDENTITY[:] = [b"forwarded", b"via", b"x-real-ip", b"x-client-ip", b"x-forwarded-port", b"x-forwarded-client-cert",
               b"x-envoy-external-address", b"true-client-ip"]


cdef bint is_identity(const char* name, size_t n) noexcept nogil:
    cdef int i
    for i in range(IDENTITY_COUNT):
        if strlen(IDENTITY[i]) == n and scan_ieq(name, IDENTITY[i], n):
            return True
    return False


# A client must not be able to remove these on the way to the upstream by naming them in Connection.
cdef bint is_protected(uint8_t hid, const char* name, size_t n) noexcept nogil:
    if hid == H_OTHER:
        return is_identity(name, n)
    return hid in (H_HOST, H_CONTENT_LENGTH, H_X_REQUEST_ID, H_X_FORWARDED_FOR,
                   H_X_FORWARDED_PROTO, H_X_FORWARDED_HOST, H_EXPECT, H_DATE)


cdef bint table_names_fields(const HeaderTable* t, const char* base) noexcept nogil:
    cdef int i
    cdef size_t at, stop, n
    cdef const char* p
    for i in range(t.count):
        if t.fields[i].id != H_CONNECTION:
            continue
        at = t.fields[i].value
        stop = at + t.fields[i].value_len
        while at < stop:
            p = list_next(base, &at, stop, &n)
            if n and not (n == 5 and scan_ieq(p, b"close", 5) or n == 10 and scan_ieq(p, b"keep-alive", 10) or (
                    n == 7 and scan_ieq(p, b"upgrade", 7)) or n == 2 and scan_ieq(p, b"te", 2)):
                return True
    return False


cdef int table_connection(HeaderTable* t, const char* base) noexcept nogil:
    cdef int i, j, bits = 0, members = 0
    cdef size_t at, stop, n
    cdef const char* p
    cdef HeaderField* f
    if t.slot[<int>H_CONNECTION] < 0 and t.slot[<int>H_HOP] < 0 and t.slot[<int>H_TRANSFER_ENCODING] < 0:
        return 0
    for i in range(t.count):
        f = &t.fields[i]
        if f.id == H_HOP or f.id == H_TRANSFER_ENCODING:
            f.flags |= HF_DROP
            if f.name_len == 2:
                bits |= CONN_TE
        if f.id != H_CONNECTION:
            continue
        f.flags |= HF_DROP
        at = f.value
        stop = f.value + f.value_len
        while at < stop:
            members += 1
            if members > MAX_HEADERS:
                return -1
            p = list_next(base, &at, stop, &n)
            if n == 0:
                continue
            if n == 5 and scan_ieq(p, b"close", 5):
                bits |= CONN_CLOSE
            elif n == 10 and scan_ieq(p, b"keep-alive", 10):
                bits |= CONN_KEEP_ALIVE
            elif n == 7 and scan_ieq(p, b"upgrade", 7):
                bits |= CONN_UPGRADE
            else:
                j = table_find(t, base, p, n, 0)
                while j >= 0:
                    if not is_protected(t.fields[j].id, p, n):
                        t.fields[j].flags |= HF_DROP
                    j = table_find(t, base, p, n, j + 1)
    return bits
