from .clib.system cimport atomic_add
from .scoreboard cimport SEAT_LISTENERS, SEAT_SOURCES


cdef inline uint32_t listener_seat(int listener_id) noexcept:
    return min(<uint32_t>listener_id, SEAT_LISTENERS - 1)


cdef inline uint32_t source_seat(uint64_t source, int row) noexcept:
    return SEAT_LISTENERS + row * SEAT_SOURCES + <uint32_t>(source >> (32 * row)) % SEAT_SOURCES


cdef uint64_t taken(Scoreboard board, uint32_t seat) noexcept:
    cdef uint64_t sum = 0
    cdef int worker
    for worker in range(1, board.workers + 1):
        sum += board.seats(worker)[seat]
    return sum


cdef bint take_listener_seat(Scoreboard board, int worker, int listener_id, uint64_t most) noexcept:
    atomic_add(&board.seats(worker)[listener_seat(listener_id)], 1)
    if taken(board, listener_seat(listener_id)) <= most:
        return True
    leave_listener_seat(board, worker, listener_id)
    return False


cdef void leave_listener_seat(Scoreboard board, int worker, int listener_id) noexcept:
    board.seats(worker)[listener_seat(listener_id)] -= 1


cdef bint take_source_seat(Scoreboard board, int worker, uint64_t source, uint64_t most) noexcept:
    cdef uint32_t first = source_seat(source, 0), second = source_seat(source, 1)
    atomic_add(&board.seats(worker)[first], 1)
    atomic_add(&board.seats(worker)[second], 1)
    if min(taken(board, first), taken(board, second)) <= most:
        return True
    leave_source_seat(board, worker, source)
    return False


cdef void leave_source_seat(Scoreboard board, int worker, uint64_t source) noexcept:
    board.seats(worker)[source_seat(source, 0)] -= 1
    board.seats(worker)[source_seat(source, 1)] -= 1
