//! Report of a shrinking pool.

use drill::score::Served;
use drill::score::pool::{Opens, PoolScore};
use mainstay::table;

/// Its lines.
pub(crate) fn lines(score: &PoolScore) -> Vec<String> {
    let secs = |secs: Option<f64>| secs.map_or_else(|| "never".to_owned(), |secs| format!("{secs:.1} s"));
    let mut lines = vec![format!(
        "slow statement named after {}; pool named {} after its fall; idle replicas named {} after they were added",
        secs(score.statement_secs),
        secs(score.pool_secs),
        secs(score.idle_secs)
    )];
    if let Some(text) = &score.pool_text {
        lines.push(table::wrapped(text, "  ", 80));
    }
    for fix in &score.fixes {
        let [before, after] = fix.around.served.map(|share| share * 100.0);
        let times = fix.around.p50_ms.map(|[before, after]| format!(", p50 {before:.0} ms -> {after:.0} ms"));
        lines.push(format!(
            "  +{:>5.1} s  {:<30} served {before:>3.0} % -> {after:>3.0} %{}: {}; mainstay says: {}{}",
            fix.at_secs,
            fix.note,
            times.unwrap_or_default(),
            fix.measured,
            fix.judged_text(),
            if fix.is_judged_right() { "" } else { " (WRONG)" }
        ));
    }
    lines.push(format!("all well after {}; {}", secs(score.well_secs), sockets(score.sockets, score.opens)));
    if let Some(without) = &score.without_mainstay {
        let figures = sockets(without.sockets, without.opens);
        lines.push(format!("behind the plain proxy: all well after {}; {figures}", secs(without.well_secs)));
    }
    lines
}

fn sockets(sockets: Served, opens: Opens) -> String {
    format!(
        "{} of {} WebSockets connected, at most {} concurrent opens at one server (limit {}), {} opened within a second",
        sockets.served.unwrap_or(0),
        sockets.asked.unwrap_or(0),
        opens.highest,
        opens.limit,
        opens.per_sec
    )
}
