//! Domain registration: RDAP, and WHOIS for registries without it.
//!
//! Reports the registry's data only; `detect` interprets it. A failed lookup is reported as such and never looks
//! like an expiry.
//!
//! | module | holds |
//! |---|---|
//! | [`sources`] | the servers responsible for a domain |
//! | [`budget`] | rate limits per registry |
//! | [`rdap_client`] | one RDAP answer over HTTP |
//! | [`rdap`] | parsing of it |
//! | [`whois_client`] | one WHOIS answer |
//! | [`referral`] | the WHOIS server of a top-level domain, from IANA |
//! | [`whois`] | parsing of it |
//! | [`dates`], [`spelling`] | date formats and status spellings of both |

mod budget;
mod dates;
mod encoding;
mod rdap;
mod rdap_client;
mod referral;
mod sources;
mod spelling;
mod whois;
mod whois_client;

use crate::dns::wire::{plain, question_name};
use crate::kinds::dns::{Dns, Parent};
use crate::names::Names;
use crate::setup::SetupError;
use budget::Budgets;
use rdap_client::{RdapClient, failed};
use referral::Referrals;
use sources::{Source, Sources};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tls_roots::Roots;
use tokio::time::Instant;
use types::config::Config;
use types::fault::DomainFault;
use types::probe_result::{Answer, DomainSeen, Phases};
use types::{Fault, Time};

/// Part of the probe's timeout reserved for reporting the reason of a failure.
const LAST_WORD: Duration = Duration::from_millis(100);
/// Registrar dates cached.
const REMEMBERED_MAX: usize = 10_000;

/// The domain probe.
#[derive(Debug)]
pub(crate) struct Domain {
    names: Arc<Names>,
    dns: Arc<Dns>,
    sources: Sources,
    referrals: Referrals,
    rdap_client: RdapClient,
    budgets: Budgets,
    declared: BTreeMap<String, Time>,
    /// The last date of each registrar. A registrar that fails for a day must not look like one that withdrew its date.
    registrars: Mutex<BTreeMap<String, Option<Time>>>,
    /// The last WHOIS date of domains without one in RDAP, for the same reason.
    whois_dates: Mutex<BTreeMap<String, (String, Option<Time>)>>,
}

impl Domain {
    /// Reads the configuration's bootstrap file.
    ///
    /// # Errors
    /// The file cannot be used.
    pub(crate) fn new(
        config: &Config,
        roots: &Roots,
        names: Arc<Names>,
        dns: Arc<Dns>,
    ) -> Result<Self, SetupError> {
        let declared =
            config.domains.iter().filter_map(|(name, domain)| Some((name.clone(), domain.expires?)));
        Ok(Self {
            sources: Sources::new(config)?,
            rdap_client: RdapClient::new(roots, Arc::clone(&names))?,
            budgets: Budgets::default(),
            declared: declared.collect(),
            referrals: Referrals::default(),
            registrars: Mutex::default(),
            whois_dates: Mutex::default(),
            dns,
            names,
        })
    }

    /// Looks up a registrable domain within `timeout`. Returns a registration, or [`Fault::Lookup`] with the
    /// reason, or [`DomainFault::NotRegistered`] if both the registry's own RDAP server and the parent zone do not have it.
    pub(crate) async fn run(&self, domain: &str, timeout: Duration) -> (Answer, Phases) {
        let began = Instant::now();
        let until = began + timeout.saturating_sub(LAST_WORD.min(timeout / 10));
        let answer = match self.look(domain, until).await {
            Ok(seen) => Answer::Domain(seen),
            Err(fault) => Answer::Failed(fault),
        };
        (answer, Phases { total: began.elapsed(), ..Phases::default() })
    }

