//! What the check of one criterion found.

use types::Resource;

/// What the check of one criterion found.
#[derive(Debug, Default)]
pub struct Found {
    pub(crate) failed: Vec<Failed>,
    pub(crate) unknown: Vec<(Resource, String)>,
}

/// A resource that does not meet a criterion.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) resource: Resource,
    pub(crate) subject: Option<String>,
    pub(crate) evidence: String,
    pub(crate) remedy: String,
}

impl Found {
    /// A resource does not meet the criterion: what was seen, and the remedy.
    pub fn fail(&mut self, resource: Resource, evidence: impl Into<String>, remedy: impl Into<String>) {
        self.failed.push(Failed {
            resource,
            subject: None,
            evidence: evidence.into(),
            remedy: remedy.into(),
        });
    }

    /// As [`Found::fail`], about one of several of the same kind that a resource has.
    pub fn fail_about(
        &mut self,
        resource: Resource,
        subject: String,
        evidence: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let subject = Some(subject);
        self.failed.push(Failed { resource, subject, evidence: evidence.into(), remedy: remedy.into() });
    }

    /// Nothing is known about a resource.
    pub fn unknown(&mut self, resource: Resource, why: impl Into<String>) {
        self.unknown.push((resource, why.into()));
    }
}
