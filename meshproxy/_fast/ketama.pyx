import math

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc, qsort
from libc.string cimport memcpy

cimport cython

from .balancer cimport Balancer, PickRequest
from .random cimport random_next
from .shares import shares_of
from .xxh64 cimport xxh64

cdef enum:
    MAX_KEY = 64                   # "[ipv6]:port" is 47 at most

cdef struct Point:
    uint64_t hash
    uint32_t owner


cdef int compare_points(const void* a, const void* b) noexcept nogil:
    cdef const Point* p = <const Point*>a
    cdef const Point* q = <const Point*>b
    if p.hash != q.hash:
        return -1 if p.hash < q.hash else 1
    return -1 if p.owner < q.owner else p.owner > q.owner


# Hash of key "_" i; `text` holds the key and "_" and has room for ten digits.
cdef inline uint64_t point_hash(char* text, size_t n, uint32_t i) except? 0:
    cdef char digits[10]
    cdef int count = 0, k
    while True:
        digits[count] = c'0' + i % 10
        count += 1
        i //= 10
        if i == 0:
            break
    for k in range(count):
        text[n + k] = digits[count - 1 - k]
    return xxh64(text, n + count, 0)


def build_ring(keys, weights, minimum=1024, maximum=8388608):
    """Points of a ring: sorted uint64 hashes and the uint32 index in `keys` of each, in machine order.

    `keys` are b"ip:port", `weights` integers >= 1.
    """
    return ring_of_shares(keys, shares_of(weights), minimum, maximum)


def ring_of_shares(keys, shares, minimum, maximum):
    """As build_ring, for shares of the whole.

    Source: Envoy ring_hash_lb.cc: hosts get floor or ceil of scale x share points, so that running
    sums, not single hosts, are exact.
    """
    cdef double scale, target = 0, current = 0
    cdef size_t room, count = 0, i
    cdef uint32_t owner, at
    cdef char text[MAX_KEY + 12]
    cdef bytes key, hashes, owners
    cdef Point* points
    if not keys:
        return b"", b""
    least = min(shares)
    scale = min(math.ceil(least * minimum) / least, float(maximum))
    room = <size_t>(scale * sum(shares)) + len(keys) + 1
    points = <Point*>malloc(room * sizeof(Point))
    if points == NULL:
        raise MemoryError()
    try:
        for owner, key in enumerate(keys):
            if len(key) > MAX_KEY:
                raise ValueError("ring: a key is longer than an address")
            memcpy(text, PyBytes_AS_STRING(key), len(key))
            text[len(key)] = c'_'
            target += scale * <double>shares[owner]
            at = 0
            while current < target and count < room:
                points[count].hash = point_hash(text, len(key) + 1, at)
                points[count].owner = owner
                count += 1
                at += 1
                current += 1.0
        qsort(points, count, sizeof(Point), compare_points)
        hashes = PyBytes_FromStringAndSize(NULL, count * sizeof(uint64_t))
        owners = PyBytes_FromStringAndSize(NULL, count * sizeof(uint32_t))
        for i in range(count):
            (<uint64_t*>PyBytes_AS_STRING(hashes))[i] = points[i].hash
            (<uint32_t*>PyBytes_AS_STRING(owners))[i] = points[i].owner
        return hashes, owners
    finally:
        free(points)


def ring_moved(bytes hashes, bytes owners, bytes new_hashes, bytes new_owners, names):
    """Share of all hashes whose owner is another in the new ring; `names[old owner]` is its index there, or -1."""
    cdef const uint64_t* a = <const uint64_t*>PyBytes_AS_STRING(hashes)
    cdef const uint64_t* b = <const uint64_t*>PyBytes_AS_STRING(new_hashes)
    cdef const uint32_t* of_a = <const uint32_t*>PyBytes_AS_STRING(owners)
    cdef const uint32_t* of_b = <const uint32_t*>PyBytes_AS_STRING(new_owners)
    cdef size_t n = len(hashes) // 8, m = len(new_hashes) // 8, i = 0, j = 0
    cdef uint64_t begin = 0, end
    cdef double moved = 0
    if n == 0 or m == 0:
        return 0.0 if n == m else 1.0
    while i < n or j < m:              # [begin, end]: hashes that both rings send to one point
        end = a[i] if i < n and (j == m or a[i] <= b[j]) else b[j]
        if names[of_a[i if i < n else 0]] != of_b[j if j < m else 0]:
            moved += <double>(end - begin) + 1
        begin = end + 1
        while i < n and a[i] <= end:
            i += 1
        while j < m and b[j] <= end:
            j += 1
    if names[of_a[0]] != of_b[0]:
        moved += <double>(<uint64_t>0 - begin) if begin else 0
    return moved / 18446744073709551616.0


@cython.final
cdef class RingHash(Balancer):
    """A ring over candidates; `hashes` and `owners` as build_ring gives them."""

    def __cinit__(self, bytes hashes, bytes owners, int count):
        cdef size_t i
        self.hashes_kept = hashes
        self.owners_kept = owners
        self.hashes = <const uint64_t*><const char*>hashes
        self.owners = <const uint32_t*><const char*>owners
        self.points = len(hashes) // 8
        if self.points == 0 or len(owners) != self.points * 4:
            raise ValueError("ring: expected as many owners as hashes, and at least one")
        for i in range(self.points):
            if self.owners[i] >= <uint32_t>count:
                raise ValueError("ring: a point names an endpoint that is not there")

    # Without a branch on what is compared: on a ring no guess of the processor would hold.
    cdef size_t lookup(self, uint64_t hash) noexcept:
        cdef const uint64_t* base = self.hashes
        cdef size_t left = self.points, half
        while left > 1:
            half = left // 2
            base += half * <size_t>(base[half - 1] < hash)
            left -= half
        base += base[0] < hash
        left = base - self.hashes
        return left if left < self.points else 0

    cdef int pick(self, PickRequest* request) noexcept:
        cdef uint64_t hash = request.hash if request.has_hash else random_next(request.random)
        cdef size_t at = self.lookup(hash)
        if request.attempt:
            at = (at + request.attempt) % self.points
        return <int>self.owners[at]
