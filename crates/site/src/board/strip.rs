//! The history of a service as a strip of bars: good days short, bad days tall, days without data grey and low.
//!
//! One path for each kind of day keeps ninety bars at a few hundred bytes. Ninety bars blur on a phone, so a second
//! strip shows the last thirty; the style sheet picks one.

use crate::look::Look as _;
use askama::filters::HtmlSafe;
use engine::views::board::Day;
use model::event::ServiceState;
use std::fmt::{self, Write as _};

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
        for (place, _) in
            days.iter().enumerate().filter(|(_, day)| day.worst.unwrap_or(ServiceState::Unknown) == state)
        {
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
    use std::time::Duration;

    #[test]
    fn a_day_without_data_is_never_green() {
        let day = |worst| Day { date: date(2026, 11, 22), worst, out: Duration::ZERO };
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
}
