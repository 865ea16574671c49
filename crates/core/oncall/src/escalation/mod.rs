//! Escalations: the route of an incident, the people on a step, and the steps that are due.

mod advance;
mod availability;
mod route;

pub(crate) use advance::advance;
pub(crate) use availability::{awake_from, has_usable_contact, usable};
pub(crate) use route::{Route, people_of, route, route_of_page};
