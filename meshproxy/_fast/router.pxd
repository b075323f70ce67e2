# router.pxd: Host -> virtual host -> first route whose conditions all hold. Pure.
#
# Domains are looked up as Envoy does (ISTIO 1.6): exact, then *.suffix longest first, then "*". One
# open-addressing table holds all of them, so the cost does not grow with their number.
from libc.stdint cimport uint32_t, uint64_t

from .headers cimport RequestView
from .matcher cimport Glance
from .random cimport RandomState
from .route cimport Route

cdef enum:
    SHORT_NAME = 40

cdef union DomainName:
    char text[SHORT_NAME]
    const char* borrowed            # borrowed from DomainTable.names

cdef struct Domain:                # one cache line: all that most lookups read
    uint64_t hash
    uint32_t name_len              # "*" + suffix for a wildcard
    int default_host               # virtual host id without a known port; -1 = no route
    int first_port                 # index into DomainTable.ports
    int ports_end                  # behind the last one; 0 = free slot: ports[0] is nobody's
    DomainName name                # short up to SHORT_NAME bytes

cdef struct DomainPort:
    uint32_t port
    int virtual_host

cdef class DomainTable:
    cdef Domain* slots             # owned, freed in __dealloc__; size is a power of two
    cdef DomainPort* ports         # owned
    cdef uint64_t mask
    cdef list names                # owns the bytes that slots borrow
    cdef uint32_t* wildcard_lens   # owned: distinct lengths of suffixes, longest first
    cdef int wildcard_count
    cdef bint has_star

    cdef Domain* get(self, uint64_t hash, const char* name, size_t n) noexcept
    cdef Domain* get_wildcard(self, const char* suffix, size_t n) noexcept
    # Virtual host id for an authority ("name", "name:port", "[v6]:port"), or -1.
    cdef int find(self, const char* authority, size_t n) noexcept

cdef class VirtualHost:
    cdef readonly int id
    cdef readonly str name
    cdef readonly list routes
    cdef Route open_route          # the first of them, if it takes every request, else None
    cdef Glance* glances           # owned; parallel to routes, whose bytes they borrow

    cdef Route match(self, const RequestView* v)

# Where the last request of a host went. Addresses to be prefetched, never read through: what was there may be gone.
cdef struct Trail:
    const void* cluster
    const void* column
    const void* endpoint
    const void* endpoint_column
    const void* pool
    const void* connection

cdef struct HostEntry:             # one cache line
    void* host                     # VirtualHost, borrowed from HostTable.hosts; NULL = none of this id
    void* open_route               # its first route, if it takes every request; borrowed from the host
    Trail trail

# Virtual hosts by id; immutable, but for their trails.
cdef class HostTable:
    cdef list hosts                # VirtualHost or None
    cdef HostEntry* entries        # owned, freed in __dealloc__; parallel to hosts
    cdef int count

    cdef VirtualHost at(self, int id)
    # The host's first route whose conditions all hold, or None.
    cdef Route match(self, int id, const RequestView* v)
    # What a request to the host will read is on its way from memory, all at once; else each would be found by way of
    # the one before. NULL: so few hosts that the caches hold it anyway.
    cdef Trail* follow(self, int id) noexcept

# Combines the route's hash policies (ISTIO 3.7). 1 and out[0] set, or 0: no policy found a value. A cookie that the
# route makes is made from `remote` (the client's ip:port); its (name, value) for Set-Cookie goes to `made`.
cdef int request_hash(Route route, const RequestView* v, bytes remote, uint64_t* out, list made) except -1
