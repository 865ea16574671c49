//! One service as the edge serves it, and the judgement of a request for it.

use crate::facts::{Class, Facts, Identity, Limit, Quota, Refusal, Verdict};
use crate::meters::{Account, Meters};
use crate::path_pattern::PathPattern;
use crate::random::{hash_text, mix};
use crate::rate::Rate;
use crate::source_rules::SourceRules;
use crate::tick::Tick;
use crate::user_agent::is_bot;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use types::{PoolId, ServiceId, config};

/// A service as the edge serves it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The service.
    pub service: ServiceId,
    /// The servers behind it.
    pub pool: PoolId,
    /// Its place among the routes of this policy. Another policy may place it elsewhere.
    pub index: usize,
    /// How long one request may take until the first byte of its response.
    pub deadline: Duration,
    /// So that two services never share an account.
    number: u64,
    client: Option<Rate>,
    subnet: Option<Rate>,
    asn: Option<Rate>,
    caller: Option<Rate>,
    all: Option<Rate>,
    deny: SourceRules,
    /// What each of `deny` says of itself.
    denials: Arc<[Box<str>]>,
    allow: SourceRules,
    priority_paths: Vec<PathPattern>,
    recognize: Option<Recognize>,
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

/// One limit that limits on a request.
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
        guard: &config::Guard,
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
                lasting: rule.lasting,
            }),
        }
    }

    /// Judges a request: denials first, then limits, then its rank. `chance` is any random number; it spreads Retry-After, and
    /// the luck of callers that ask for themselves.
    ///
    /// A refused request is counted nowhere, so whoever asks too often is not shut out longer for it.
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
        // Looking costs no write: in a flood the processors do not fight for the cells of those who are refused anyway.
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
                    // What all together may is nobody's own business.
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
        // A program has no luck to keep: it shares in everybody's.
        let client = if own { mix(client, chance) } else { client };
        Verdict::Pass { class, client, quota }
    }

    /// The denial that holds for a client, and its number. Declared callers that ask for themselves are never denied.
    fn denied(&self, facts: &Facts<'_>, tick: Tick) -> Option<(Limit, u32)> {
        let denied = self.deny.matching(facts, tick)?;
        self.allow.matching(facts, tick).is_none().then_some(denied)
    }

    /// Whether a client is denied now: asked of those whose requests were let through before a denial.
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
        };
        !self.deny.is_empty() && self.denied(&facts, tick).is_some()
    }

    /// A denial in words: its number where the team made it, what it denies, by whom and until when.
    #[must_use]
    pub fn denial(&self, number: u32) -> Option<&str> {
        self.denials.get(number as usize).map(|text| &**text)
    }

    /// A number of the service that stays the same from policy to policy.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// For how long a request that was answered so makes its client known.
    #[must_use]
    pub fn recognizes(&self, method: &str, path: &str, status: u16) -> Option<Duration> {
        let rule = self.recognize.as_ref()?;
        let right = rule.method.as_ref().is_none_or(|wanted| wanted == method)
            && rule.path.matches(path)
            && rule.status.contains(&status);
        right.then_some(rule.lasting)
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
            // Where it came in, its own User-Agent was seen; here, that of our front end is.
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
                // A recognized client answers for itself; its networks may be those of a whole town, or of the flood.
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

const AS_RECOGNIZED: u64 = 1;
const AS_V4: u64 = 2;
const AS_V6: u64 = 3;
const AS_CALLER: u64 = 4;

/// The same number for the same client.
fn client_number(facts: &Facts<'_>) -> u64 {
    match facts.identity {
        Identity::Recognized(number) | Identity::NewlyRecognized(number) => mix(AS_RECOGNIZED, number),
        Identity::Caller(caller) => mix(AS_CALLER, caller.number),
        Identity::FirstTime => of_address(facts.address),
    }
}

/// The same number for the same address, an IPv6 one by its /64.
fn of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 64) as u64),
    }
}

/// The same number for the same /24 or /48.
fn subnet_number(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 80) as u64),
    }
}
