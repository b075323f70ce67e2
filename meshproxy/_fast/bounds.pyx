# name: (unit, default, least, most). Units: B bytes, ms, n pieces. least 0: may be off.
# Defaults are Envoy's where it has one (head, headers, keep-alive, upgrade-idle; body-idle is its stream_idle_timeout),
# nginx's client_header_timeout for the times of a head.
BOUNDS = {
    "request-line": ("B", 61440, 64, 61440),
    "head": ("B", 61440, 1024, 61440),
    "headers": ("n", 100, 1, 100),
    "body": ("B", 0, 0, 1 << 50),
    "first-byte": ("ms", 60_000, 0, 1 << 40),
    "head-time": ("ms", 60_000, 1, 1 << 40),
    "body-idle": ("ms", 300_000, 0, 1 << 40),
    "keep-alive": ("ms", 3_600_000, 1, 1 << 40),
    "requests-per-connection": ("n", 0, 0, 1 << 50),
    "connections": ("n", 0, 0, 1 << 50),
    "connections-per-source": ("n", 0, 0, 1 << 50),
    "pending": ("B", 65536, 4096, 1 << 30),
    "pipelined": ("n", 0, 0, 1 << 50),
    "stream-time": ("ms", 0, 0, 1 << 40),
    "upgrade-idle": ("ms", 3_600_000, 0, 1 << 40),
    "memory": ("B", 0, 0, 1 << 50),
}
NAMES = tuple(BOUNDS)


def check_bound(str name, number):
    """Raises ValueError when there is no such bound, or it cannot be `number` (bytes, ms or pieces)."""
    if name not in BOUNDS:
        raise ValueError(f"expected one of {', '.join(NAMES)}, found {name!r}")
    unit, _, least, most = BOUNDS[name]
    if not (least <= number <= most):
        unit = "" if unit == "n" else f" {unit}"
        raise ValueError(f"{name}: expected {least}{unit} to {most}{unit}, found {number}{unit}")


cdef bytes bound_text(const Bounds* b, Bound bound, uint64_t seen):
    name = NAMES[<int>bound]
    unit = BOUNDS[name][0]
    most = (<const uint64_t*>b)[<int>bound]
    if unit == "ms":
        most, seen = most // 1000, seen // 1000
    word = {"B": " bytes", "ms": " ms", "n": ""}[unit]
    return f"{name} is limited to {most}{word}, found {seen}{word}".encode()


cdef uint64_t value_of(str name, dict given) except? 0:
    unit, default, _, _ = BOUNDS[name]
    number = given.get(name, default)
    return number * 1000 if unit == "ms" else number


cdef int bounds_fill(Bounds* b, dict given) except -1:
    cdef uint64_t* field = <uint64_t*>b
    for name, number in given.items():
        check_bound(name, number)
    for i, name in enumerate(NAMES):
        field[<int>i] = value_of(name, given)
    return 0


if len(NAMES) != BOUND_COUNT or sizeof(Bounds) != BOUND_COUNT * sizeof(uint64_t):
    raise ImportError("bounds: a bound has no field, or no name")
