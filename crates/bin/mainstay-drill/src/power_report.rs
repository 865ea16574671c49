//! Report of a power cut.

use drill::score::power::{Creeping, Entries, Maintenance, PowerScore, Updates};

/// Its lines.
pub(crate) fn lines(score: &PowerScore) -> Vec<String> {
    let secs = |secs: Option<f64>| secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
    let Creeping { named_secs, crash_secs, percent } = score.creeping;
    let share = percent.map_or_else(|| "no share".to_owned(), |percent| format!("{percent:.0} %"));
    let Entries { made, offline, recorded, twice, repeated, .. } = score.entries;
    let Maintenance { incidents, pages } = score.maintenance;
    let Updates { published, expected, received, twice: sent_twice, .. } = score.updates;
    vec![
        format!("named by the audit before the cut: {}", score.named_before.join(", ")),
        format!(
            "after its return mainstay named the loss after {} and paged after {}; promotion named after {}, wrong \
             connection after {}",
            secs(score.loss_secs),
            secs(score.first_page_secs),
            secs(score.promotion_secs),
            secs(score.connection_secs)
        ),
        format!(
            "creeping slowness named after {}, crash after {} ({share} of the time)",
            secs(named_secs),
            secs(crash_secs)
        ),
        format!(
            "entries: {recorded} of {made} recorded ({offline} made offline), {twice} twice, {repeated} deliveries repeated \
             over {} kills of the edge",
            score.edge_kills
        ),
        format!("maintenance: {incidents} incidents held, {pages} pages"),
        format!("{published} updates: subscribers got {received} of {expected}, {sent_twice} twice"),
    ]
}
