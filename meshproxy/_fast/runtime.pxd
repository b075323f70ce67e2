# runtime.pxd: what all connections of one worker share: reactor, snapshot, scratch memory, limits, log.
#
# Invariants:
#   (1) scratch holds the bytes of the recv being handled; nobody recv()s while a handler up the stack uses them
#   (2) the gather holds the pieces of one send; between begin_send() and the send nobody else adds to it. Whoever is
#       about to add begins: a message that failed leaves there what nobody is to get
#   (3) pieces point into scratch, a Buffer or a stream's block, all of which stay until the send returned
from libc.stdint cimport int64_t, uint32_t, uint64_t

from .access_log cimport AccessLog
from .bounds cimport Bound, Bounds
from .clib.socket cimport iovec
from .handler cimport Handler
from .http1 cimport RequestHead, ResponseHead
from .intake cimport Intake
from .pipe cimport Pipe
from .random cimport RandomState
from .reactor cimport Reactor
from .scoreboard cimport ProcessColumn, Scoreboard
from .snapshot cimport Snapshot

cdef enum:
    SCRATCH_BYTES = 262144         # one recv; a third less CPU than 64 KiB for 1 MiB bodies
    BULK_BYTES = 16384             # what comes in pieces of this size goes through the pipe
    GATHER_PARTS = 64
    GATHER_SIDE = 98304            # copied bytes of one send: a head (60 KiB at most) and small pieces
    INLINE_BYTES = 4096            # a piece up to this is copied, so that the send is one send(2)
    BLOCK_BYTES = 2048             # serialised request head kept for the life of a stream
    BLOCKS_KEPT = 256

cdef class Runtime:
    cdef Reactor reactor
    cdef Snapshot snapshot         # the current one; a stream keeps its own
    cdef Scoreboard scoreboard
    cdef ProcessColumn* column     # this worker's; borrowed from the scoreboard
    cdef readonly int worker
    cdef RandomState random
    cdef AccessLog log             # None = off
    cdef bint is_draining
    cdef bint explains             # x-meshproxy-explain: 1 is answered with the decision
    cdef bint adds_lines           # some response may get a header line that its route does not know of
    cdef Intake intake
    cdef Bounds bounds
    cdef bint is_shedding          # memory is short: new requests get 503
    cdef uint64_t resident_bytes   # of all workers, as Overload saw it last
    cdef RequestHead request       # parse target, valid during one call
    cdef ResponseHead response     # parse target, valid during one call
    cdef readonly int downstream_count
    cdef readonly int upstream_count
    cdef readonly int stream_count
    cdef readonly int mirror_count
    cdef size_t mirror_bytes       # of copies that did not leave yet
    cdef object on_health_event    # callable taking a dict, or None
    cdef set mirrors               # owns the Mirrors in flight
    cdef Handler spare_stream      # Streams that ended, to be used again: the first of a chain, or None
    cdef int spare_count

    cdef Pipe pipe
    cdef char* scratch             # owned
    cdef char* side                # owned
    cdef size_t side_used
    cdef iovec parts[GATHER_PARTS]
    cdef int part_count
    cdef size_t gathered
    cdef int send_flags            # of the gather: MSG_MORE where the pipe's bytes follow at once
    cdef void** blocks             # owned free list of BLOCK_BYTES blocks
    cdef int block_count
    cdef char date[32]             # IMF-fixdate of second date_s
    cdef uint64_t date_s

    cdef void drop_spares(self) noexcept
    # An event of Cluster.report, or None; what the callable raises is nobody's who serves a request.
    cdef void tell_health(self, dict event) noexcept

    # Counts it, and says so in words that name the bound, its number and what was seen (bytes, us or pieces).
    cdef bytes exceeded(self, Bound bound, uint64_t seen)

    cdef void begin_send(self) noexcept
    # Room for n contiguous bytes in the send; commit with gather_wrote. NULL when the side buffer is full.
    cdef char* gather_room(self, size_t n) noexcept
    cdef void gather_wrote(self, size_t n) noexcept
    # Adds a piece; False when the gather is full (the caller sends and goes on).
    cdef bint gather_add(self, const char* p, size_t n) noexcept
    cdef char* take_block(self, size_t n) except NULL
    cdef void give_block(self, char* block, size_t n) noexcept
    cdef const char* http_date(self) noexcept
