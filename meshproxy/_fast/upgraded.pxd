# upgraded.pxd: a connection whose protocol is no longer HTTP: the sockets of one request, relayed unread (RFC 9110 7.8).
from libc.stdint cimport uint64_t

from .buffer cimport Buffer
from .relay cimport Relay
from .transport cimport Transport
from .upstream cimport UpstreamConnection, UpstreamSink

cdef class Upgraded(Relay):
    cdef UpstreamSink sink             # None once it heard of the end
    cdef UpstreamConnection upstream   # without its socket; still counted as open
    cdef uint64_t started_us           # the request

    cdef uint64_t due_us(self) noexcept

    # Takes both sockets over. early: bytes that the client sent behind its request, or None.
    cdef int open(self, Transport downstream, Buffer early) except -1
