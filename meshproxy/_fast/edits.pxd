# edits.pxd: header operations of a route: remove, then set, then add (ISTIO 1.10).
# Removing and overwriting flag fields of the table with HF_DROP; what is new is returned as header lines, which the
# encoder appends. A value that comes out empty leaves the header as it was. Framing and the fields of one hop are not
# edited, whatever the route says.
from .headers cimport HeaderTable
from .template cimport FormatView

cdef class HeaderEdits:
    cdef list removed              # lower-case names, bytes
    cdef list overwritten          # (name as written, lower-case name, Template)
    cdef list added                # (name as written, lower-case name, Template)

    cdef list pairs(self, data)
    # Flags fields of `t` (over `base`) and returns `lines` with this step's lines; later steps see earlier ones.
    cdef list apply(self, HeaderTable* t, const char* base, FormatView* v, dict known, list lines)

# Header lines of a list of (name, value) pairs.
cdef bytes lines_bytes(list lines)
# Flags every field with this lower-case name.
cdef void drop_header(HeaderTable* t, const char* base, bytes lower) noexcept
