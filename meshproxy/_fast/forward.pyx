from datetime import datetime, timezone

from libc.stdlib cimport free, malloc

cimport cython

from .edits cimport HeaderEdits, drop_header, lines_bytes
from .encode cimport HeadChanges, encode_bound, request_encode
from .headers cimport HF_DROP, HeaderTable, table_find
from .template cimport FormatView
from .types cimport BODY_NONE


@cython.final
cdef class Origin:
    def __cinit__(self):
        self.remote = self.cluster = self.host = b""


cdef dict known_values(Route route, Origin origin):
    now = datetime.now(timezone.utc)
    return {
        "START_TIME": now.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ" % (now.microsecond // 1000),
        "ROUTE_NAME": route.log_name or None,
        "UPSTREAM_CLUSTER": origin.cluster or None,
        "UPSTREAM_HOST": origin.host or None,
        "DOWNSTREAM_REMOTE_ADDRESS": origin.remote or None,
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
            origin.remote.rpartition(b":")[0].strip(b"[]") or None,
    }


cdef bytes edited_request(Route route, int arm, RequestHead* h, Origin origin, RandomState* random,
                          Span* request_id):
    cdef FormatView v
    cdef HeadChanges changes
    cdef HeaderEdits step
    cdef list lines = []
    cdef bytes target = b"", authority = route.authority_of(arm), own = route.arm_authority(arm), was, text
    cdef HeaderEdits arm_step = route.arm_request_edits[arm] if route.arm_request_edits else None
    cdef size_t bound, head_end
    cdef char* out
    v.request = &h.view
    v.response = NULL
    v.response_base = NULL
    v.minor = h.minor
    v.status = 0
    was = (h.view.base + h.view.authority.off)[:h.view.authority.len]
    if origin.intake is not None and origin.intake.marks:
        lines = origin.intake.mark_request(h, random)
    steps = route.request_steps(arm)
    if steps:
        known = known_values(route, origin)
        for step in steps:
            # An arm's Host is in force once the arm's own operations ran, the route's after all.
            if own and step is not arm_step:
                known["AUTHORITY"] = own
            lines = step.apply(&h.view.headers, h.view.base, &v, known, lines)
    if route.rewrite is not None and route.rewrite.kind:
        target = route.rewrite.target(&h.view)
    if target:
        set_original(lines, h, b"x-envoy-original-path",
                     (h.view.base + h.view.target.off)[:h.view.target.len])
    if route.rewrite is not None and route.rewrite.authority:   # not for an arm's alone
        set_original(lines, h, b"x-envoy-original-host", own or was)
        if origin.intake is not None and origin.intake.adds_host:
            lines = with_host(lines, h, own or was)
    text = lines_bytes(lines)
    changes.target, changes.target_len = target, len(target)
    changes.authority, changes.authority_len = authority, len(authority)
    changes.lines, changes.lines_len = text, len(text)
    head_end = h.view.target.off + h.view.target.len + 16
    if h.view.headers.count:
        head_end = h.view.headers.fields[h.view.headers.count - 1].value + (
            h.view.headers.fields[h.view.headers.count - 1].value_len)
    bound = encode_bound(head_end, &h.view.headers) + len(target) + len(authority) + len(text)
    out = <char*>malloc(bound)
    if out == NULL:
        raise MemoryError()
    try:
        return out[:request_encode(out, h, &changes, route.timeout_us, random, request_id)]
    finally:
        free(out)


# The last member is not said twice, as in Envoy.
cdef list with_host(list lines, RequestHead* h, bytes was):
    cdef HeaderTable* t = &h.view.headers
    cdef list members = []
    cdef int i = table_find(t, h.view.base, b"x-forwarded-host", 16, 0)
    while i >= 0:
        if not t.fields[i].flags & HF_DROP:
            members.append((h.view.base + t.fields[i].value)[:t.fields[i].value_len])
        i = table_find(t, h.view.base, b"x-forwarded-host", 16, i + 1)
    members += [value for name, value in lines if name.lower() == b"x-forwarded-host"]
    if members and (<bytes>members[len(members) - 1]).rpartition(b",")[2].strip() == was:
        return lines
    drop_header(t, h.view.base, b"x-forwarded-host")
    return [line for line in lines if line[0].lower() != b"x-forwarded-host"] + [
        (b"x-forwarded-host", b",".join(members + [was]))]


# What the client says of it is not believed.
cdef int set_original(list lines, RequestHead* h, bytes name, bytes value) except -1:
    drop_header(&h.view.headers, h.view.base, name)
    lines.append((name, value))
    return 0


cdef bytes response_lines(Route route, int arm, ResponseHead* h, RequestHead* request, Origin origin):
    cdef FormatView v
    cdef RequestHead none
    cdef HeaderEdits step
    cdef list lines = []
    steps = route.response_steps(arm)
    if not steps:
        return b""
    if request == NULL:
        none.view.headers.count = 0
        none.view.target.len = none.view.method_name.len = none.view.authority.len = 0
        none.view.target.off = none.view.method_name.off = none.view.authority.off = 0
        none.view.base = b""
        none.minor = 1
        request = &none
    v.request = &request.view
    v.response = &h.headers
    v.response_base = h.base
    v.minor = request.minor
    v.status = h.status
    known = known_values(route, origin)
    for step in steps:
        lines = step.apply(&h.headers, h.base, &v, known, lines)
    return lines_bytes(lines)
