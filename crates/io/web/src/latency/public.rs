//! Latencies of the status page: of each public service, all its probes together. No names of machines or probes.

use super::{Figure, Latency, LatencyRange};
use crate::design::Clock;
use crate::samples::{Samples, SamplesError};
use engine::views::{StatusPage, Views};
use std::collections::BTreeMap;
use types::{ServiceId, Time};

/// Maximum of services with a chart: each costs the page some kilobytes and the store some milliseconds.
pub const SERVICES_MAX: usize = 100;
/// Ranges of a service.
const RANGES: [LatencyRange; 2] = [LatencyRange::Day, LatencyRange::Quarter];

/// Latencies of the public services with probes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PublicLatencies(BTreeMap<ServiceId, Vec<Latency>>);

impl PublicLatencies {
    /// Reads them; none when the configuration does not show them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(samples: &dyn Samples, views: &Views, now: Time) -> Result<Self, SamplesError> {
        let mut read = BTreeMap::new();
        if !views.status_page.response_times {
            return Ok(Self(read));
        }
        let public = views.status_page.groups.iter().flat_map(|group| &group.components);
        for component in public.take(SERVICES_MAX) {
            let row = views.now.services.iter().find(|row| row.id == component.id.0);
            let probes: Vec<&str> =
                row.into_iter().flat_map(|row| &row.probes).map(|probe| probe.0.as_str()).collect();
            if !probes.is_empty() {
                // Half as many as in the console: everyone who loads the page loads them.
                let of =
                    |range: LatencyRange| Latency::read(samples, &probes, range, range.buckets() / 2, now);
                let latencies: Result<Vec<Latency>, SamplesError> = RANGES.into_iter().map(of).collect();
                read.insert(component.id.clone(), latencies?);
            }
        }
        Ok(Self(read))
    }
}

/// A group of the status page with the latencies of its services.
pub(crate) struct LatencyGroup<'a> {
    pub(crate) name: &'a str,
    pub(crate) services: Vec<LatencyService<'a>>,
}

/// A service with its figures; none without any sample.
pub(crate) struct LatencyService<'a> {
    pub(crate) title: &'a str,
    pub(crate) figures: Vec<Figure>,
}

/// The groups that have services with probes, in the order of the page; none when the configuration does not show them,
/// also before the latencies are read again.
pub(crate) fn groups<'a>(
    status_page: &'a StatusPage,
    latencies: &PublicLatencies,
    clock: Clock<'_>,
) -> Vec<LatencyGroup<'a>> {
    if !status_page.response_times {
        return Vec::new();
    }
    let figures = |latencies: &Vec<Latency>| {
        let with_samples = latencies.iter().filter(|latency| latency.counts().0 > 0);
        with_samples.map(|latency| Figure::new(latency.range.title(), latency, clock, false)).collect()
    };
    let groups = status_page.groups.iter().map(|group| {
        let services = group.components.iter().filter_map(|component| {
            let figures = figures(latencies.0.get(&component.id)?);
            Some(LatencyService { title: &component.title, figures })
        });
        let name = if group.name.is_empty() { "Services" } else { &group.name };
        LatencyGroup { name, services: services.collect() }
    });
    groups.filter(|group| !group.services.is_empty()).collect()
}
