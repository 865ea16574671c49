//! What the check of one criterion found.

use types::Resource;

/// What the check of one criterion found.
#[derive(Debug, Default)]
pub struct Found {
    pub(crate) failed: Vec<(Resource, String, String)>,
    pub(crate) unknown: Vec<(Resource, String)>,
}

impl Found {
    /// A resource does not meet the criterion: what was seen, and the remedy.
    pub fn fail(&mut self, resource: Resource, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.failed.push((resource, evidence.into(), remedy.into()));
    }

    /// Nothing is known about a resource.
    pub fn unknown(&mut self, resource: Resource, why: impl Into<String>) {
        self.unknown.push((resource, why.into()));
    }
}
