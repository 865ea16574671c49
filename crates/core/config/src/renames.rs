//! Keys and sections that had another name in earlier versions: the one table of them, and how the reader reports them.

use crate::diagnostics::Diagnostics;
use crate::suggest::shown;
use std::borrow::Cow;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A key or section with a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rename {
    /// Path of the table that holds the key, in today's names; `*` stands for a name of the user's choice. Lists of tables
    /// are not steps of the path. Empty for a section.
    within: &'static str,
    pub(crate) old: &'static str,
    /// The new name; `table.key` when the key moved into a table of its own.
    pub(crate) new: &'static str,
}

const fn rename(within: &'static str, old: &'static str, new: &'static str) -> Rename {
    Rename { within, old, new }
}

/// Every key and section with a new name. No old name is a key of today in the same table.
const RENAMES: &[Rename] = &[
    rename("", "rota", "schedule"),
    rename("", "ladder", "escalation"),
    rename("", "board", "status_page"),
    rename("", "watch", "probe_defaults"),
    rename("site", "zone", "timezone"),
    rename("site", "trust", "extra_ca_files"),
    rename("site", "inner", "allow_private"),
    rename("service.*", "samples", "wildcard_samples"),
    rename("service.*", "needs", "depends_on"),
    rename("service.*", "rota", "schedule"),
    rename("service.*", "ladder", "escalation"),
    rename("service.*", "guard", "traffic"),
    rename("service.*.http.expect", "within", "max_latency"),
    rename("service.*.traffic", "known", "recognize"),
    rename("service.*.traffic", "urgent", "priority_paths"),
    rename("service.*.traffic", "deadline", "response_timeout"),
    rename("service.*.traffic.limit", "visitor", "client"),
    rename("service.*.traffic.limit", "network", "subnet"),
    rename("service.*.traffic.deny", "networks", "asns"),
    rename("service.*.traffic.deny", "addresses", "cidrs"),
    rename("service.*.traffic.allow", "networks", "asns"),
    rename("service.*.traffic.allow", "addresses", "cidrs"),
    rename("probe.*", "every", "interval"),
    rename("probe.*", "fail_after", "failure_threshold"),
    rename("probe.*", "recover_after", "success_threshold"),
    rename("probe.*.expect", "within", "max_latency"),
    rename("probe_defaults", "fail_after", "failure_threshold"),
    rename("probe_defaults", "recover_after", "success_threshold"),
    rename("person.*", "zone", "timezone"),
    rename("person.*", "awake", "waking_hours"),
    rename("person.*", "reach", "contacts"),
    rename("schedule.*", "zone", "timezone"),
    rename("schedule.*.layer", "every", "rotation"),
    rename("schedule.*.layer", "only", "restrictions"),
    rename("escalation.*", "rungs", "steps"),
    rename("escalation.*", "last_resort", "fallback"),
    rename("escalation.*.steps", "rotas", "schedules"),
    rename("escalation.*.steps", "wait", "escalate_after"),
    rename("edge", "to_https", "redirect_to_https"),
    rename("edge", "hops", "trusted_proxies"),
    rename("edge", "countries", "geoip.country"),
    rename("edge", "networks", "geoip.asn"),
    rename("edge.limits", "head_wait", "header_timeout"),
    rename("edge.limits", "body_wait", "body_timeout"),
    rename("edge.limits", "idle", "keepalive_timeout"),
    rename("edge.limits", "connections", "max_connections"),
    rename("edge.limits", "connections_each", "max_connections_per_ip"),
    rename("pool.*", "floor", "min_healthy"),
    rename("pool.*", "each", "max_concurrency"),
    rename("pool.*", "begin", "initial_concurrency"),
    rename("pool.*.health", "every", "interval"),
    rename("caller.*", "addresses", "cidrs"),
];

/// No table with a renamed key lies deeper.
pub(crate) const DEEPEST: usize = 4;

/// The renames that apply in the table at this path, given in today's names.
pub(crate) fn within(path: &[String]) -> impl Iterator<Item = &'static Rename> {
    let is_path = |pattern: &str| {
        let mut steps = path.iter();
        pattern
            .split('.')
            .filter(|step| !step.is_empty())
            .all(|step| steps.next().is_some_and(|name| step == "*" || step == name))
            && steps.next().is_none()
    };
    RENAMES.iter().filter(move |rename| is_path(rename.within))
}

