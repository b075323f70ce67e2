cimport cython

from .headers cimport HF_DROP, table_find
from .template cimport Template


# Where a message ends and what concerns this hop: edited, two readers would read two messages. `check` says so.
FRAMING = frozenset(("connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer",
                     "transfer-encoding", "upgrade"))


@cython.final
cdef class HeaderEdits:
    """Built from HeaderEditsData: `remove` names, `set` and `add` (name, template parts) pairs."""

    def __cinit__(self, data):
        self.removed = [name.lower().encode() for name in data["remove"] if name.lower() not in FRAMING]
        self.overwritten = self.pairs(data["set"])
        self.added = self.pairs(data["add"])

    cdef list pairs(self, data):
        return [(name.encode(), name.lower().encode(), Template(parts))
                for name, parts in data if name.lower() not in FRAMING]

    cdef list apply(self, HeaderTable* t, const char* base, FormatView* v, dict known, list lines):
        cdef list out = list(lines)
        cdef bytes value
        for lower in self.removed:
            drop_header(t, base, lower)
            out = [line for line in out if line[0].lower() != lower]
        # Values are formatted against what removing left, before anything is set or added.
        ready = [(name, lower, (<Template>template).render(v, known, out), True)
                 for name, lower, template in self.overwritten]
        ready += [(name, lower, (<Template>template).render(v, known, out), False)
                  for name, lower, template in self.added]
        for name, lower, value, is_set in ready:
            if not value:
                continue
            if is_set:
                drop_header(t, base, lower)
                out = [line for line in out if line[0].lower() != lower]
            out.append((name, value))
        return out


cdef void drop_header(HeaderTable* t, const char* base, bytes lower) noexcept:
    cdef const char* name = lower
    cdef size_t n = len(lower)
    cdef int i = table_find(t, base, name, n, 0)
    while i >= 0:
        t.fields[i].flags |= HF_DROP
        i = table_find(t, base, name, n, i + 1)


cdef bytes lines_bytes(list lines):
    return b"".join([piece for name, value in lines for piece in (name, b": ", value, b"\r\n")])
