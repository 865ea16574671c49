//! History of a service as bars, one per day: the height shows the lost time, not the worst state. Days without data
//! are grey and low.
//!
//! One path per kind of day keeps 90 bars at a few hundred bytes. Narrow screens show a second version with 30 days;
//! the style sheet selects one.

use crate::design::StateClass as _;
use askama::filters::HtmlSafe;
use engine::views::status_page::Day;
use std::fmt::{self, Write as _};
use std::time::Duration;
use text::escape;
use types::event::ServiceState;

/// Number of days on a narrow screen.
pub const NARROW_DAYS: usize = 30;

/// Bars of one service, for wide and narrow screens.
#[derive(Clone, Debug)]
pub struct UptimeBars {
    html: String,
}

impl UptimeBars {
    /// Draws the days, oldest first.
    #[must_use]
    pub fn new(title: &str, days: &[Day]) -> Self {
        let mut html = String::with_capacity(2048);
        draw(&mut html, "wide", title, days);
        draw(&mut html, "narrow", title, &days[days.len().saturating_sub(NARROW_DAYS)..]);
        Self { html }
    }
}

impl fmt::Display for UptimeBars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for UptimeBars {}

/// Lost time of a bad day.
const BAD: Duration = Duration::from_secs(600);
/// Lost time of a very bad day.
const VERY_BAD: Duration = Duration::from_secs(3_600);

/// Returns the state that a day is drawn as.
fn drawn_state(day: &Day) -> ServiceState {
    match day.worst {
        None | Some(ServiceState::Unknown) => ServiceState::Unknown,
        Some(_) if day.lost >= VERY_BAD => ServiceState::MajorOutage,
        Some(_) if day.lost >= BAD => ServiceState::PartialOutage,
        Some(ServiceState::Operational) => ServiceState::Operational,
        Some(ServiceState::UnderMaintenance) => ServiceState::UnderMaintenance,
        Some(_) => ServiceState::Degraded,
    }
}

/// Returns the text alternative.
fn label(title: &str, days: &[Day]) -> String {
    let count = |wanted: Option<ServiceState>| days.iter().filter(|day| day.worst == wanted).count();
    let mut parts = Vec::new();
    for (state, text) in [
        (Some(ServiceState::Operational), "operational"),
        (Some(ServiceState::UnderMaintenance), "with maintenance"),
        (Some(ServiceState::Degraded), "degraded"),
        (Some(ServiceState::PartialOutage), "with a partial outage"),
        (Some(ServiceState::MajorOutage), "with a major outage"),
    ] {
        if count(state) > 0 {
            parts.push(format!("{} {text}", count(state)));
        }
    }
    let blank = count(None) + count(Some(ServiceState::Unknown));
    if blank > 0 {
        parts.push(format!("{blank} without data"));
    }
    format!("{title}, last {} days: {}", days.len(), parts.join(", "))
}

fn draw(html: &mut String, size: &str, title: &str, days: &[Day]) {
    const STEP: usize = 10;
    let wide = days.len().max(1) * STEP - 3;
    let label = escape::html(&label(title, days));
    let _ = write!(
        html,
        "<svg class=\"uptime-bars {size}\" viewBox=\"0 0 {wide} 32\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">"
    );
    for state in [
        ServiceState::Operational,
        ServiceState::UnderMaintenance,
        ServiceState::Unknown,
        ServiceState::Degraded,
        ServiceState::PartialOutage,
        ServiceState::MajorOutage,
    ] {
        let height = match state {
            ServiceState::Operational | ServiceState::UnderMaintenance => 16,
            ServiceState::Unknown => 6,
            ServiceState::Degraded => 22,
            ServiceState::PartialOutage => 27,
            ServiceState::MajorOutage => 32,
        };
        let mut bars = String::new();
        for (place, _) in days.iter().enumerate().filter(|(_, day)| drawn_state(day) == state) {
            let _ = write!(bars, "M{} 32v-{height}h7v{height}z", place * STEP);
        }
        if !bars.is_empty() {
            let _ = write!(html, "<path class=\"{}\" d=\"{bars}\"/>", state.class());
        }
    }
    html.push_str("</svg>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn day_without_data_is_never_drawn_as_operational() {
        let day = |worst| {
            let lost = if worst == Some(ServiceState::MajorOutage) { VERY_BAD } else { Duration::ZERO };
            Day { date: date(2026, 11, 22), worst, out: lost, lost }
        };
        let days = [
            day(None),
            day(Some(ServiceState::Unknown)),
            day(Some(ServiceState::Operational)),
            day(Some(ServiceState::MajorOutage)),
        ];
        let bars = UptimeBars::new("Sign-in & \"more\"", &days).to_string();
        let (wide, narrow) = bars.split_at(bars.find("<svg class=\"uptime-bars narrow").unwrap());
        insta::assert_snapshot!(wide, @r#"<svg class="uptime-bars wide" viewBox="0 0 37 32" preserveAspectRatio="none" role="img" aria-label="Sign-in &amp; &quot;more&quot;, last 4 days: 1 operational, 1 with a major outage, 2 without data"><path class="ok" d="M20 32v-16h7v16z"/><path class="blank" d="M0 32v-6h7v6zM10 32v-6h7v6z"/><path class="major" d="M30 32v-32h7v32z"/></svg>"#);
        assert_eq!(wide.replace("wide", "narrow"), narrow);
        assert!(UptimeBars::new("new", &[]).to_string().contains("last 0 days"));
    }

    #[test]
    fn height_of_a_day_follows_the_lost_time() {
        use ServiceState::{Degraded, MajorOutage, Operational, PartialOutage, Unknown};
        for (worst, lost_secs, wanted) in [
            (None, 0, Unknown),
            (Some(Operational), 0, Operational),
            (Some(Degraded), 0, Degraded),
            (Some(MajorOutage), 20, Degraded),
            (Some(MajorOutage), 600, PartialOutage),
            (Some(PartialOutage), 599, Degraded),
            (Some(PartialOutage), 7_000, MajorOutage),
        ] {
            let lost = Duration::from_secs(lost_secs);
            let day = Day { date: date(2026, 11, 22), worst, out: lost, lost };
            assert_eq!(drawn_state(&day), wanted, "{worst:?} {lost_secs}");
        }
    }
}
