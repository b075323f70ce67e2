# RFC 9110 6.5.1: what frames a message, routes it, modifies the request, authenticates, controls the response or says
# how to read the content is read with the head or not at all. So is who the client is: a recipient that merges
# trailers into the head must not believe a client what the proxy would not have passed on.
FORBIDDEN = frozenset((
    b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer",
    b"upgrade", b"host", b"via", b"forwarded", b"x-real-ip", b"x-request-id", b"cache-control", b"expect",
    b"max-forwards", b"pragma", b"range", b"authorization", b"www-authenticate", b"authentication-info", b"cookie",
    b"set-cookie", b"age", b"expires", b"date", b"location", b"retry-after", b"vary", b"warning", b"content-encoding",
    b"content-language", b"content-location", b"content-range", b"content-type", b"content-disposition", b"accept",
    b"accept-encoding", b"origin", b"referer", b"user-agent", b"status", b"traceparent",
    b"tracestate"))
PREFIXES = (b"x-forwarded-", b"x-envoy-", b"proxy-", b"if-", b"sec-", b"access-control-")


cdef int keep_trailers(Buffer section, bint passes, uint64_t* dropped) except -1:
    cdef list lines = (<bytes>section.bytes_at()[:section.held()]).split(b"\r\n")
    section.clear()
    lines.pop()                        # behind the last CRLF
    for line in lines:
        name, _, value = line.partition(b":")
        lower = name.lower()
        if not passes or lower in FORBIDDEN or lower.startswith(PREFIXES):
            dropped[0] += 1
            continue
        kept = b"%b: %b\r\n" % (name, value.strip(b" \t"))
        section.append(kept, len(kept))
    return 0
