//! Icons of states. Each has its own shape, so that no state depends on colour: circle with a tick, triangle, diamond,
//! octagon, dashed ring, square.

use askama::filters::HtmlSafe;
use engine::views::NodeState;
use std::fmt;
use types::Severity;
use types::event::ServiceState;

/// Icon of 20 by 20 beside a text. Assistive technology reads only the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Circle with a tick.
    Ok,
    /// Dashed ring with a question mark.
    Blank,
    /// Rounded square with two bars.
    Planned,
    /// Triangle.
    Slow,
    /// Diamond.
    Part,
    /// Octagon with a cross.
    Major,
}

impl From<ServiceState> for Icon {
    fn from(state: ServiceState) -> Self {
        match state {
            ServiceState::Operational => Self::Ok,
            ServiceState::UnderMaintenance => Self::Planned,
            ServiceState::Unknown => Self::Blank,
            ServiceState::Degraded => Self::Slow,
            ServiceState::PartialOutage => Self::Part,
            ServiceState::MajorOutage => Self::Major,
        }
    }
}

impl From<Severity> for Icon {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Blank,
            Severity::Warning => Self::Slow,
            Severity::Critical => Self::Part,
        }
    }
}

impl From<NodeState> for Icon {
    fn from(state: NodeState) -> Self {
        match state {
            NodeState::Well => Self::Ok,
            NodeState::Unknown => Self::Blank,
            NodeState::Warned => Self::Slow,
            NodeState::Failing => Self::Part,
            NodeState::Cause => Self::Major,
        }
    }
}

impl Icon {
    /// The solid shape, in a box of 20 by 20.
    #[must_use]
    pub fn shape(self) -> &'static str {
        match self {
            Self::Ok => r#"<circle cx="10" cy="10" r="9"/>"#,
            Self::Blank => {
                r#"<circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="4 2.3"/>"#
            }
            Self::Planned => r#"<rect x="1.5" y="1.5" width="17" height="17" rx="4"/>"#,
            Self::Slow => r#"<path d="M10 1.6 19.4 18a.7.7 0 0 1-.6 1H1.2a.7.7 0 0 1-.6-1z"/>"#,
            Self::Part => r#"<path d="M10 .4 19.6 10 10 19.6.4 10z"/>"#,
            Self::Major => r#"<path d="M6.1.8h7.8l5.3 5.3v7.8l-5.3 5.3H6.1L.8 13.9V6.1z"/>"#,
        }
    }

    /// The sign inside the shape.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Ok => "M5.6 10.4l3 3 5.8-6.4",
            Self::Blank => "M7.6 8.2a2.4 2.4 0 1 1 3.3 2.2c-.6.3-.9.7-.9 1.4M10 14.2v.2",
            Self::Planned => "M7.6 6.2v7.6M12.4 6.2v7.6",
            Self::Slow => "M10 7.4v5M10 15.6v.2",
            Self::Part => "M10 5.6v5M10 14v.2",
            Self::Major => "M6.8 6.8l6.4 6.4M13.2 6.8l-6.4 6.4",
        }
    }

    /// CSS class, which sets the colour.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Blank => "blank",
            Self::Planned => "planned",
            Self::Slow => "slow",
            Self::Part => "part",
            Self::Major => "major",
        }
    }

    /// Colour with enough contrast on white, for images without a style sheet.
    #[must_use]
    pub fn colour(self) -> &'static str {
        match self {
            Self::Ok => "#15803d",
            Self::Blank => "#5b6470",
            Self::Planned => "#1d4ed8",
            Self::Slow => "#8f5a06",
            Self::Part => "#c2410c",
            Self::Major => "#b91c1c",
        }
    }

    /// The icon as an SVG image of its own.
    #[must_use]
    pub fn favicon(self) -> String {
        let (shape, sign, colour) = (self.shape(), self.sign(), self.colour());
        let cut = if self == Self::Blank { colour } else { "#fff" };
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 20 20\" color=\"{colour}\" fill=\"{colour}\">{shape}\
             <path d=\"{sign}\" fill=\"none\" stroke=\"{cut}\" stroke-width=\"2\" stroke-linecap=\"round\" stroke-linejoin=\"round\"/></svg>"
        )
    }
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, shape, sign) = (self.class(), self.shape(), self.sign());
        write!(
            f,
            "<svg class=\"icon {class}\" viewBox=\"0 0 20 20\" aria-hidden=\"true\">{shape}<path class=\"sign\" d=\"{sign}\"/></svg>"
        )
    }
}

impl HtmlSafe for Icon {}
