cimport cython

from .bounds cimport BOUND_CONNECTIONS, BOUND_SOURCE
from .clib.socket cimport AF_INET, sockaddr_in


@cython.final
cdef class Admission:
    def __cinit__(self, Runtime rt):
        self.rt = rt
        self.open_count = 0
        self.by_source = {}

    cdef bytes admit(self, const sockaddr_in6* remote):
        cdef bytes key = b""
        if self.rt.bounds.connections and self.open_count >= self.rt.bounds.connections:
            self.rt.column.exceeded[<int>BOUND_CONNECTIONS] += 1
            return None
        if self.rt.bounds.source_connections:
            if remote.sin6_family == AF_INET:
                key = (<char*>&(<sockaddr_in*>remote).sin_addr)[:4]
            else:
                key = (<char*>&remote.sin6_addr)[:16]
            if self.by_source.get(key, 0) >= self.rt.bounds.source_connections:
                self.rt.column.exceeded[<int>BOUND_SOURCE] += 1
                return None
            self.by_source[key] = self.by_source.get(key, 0) + 1
        self.open_count += 1
        return key

    cdef void leave(self, bytes key) noexcept:
        self.open_count -= 1
        if key:
            self.by_source[key] -= 1
            if self.by_source[key] == 0:
                del self.by_source[key]
