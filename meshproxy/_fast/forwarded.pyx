from .clib.socket cimport AF_INET, AF_INET6, inet_pton
from .headers cimport *


cdef bytes client_address(const RequestView* v, const char* peer, size_t n):
    cdef HeaderTable* t = <HeaderTable*>&v.headers
    cdef int i = t.slot[<int>H_X_FORWARDED_FOR], last = -1
    cdef unsigned char address[16]
    while i >= 0:
        last = i
        i = table_find(t, v.base, b"x-forwarded-for", 15, i + 1)
    if last >= 0:
        entry = (v.base + t.fields[last].value)[:t.fields[last].value_len].rpartition(b",")[2].strip()
        if inet_pton(AF_INET, entry, address) == 1:
            return entry + b":0"
        if inet_pton(AF_INET6, entry, address) == 1:
            return b"[" + entry + b"]:0"
    return peer[:n] if n else b""
