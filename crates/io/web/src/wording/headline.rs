//! The headline of the status page.

use engine::StatusPage;
use text::list;
use types::event::ServiceState;

/// Maximum number of parts of the list: of more services, the last part is their number.
const NAMES_MAX: usize = 4;

/// One sentence that names the worst services: `Major outage: Sign-in`.
pub(crate) fn headline(status_page: &StatusPage) -> String {
    let components = || status_page.groups.iter().flat_map(|group| &group.components);
    let worst = components().filter(|component| component.state == status_page.state);
    let worst: Vec<&str> = worst.map(|component| component.title.as_str()).collect();
    match status_page.state {
        ServiceState::Operational => "All systems operational".to_owned(),
        ServiceState::Unknown if worst.len() == components().count() => {
            "No data: we cannot see whether anything works".to_owned()
        }
        state => format!("{}: {}", state.title(), list::and_more(&worst, NAMES_MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::headline;
    use engine::StatusPage;
    use engine::views::status_page::{Component, Group};
    use jiff::tz::TimeZone;
    use std::time::Duration;
    use types::event::ServiceState::{self, Degraded, MajorOutage, Operational, Unknown};

    fn page(states: &[ServiceState]) -> StatusPage {
        let component = |(number, state): (usize, &ServiceState)| Component {
            id: number.to_string().as_str().into(),
            title: format!("S{number}"),
            state: *state,
            since: None,
            days: Vec::new(),
            uptime_percent: None,
            access: None,
        };
        let components = states.iter().enumerate().map(component).collect();
        StatusPage {
            name: String::new(),
            title: String::new(),
            url: String::new(),
            timezone_name: "UTC".to_owned(),
            timezone: TimeZone::UTC,
            changed: types::Time::UNIX_EPOCH,
            check_interval: Duration::ZERO,
            state: states.iter().copied().max().unwrap_or(Unknown),
            open: Vec::new(),
            groups: vec![Group { name: String::new(), components }],
            past: Vec::new(),
            maintenances: Vec::new(),
            response_times: true,
            subscriptions: false,
        }
    }

    #[test]
    fn headline_names_the_worst_services() {
        for (states, expected) in [
            (&[] as &[ServiceState], "No data: we cannot see whether anything works"),
            (&[Unknown, Unknown], "No data: we cannot see whether anything works"),
            (&[Unknown, Operational], "No data: S0"),
            (&[Operational, Operational], "All systems operational"),
            (&[Degraded, MajorOutage, Operational], "Major outage: S1"),
            (&[Degraded; 6], "Degraded: S0, S1, S2 and 3 more"),
        ] {
            assert_eq!(headline(&page(states)), expected);
        }
    }
}
