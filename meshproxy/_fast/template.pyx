cimport cython

from .headers cimport HF_DROP, table_find


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

    cdef bytes render(self, FormatView* v, dict known, list lines):
        cdef list out
        if self.constant is not None:
            return self.constant
        out = []
        for part in self.parts:
            if isinstance(part, bytes):
                out.append(part)
                continue
            command, argument, alternative, length = part
            value = self.value_of(v, known, lines, command, argument)
            if value is None and alternative:
                value = self.value_of(v, known, lines, command, alternative)
            if value is not None:          # Envoy >= 1.40 prints nothing for what is missing
                out.append(value if length < 0 else value[:length])
        return b"".join(out)

    cdef value_of(self, FormatView* v, dict known, list lines, str command, bytes argument):
        if command == "REQ":
            if argument == b":path":
                return (v.request.base + v.request.target.off)[:v.request.target.len]
            if argument == b":method":
                return (v.request.base + v.request.method_name.off)[:v.request.method_name.len]
            if argument in (b":authority", b"host"):
                if "AUTHORITY" in known:
                    return known["AUTHORITY"]
                return (v.request.base + v.request.authority.off)[:v.request.authority.len]
            return header_value(&v.request.headers, v.request.base, argument,
                                lines if v.response == NULL else [])
        if command == "RESP":
            if v.response == NULL:
                return None
            return header_value(v.response, v.response_base, argument, lines)
        if command == "PROTOCOL":
            return b"HTTP/1.1" if v.minor else b"HTTP/1.0"
        if command == "RESPONSE_CODE":
            return b"%d" % v.status
        return known.get(command)


# Value of the first line of a header, as earlier steps left it, or None.
cdef header_value(const HeaderTable* t, const char* base, bytes name, list lines):
    cdef int i = table_find(t, base, name, len(name), 0)
    while i >= 0:
        if not t.fields[i].flags & HF_DROP:
            return (base + t.fields[i].value)[:t.fields[i].value_len]
        i = table_find(t, base, name, len(name), i + 1)
    for written, value in lines:
        if written.lower() == name:
            return value
    return None
