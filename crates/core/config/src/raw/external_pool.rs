//! `[pool.NAME]` with `from`: a pool behind another load balancer.

use crate::diagnostics::Diagnostics;
use crate::raw::pool::RawPool;
use crate::suggest::shown;
use types::PoolId;
use types::config::{Balancer, BalancerAddress, BalancerKind, ExternalPool, Series};

/// Keys by which the edge serves a pool.
const OF_THE_EDGE: [&str; 6] =
    ["servers", "protocol", "tls", "health", "max_concurrency", "initial_concurrency"];
/// Keys by which another load balancer is asked.
const OF_A_BALANCER: [&str; 8] =
    ["backend", "members", "metric", "member_label", "token", "login", "ca_file", "interval"];

impl RawPool {
    /// Whether it is behind another load balancer.
    pub(crate) fn is_external(&self) -> bool {
        self.written.has("from")
    }

    /// Checks that the keys fit together.
    pub(crate) fn check_source(&self, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let name = shown(&written.path);
        if !self.is_external() {
            if !written.has("servers") {
                let message = format!("{name} lacks `servers`");
                let hint = "for example: servers = [\"10.0.0.11:8080\"], or from = \"haproxy:...\" if another load balancer has them";
                diagnostics.missing(written.place.clone(), message, hint);
            }
            for key in OF_A_BALANCER.into_iter().filter(|key| written.has(key)) {
                let message = format!("`{key}` belongs to a pool of another load balancer");
                let hint = "add from = \"haproxy:http://10.0.0.2:8404/stats;csv\", or remove it";
                diagnostics.conflict(written.key_place(key), message, hint);
            }
            return;
        }
        for key in OF_THE_EDGE.into_iter().filter(|key| written.has(key)) {
            let message = format!("{name} has `from`, so that its load balancer decides on `{key}`");
            diagnostics.conflict(written.key_place(key), message, "keep one of them");
        }
        if let Some((kind, at)) = &self.from {
            self.check_names(*kind, diagnostics);
            self.check_secrets(*kind, at, diagnostics);
        }
    }

    /// Checks how the pool is found in the answer.
    fn check_names(&self, kind: BalancerKind, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let name = shown(&written.path);
        match (kind, self.metric.is_some()) {
            (BalancerKind::Prometheus, false) => diagnostics.missing(
                written.place.clone(),
                format!("{name} lacks `metric`"),
                "which series are its members: metric = 'up{job=\"api\"}'",
            ),
            (BalancerKind::Prometheus, true) => {}
            (_, _) => {
                for key in ["metric", "member_label"].into_iter().filter(|key| written.has(key)) {
                    let message = format!("`{key}` is for from = \"prometheus:...\"");
                    diagnostics.conflict(written.key_place(key), message, "remove it");
                }
            }
        }
        let has_no_names = matches!(kind, BalancerKind::Prometheus | BalancerKind::Caddy);
        if has_no_names && written.has("backend") {
            let message = format!("{} has no names for pools", kind.as_str());
            let hint = match kind {
                BalancerKind::Prometheus => "select by labels: metric = 'up{job=\"api\"}'",
                _ => "name the members: members = [\"10.0.0.11:8080\"]",
            };
            diagnostics.conflict(written.key_place("backend"), message, hint);
        }
    }

    /// Checks how the load balancer is asked.
    fn check_secrets(&self, kind: BalancerKind, at: &BalancerAddress, diagnostics: &mut Diagnostics) {
        let written = &self.written;
        let is_plain = matches!(at, BalancerAddress::Url(url) if url.starts_with("http://"));
        let secrets = ["token", "login"].into_iter().filter(|key| written.has(key));
        match secrets.collect::<Vec<_>>().as_slice() {
            [_, second] => {
                diagnostics.conflict(
                    written.key_place(second),
                    "both `token` and `login`",
                    "keep one of them",
                );
            }
            [only] if matches!(at, BalancerAddress::Socket(_)) => {
                let message = format!("`{only}` is not used with a socket");
                diagnostics.conflict(written.key_place(only), message, "remove it");
            }
            [only] if is_plain && kind == BalancerKind::Kubernetes => {
                let message = format!("`{only}` would be sent without TLS");
                diagnostics.conflict(written.key_place(only), message, "use https");
            }
            _ => {}
        }
        if written.has("ca_file") && (is_plain || matches!(at, BalancerAddress::Socket(_))) {
            diagnostics.conflict(
                written.key_place("ca_file"),
                "`ca_file` is for https",
                "use https, or remove it",
            );
        }
    }

    /// The pool behind another load balancer; complete when no problem is reported.
    pub(crate) fn resolve_external(self, name: String) -> Option<ExternalPool> {
        let (kind, at) = self.from?;
        let member_label = self.member_label;
        Some(ExternalPool {
            id: PoolId(name),
            balancer: Balancer {
                kind,
                at,
                token: self.token,
                login: self.login,
                ca_file: self.ca_file,
                series: self.metric.map(|series| Series { member_label, ..series }),
            },
            backend: self.backend,
            members: self.members,
            min_healthy: self.min_healthy,
        })
    }
}
