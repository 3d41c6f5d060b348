-- One line for wrk.py. Only `done` is defined: a `request` or `response` here would be called for
-- every request and make wrk, which shares the cores with the servers, several times as expensive.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nSUMMARY {"requests": %d, "microseconds": %d, "bytes": %d, "p99_us": %d, "connect": %d, '
      .. '"read": %d, "write": %d, "timeout": %d, "status": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status
  ))
end
