# bounds.pxd: what one client may ask of the proxy: every number that `run --limit NAME=VALUE` sets. Not to be confused
# with `limits`, what a DestinationRule allows towards a cluster. 0 = no limit.
from libc.stdint cimport uint64_t

# In the order of BOUNDS (bounds.pyx); also the index of a bound's counter in the scoreboard.
cdef enum Bound:
    BOUND_REQUEST_LINE = 0
    BOUND_HEAD
    BOUND_HEADERS
    BOUND_BODY
    BOUND_FIRST_BYTE
    BOUND_HEAD_TIME
    BOUND_BODY_IDLE
    BOUND_KEEP_ALIVE
    BOUND_REQUESTS
    BOUND_CONNECTIONS
    BOUND_SOURCE
    BOUND_PENDING
    BOUND_PIPELINED
    BOUND_STREAM_TIME
    BOUND_UPGRADE_IDLE
    BOUND_MEMORY
    BOUND_COUNT

cdef struct Bounds:
    uint64_t request_line_bytes
    uint64_t head_bytes                # request or response
    uint64_t header_count
    uint64_t body_bytes
    uint64_t first_byte_us             # accept to the first byte
    uint64_t head_us                   # first to last byte of a request head
    uint64_t body_idle_us              # of a client that stopped to send its body, or to read its response
    uint64_t keep_alive_us             # between requests
    uint64_t requests                  # of one connection
    uint64_t connections               # of one listener
    uint64_t source_connections        # of one address on one listener
    uint64_t pending_bytes             # of a request body that waits for an upstream
    uint64_t pipelined                 # requests sent before the response to the first
    uint64_t stream_us                 # request head to the end, whatever happens
    uint64_t upgrade_idle_us           # no byte either way behind a 101
    uint64_t memory_bytes              # resident, of all workers

# given: {name: number} in bytes, milliseconds or pieces. ValueError.
cdef int bounds_fill(Bounds* b, dict given) except -1
# "head is limited to 61440 bytes, found 70000 bytes"; seen in the unit of the field.
cdef bytes bound_text(const Bounds* b, Bound bound, uint64_t seen)
