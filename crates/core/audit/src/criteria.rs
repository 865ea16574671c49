//! The checks, one file per subject.

pub(crate) mod backups;
pub(crate) mod limits;
pub(crate) mod monitoring;
pub(crate) mod names;
pub(crate) mod on_call;
pub(crate) mod single_points;

use types::Config;
use types::config::Service;

/// Services that the public reaches.
fn public(config: &Config) -> impl Iterator<Item = &Service> {
    config.services.values().filter(|service| service.public && !service.hosts.is_empty())
}
