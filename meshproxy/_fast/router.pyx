
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp, memcpy, memset

cimport cython

from .clib.system cimport aligned_alloc
from .headers cimport table_find
from .matcher cimport *
from .random cimport rotl
from .route cimport *
from .scan cimport *
from .xxh64 cimport xxh64


cdef extern from *:
    void prefetch "__builtin_prefetch" (const void* p) noexcept nogil

cdef enum:
    MANY_HOSTS = 256               # some 20 lines each: 256 KiB, a quarter of a second-level cache

cdef enum:                         # seeds: a wildcard is found by its suffix alone
    EXACT = 0
    WILDCARD = 1


cdef uint64_t domain_hash(const char* name, size_t n) noexcept nogil:
    if n and name[0] == c'*':
        return scan_hash_lower(name + 1, n - 1, WILDCARD)
    return scan_hash_lower(name, n, EXACT)


cdef inline void prefetch_lines(const void* p, int lines) noexcept nogil:
    cdef int i
    for i in range(lines):
        prefetch(<const char*>p + 64 * i)


cdef inline const char* name_of(const Domain* d) noexcept nogil:
    return &d.name.text[0] if d.name_len <= SHORT_NAME else d.name.borrowed


@cython.final
cdef class DomainTable:
    """Built from a list of DomainData; a name given twice keeps its first meaning."""

    def __cinit__(self, domains):
        cdef uint64_t size = 16, at, hash
        cdef Domain* d
        cdef int ports_used = 1
        cdef bytes name
        while size < 2 * len(domains) + 2:
            size *= 2
        self.mask = size - 1
        self.names = []
        self.has_star = False
        self.wildcard_count = 0
        self.slots = <Domain*>aligned_alloc(sizeof(Domain), size * sizeof(Domain))
        self.ports = <DomainPort*>calloc(
            sum([len(item["ports"]) for item in domains]) + 1, sizeof(DomainPort))
        if self.slots == NULL or self.ports == NULL:
            raise MemoryError()
        memset(self.slots, 0, size * sizeof(Domain))
        lengths = set()
        for item in domains:
            name = item["domain"].lower().encode()
            hash = domain_hash(name, len(name))
            if self.get(hash, name, len(name)) != NULL:
                continue
            at = hash & self.mask
            while self.slots[at].ports_end:
                at = (at + 1) & self.mask
            d = &self.slots[at]
            d.hash = hash
            d.name_len = <uint32_t>len(name)
            if d.name_len <= SHORT_NAME:
                memcpy(d.name.text, <const char*>name, d.name_len)
            else:
                self.names.append(name)
                d.name.borrowed = name
            d.default_host = item["default"]
            d.first_port = ports_used
            for port, host in item["ports"].items():
                self.ports[ports_used].port = port
                self.ports[ports_used].virtual_host = host
                ports_used += 1
            d.ports_end = ports_used
            if name == b"*":
                self.has_star = True
            elif name[:1] == b"*":
                lengths.add(len(name) - 1)
        self.wildcard_lens = <uint32_t*>calloc(len(lengths) + 1, sizeof(uint32_t))
        if self.wildcard_lens == NULL:
            raise MemoryError()
        for length in sorted(lengths, reverse=True):
            self.wildcard_lens[self.wildcard_count] = length
            self.wildcard_count += 1

    def __dealloc__(self):
        free(self.slots)
        free(self.ports)
        free(self.wildcard_lens)

    cdef Domain* get(self, uint64_t hash, const char* name, size_t n) noexcept:
        cdef uint64_t at = hash & self.mask
        cdef Domain* d
        while True:
            d = &self.slots[at]
            if d.ports_end == 0:
                return NULL
            if d.hash == hash and d.name_len == n and (
                    memcmp(name_of(d), name, n) == 0 or scan_ieq(name_of(d), name, n)):
                return d
            at = (at + 1) & self.mask

    cdef int find(self, const char* authority, size_t n) noexcept:
        cdef size_t name_len = n, i
        cdef uint32_t port = 0, suffix
        cdef Domain* d
        cdef int k
        i = n
        while i and c'0' <= authority[i - 1] <= c'9':
            i -= 1
        if i and i < n and authority[i - 1] == c':' and n - i <= 5:
            name_len = i - 1
            for k in range(i, n):
                port = port * 10 + (authority[k] - c'0')
        elif n and authority[n - 1] == c':':
            name_len = n - 1
        d = self.get(scan_hash_lower(authority, name_len, EXACT), authority, name_len)
        if d == NULL:
            for k in range(self.wildcard_count):
                suffix = self.wildcard_lens[k]
                if suffix < name_len:
                    d = self.get_wildcard(authority + name_len - suffix, suffix)
                    if d != NULL:
                        break
            if d == NULL and self.has_star:
                d = self.get_wildcard(authority, 0)
            if d == NULL:
                return -1
        if port:
            for k in range(d.first_port, d.ports_end):
                if self.ports[k].port == port:
                    return self.ports[k].virtual_host
        return d.default_host

    # The domain "*" + suffix.
    cdef Domain* get_wildcard(self, const char* suffix, size_t n) noexcept:
        cdef uint64_t hash = scan_hash_lower(suffix, n, WILDCARD)
        cdef uint64_t at = hash & self.mask
        cdef Domain* d
        while True:
            d = &self.slots[at]
            if d.ports_end == 0:
                return NULL
            if d.hash == hash and d.name_len == n + 1 and name_of(d)[0] == c'*' and scan_ieq(
                    name_of(d) + 1, suffix, n):
                return d
            at = (at + 1) & self.mask

    def lookup(self, bytes authority):
        """Virtual host id for a Host value, or -1."""
        return self.find(authority, len(authority))