    async fn look(&self, domain: &str, until: Instant) -> Result<DomainSeen, Fault> {
        let name = question_name(domain).ok_or_else(|| failed(format!("`{domain}` is not a name")))?;
        let ascii = plain(&name);
        let sources = self.sources.of(&ascii);
        let named = sources.iter().filter(|source| !matches!(source, Source::Referral { .. })).count();
        let mut first_failure = None;
        // The referral is for what the others lack; it has no share of its own.
        let mut left = u32::try_from(named).unwrap_or(u32::MAX).max(1);
        for (at, source) in sources.iter().enumerate() {
            // Each source gets its share of the time, so that a silent first one does not starve the second.
            let now = Instant::now();
            let share = now + until.saturating_duration_since(now) / left;
            left = left.saturating_sub(1).max(1);
            let found = match source {
                Source::Rdap { base, declared } => {
                    self.by_rdap(domain, &ascii, base, *declared, share, until).await
                }
                Source::Whois { .. } | Source::Referral { .. } => {
                    let Some((server, declared)) = self.whois_server(&ascii, source, share).await else {
                        continue;
                    };
                    self.by_whois(domain, &ascii, &server, declared, share).await
                }
            };
            match found {
                Ok(seen) => {
                    let rest = sources.get(at + 1..).unwrap_or_default();
                    return Ok(self.dated(seen, &ascii, rest, until).await);
                }
                // These faults are final: no other source is queried.
                Err(fault @ (Fault::Domain { .. } | Fault::Lookup { retry_after: Some(_), .. })) => {
                    return Err(fault);
                }
                Err(fault) => first_failure = first_failure.or(Some(fault)),
            }
        }
        first_failure.map_or_else(|| self.by_the_config(domain, &ascii), Err)
    }

    /// The WHOIS server of a source, and whether the configuration names it.
    async fn whois_server(&self, ascii: &str, source: &Source, until: Instant) -> Option<(String, bool)> {
        match source {
            Source::Rdap { .. } => None,
            Source::Whois { server, declared } => Some((server.clone(), *declared)),
            Source::Referral { server, declared } => {
                let end = ascii.rsplit('.').next().unwrap_or(ascii);
                let asked = (server.as_str(), *declared);
                let server = self.referrals.server_of(end, asked, &self.names, &self.budgets, until).await?;
                Some((server, false))
            }
        }
    }

    /// Adds the expiry date from WHOIS if RDAP has none. The last known date is kept while WHOIS fails.
    async fn dated(&self, mut seen: DomainSeen, ascii: &str, rest: &[Source], until: Instant) -> DomainSeen {
        let is_dated = seen.registry_expires.is_some() || seen.registrar_expires.is_some();
        let is_declared = self.declared.contains_key(&seen.domain) || self.declared.contains_key(ascii);
        let whois = rest.iter().find(|source| !matches!(source, Source::Rdap { .. }));
        let Some(whois) = whois.filter(|_| !is_dated && !is_declared) else { return seen };
        let asked = match self.whois_server(ascii, whois, until).await {
            Some((server, declared)) => {
                self.by_whois(&seen.domain, ascii, &server, declared, until).await.map(Some)
            }
            None => Ok(None),
        };
        let mut known = self.whois_dates.lock().unwrap_or_else(PoisonError::into_inner);
        let registration = match asked {
            Ok(Some(registration)) => {
                let registration = (registration.source, registration.registry_expires);
                if known.len() < REMEMBERED_MAX || known.contains_key(ascii) {
                    known.insert(ascii.to_owned(), registration.clone());
                }
                Some(registration)
            }
            Ok(None) => known.get(ascii).cloned(),
            Err(fault) => {
                tracing::debug!(domain = ascii, %fault, "WHOIS could not be asked for the date");
                known.get(ascii).cloned()
            }
        };
        if let Some((source, Some(expires))) = registration {
            seen.registry_expires = Some(expires);
            seen.source = format!("{}, {source}", seen.source);
        }
        seen
    }

    /// The result without a server: the date of the configuration, if it has one.
    fn by_the_config(&self, domain: &str, ascii: &str) -> Result<DomainSeen, Fault> {
        let end = ascii.rsplit('.').next().unwrap_or(ascii);
        let expires = self.declared.get(domain).or_else(|| self.declared.get(ascii)).ok_or_else(|| {
            failed(format!(
                "no RDAP or WHOIS server is known for .{end}; name one under registry.rdap or registry.whois, or \
                 declare the date under domain.\"{domain}\""
            ))
        })?;
        Ok(DomainSeen {
            domain: domain.to_owned(),
            source: "config".to_owned(),
            registry_expires: Some(*expires),
            registrar_expires: None,
            statuses: std::collections::BTreeSet::new(),
            name_servers: std::collections::BTreeSet::new(),
            registrar: None,
            database_updated: None,
        })
    }

