//! One service as the edge serves it, and the judgement of a request for it.

use crate::agent::is_bot;
use crate::chance::{mix, of_text};
use crate::facts::{Class, Facts, Limit, Quota, Refusal, Verdict, Who};
use crate::meters::{Account, Meters};
use crate::path::Pattern;
use crate::place::Places;
use crate::rate::Rate;
use crate::tick::Tick;
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
    /// How long one request may take until the first byte of its answer.
    pub deadline: Duration,
    /// So that two services never share an account.
    number: u64,
    visitor: Option<Rate>,
    network: Option<Rate>,
    asn: Option<Rate>,
    caller: Option<Rate>,
    all: Option<Rate>,
    deny: Places,
    /// What each of `deny` says of itself.
    denials: Arc<[Box<str>]>,
    allow: Places,
    urgent: Vec<Pattern>,
    known: Option<Known>,
}

#[derive(Clone, Debug)]
struct Known {
    method: Option<String>,
    path: Pattern,
    status: Vec<u16>,
    lasting: Duration,
}

/// Shares (of 256) of the service's limit that a class may fill: what the others leave is there for those before them.
const SHARES: [u64; 4] = [256, 240, 128, 96];

/// At most this many limits bear on one request: visitor or caller, network, autonomous system, service.
const LIMITS: usize = 4;

