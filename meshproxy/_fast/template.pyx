cimport cython

from .headers cimport table_find


@cython.final
cdef class Template:
    """Built from a list of str literals and (command, argument, alternative, max_length) tuples."""

    def __cinit__(self, parts):
        self.parts = []
        for part in parts:
            if isinstance(part, str):
                self.parts.append(part.encode())
            else:
                command, argument, alternative, length = part
                self.parts.append((command, argument.lower().encode(),
                                   alternative.lower().encode(), length))
        self.constant = None
        if all([isinstance(part, bytes) for part in self.parts]):
            self.constant = b"".join(self.parts)

    cdef bytes render(self, FormatView* v, dict known):
        cdef list out
        if self.constant is not None:
            return self.constant
        out = []
        for part in self.parts:
            if isinstance(part, bytes):
                out.append(part)
                continue
            command, argument, alternative, length = part
            value = self.value_of(v, known, command, argument)
            if value is None and alternative:
                value = self.value_of(v, known, command, alternative)
            if value is None:
                # Envoy prints "-" for what is missing inside a longer value, and drops a value that is all of it.
                value = b"" if len(self.parts) == 1 else b"-"
            out.append(value if length < 0 else value[:length])
        return b"".join(out)

    cdef value_of(self, FormatView* v, dict known, str command, bytes argument):
        if command == "REQ":
            if argument == b":path":
                return (v.request.base + v.request.target.off)[:v.request.target.len]
            if argument == b":method":
                return (v.request.base + v.request.method_name.off)[:v.request.method_name.len]
            if argument == b":authority":
                return (v.request.base + v.request.authority.off)[:v.request.authority.len]
            return header_value(&v.request.headers, v.request.base, argument)
        if command == "RESP":
            if v.response == NULL:
                return None
            return header_value(v.response, v.response_base, argument)
        if command == "PROTOCOL":
            return b"HTTP/1.1" if v.minor else b"HTTP/1.0"
        if command == "RESPONSE_CODE":
            return b"%d" % v.status
        return known.get(command)


# All values of a header joined by commas, or None.
cdef header_value(const HeaderTable* t, const char* base, bytes name):
    cdef int i = table_find(t, base, name, len(name), 0)
    if i < 0:
        return None
    values = []
    while i >= 0:
        values.append((base + t.fields[i].value)[:t.fields[i].value_len])
        i = table_find(t, base, name, len(name), i + 1)
    return b",".join(values)
