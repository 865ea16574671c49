//! One service at the edge, and the verdict on a request for it.

use crate::client_number::{client_number, of_address, subnet_number};
use crate::facts::{Class, Facts, Identity, Limit, Quota, Refusal, Verdict};
use crate::meters::{Account, Meters};
use crate::offline::OfflinePaths;
use crate::path_pattern::PathPattern;
use crate::random::{hash_text, mix};
use crate::rate::Rate;
use crate::source_rules::SourceRules;
use crate::tick::Tick;
use crate::user_agent::is_bot;
use crate::valve::Valve;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use types::config::CacheRule;
use types::{PoolId, ServiceId, config};

/// A service as the edge serves it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The service.
    pub service: ServiceId,
    /// The servers behind it.
    pub pool: PoolId,
    /// Its index among the routes of this policy. Another policy may place it elsewhere.
    pub index: usize,
    /// The longest time to first byte of a request.
    pub deadline: Duration,
    /// Separates the accounts of services.
    number: u64,
    client: Option<Rate>,
    subnet: Option<Rate>,
    asn: Option<Rate>,
    caller: Option<Rate>,
    all: Option<Rate>,
    deny: SourceRules,
    /// A description of each rule of `deny`.
    denials: Arc<[Box<str>]>,
    allow: SourceRules,
    priority_paths: Vec<PathPattern>,
    recognize: Option<Recognize>,
    /// `None`: fully open.
    valve: Option<Box<Valve>>,
    cache: Vec<(PathPattern, Arc<CacheRule>)>,
    offline: Option<Box<OfflinePaths>>,
}

#[derive(Clone, Debug)]
struct Recognize {
    method: Option<String>,
    path: PathPattern,
    status: Vec<u16>,
    lasting: Duration,
}

/// Shares (of 256) of the service's limit that a class may fill: what the others leave is there for those before them.
const SHARES: [u64; 4] = [256, 240, 128, 96];

/// At most this many limits active on one request: client or caller, network, autonomous system, service.
const LIMITS: usize = 4;

/// One limit that applies to a request.
#[derive(Clone, Copy)]
struct ActiveLimit {
    limit: Limit,
    rate: Rate,
    account: Account,
    most: u64,
}

impl Route {
    pub(crate) fn new(
        index: usize,
        service: ServiceId,
        guard: &config::Traffic,
        (deny, denials): (SourceRules, Vec<Box<str>>),
        allow: SourceRules,
    ) -> Self {
        Self {
            denials: denials.into(),
            number: hash_text(&service.0),
            service,
            pool: guard.pool.clone(),
            index,
            deadline: guard.response_timeout,
            client: guard.client.map(Rate::new),
            subnet: guard.subnet.map(Rate::new),
            asn: guard.asn.map(Rate::new),
            caller: guard.caller.map(Rate::new),
            all: guard.service.map(Rate::new),
            deny,
            allow,
            priority_paths: guard.priority_paths.iter().map(|path| PathPattern::new(path)).collect(),
            recognize: guard.recognize.as_ref().map(|rule| Recognize {
                method: rule.method.clone(),
                path: PathPattern::new(&rule.path),
                status: rule.status.clone(),
                lasting: rule.duration,
            }),
            valve: None,
            cache: guard
                .cache
                .iter()
                .map(|rule| (PathPattern::new(&rule.path), Arc::new(rule.clone())))
                .collect(),
            offline: guard.offline.as_ref().map(|kit| Box::new(OfflinePaths::new(kit))),
        }
    }

    pub(crate) fn set_valve(&mut self, valve: Valve) {
        self.valve = Some(Box::new(valve));
    }

    /// The position of the valve in per cent and whether it is in limited mode, while it is not fully open.
    #[must_use]
    pub fn valve(&self) -> Option<(u8, bool)> {
        self.valve.as_ref().map(|valve| valve.position())
    }

    /// Describes the valve of the service while it is not fully open: `valve 20 %`.
    #[must_use]
    pub fn valve_text(&self) -> Option<&str> {
        self.valve.as_ref().map(|valve| valve.text())
    }

