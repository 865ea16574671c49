//! `[audit]` as written: levels of acceptance criteria, and exceptions.

use crate::diagnostics::Diagnostics;
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::DATE;
use crate::kind::string::{Format, NameOf, Text, format};
use crate::kind::table::{Tables, table};
use crate::kind::value::At;
use crate::suggest::{nearest, shown};
use crate::value_error::ValueError;
use std::collections::BTreeSet;
use types::audit::{AuditSettings, Criterion, Exception, Level};
use types::{Kind, PersonId, Resource, Time};

const CRITERION: Format<Criterion> =
    format("a criterion of the audit: \"single-server\"", None, |text, _| criterion(text));
const RESOURCE: Format<Resource> =
    format("a resource: \"database.main\"", Some("^[a-z]+\\.."), |text, _| resource(text));

keys! {
    /// The audit: which acceptance criteria fail it, which are only reported, and what was accepted for some time.
    [audit]
    struct RawAudit {
        /// Criteria that fail the audit, besides the usual ones.
        must: Vec<At<Criterion>> = list(CRITERION), otherwise "none", example r#"["single-database"]"#;
        /// Criteria that are reported and do not fail it, besides the usual ones.
        should: Vec<At<Criterion>> = list(CRITERION), otherwise "none", example r#"["traffic-limits"]"#;
        /// Criteria that are not checked.
        off: Vec<At<Criterion>> = list(CRITERION), otherwise "none", example r#"["one-registrar"]"#;
        /// Accepted findings, each with a person who answers for it, and an end.
        exceptions: Vec<RawException> = Tables(table::<RawException>()), otherwise "none",
            example r#"[{ criterion = "single-database", resource = "database.main", owner = "ana", until = 2027-03-01, why = "replica ordered" }]"#;
    }
}

keys! {
    /// An accepted finding.
    struct RawException {
        /// The criterion that is not met.
        criterion: Option<Criterion> = CRITERION, required, example r#""single-database""#;
        /// Where it is not met.
        resource: Option<At<Resource>> = RESOURCE, otherwise "everywhere", example r#""database.main""#;
        /// The person who answers for it.
        owner: Option<At<String>> = NameOf("person"), required, example r#""ana""#;
        /// From then on it is a finding again. A date means its first moment in UTC.
        until: Option<Time> = DATE, required, example "2027-03-01";
        /// The reason.
        why: Option<String> = Text, required, example r#""replica ordered""#;
    }
}

impl RawAudit {
    /// The settings. Reports criteria with two levels, owners that are no person, and exceptions for what does not exist.
    pub(crate) fn resolve<'a>(
        self,
        people: impl Iterator<Item = &'a str> + Clone,
        resources: &BTreeSet<Resource>,
        diagnostics: &mut Diagnostics,
    ) -> AuditSettings {
        let mut settings = AuditSettings::default();
        let lists = [(Level::Must, self.must), (Level::Should, self.should), (Level::Off, self.off)];
        for (level, At { value, place }) in
            lists.into_iter().flat_map(|(level, all)| all.into_iter().map(move |at| (level, at)))
        {
            if let Some(before) = settings.levels.insert(value, level) {
                let message = format!("`{value}` is in `{}` already", before.as_str());
                diagnostics.conflict(place, message, "keep it in one of them");
            }
        }
        for exception in self.exceptions {
            if let Some(owner) = &exception.owner
                && !people.clone().any(|person| person == owner.value)
            {
                diagnostics.unknown(owner.place.clone(), "person", &owner.value, people.clone());
            }
            if let Some(resource) = &exception.resource
                && !resources.contains(&resource.value)
            {
                unknown_resource(resource, resources, diagnostics);
            }
            settings.exceptions.extend(exception.resolve());
        }
        settings
    }
}

impl RawException {
    /// The exception; `None` when it is incomplete, which was reported already.
    fn resolve(self) -> Option<Exception> {
        Some(Exception {
            criterion: self.criterion?,
            resource: self.resource.map(|at| at.value),
            owner: PersonId(self.owner?.value),
            until: self.until?,
            why: self.why?,
        })
    }
}

/// Reports an exception that would never hold: the finding that it is for would stay a finding.
fn unknown_resource(at: &At<Resource>, resources: &BTreeSet<Resource>, diagnostics: &mut Diagnostics) {
    let kind = at.value.kind.as_str();
    let alike = resources.iter().filter(|known| known.kind == at.value.kind);
    let alike: Vec<&str> = alike.map(|known| known.name.as_str()).collect();
    if Kind::Mainstay == at.value.kind {
        let hint = format!("findings about mainstay itself have the resource \"{}\"", Resource::here());
        diagnostics.error(
            at.place.clone(),
            format!("unknown resource `{}`", shown(&at.value.to_string())),
            hint,
        );
    } else {
        diagnostics.unknown(at.place.clone(), kind, &at.value.name, alike.into_iter());
    }
}

fn criterion(text: &str) -> Result<Criterion, ValueError> {
    text.trim().parse().map_err(|_| {
        let names = Criterion::ALL.iter().map(|criterion| criterion.as_str());
        let error = ValueError::new(format!("`{}` is not a criterion of the audit", shown(text)));
        match nearest(text, names) {
            Some(name) => error.hint(format!("did you mean \"{name}\"?")),
            None => error.hint("`mainstay audit --criteria` lists them"),
        }
    })
}

fn resource(text: &str) -> Result<Resource, ValueError> {
    text.trim().parse().map_err(|_| {
        ValueError::new(format!("`{}` is not a resource", shown(text)))
            .hint("as the audit names it: \"database.main\", \"service.auth\"")
    })
}