/// Reports every key with an old name, and gives it the new one, so that its value is checked like any other.
pub(crate) fn apply(document: &mut DeTable<'_>, diagnostics: &mut Diagnostics) {
    apply_within(document, &mut Vec::new(), diagnostics);
}

fn apply_within(table: &mut DeTable<'_>, path: &mut Vec<String>, diagnostics: &mut Diagnostics) {
    for rename in within(path) {
        let Some((key, value)) = table.remove_entry(rename.old) else { continue };
        let Rename { old, new, .. } = rename;
        let (message, hint) = match insert(table, &key, value, new) {
            true => (
                format!("`{old}` is now `{new}`"),
                "rename it, or let `mainstay check --fix` do it".to_owned(),
            ),
            false => (format!("`{old}` is now `{new}`, which is here too"), format!("keep `{new}` only")),
        };
        diagnostics.error(key.span(), message, hint);
    }
    if path.len() >= DEEPEST {
        return;
    }
    for (key, value) in table.iter_mut() {
        path.push(shown(key.get_ref()));
        match value.get_mut() {
            DeValue::Table(inner) => apply_within(inner, path, diagnostics),
            DeValue::Array(list) => {
                for item in list.iter_mut() {
                    if let DeValue::Table(inner) = item.get_mut() {
                        apply_within(inner, path, diagnostics);
                    }
                }
            }
            _ => {}
        }
        path.pop();
    }
}

type Key<'a> = Spanned<Cow<'a, str>>;

/// Inserts a value under its new name; false when something with that name is there already.
fn insert<'a>(
    table: &mut DeTable<'a>,
    key: &Key<'a>,
    value: Spanned<DeValue<'a>>,
    new: &'static str,
) -> bool {
    if let Some((outer, inner)) = new.split_once('.') {
        let outer: Key<'a> = Spanned::new(key.span(), Cow::Borrowed(outer));
        let made = || Spanned::new(key.span(), DeValue::Table(DeTable::new()));
        let DeValue::Table(table) = table.entry(outer).or_insert_with(made).get_mut() else { return false };
        return insert(table, key, value, inner);
    }
    let Some(there) = table.get_mut(new) else {
        table.insert(Spanned::new(key.span(), Cow::Borrowed(new)), value);
        return true;
    };
    // `[rota.a]` beside `[schedule.b]`: sections of different names go together.
    let (DeValue::Table(there), DeValue::Table(mut moved)) = (there.get_mut(), value.into_inner()) else {
        return false;
    };
    let names: Vec<Key<'a>> = moved.keys().cloned().collect();
    let mut is_whole = true;
    for name in names {
        let Some((name, value)) = moved.remove_entry(name.get_ref().as_ref()) else { continue };
        if there.contains_key(name.get_ref().as_ref()) {
            is_whole = false;
        } else {
            there.insert(name, value);
        }
    }
    is_whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Key;
    use crate::raw::SECTIONS;

    /// The keys of the table at a path, or the names of all sections.
    fn keys(path: &str) -> Vec<&'static str> {
        let mut steps = path.split('.').filter(|step| *step != "*");
        let Some(section) = steps.next().filter(|step| !step.is_empty()) else {
            return SECTIONS.iter().map(|section| section.name).collect();
        };
        let mut at: &[Key] = SECTIONS.iter().find(|known| known.name == section).unwrap().keys;
        for step in steps {
            let key = at.iter().find(|key| key.name == step);
            at = key.and_then(|key| key.kind.keys()).unwrap_or_else(|| panic!("{path}: no table `{step}`"));
        }
        at.iter().map(|key| key.name).collect()
    }

    #[test]
    fn every_new_name_is_a_key_and_no_old_name_is_one() {
        for Rename { within, old, new } in RENAMES {
            let today = keys(within);
            let first = new.split('.').next().unwrap();
            assert!(today.contains(&first) && !today.contains(old), "{within}: {old} -> {new}");
            if let Some((outer, inner)) = new.split_once('.') {
                assert!(keys(&format!("{within}.{outer}")).contains(&inner), "{within}: {new}");
            }
            assert!(within.split('.').count() <= DEEPEST, "{within}");
        }
    }
}
