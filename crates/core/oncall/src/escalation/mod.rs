//! Escalations: the route of an incident, who is on a step at an instant, and which steps are due.

mod advance;
mod availability;
mod route;

pub(crate) use advance::advance;
pub(crate) use availability::{awake_from, has_usable_contact, usable};
pub(crate) use route::{Route, route, route_of_page};
