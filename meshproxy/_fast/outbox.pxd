# outbox.pxd: small messages of a batch of events, which leave together.
#
# A receive and a send push each other's code out of the processor's caches: done in groups, they find their own.
#
# Invariants:
#   (1) a handler with a message in it (is_departing) is registered: who unregisters it empties the outbox first, so
#       messages may borrow it
#   (2) bytes of a socket stay in order: who sends in another way, or hears of an event of its own, empties it first
#   (3) empty unless the reactor is running
from .clib.socket cimport iovec
from .handler cimport Handler

cdef enum:
    OUTBOX_MESSAGES = 32
    MESSAGE_BYTES = 2048           # of one message at most: a head, and a small body

cdef struct Message:
    void* handler                  # borrowed
    size_t bytes

cdef class Outbox:
    cdef Message messages[OUTBOX_MESSAGES]
    cdef readonly int count
    cdef char* memory              # owned; the messages' bytes, end to end
    cdef size_t used

    cdef inline bint has_room(self) noexcept:
        return self.count < OUTBOX_MESSAGES

    # Copies n bytes, at most MESSAGE_BYTES, of a handler that has no message here; there must be room.
    cdef void put(self, Handler h, const iovec* parts, int part_count, size_t n) noexcept
    # Every message leaves, in the order they came.
    cdef void empty(self) noexcept
