from .headers cimport HeaderTable, table_find
from .reply cimport detail_body, detail_text, flags_text, status_reason


cdef bint wants_json(const RequestHead* h) except -1:
    cdef const HeaderTable* t = &h.view.headers
    cdef int i = table_find(t, h.view.base, b"accept", 6, 0)
    while i >= 0:
        value = (h.view.base + t.fields[i].value)[:t.fields[i].value_len].lower()
        for item in value.split(b","):
            name = item.partition(b";")[0].strip()
            if name == b"application/json" or name.endswith(b"+json"):
                return True
        i = table_find(t, h.view.base, b"accept", 6, i + 1)
    return False


cdef bytes reason_text(Detail detail, bytes more):
    cdef bytes text = <bytes>detail_body(detail)
    return b"%b: %b" % (text, more) if more is not None else text


cdef bytes reason_json(uint32_t status, uint32_t flags, Detail detail, bytes text):
    return b'{"status":%d,"flags":"%b","detail":"%b","message":"%b"}\n' % (
        status, flags_text(flags).encode(), <bytes>detail_text(detail), text or <bytes>status_reason(status))
