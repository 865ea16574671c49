//! What happened to the pages of an incident.

use engine::views::PagingFact;
use jiff::tz::TimeZone;
use types::time::formatted;

/// The text of a fact, with times in `timezone`.
pub(crate) fn text(fact: &PagingFact, timezone: &TimeZone) -> String {
    match fact {
        PagingFact::Opened { page, escalation } => format!("{page} opened with escalation {escalation}"),
        PagingFact::Step { step, people, until } => {
            let whom = people.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let whom = if whom.is_empty() { "nobody" } else { &whom };
            let until = formatted(*until, timezone, "%H:%M:%S");
            format!("step {}: {whom}; the next step is due at {until}", step.saturating_add(1))
        }
        PagingFact::Attempted { person, channel, failure } => {
            let whom = person.as_ref().map_or("fallback", |person| person.0.as_str());
            match failure {
                None => {
                    format!("{whom} over {channel}: accepted by the provider, not acknowledged yet")
                }
                Some(why) => format!("{whom} over {channel}: failed: {why}"),
            }
        }
        PagingFact::Acknowledged { by } => format!("{by} acknowledged"),
        PagingFact::AcknowledgementWithdrawn => super::timeline::WITHDRAWN.to_owned(),
        PagingFact::Closed { page } => format!("{page} closed"),
    }
}
