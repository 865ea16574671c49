//! The WHOIS server of a top-level domain, from IANA, cached.

use super::whois_client;
use crate::kinds::domain::budget::Budgets;
use crate::names::Names;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use types::Fault;

/// How long a referral is cached, and how long the lack of one.
const KEPT: Duration = Duration::from_hours(24);
const LACK_KEPT: Duration = Duration::from_mins(10);
/// Top-level domains cached.
const KEPT_MAX: usize = 2_000;

/// Referrals by top-level domain; `None` if there is none or the lookup failed.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    known: Mutex<BTreeMap<String, (Instant, Option<String>)>>,
}

impl Referrals {
    /// The WHOIS server of a top-level domain. Failures are cached for a short time.
    pub(super) async fn server_of(
        &self,
        end: &str,
        (iana, declared): (&str, bool),
        names: &Names,
        budgets: &Budgets,
        until: Instant,
    ) -> Option<String> {
        if let Some((at, server)) = self.lock().get(end)
            && at.elapsed() < if server.is_some() { KEPT } else { LACK_KEPT }
        {
            return server.clone();
        }
        let referred: Result<String, Fault> =
            whois_client::ask(names, budgets, iana, declared, end, until).await;
        let server = referred
            .inspect_err(|fault| tracing::debug!(%fault, end, "no referral to a WHOIS server"))
            .ok()
            .and_then(|text| read(&text));
        let mut known = self.lock();
        if known.len() < KEPT_MAX || known.contains_key(end) {
            known.insert(end.to_owned(), (Instant::now(), server.clone()));
        }
        server
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Option<String>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `refer: whois.nic.gr`, or `whois: whois.nic.gr`.
fn read(text: &str) -> Option<String> {
    let field = |name: &str| {
        text.lines().take(500).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            let value = value.trim().trim_start_matches("whois://").trim_end_matches(['/', '.']);
            let is_host = !value.is_empty()
                && value.len() <= 253
                && value
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']'));
            (key.trim().eq_ignore_ascii_case(name) && is_host).then(|| value.to_ascii_lowercase())
        })
    };
    field("refer").or_else(|| field("whois"))
}

#[cfg(test)]
mod tests {
    use super::read;
    use proptest::prelude::*;

    #[test]
    fn the_server_is_read_from_what_iana_writes() {
        for (text, server) in [
            (
                "% IANA WHOIS server\n\nrefer:        whois.nic.ac\n\ndomain:       AC\nwhois:        other.ac\n",
                Some("whois.nic.ac"),
            ),
            ("domain: AD\r\nwhois:        WHOIS.nic.ad.\r\n", Some("whois.nic.ad")),
            ("refer: 127.0.0.1:4343\n", Some("127.0.0.1:4343")),
            ("domain: GR\nwhois:\nstatus: ACTIVE\n", None),
            ("whois: not a host; rm -rf\n", None),
            ("", None),
        ] {
            assert_eq!(read(text).as_deref(), server, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = read(&text);
        }
    }
}
