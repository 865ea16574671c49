//! The badge: one line to embed in another page.

use crate::design::Icon;
use engine::views::StatusPage;
use text::escape;
use types::event::ServiceState;

/// Renders the badge as SVG: the title on the left, icon and state on the right.
#[must_use]
pub fn badge(status_page: &StatusPage) -> String {
    let icon = Icon::from(status_page.state);
    let name = escape::html(&status_page.title);
    let state = state_text(status_page.state);
    // Verdana has about 6.6 units per letter at this size; the text is stretched to the estimate.
    let left = status_page.title.chars().count() * 66 / 10 + 16;
    let right = state.len() * 66 / 10 + 34;
    let (all, colour, shape, sign) = (left + right, icon.colour(), icon.shape(), icon.sign());
    let (left_text, right_text, text_at) = (left - 16, right - 34, left + 24);
    let icon_at = left + 6;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{all}\" height=\"22\" viewBox=\"0 0 {all} 22\" role=\"img\" aria-label=\"{name}: {state}\">\
         <title>{name}: {state}</title>\
         <rect width=\"{all}\" height=\"22\" rx=\"4\" fill=\"#2b3440\"/>\
         <path d=\"M{left} 0h{bend}a4 4 0 0 1 4 4v14a4 4 0 0 1-4 4H{left}z\" fill=\"{colour}\"/>\
         <g fill=\"#fff\" font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\">\
         <text x=\"8\" y=\"15\" textLength=\"{left_text}\" lengthAdjust=\"spacingAndGlyphs\">{name}</text>\
         <text x=\"{text_at}\" y=\"15\" textLength=\"{right_text}\" lengthAdjust=\"spacingAndGlyphs\">{state}</text></g>\
         <g transform=\"translate({icon_at} 4) scale(.7)\" fill=\"#fff\" color=\"#fff\">{shape}\
         <path d=\"{sign}\" fill=\"none\" stroke=\"{cut}\" stroke-width=\"2.2\" stroke-linecap=\"round\"/></g></svg>",
        bend = right - 4,
        cut = if icon == Icon::Blank { "#fff" } else { colour },
    )
}

fn state_text(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Operational => "operational",
        ServiceState::UnderMaintenance => "under maintenance",
        ServiceState::Unknown => "no data",
        ServiceState::Degraded => "degraded",
        ServiceState::PartialOutage => "partial outage",
        ServiceState::MajorOutage => "major outage",
    }
}
