cimport cython

from .headers cimport table_find
from .matcher cimport Condition
from .types cimport METHOD_OPTIONS


@cython.final
cdef class Cors:
    """Built from CorsData."""

    def __cinit__(self, data):
        self.origins = [Condition(("header", "origin", op, value, False, False))
                        for op, value in data["origins"]]
        self.methods = data["methods"].encode()
        self.allowed = data["headers"].encode()
        self.exposed = data["expose"].encode()
        self.max_age = data["max_age"].encode()
        self.has_credentials = data["credentials"]
        self.ignores_unmatched = data["ignore_unmatched"]

    cdef int judge(self, const RequestView* v, list lines) except -1:
        cdef bytes origin = value_of(v, b"origin")
        cdef bytes method = value_of(v, b"access-control-request-method")
        cdef bint is_preflight, is_allowed = False
        cdef Condition c
        if not origin or not self.origins:
            return 0
        is_preflight = v.method == METHOD_OPTIONS and len(method) > 0
        for c in self.origins:
            if c.test(origin, len(origin)) or c.value == b"*":
                is_allowed = True
                break
        if is_allowed:
            lines.append((b"access-control-allow-origin", origin))
            if self.exposed:
                lines.append((b"access-control-expose-headers", self.exposed))
        elif not is_preflight or not self.ignores_unmatched:
            return 0
        if self.has_credentials:
            lines.append((b"access-control-allow-credentials", b"true"))
        if not is_preflight:
            return 2
        if self.methods:
            lines.append((b"access-control-allow-methods",
                          method if self.methods == b"*" else self.methods))
        if self.allowed:
            asked = value_of(v, b"access-control-request-headers")
            lines.append((b"access-control-allow-headers",
                          asked if self.allowed == b"*" else self.allowed))
        if self.max_age:
            lines.append((b"access-control-max-age", self.max_age))
        return 1


cdef bytes value_of(const RequestView* v, bytes name):
    cdef int i = table_find(&v.headers, v.base, name, len(name), 0)
    if i < 0:
        return b""
    return (v.base + v.headers.fields[i].value)[:v.headers.fields[i].value_len]
