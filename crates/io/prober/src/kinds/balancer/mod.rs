//! Pools behind other load balancers: one question to the load balancer, and its answer as members. Nothing is ever changed
//! there.
//!
//! | module | holds |
//! |---|---|
//! | `http` | one bounded GET |
//! | `socket` | `show stat` on the runtime socket of HAProxy |
//! | `unusable` | why an answer cannot be used, and the next step |
//! | `selection` | which of several pools of an answer is meant |
//! | `haproxy`, `nginx_plus`, `caddy`, `envoy`, `traefik`, `prometheus`, `kubernetes` | one format each: bytes to members |

mod caddy;
mod envoy;
mod haproxy;
mod http;
mod kubernetes;
mod nginx_plus;
mod prometheus;
mod selection;
mod socket;
mod traefik;
mod unusable;

use self::http::Http;
use crate::names::Names;
use crate::setup::{Clock, SetupError};
use selection::Selection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use text::truncate;
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::config::{BalancerAddress, BalancerKind, ExternalPool};
use types::fault::Phase;
use types::pool::{MemberState, PoolMember, PoolSeen};
use unusable::Unusable;

/// Members that are read of one pool.
const MEMBERS_MAX: usize = 2_000;
/// Longest name of a member, and longest reason.
const NAME_MAX: usize = 100;
const WHY_MAX: usize = 200;

/// What an answer says about the pool.
#[derive(Debug, Default, PartialEq, Eq)]
struct Members {
    queued: u64,
    members: Vec<PoolMember>,
}

/// A pool of the configuration, and the client that asks its load balancer.
pub(crate) struct WatchedPool {
    pool: ExternalPool,
    way: Way,
    clock: Clock,
}

enum Way {
    Http(Box<Http>),
    Socket(PathBuf),
}

impl WatchedPool {
    /// Reads certificates and secrets once, so that a missing one is reported at the start. Sends nothing.
    ///
    /// # Errors
    /// A file, a secret or a URL of the pool cannot be used.
    pub(crate) fn new(
        pool: &ExternalPool,
        extra_ca_files: &[PathBuf],
        names: &Arc<Names>,
        clock: &Clock,
    ) -> Result<Self, SetupError> {
        let way = match &pool.balancer.at {
            BalancerAddress::Socket(path) => Way::Socket(path.clone()),
            BalancerAddress::Url(url) => {
                Way::Http(Box::new(Http::new(pool, url, extra_ca_files, Arc::clone(names))?))
            }
        };
        Ok(Self { pool: pool.clone(), way, clock: Arc::clone(clock) })
    }

    /// The pool as declared.
    pub(crate) fn pool(&self) -> &ExternalPool {
        &self.pool
    }

    /// Asks the load balancer once. Ends at the deadline.
    ///
    /// # Errors
    /// It does not answer, or its answer is not usable ([`Fault::PoolUnseen`], with the next step).
    pub(crate) async fn look(&self, deadline: Instant) -> Result<PoolSeen, Fault> {
        let asked = timeout_at(deadline, self.ask()).await;
        let Members { queued, members } =
            asked.map_err(|_| Fault::TimedOut { phase: Phase::FirstByte })??;
        Ok(PoolSeen { at: (self.clock)(), queued, members: self.wanted(members)? })
    }

    async fn ask(&self) -> Result<Members, Fault> {
        let selection =
            Selection { backend: self.pool.backend.as_deref(), pool: &self.pool.id.0, now: (self.clock)() };
        let kind = self.pool.balancer.kind;
        let http = match &self.way {
            Way::Socket(path) => {
                return Ok(haproxy::members(&socket::show_stat(path).await?, &selection)?);
            }
            Way::Http(http) => http,
        };
        let members = match kind {
            BalancerKind::Caddy => return caddy::ask(http).await,
            BalancerKind::Haproxy => haproxy::members(&http.get(None).await?, &selection),
            BalancerKind::NginxPlus => {
                nginx_plus::members(&http.get(Some("/api/9/http/upstreams")).await?, &selection)
            }
            BalancerKind::Envoy => {
                envoy::members(&http.get(Some("/clusters?format=json")).await?, &selection)
            }
            BalancerKind::Traefik => {
                traefik::members(&http.get(Some("/api/http/services?per_page=1000")).await?, &selection)
            }
            BalancerKind::Kubernetes => {
                let path = kubernetes::path(&selection);
                kubernetes::members(&http.get(Some(&path)).await?, &selection)
            }
            BalancerKind::Prometheus => {
                let series = self.pool.balancer.series.as_ref();
                prometheus::members(&http.get(Some("/metrics")).await?, series)
            }
        };
        Ok(members?)
    }

    /// The members that count, each once and in order, and those that are missing.
    fn wanted(&self, members: Vec<PoolMember>) -> Result<Vec<PoolMember>, Fault> {
        let declared = &self.pool.members;
        if declared.is_empty() && members.len() > MEMBERS_MAX {
            return Err(Unusable::TooMany { members: members.len(), max: MEMBERS_MAX }.into());
        }
        let missing = declared.iter().map(|name| {
            let why = Some("the load balancer does not list it".to_owned());
            PoolMember { why, ..PoolMember::new(name.as_str(), MemberState::Absent) }
        });
        let mut wanted: BTreeMap<String, PoolMember> =
            missing.map(|member| (member.name.clone(), member)).collect();
        for member in members {
            if declared.is_empty() || wanted.contains_key(&member.name) {
                wanted.insert(member.name.clone(), member);
            }
        }
        let shortened = |member: PoolMember| PoolMember {
            name: truncate::chars(&member.name, NAME_MAX),
            why: member.why.map(|why| truncate::chars(why.trim(), WHY_MAX)).filter(|why| !why.is_empty()),
            ..member
        };
        Ok(wanted.into_values().map(shortened).collect())
    }
}

/// Name, state and reason of each member, one a line.
#[cfg(test)]
fn states(read: &Members) -> String {
    let one = |member: &PoolMember| format!("{} {} {:?}", member.name, member.state.as_str(), member.why);
    read.members.iter().map(one).collect::<Vec<_>>().join("\n")
}
