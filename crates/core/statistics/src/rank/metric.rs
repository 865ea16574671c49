//! What a metric means, by the words of its name.

/// The meaning of a metric: which direction is bad, and whether it spreads from a callee to its callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetricKind {
    /// Time to answer, including the node's own calls. Rises at the cause and at everything that calls it.
    Latency,
    /// CPU used. Rises at the cause only.
    Cpu,
    /// Memory used.
    Memory,
    /// Disk, pools, queues, connections, throttling, restarts: limits that a node reaches.
    Saturation,
    /// Failed requests, as a share or a rate. Spreads like latency.
    Errors,
    /// Share of requests that succeeded, 0 to 1 or 0 to 100: failures are what is missing.
    Availability,
    /// Requests received. Falls where callers stop calling.
    Traffic,
    /// Not judged: network bytes follow the traffic, latency of a node's own calls belongs to its callees.
    Other,
}

impl MetricKind {
    /// Reads the kind from the words of a name, whatever separates them: `latency_p90_seconds`, `cpu-percent`,
    /// `http.server.duration`.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let lower = name.to_lowercase();
        let words: Vec<&str> =
            lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let starts =
            |stems: &[&str]| words.iter().any(|word| stems.iter().any(|stem| word.starts_with(stem)));
        let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
        if has(&["client", "outgoing", "egress", "uptime", "age"]) {
            Self::Other
        } else if starts(&["cpu"]) {
            Self::Cpu
        } else if starts(&["mem", "heap", "rss"]) {
            Self::Memory
        } else if starts(&["network", "packet"]) && !has(&["latency"]) {
            Self::Other
        } else if starts(&["avail", "success"]) {
            Self::Availability
        } else if starts(&["err", "fail", "fault", "5xx", "exception"]) {
            Self::Errors
        } else if starts(&["latency", "duration", "millisecond", "p50", "p90", "p95", "p99"])
            || has(&["seconds", "ms", "rt"])
            || has(&["response"]) && has(&["time"])
        {
            Self::Latency
        } else if starts(&[
            "disk",
            "saturat",
            "pool",
            "queue",
            "connection",
            "throttl",
            "restart",
            "inflight",
        ]) || has(&["io", "iops"])
        {
            Self::Saturation
        } else if starts(&["request", "response", "throughput", "traffic", "invocation", "rps", "qps"])
            || has(&["calls", "hits", "load", "rate"])
        {
            Self::Traffic
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MetricKind::{self, *};

    #[test]
    fn kinds_by_name() {
        let cases: [(MetricKind, &[&str]); 8] = [
            (
                Latency,
                &[
                    "latency_p90_seconds",
                    "server_p90_seconds",
                    "latency",
                    "Duration",
                    "response-time",
                    "http.server.duration",
                    "rt",
                ],
            ),
            (Cpu, &["cpu_percent", "cpu", "CPUUtilization", "cpu_seconds_total"]),
            (Memory, &["memory_percent", "mem", "heap_bytes", "memory_bytes"]),
            (Availability, &["availability", "success_rate"]),
            (Errors, &["error_rate", "errors", "faults", "http_5xx", "failed_requests"]),
            (Saturation, &["disk_io", "pool_in_use", "queue_length", "restarts", "io"]),
            (Traffic, &["requests_per_second", "requests", "rps", "load", "throughput"]),
            (
                Other,
                &["client_p90_seconds", "network_receive_bytes", "uptime_seconds", "", "->", "temperature"],
            ),
        ];
        for (kind, names) in cases {
            for name in names {
                assert_eq!(MetricKind::of(name), kind, "{name}");
            }
        }
    }
}
