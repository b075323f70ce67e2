import math

from xxhash import xxh64_intdigest

cimport cython

from .balancer cimport Balancer, PickRequest, is_admitting
from .random cimport random_next


def build_ring(keys, weights, minimum=1024, maximum=8388608):
    """Points of a ring: sorted uint64 hashes and the uint32 index in `keys` of each, as little-endian bytes.

    `keys` are b"ip:port", `weights` integers >= 1. Source: Envoy ring_hash_lb.cc: hosts get
    floor or ceil of scale x weight points, so that running sums, not single hosts, are exact.
    """
    import array

    if not keys:
        return b"", b""
    total = sum(weights)
    normal = [w / total for w in weights]
    least = min(normal)
    scale = min(math.ceil(least * minimum) / least, float(maximum))
    points = []
    current = 0.0
    target = 0.0
    for index, key in enumerate(keys):
        target += scale * normal[index]
        i = 0
        while current < target:
            points.append((xxh64_intdigest(b"%s_%d" % (key, i)), index))
            i += 1
            current += 1.0
    points.sort()
    return (array.array("Q", [h for h, _ in points]).tobytes(),
            array.array("I", [i for _, i in points]).tobytes())


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

    cdef size_t lookup(self, uint64_t hash) noexcept:
        cdef size_t low = 0, high = self.points, middle
        while low < high:
            middle = (low + high) // 2
            if self.hashes[middle] < hash:
                low = middle + 1
            else:
                high = middle
        return low if low < self.points else 0

    cdef int pick(self, PickRequest* request) noexcept:
        cdef uint64_t hash = request.hash if request.has_hash else random_next(request.random)
        cdef size_t at = (self.lookup(hash) + request.attempt) % self.points, step
        if not request.skips_ejected:
            return <int>self.owners[at]
        for step in range(self.points):
            if is_admitting(self.set, <int>self.owners[at], request.now_us):
                return <int>self.owners[at]
            at = at + 1 if at + 1 < self.points else 0
        return -1
