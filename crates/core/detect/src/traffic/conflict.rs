//! Limits that fight: a service that refuses one of our own callers.

use crate::tally::Opening;
use crate::traffic::Says;
use crate::traffic::flow::Flow;
use std::time::Duration;
use types::time::{between, earlier};
use types::{Config, Fault, Severity, Time};

/// Refusals are counted over so long.
const SPAN: Duration = Duration::from_secs(10);
/// Fewer refusals than this in that time say nothing. There are few where the edge holds the visitors back.
const REFUSALS_MIN: u64 = 5;
/// One caller is hit when it gets this share of them.
const PERCENT_MIN: u64 = 50;
/// Seen this often in a row, so that one burst is not called a fight.
const SEEN_MIN: u32 = 2;
/// Over when hardly any refusal hit it for so long: the edge holds back those for whom a caller is refused, and tries again
/// after a while whether more may be let through.
const CALM: Duration = Duration::from_secs(30);
const CALM_REFUSALS: u64 = 2;

/// What was counted of one service since boot.
#[derive(Debug, Default)]
pub(crate) struct Conflict {
    seen: u32,
    since: Option<Time>,
    calm_since: Option<Time>,
}

impl Conflict {
    /// What the newest roll-up says.
    pub(crate) fn judge(&mut self, config: &Config, flow: &Flow, now: Time) -> Says {
        let sum = flow.sum(SPAN);
        // A caller's refusals are counted among all; a count that says otherwise is from another second.
        let callers = flow.callers(SPAN);
        let Some((caller, refused)) = callers.iter().max_by_key(|(_, refused)| refused.count) else {
            return self.calm(now);
        };
        let all = sum.with_429().max(refused.count);
        let is_hit = all >= REFUSALS_MIN && refused.count * 100 >= all * PERCENT_MIN;
        if !is_hit {
            self.seen = 0;
            self.since = None;
            if refused.count <= CALM_REFUSALS {
                return self.calm(now);
            }
            self.calm_since = None;
            return Says::Unsure;
        }
        self.calm_since = None;
        // Only a roll-up with refusals of its own counts: the rest of the window has been seen before.
        let newest = flow.callers(Duration::ZERO).get(*caller).is_some_and(|newest| newest.count > 0);
        if newest {
            self.seen = self.seen.saturating_add(1);
            self.since.get_or_insert(earlier(now, flow.sum(Duration::ZERO).span));
        }
        if self.seen < SEEN_MIN {
            return Says::Unsure;
        }
        let percent = u8::try_from(refused.count * 100 / all.max(1)).unwrap_or(100).min(100);
        let fault = Fault::LimitConflict {
            caller: caller.0.clone(),
            percent,
            trace: refused.trace.clone(),
            limits: refused.limits.clone(),
        };
        // What serves visitors for a service hurts them; a job of nobody's service can wait.
        let serves = config.callers.get(*caller).is_some_and(|caller| caller.service.is_some());
        let severity = if serves { Severity::Critical } else { Severity::Warning };
        let evidence = format!(
            "{} of {all} refusals with 429 in {} s hit {caller}: {} by the edge's limits, {} by servers in all",
            refused.count,
            sum.span.as_secs(),
            sum.limited,
            sum.server_429
        );
        Says::Wrong(Opening { fault, severity, since: self.since.unwrap_or(now), evidence })
    }

    fn calm(&mut self, now: Time) -> Says {
        self.seen = 0;
        self.since = None;
        let since = *self.calm_since.get_or_insert(now);
        if between(since, now) >= CALM { Says::Right } else { Says::Unsure }
    }
}

/// Whether a person would want to hear that a conflict has become another.
pub(crate) fn is_news(was: &Fault, now: &Fault) -> bool {
    let (
        Fault::LimitConflict { caller: c0, trace: t0, limits: l0, .. },
        Fault::LimitConflict { caller: c1, trace: t1, limits: l1, .. },
    ) = (was, now)
    else {
        return true;
    };
    c0 != c1 || (t0.is_none() && t1.is_some()) || l1.len() > l0.len()
}
