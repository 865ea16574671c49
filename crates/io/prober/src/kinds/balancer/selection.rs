//! Which of several pools of an answer is meant.

use super::unusable::Unusable;
use text::{list, truncate};
use types::Time;

/// Names that an error lists.
const LISTED: usize = 6;

/// What is asked for.
pub(super) struct Selection<'a> {
    /// Name of the pool at the load balancer, if declared.
    pub(super) backend: Option<&'a str>,
    /// Name of the pool in the configuration.
    pub(super) pool: &'a str,
    /// Time of the look.
    pub(super) now: Time,
}

impl Selection<'_> {
    /// The name of the pool that is meant: the declared one, the one that is named like the pool, or the only one.
    pub(super) fn choose<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<&'n str, Unusable> {
        self.choose_by(names, |name, wanted| name == wanted)
    }

    /// As [`Self::choose`], with another rule when a name is the wanted one.
    pub(super) fn choose_by<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str>,
        is: impl Fn(&str, &str) -> bool,
    ) -> Result<&'n str, Unusable> {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        let wanted = self.backend.unwrap_or(self.pool);
        if let Some(found) = names.iter().copied().find(|name| is(name, wanted)) {
            return Ok(found);
        }
        match names.as_slice() {
            [] => Err(Unusable::NoPools),
            [only] if self.backend.is_none() => Ok(*only),
            names => {
                let short = names.iter().map(|name| truncate::chars(name, 60));
                let there = list::commas_or_more(short, LISTED);
                Err(Unusable::NoPool { wanted: wanted.to_owned(), there })
            }
        }
    }
}

#[cfg(test)]
pub(super) fn selection(backend: Option<&'static str>) -> Selection<'static> {
    let now = Time::from_second(1_795_348_800).unwrap_or_default();
    Selection { backend, pool: "api", now }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_name_then_own_name_then_the_only_one() {
        for (backend, names, chosen) in [
            (Some("web"), &["api", "web"][..], Ok("web")),
            (Some("web"), &["api"], Err("has no pool `web`; it has api: set `backend`")),
            (None, &["api", "web"], Ok("api")),
            (None, &["web"], Ok("web")),
            (None, &["a", "b"], Err("has no pool `api`; it has a, b: set `backend`")),
            (None, &[], Err("has no pools at all; check the address in `from`")),
        ] {
            let said = selection(backend).choose(names.iter().copied()).map_err(|error| error.to_string());
            assert_eq!(said.as_deref().map_err(String::as_str), chosen, "{backend:?} {names:?}");
        }
    }
}