/// One limit that bears on a request.
#[derive(Clone, Copy)]
struct Bears {
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
        (deny, denials): (Places, Vec<Box<str>>),
        allow: Places,
    ) -> Self {
        Self {
            denials: denials.into(),
            number: of_text(&service.0),
            service,
            pool: guard.pool.clone(),
            index,
            deadline: guard.response_timeout,
            visitor: guard.client.map(Rate::new),
            network: guard.subnet.map(Rate::new),
            asn: guard.asn.map(Rate::new),
            caller: guard.caller.map(Rate::new),
            all: guard.service.map(Rate::new),
            deny,
            allow,
            urgent: guard.priority_paths.iter().map(|path| Pattern::new(path)).collect(),
            known: guard.recognize.as_ref().map(|known| Known {
                method: known.method.clone(),
                path: Pattern::new(&known.path),
                status: known.status.clone(),
                lasting: known.duration,
            }),
        }
    }

    /// Judges a request: denials first, then limits, then its rank. `chance` is any random number; it spreads Retry-After, and
    /// the luck of callers that ask for themselves.
    ///
    /// A refused request is counted nowhere, so whoever asks too often is not shut out longer for it.
    #[must_use]
    pub fn judge(&self, facts: &Facts<'_>, meters: &Meters, tick: Tick, chance: u64) -> Verdict {
        let facts = Facts { client: facts.client.to_canonical(), ..*facts };
        let own = matches!(facts.who, Who::Caller(_));
        if !own
            && !self.deny.is_empty()
            && let Some((limit, denial)) = self.denied(&facts, tick)
        {
            let denial = Some(denial);
            return Verdict::Refuse(Refusal { status: 403, limit, retry_after: None, quota: None, denial });
        }
        let class = self.class(&facts);
        let visitor = visitor(&facts);
        let mut bears = [None; LIMITS];
        self.bearing(&facts, class, visitor, meters, &mut bears);
        let refused = |bear: &Bears, debt: u64| {
            Verdict::Refuse(Refusal {
                status: 429,
                limit: bear.limit,
                retry_after: Some(bear.rate.retry_after(debt, bear.most, chance)),
                quota: Some(bear.rate.quota(bear.limit, debt)),
                denial: None,
            })
        };
        // Looking costs no write: in a flood the processors do not fight for the cells of those who are refused anyway.
        for bear in bears.iter().flatten() {
            let debt = meters.debt(bear.account, bear.rate, tick);
            if debt + bear.rate.step() > bear.most {
                return refused(bear, debt);
            }
        }
        let mut quota: Option<Quota> = None;
        for (index, bear) in bears.iter().flatten().enumerate() {
            match meters.charge(bear.account, bear.rate, bear.most, tick) {
                Ok(debt) => {
                    // What all together may is nobody's own business.
                    if quota.is_none() && bear.limit != Limit::Service {
                        quota = Some(bear.rate.quota(bear.limit, debt));
                    }
                }
                Err(debt) => {
                    for paid in bears.iter().flatten().take(index) {
                        meters.refund(paid.account, paid.rate, tick);
                    }
                    return refused(bear, debt);
                }
            }
        }
        // A program has no luck to keep: it shares in everybody's.
        let visitor = if own { mix(visitor, chance) } else { visitor };
        Verdict::Pass { class, visitor, quota }
    }

    /// The denial that holds for a client, and its number. Own callers that ask for themselves are never denied.
    fn denied(&self, facts: &Facts<'_>, tick: Tick) -> Option<(Limit, u32)> {
        let denied = self.deny.hold(facts, tick)?;
        self.allow.hold(facts, tick).is_none().then_some(denied)
    }

    /// Whether a client is denied now: asked of those whose requests were let through before a denial.
    #[must_use]
    pub fn denies(&self, client: IpAddr, country: Option<[u8; 2]>, asn: Option<u32>, tick: Tick) -> bool {
        let client = client.to_canonical();
        let facts = Facts { client, country, asn, who: Who::First, carried: None, path: "", agent: None };
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

    /// For how long a request that was answered so makes its visitor known.
    #[must_use]
    pub fn makes_known(&self, method: &str, path: &str, status: u16) -> Option<Duration> {
        let known = self.known.as_ref()?;
        let right = known.method.as_ref().is_none_or(|wanted| wanted == method)
            && known.path.matches(path)
            && known.status.contains(&status);
        right.then_some(known.lasting)
    }

    fn class(&self, facts: &Facts<'_>) -> Class {
        if facts.carried == Some(Class::Urgent) || self.urgent.iter().any(|path| path.matches(facts.path)) {
            return Class::Urgent;
        }
        match (facts.who, facts.carried) {
            (Who::Known(_) | Who::Newly(_) | Who::Caller(_), _) => Class::Known,
            // Where it came in, its own User-Agent was seen; here, that of our front end is.
            (Who::First, Some(carried)) => carried.max(Class::First),
            (Who::First, None) if is_bot(facts.agent) => Class::Bot,
            (Who::First, None) => Class::First,
        }
    }

    /// The limits that bear on a request, the narrowest first.
    fn bearing(
        &self,
        facts: &Facts<'_>,
        class: Class,
        visitor: u64,
        meters: &Meters,
        bears: &mut [Option<Bears>; LIMITS],
    ) {
        let mut add = |slot: usize, limit: Limit, rate: Option<Rate>, whose: u64, share: u64| {
            bears[slot] = rate.map(|rate| Bears {
                limit,
                rate,
                account: meters.account(self.number.wrapping_add(limit as u64), whose),
                most: rate.most(share),
            });
        };
        match facts.who {
            Who::Caller(_) => add(0, Limit::Caller, self.caller, visitor, 256),
            Who::Newly(_) if self.visitor.is_some() => {
                add(0, Limit::Visitor, self.visitor, visitor, 256);
                add(1, Limit::Visitor, self.visitor, of_address(facts.client), 256);
            }
            Who::Known(_) | Who::Newly(_) | Who::First => {
                add(0, Limit::Visitor, self.visitor, visitor, 256);
                // A known visitor answers for itself; its networks may be those of a whole town, or of the flood.
                if !matches!(facts.who, Who::Known(_)) || self.visitor.is_none() {
                    add(1, Limit::Network, self.network, network(facts.client), 256);
                    if let Some(asn) = facts.asn {
                        add(2, Limit::Asn, self.asn, u64::from(asn), 256);
                    }
                }
            }
        }
        add(3, Limit::Service, self.all, 0, SHARES[class as usize]);
    }
}

const AS_KNOWN: u64 = 1;
const AS_V4: u64 = 2;
const AS_V6: u64 = 3;
const AS_CALLER: u64 = 4;

/// The same number for the same visitor.
fn visitor(facts: &Facts<'_>) -> u64 {
    match facts.who {
        Who::Known(number) | Who::Newly(number) => mix(AS_KNOWN, number),
        Who::Caller(caller) => mix(AS_CALLER, caller.number),
        Who::First => of_address(facts.client),
    }
}

/// The same number for the same address, an IPv6 one by its /64.
fn of_address(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits())),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 64) as u64),
    }
}

/// The same number for the same /24 or /48.
fn network(client: IpAddr) -> u64 {
    match client {
        IpAddr::V4(v4) => mix(AS_V4, u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => mix(AS_V6, (v6.to_bits() >> 80) as u64),
    }
}