    /// Judges a request: denials first, then the valve, then limits, then its class. `chance` is any random number; it is used for
    /// jitter of Retry-After and for the sampling of callers on their own behalf.
    ///
    /// A request that is refused or held out is not counted, so a client that asks too often is not blocked longer for it.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, meters: &Meters, tick: Tick, chance: u64) -> Verdict {
        let facts = Facts { address: facts.address.to_canonical(), ..*facts };
        let own = matches!(facts.identity, Identity::Caller(_));
        if !own
            && !self.deny.is_empty()
            && let Some((limit, denial)) = self.denied(&facts, tick)
        {
            let denial = Some(denial);
            return Verdict::Refuse(Refusal { status: 403, limit, retry_after: None, quota: None, denial });
        }
        let class = self.class(&facts);
        if let Some(valve) = &self.valve
            && let Some(held) = valve.hold(&facts, class, tick, chance)
        {
            return Verdict::Hold(held);
        }
        let client = client_number(&facts);
        let mut limits = [None; LIMITS];
        self.active_limits(&facts, class, client, meters, &mut limits);
        let refused = |active: &ActiveLimit, debt: u64| {
            Verdict::Refuse(Refusal {
                status: 429,
                limit: active.limit,
                retry_after: Some(active.rate.retry_after(debt, active.most, chance)),
                quota: Some(active.rate.quota(active.limit, debt)),
                denial: None,
            })
        };
        // Reading first costs no write: in a flood the processors do not compete for the cells of clients that are
        // refused anyway.
        for active in limits.iter().flatten() {
            let debt = meters.debt(active.account, active.rate, tick);
            if debt + active.rate.step() > active.most {
                return refused(active, debt);
            }
        }
        let mut quota: Option<Quota> = None;
        for (index, active) in limits.iter().flatten().enumerate() {
            match meters.charge(active.account, active.rate, active.most, tick) {
                Ok(debt) => {
                    // The limit of the whole service is not shown to a single client.
                    if quota.is_none() && active.limit != Limit::Service {
                        quota = Some(active.rate.quota(active.limit, debt));
                    }
                }
                Err(debt) => {
                    for paid in limits.iter().flatten().take(index) {
                        meters.refund(paid.account, paid.rate, tick);
                    }
                    return refused(active, debt);
                }
            }
        }
        // A program has no sampling of its own: each of its requests is sampled separately.
        let client = if own { mix(client, chance) } else { client };
        Verdict::Pass { class, client, quota }
    }

    /// Returns the denial that applies to a client, and its number. Declared callers on their own behalf are never
    /// denied.
    fn denied(&self, facts: &Facts<'_>, tick: Tick) -> Option<(Limit, u32)> {
        let denied = self.deny.matching(facts, tick)?;
        self.allow.matching(facts, tick).is_none().then_some(denied)
    }

    /// Whether a client is denied now: for clients whose requests were admitted before a denial.
    #[must_use]
    pub fn denies(&self, address: IpAddr, country: Option<[u8; 2]>, asn: Option<u32>, tick: Tick) -> bool {
        let address = address.to_canonical();
        let facts = Facts {
            address,
            country,
            asn,
            identity: Identity::FirstTime,
            forwarded_class: None,
            path: "",
            agent: None,
            is_probe: false,
        };
        !self.deny.is_empty() && self.denied(&facts, tick).is_some()
    }

    /// Describes a denial: its number where the team made it, what it denies, by whom and until when.
    #[must_use]
    pub fn denial(&self, number: u32) -> Option<&str> {
        self.denials.get(number as usize).map(|text| &**text)
    }

    /// A number of the service that stays the same from policy to policy.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns for how long a request with this response makes its client recognized.
    #[must_use]
    pub fn recognizes(&self, method: &str, path: &str, status: u16) -> Option<Duration> {
        let rule = self.recognize.as_ref()?;
        let right = rule.method.as_ref().is_none_or(|wanted| wanted == method)
            && rule.path.matches(path)
            && rule.status.contains(&status);
        right.then_some(rule.lasting)
    }

    /// Whether responses for any of its paths are cached.
    #[must_use]
    pub fn has_cache(&self) -> bool {
        !self.cache.is_empty()
    }

    /// Returns what holds for the responses of a path, given without its query; `None` where they are not cached.
    #[must_use]
    pub fn cache_rule(&self, path: &str) -> Option<&Arc<CacheRule>> {
        self.cache.iter().find(|(pattern, _)| pattern.matches(path)).map(|(_, rule)| rule)
    }

    /// Returns the paths of the service's offline kit.
    #[must_use]
    pub fn offline(&self) -> Option<&OfflinePaths> {
        self.offline.as_deref()
    }

    fn class(&self, facts: &Facts<'_>) -> Class {
        if facts.forwarded_class == Some(Class::Priority)
            || self.priority_paths.iter().any(|path| path.matches(facts.path))
        {
            return Class::Priority;
        }
        match (facts.identity, facts.forwarded_class) {
            (Identity::Recognized(_) | Identity::NewlyRecognized(_) | Identity::Caller(_), _) => {
                Class::Recognized
            }
            // Where the request entered, its own User-Agent was seen; here it is the front end's.
            (Identity::FirstTime, Some(carried)) => carried.max(Class::FirstTime),
            (Identity::FirstTime, None) if is_bot(facts.agent) => Class::Bot,
            (Identity::FirstTime, None) => Class::FirstTime,
        }
    }

    /// The limits that active on a request, the narrowest first.
    fn active_limits(
        &self,
        facts: &Facts<'_>,
        class: Class,
        client: u64,
        meters: &Meters,
        limits: &mut [Option<ActiveLimit>; LIMITS],
    ) {
        let mut add = |slot: usize, limit: Limit, rate: Option<Rate>, whose: u64, share: u64| {
            limits[slot] = rate.map(|rate| ActiveLimit {
                limit,
                rate,
                account: meters.account(self.number.wrapping_add(limit as u64), whose),
                most: rate.most(share),
            });
        };
        match facts.identity {
            Identity::Caller(_) => add(0, Limit::Caller, self.caller, client, 256),
            Identity::NewlyRecognized(_) if self.client.is_some() => {
                add(0, Limit::Client, self.client, client, 256);
                add(1, Limit::Client, self.client, of_address(facts.address), 256);
            }
            Identity::Recognized(_) | Identity::NewlyRecognized(_) | Identity::FirstTime => {
                add(0, Limit::Client, self.client, client, 256);
                // A recognized client has its own limit; its subnet may be shared with a whole town, or with the
                // flood.
                if !matches!(facts.identity, Identity::Recognized(_)) || self.client.is_none() {
                    add(1, Limit::Subnet, self.subnet, subnet_number(facts.address), 256);
                    if let Some(asn) = facts.asn {
                        add(2, Limit::Asn, self.asn, u64::from(asn), 256);
                    }
                }
            }
        }
        add(3, Limit::Service, self.all, 0, SHARES[class as usize]);
    }
}