    async fn by_rdap(
        &self,
        domain: &str,
        ascii: &str,
        base: &str,
        declared: bool,
        share: Instant,
        until: Instant,
    ) -> Result<DomainSeen, Fault> {
        let url = format!("{base}domain/{ascii}");
        let known = declared.then_some(base);
        let registration = match self.rdap(ascii, &url, known, share).await {
            Err(Fault::Domain { domain: DomainFault::NotRegistered }) => {
                return Err(self.absent(ascii, until).await);
            }
            registration => registration?,
        };
        let registrar_expires = self.registrar_date(ascii, &registration, known, until).await;
        Ok(DomainSeen {
            domain: domain.to_owned(),
            source: url,
            registry_expires: registration.expires,
            registrar_expires,
            statuses: registration.statuses,
            name_servers: registration.name_servers,
            registrar: registration.registrar,
            database_updated: registration.database_updated,
        })
    }

    /// The fault of a name that an RDAP server does not have: a loss only if the parent zone does not have it
    /// either. Servers may be those of another registry, outdated, or hide entries.
    async fn absent(&self, ascii: &str, until: Instant) -> Fault {
        let Some(name) = question_name(ascii) else { return failed(format!("`{ascii}` is not a name")) };
        match self.dns.parent(&name, until).await {
            Ok(Parent::Denies) => Fault::Domain { domain: DomainFault::NotRegistered },
            Ok(Parent::Knows) => {
                failed("it says that the name is not registered, yet the parent zone has it")
            }
            Err(fault) => {
                failed(format!("it says that the name is not registered, and the parent zone {fault}"))
            }
        }
    }

    /// One RDAP answer about the domain.
    async fn rdap(
        &self,
        ascii: &str,
        url: &str,
        declared: Option<&str>,
        until: Instant,
    ) -> Result<rdap::Registration, Fault> {
        let page = self.rdap_client.get(url, declared, &self.budgets, until).await?;
        match page.status {
            200 => {}
            404 if rdap::is_not_found(&page.body) => {
                return Err(Fault::Domain { domain: DomainFault::NotRegistered });
            }
            404 => return Err(failed("it answers with status 404, but not as an RDAP server does")),
            other => return Err(failed(format!("it answers with status {other}"))),
        }
        let registration = rdap::read(&page.body).map_err(|why| failed(why.to_string()))?;
        let same = |name: &String| question_name(name).is_some_and(|name| plain(&name) == ascii);
        match &registration.name {
            Some(name) if !same(name) => Err(failed(format!("it answers about `{name}` instead"))),
            _ => Ok(registration),
        }
    }

    /// The date until which the registration is paid, from the registry's answer or the registrar's.
    ///
    /// A registrar that shows only a plain `expiration` equal to the registry's merely repeats it: that is no evidence of
    /// payment, because during the auto renew period the registry has moved its date before anybody paid.
    async fn registrar_date(
        &self,
        ascii: &str,
        registry: &rdap::Registration,
        declared: Option<&str>,
        until: Instant,
    ) -> Option<Time> {
        let asked = match &registry.related {
            Some(url) => self.rdap(ascii, url, declared, until).await,
            None => return registry.registrar_expires,
        };
        let mut registrars = self.registrars.lock().unwrap_or_else(PoisonError::into_inner);
        let date = match asked {
            Ok(registration) => {
                let own = registration.expires.filter(|expires| Some(*expires) != registry.expires);
                let date = registration.registrar_expires.or(own);
                if registrars.len() < REMEMBERED_MAX || registrars.contains_key(ascii) {
                    registrars.insert(ascii.to_owned(), date);
                }
                date
            }
            Err(fault) => {
                tracing::debug!(domain = ascii, %fault, "the registrar could not be asked");
                registrars.get(ascii).copied().flatten()
            }
        };
        date.or(registry.registrar_expires)
    }

    async fn by_whois(
        &self,
        domain: &str,
        ascii: &str,
        server: &str,
        declared: bool,
        until: Instant,
    ) -> Result<DomainSeen, Fault> {
        let text = whois_client::ask(&self.names, &self.budgets, server, declared, ascii, until).await?;
        let registration =
            whois::read(&text, ascii).map_err(|why| failed(format!("whois:{server}: {why}")))?;
        Ok(DomainSeen {
            domain: domain.to_owned(),
            source: format!("whois:{server}"),
            registry_expires: registration.expires,
            registrar_expires: None,
            statuses: registration.statuses,
            name_servers: registration.name_servers,
            registrar: registration.registrar,
            database_updated: registration.database_updated,
        })
    }
}
