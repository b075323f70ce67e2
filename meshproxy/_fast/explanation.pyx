from .headers cimport HeaderTable, table_find, HF_DROP
from .reply cimport detail_text


cdef bint take_explain(RequestHead* h) noexcept:
    cdef HeaderTable* t = &h.view.headers
    cdef int i = table_find(t, h.view.base, b"x-meshproxy-explain", 19, 0)
    if i < 0:
        return False
    t.fields[i].flags |= HF_DROP
    return t.fields[i].value_len == 1 and h.view.base[t.fields[i].value] == c'1'


cdef bytes explanation(Snapshot snapshot, Route route, Cluster cluster, Endpoint endpoint, Detail detail):
    parts = [f"generation={snapshot.generation}"]
    if route is not None:
        if route.virtual_service:
            parts.append(f"virtual_service={route.virtual_service}")
            parts.append(f"rule={route.rule}")
        if route.name:
            parts.append(f"route={route.name}")
    if cluster is not None:
        parts.append(f"cluster={cluster.name}")
    if endpoint is not None:
        parts.append(f"endpoint={endpoint.text}")
    parts.append(f"detail={(<bytes>detail_text(detail)).decode()}")
    text = "; ".join(parts).encode("ascii", "replace")
    return b"x-meshproxy-explain: %b\r\n" % text.translate(None, b"\r\n\0")
