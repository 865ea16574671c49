//! Limit conflicts: a service that rate-limits one of its own callers.

use crate::alert::{Decision, NewAlert};
use crate::traffic::flow::Flow;
use std::time::Duration;
use types::time::{between, earlier};
use types::{Config, Fault, Severity, Time};

/// Window over which refusals are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Minimum of refusals within the window. There are few if the edge already limits the clients.
const REFUSALS_MIN: u64 = 5;
/// Minimum share of one caller, in per cent.
const PERCENT_MIN: u64 = 50;
/// Consecutive roll-ups that open an alert: one burst is no conflict.
const REPEATS: u32 = 2;
/// Resolved when the caller had almost no refusals for this long, and the edge forwards all that comes.
const QUIET_FOR: Duration = Duration::from_secs(30);
const QUIET_REFUSALS: u64 = 2;

/// Counters of one service since boot.
#[derive(Debug, Default)]
pub(crate) struct LimitConflict {
    repeats: u32,
    since: Option<Time>,
    quiet_since: Option<Time>,
}

impl LimitConflict {
    /// Judges the newest roll-up. `throttled`: the edge forwards less to the caller of the open alert because servers
    /// refused more; there are no refusals meanwhile, and they return when it tries to forward more.
    pub(crate) fn judge(&mut self, config: &Config, flow: &Flow, throttled: bool, now: Time) -> Decision {
        let decision = self.judge_refusals(config, flow, now);
        match decision {
            Decision::Keep | Decision::Resolve if throttled => {
                self.quiet_since = None;
                Decision::Keep
            }
            decision => decision,
        }
    }

    fn judge_refusals(&mut self, config: &Config, flow: &Flow, now: Time) -> Decision {
        let sum = flow.sum(WINDOW);
        // The total includes the caller's refusals; a smaller total is from another second.
        let callers = flow.callers(WINDOW);
        let Some((caller, refused)) = callers.iter().max_by_key(|(_, refused)| refused.count) else {
            return self.quiet(now);
        };
        let all = sum.with_429().max(refused.count);
        let is_conflict = all >= REFUSALS_MIN && refused.count * 100 >= all * PERCENT_MIN;
        if !is_conflict {
            self.repeats = 0;
            self.since = None;
            if refused.count <= QUIET_REFUSALS {
                return self.quiet(now);
            }
            self.quiet_since = None;
            return Decision::Keep;
        }
        self.quiet_since = None;
        // Only a roll-up with refusals of its own counts as a repeat: the rest of the window was counted before.
        let newest = flow.callers(Duration::ZERO).get(*caller).is_some_and(|newest| newest.count > 0);
        if newest {
            self.repeats = self.repeats.saturating_add(1);
            self.since.get_or_insert(earlier(now, flow.sum(Duration::ZERO).span));
        }
        if self.repeats < REPEATS {
            return Decision::Keep;
        }
        let percent = u8::try_from(refused.count * 100 / all.max(1)).unwrap_or(100).min(100);
        let fault = Fault::LimitConflict {
            caller: caller.0.clone(),
            percent,
            trace: refused.trace.clone(),
            limits: refused.limits.clone(),
        };
        // Critical if the caller works for a service with clients; a batch job can wait.
        let serves = config.callers.get(*caller).is_some_and(|caller| caller.service.is_some());
        let severity = if serves { Severity::Critical } else { Severity::Warning };
        let evidence = format!(
            "{} of {all} responses with 429 in {} s went to {caller}; in total {} by limits of the edge, {} by servers",
            refused.count,
            sum.span.as_secs(),
            sum.limited,
            sum.server_429
        );
        Decision::Raise(NewAlert { fault, severity, since: self.since.unwrap_or(now), evidence })
    }

    fn quiet(&mut self, now: Time) -> Decision {
        self.repeats = 0;
        self.since = None;
        let since = *self.quiet_since.get_or_insert(now);
        if between(since, now) >= QUIET_FOR { Decision::Resolve } else { Decision::Keep }
    }
}

/// Whether an open alert should be updated: another caller, or new facts.
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
