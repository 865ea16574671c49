//! The history of a service as a strip of bars: good days short, bad days tall, days without data grey and low. How bad a
//! day was is how much of it was lost, not how it was at its worst moment.
//!
//! One path for each kind of day keeps ninety bars at a few hundred bytes. Ninety bars blur on a phone, so a second
//! strip shows the last thirty; the style sheet picks one.

use crate::look::Look as _;
use askama::filters::HtmlSafe;
use engine::views::status_page::Day;
use std::fmt::{self, Write as _};
use std::time::Duration;
use types::event::ServiceState;

/// Days on a narrow screen.
pub const NARROW_DAYS: usize = 30;

/// The strips of one service, for wide and for narrow screens.
#[derive(Clone, Debug)]
pub struct Strip {
    html: String,
}

impl Strip {
    /// Draws the days, oldest first.
    #[must_use]
    pub fn new(title: &str, days: &[Day]) -> Self {
        let mut html = String::with_capacity(2048);
        draw(&mut html, "wide", title, days);
        draw(&mut html, "narrow", title, &days[days.len().saturating_sub(NARROW_DAYS)..]);
        Self { html }
    }
}

impl fmt::Display for Strip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for Strip {}

/// A day that lost as much as this was a bad one.
const BAD: Duration = Duration::from_secs(600);
/// A day that lost as much as this was a very bad one.
const VERY_BAD: Duration = Duration::from_secs(3_600);

/// How a day is drawn.
fn drawn(day: &Day) -> ServiceState {
    match day.worst {
        None | Some(ServiceState::Unknown) => ServiceState::Unknown,
        Some(_) if day.lost >= VERY_BAD => ServiceState::MajorOutage,
        Some(_) if day.lost >= BAD => ServiceState::PartialOutage,
        Some(ServiceState::Operational) => ServiceState::Operational,
        Some(_) => ServiceState::Degraded,
    }
}

/// What the strip shows, in words.
fn told(title: &str, days: &[Day]) -> String {
    let count = |wanted: Option<ServiceState>| days.iter().filter(|day| day.worst == wanted).count();
    let mut parts = Vec::new();
    for (state, word) in [
        (Some(ServiceState::Operational), "without trouble"),
        (Some(ServiceState::Degraded), "degraded"),
        (Some(ServiceState::PartialOutage), "with a partial outage"),
        (Some(ServiceState::MajorOutage), "with a major outage"),
    ] {
        if count(state) > 0 {
            parts.push(format!("{} {word}", count(state)));
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
    let label = told(title, days).replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let _ = write!(
        html,
        "<svg class=\"strip {size}\" viewBox=\"0 0 {wide} 32\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{label}\">"
    );
    for state in [
        ServiceState::Operational,
        ServiceState::Unknown,
        ServiceState::Degraded,
        ServiceState::PartialOutage,
        ServiceState::MajorOutage,
    ] {
        let height = match state {
            ServiceState::Operational => 16,
            ServiceState::Unknown => 6,
            ServiceState::Degraded => 22,
            ServiceState::PartialOutage => 27,
            ServiceState::MajorOutage => 32,
        };
        let mut bars = String::new();
        for (place, _) in days.iter().enumerate().filter(|(_, day)| drawn(day) == state) {
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
    fn a_day_without_data_is_never_green() {
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
        let strip = Strip::new("Sign-in & \"more\"", &days).to_string();
        let (wide, narrow) = strip.split_at(strip.find("<svg class=\"strip narrow").unwrap());
        insta::assert_snapshot!(wide, @r#"<svg class="strip wide" viewBox="0 0 37 32" preserveAspectRatio="none" role="img" aria-label="Sign-in &amp; &quot;more&quot;, last 4 days: 1 without trouble, 1 with a major outage, 2 without data"><path class="ok" d="M20 32v-16h7v16z"/><path class="blank" d="M0 32v-6h7v6zM10 32v-6h7v6z"/><path class="major" d="M30 32v-32h7v32z"/></svg>"#);
        assert_eq!(wide.replace("wide", "narrow"), narrow);
        assert!(Strip::new("new", &[]).to_string().contains("last 0 days"));
    }

    #[test]
    fn a_day_is_as_bad_as_what_it_lost() {
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
            assert_eq!(drawn(&day), wanted, "{worst:?} {lost_secs}");
        }
    }
}
