-- The numbers of a run as one JSON line. Only done() is defined: wrk calls no Lua per request.
function done(summary, latency, requests)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "bytes": %d, "seconds": %.6f, "p50_ms": %.4f, "p90_ms": %.4f, '
      .. '"p99_ms": %.4f, "p999_ms": %.4f, "max_ms": %.4f, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}',
    summary.requests, summary.bytes, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3, latency.max / 1e3,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