@cython.final
cdef class VirtualHost:
    def __cinit__(self, data, scoreboard):
        self.id = data["id"]
        self.name = data["name"]
        cdef Route r
        cdef Condition c
        self.routes = [Route(item, scoreboard) for item in data["routes"]]
        if self.routes and (<Route>self.routes[0]).is_open:
            self.open_route = self.routes[0]
        self.glances = <Glance*>calloc(len(self.routes) + 1, sizeof(Glance))
        if self.glances == NULL:
            raise MemoryError()
        for i, r in enumerate(self.routes):
            self.glances[i].span = <uint32_t>-1
            for c in r.conditions:
                c.narrow(&self.glances[i])

    def __dealloc__(self):
        free(self.glances)

    cdef Route match(self, const RequestView* v):
        cdef Route r
        cdef int i
        cdef uint64_t start
        if self.open_route is not None:
            return self.open_route
        start = path_word(v.base + v.path.off, v.path.len)
        for i in range(len(self.routes)):
            if glance_rejects(&self.glances[i], v, start):
                continue
            r = <Route>self.routes[i]
            if r.first_failing(v) < 0:
                return r
        return None


@cython.final
cdef class HostTable:
    def __cinit__(self, list hosts):
        cdef VirtualHost host
        self.hosts = hosts
        self.count = len(hosts)
        self.entries = <HostEntry*>aligned_alloc(sizeof(HostEntry), (self.count + 1) * sizeof(HostEntry))
        if self.entries == NULL:
            raise MemoryError()
        memset(self.entries, 0, (self.count + 1) * sizeof(HostEntry))
        for i, host in enumerate(hosts):
            if host is not None:
                self.entries[i].host = <void*>host
                if host.open_route is not None:
                    self.entries[i].open_route = <void*>host.open_route

    def __dealloc__(self):
        free(self.entries)

    cdef VirtualHost at(self, int id):
        return self.hosts[id] if 0 <= id < self.count else None

    cdef Route match(self, int id, const RequestView* v):
        cdef HostEntry* entry
        if not 0 <= id < self.count:
            return None
        entry = &self.entries[id]
        if entry.open_route != NULL:
            return <Route>entry.open_route
        return (<VirtualHost>entry.host).match(v) if entry.host != NULL else None

    cdef Trail* follow(self, int id) noexcept:
        cdef Trail* trail
        if self.count < MANY_HOSTS or not 0 <= id < self.count:
            return NULL
        trail = &self.entries[id].trail
        prefetch_lines(trail.cluster, 2)
        prefetch_lines(trail.column, 1)
        prefetch_lines(trail.endpoint, 1)
        prefetch_lines(trail.endpoint_column, 1)
        prefetch_lines(trail.pool, 2)
        prefetch_lines(trail.connection, 3)
        return trail


# All values of the header: one is hashed as it is, several are sorted and chained through the seed.
cdef int hash_header(const RequestView* v, const char* name, size_t n, uint64_t* out) except -1:
    cdef int i = table_find(&v.headers, v.base, name, n, 0)
    cdef int following
    cdef uint64_t hash = 0
    cdef bytes value
    if i < 0:
        return 0
    following = table_find(&v.headers, v.base, name, n, i + 1)
    if following < 0:
        out[0] = xxh64(v.base + v.headers.fields[i].value, v.headers.fields[i].value_len, 0)
        return 1
    values = []
    while i >= 0:
        values.append((v.base + v.headers.fields[i].value)[:v.headers.fields[i].value_len])
        i = table_find(&v.headers, v.base, name, n, i + 1)
    for value in sorted(values):
        hash = xxh64(value, len(value), hash)
    out[0] = hash
    return 1


cdef int request_hash(Route route, const RequestView* v, bytes remote, uint64_t* out, list made) except -1:
    cdef int i, found = 0, has
    cdef uint64_t one = 0
    cdef const char* value = NULL
    cdef size_t value_len = 0
    cdef HashPolicy* policy
    cdef bytes source_ip, fresh
    for i in range(route.hash_count):
        policy = &route.hash_policies[i]
        if policy.kind == HASH_HEADER:
            has = hash_header(v, policy.name, policy.name_len, &one)
        elif policy.kind == HASH_SOURCE_IP:
            source_ip = remote.rpartition(b":")[0].strip(b"[]")
            has = len(source_ip) > 0
            if has:
                one = xxh64(source_ip, len(source_ip), 0)
        else:
            if policy.kind == HASH_COOKIE:
                has = cookie_find(v, policy.name, policy.name_len, &value, &value_len)
            else:
                has = query_find(v, policy.name, policy.name_len, &value, &value_len)
            if has:
                one = xxh64(value, value_len, 0)
            elif policy.kind == HASH_COOKIE and policy.name[:policy.name_len] in route.cookies:
                fresh = b"%016x" % xxh64(remote, len(remote), 0)
                one = xxh64(fresh, 16, 0)
                has = 1
                if made is not None:
                    made.append(set_cookie(route.cookies[policy.name[:policy.name_len]], fresh))
        if has:
            out[0] = (rotl(out[0], 1) ^ one) if found else one
            found = 1
    return found


# Envoy's form: NAME="HEX"; Max-Age=TTL; Path=PATH; ATTRS; HttpOnly
cdef tuple set_cookie(spec, bytes value):
    parts = [b'%b="%b"' % (spec["name"].encode(), value)]
    if spec["ttl_s"]:
        parts.append(b"Max-Age=%d" % spec["ttl_s"])
    if spec["path"]:
        parts.append(b"Path=%b" % spec["path"].encode())
    for name, text in spec["attributes"]:
        parts.append(name.encode() + (b"=" + text.encode() if text else b""))
    parts.append(b"HttpOnly")
    return b"set-cookie", b"; ".join(parts)
