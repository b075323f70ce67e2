# template.pxd: a header value with %...% variables, as Envoy formats them. Python objects: only routes that ask pay.
from .headers cimport HeaderTable, RequestView

# What a template may look at; borrowed for the call. response is NULL for request headers.
cdef struct FormatView:
    const RequestView* request
    const HeaderTable* response
    const char* response_base
    int minor
    unsigned int status

cdef class Template:
    cdef list parts                # bytes literals and tuples (command, argument, alternative, max length or -1)
    cdef bytes constant            # the whole value when nothing is variable, else None

    # The value, b"" when a variable has none and nothing else stands there. `known` holds what is not in a header:
    # command name -> bytes; `lines` are what earlier steps added to the head that is edited.
    cdef bytes render(self, FormatView* v, dict known, list lines)
    cdef value_of(self, FormatView* v, dict known, list lines, str command, bytes argument)
