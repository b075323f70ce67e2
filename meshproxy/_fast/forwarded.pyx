from .clib.socket cimport AF_INET, AF_INET6, inet_pton
from .headers cimport *

# A request id from outside is made anew, as Envoy does at the edge.
MESH_ONLY = frozenset((
    b"x-request-id", b"x-envoy-internal", b"x-envoy-external-address", b"x-envoy-decorator-operation",
    b"x-envoy-downstream-service-cluster", b"x-envoy-downstream-service-node", b"x-envoy-original-path",
    b"x-envoy-original-host"))
TRUSTED_ONLY = frozenset((b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-client-cert"))
TRACE = frozenset((b"traceparent", b"tracestate"))


cdef list forwarded_for(const RequestView* v):
    cdef const HeaderTable* t = &v.headers
    cdef int i = t.slot[<int>H_X_FORWARDED_FOR]
    cdef list entries = []
    while i >= 0:
        entries += (v.base + t.fields[i].value)[:t.fields[i].value_len].split(b",")
        i = table_find(t, v.base, b"x-forwarded-for", 15, i + 1)
    return entries


cdef bytes client_address(const RequestView* v, const char* peer, size_t n, int hops):
    cdef unsigned char address[16]
    cdef list entries
    if v.headers.slot[<int>H_X_FORWARDED_FOR] >= 0:
        entries = forwarded_for(v)
        if len(entries) > hops:
            entry = (<bytes>entries[len(entries) - 1 - hops]).strip()
            if inet_pton(AF_INET, entry, address) == 1:
                return entry + b":0"
            if inet_pton(AF_INET6, entry, address) == 1:
                return b"[" + entry + b"]:0"
    return peer[:n] if n else b""


cdef bint is_address(bytes text) noexcept:
    cdef unsigned char address[16]
    return inet_pton(AF_INET, text, address) == 1 or inet_pton(AF_INET6, text, address) == 1


cdef bytes edge_head(const RequestHead* h, bytes peer, int hops, bint begins_trace):
    cdef const RequestView* v = &h.view
    cdef const HeaderTable* t = &v.headers
    cdef const HeaderField* f
    cdef int i
    cdef list lines = [v.base[:t.fields[0].name]] if t.count else [v.base[:h.head_len - 2]]
    entries = [entry.strip() for entry in forwarded_for(v)]
    client = peer
    if 0 < hops <= len(entries) and is_address(entries[len(entries) - hops]):
        client = entries[len(entries) - hops]
    dropped = MESH_ONLY
    if hops == 0:
        dropped = dropped | TRUSTED_ONLY | TRACE if begins_trace else dropped | TRUSTED_ONLY
    for i in range(t.count):
        f = &t.fields[i]
        name = (v.base + f.name)[:f.name_len]
        if f.id != H_X_FORWARDED_FOR and name.lower() not in dropped:
            lines.append(b"%b: %b\r\n" % (name, (v.base + f.value)[:f.value_len]))
    if peer:
        entries.append(peer)
    if entries:
        lines.append(b"x-forwarded-for: %b\r\n" % b", ".join(entries))
    if hops == 0 or t.slot[<int>H_X_FORWARDED_PROTO] < 0:
        lines.append(b"x-forwarded-proto: http\r\n")
    if client:
        lines.append(b"x-envoy-external-address: %b\r\n" % client)
    lines.append(b"\r\n")
    return b"".join(lines)
