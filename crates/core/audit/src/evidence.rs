//! Observed facts that criteria are checked against, as the probes last saw them.

use std::collections::{BTreeMap, BTreeSet};
use types::config::ProbeKind;
use types::database::{Backup, NodeAnswer, Reading};
use types::pool::MemberState;
use types::probe_result::{Answer, Certificate};
use types::{Config, Headroom, LoadTest, PersonId, PoolId, Resource, Restore, Time};

/// Observed facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Registrations by domain.
    pub registrations: BTreeMap<String, Registration>,
    /// Name servers by zone.
    pub name_servers: BTreeMap<String, BTreeSet<String>>,
    /// Served certificates by host, with its port if it is not 443.
    pub certificates: BTreeMap<String, Leaf>,
    /// Databases by name.
    pub databases: BTreeMap<String, KnownDatabase>,
    /// Serving members by pool behind another load balancer.
    pub members: BTreeMap<PoolId, BTreeSet<String>>,
    /// The last load test of each target, by its name.
    pub load_tests: BTreeMap<String, LoadTest>,
    /// The last restore of each database, by its name.
    pub restores: BTreeMap<String, Restore>,
    /// Headroom of pools that the edge serves, and of databases.
    pub headroom: BTreeMap<Resource, Headroom>,
    /// When each person last answered by the link of a notification, by the contact that it was sent to.
    pub answers: BTreeMap<(PersonId, String), Time>,
    /// Whether a journal was read: without one, nothing is known of restores and answers.
    pub has_journal: bool,
}

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Expiry by the registrar, otherwise by the registry.
    pub expires: Option<Time>,
    /// The registrar.
    pub registrar: Option<String>,
    /// Whether a status prohibits transfers.
    pub is_locked: bool,
}

/// A served certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Its subject, issuer and start: together they name it.
    pub subject: String,
    /// Its issuer.
    pub issuer: String,
    /// Valid from.
    pub not_before: Time,
    /// Valid until.
    pub not_after: Time,
}

/// A database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownDatabase {
    /// What its nodes are: `PostgreSQL`, `Redis`. `None` while none of them lets mainstay in.
    pub product: Option<String>,
    /// Its backups; `None` while their tool has not answered.
    pub backups: Option<Vec<BackupSeen>>,
}

/// The last backup of a database by one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSeen {
    /// The tool's name of it.
    pub name: String,
    /// What is wrong with it; `None` when it is sound.
    pub trouble: Option<String>,
    /// End of the last complete one.
    pub last: Option<Time>,
}

impl Evidence {
    /// Whether nothing was observed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        // Headroom alone is no answer of a probe: an entry says that nothing is known as well.
        *self == Self { headroom: self.headroom.clone(), ..Self::default() }
    }

    /// A host, with its port if it is not 443.
    pub(crate) fn host(host: &str, port: u16) -> String {
        if port == 443 { host.to_owned() } else { format!("{host}:{port}") }
    }

    /// What a result of a probe adds or changes; `None` when it says nothing new.
    #[must_use]
    pub fn news(&self, kind: &ProbeKind, answer: &Answer) -> Option<News> {
        let (news, is_known) = match (kind, answer) {
            (ProbeKind::Domain { name }, Answer::Domain(seen)) => {
                let fresh = Registration {
                    expires: seen.registrar_expires.or(seen.registry_expires),
                    registrar: seen.registrar.clone(),
                    is_locked: seen.statuses.iter().any(|status| status.ends_with("transfer prohibited")),
                };
                let is_known = self.registrations.get(name) == Some(&fresh);
                (News::Registration(name.clone(), fresh), is_known)
            }
            (ProbeKind::Dns { zone, .. }, Answer::Dns(seen)) => {
                let fresh = seen.delegation.as_ref().ok()?;
                let is_known = self.name_servers.get(zone) == Some(fresh);
                (News::NameServers(zone.clone(), fresh.clone()), is_known)
            }
            (ProbeKind::Tls { host, port }, Answer::Tls(seen)) => {
                let name = Self::host(host, *port);
                let Certificate { subject, issuer, not_before, not_after, .. } = seen.chain.first()?;
                let fresh = Leaf {
                    subject: subject.clone(),
                    issuer: issuer.clone(),
                    not_before: *not_before,
                    not_after: *not_after,
                };
                let is_known = self.certificates.get(&name) == Some(&fresh);
                (News::Certificate(name, fresh), is_known)
            }
            (ProbeKind::Database { name }, Answer::Database(seen)) => {
                let fresh = self.database(name, seen);
                let is_known = self.databases.get(name) == Some(&fresh);
                (News::Database(name.clone(), fresh), is_known)
            }
            (ProbeKind::Pool { name }, Answer::Pool(seen)) => {
                let serving = seen.members.iter().filter(|member| member.state == MemberState::Serving);
                let mut fresh: BTreeSet<String> = serving.map(|member| member.name.clone()).collect();
                // Members that are down for the moment still are members.
                fresh.extend(self.members.get(name).into_iter().flatten().cloned());
                let listed = |name: &String| seen.members.iter().any(|member| member.name == *name);
                fresh.retain(listed);
                let is_known = self.members.get(name) == Some(&fresh);
                (News::Members(name.clone(), fresh), is_known)
            }
            _ => return None,
        };
        (!is_known).then_some(news)
    }

    /// What is known of a database after another round; what this round did not measure stays.
    fn database(&self, name: &str, seen: &types::DatabaseSeen) -> KnownDatabase {
        let mut fresh = self.databases.get(name).cloned().unwrap_or_default();
        let version = seen.nodes.iter().find_map(|node| match &node.answer {
            NodeAnswer::Facts(facts) => facts.version.split(' ').next(),
            _ => None,
        });
        if let Some(product) = version {
            fresh.product = Some(product.to_owned());
        }
        if let Reading::Known(backups) = &seen.backups {
            let backup = |backup: &Backup| BackupSeen {
                name: backup.name.clone(),
                trouble: (!backup.ok).then(|| backup.status.clone()),
                last: backup.last,
            };
            fresh.backups = Some(backups.iter().map(backup).collect());
        }
        fresh
    }

    /// Takes news over.
    pub fn take(&mut self, news: News) {
        match news {
            News::Registration(name, fresh) => _ = self.registrations.insert(name, fresh),
            News::NameServers(zone, fresh) => _ = self.name_servers.insert(zone, fresh),
            News::Certificate(host, fresh) => _ = self.certificates.insert(host, fresh),
            News::Database(name, fresh) => _ = self.databases.insert(name, fresh),
            News::Members(pool, fresh) => _ = self.members.insert(pool, fresh),
        }
    }

    /// Forgets what the configuration no longer has.
    pub fn follow(&mut self, config: &Config) {
        let mut hosts = BTreeSet::new();
        let mut zones = BTreeSet::new();
        let mut domains = BTreeSet::new();
        for probe in config.probes.values() {
            match &probe.kind {
                ProbeKind::Tls { host, port } => {
                    hosts.insert(Self::host(host, *port));
                }
                ProbeKind::Dns { zone, .. } => _ = zones.insert(zone.clone()),
                ProbeKind::Domain { name } => _ = domains.insert(name.clone()),
                _ => {}
            }
        }
        self.registrations.retain(|name, _| domains.contains(name));
        self.name_servers.retain(|zone, _| zones.contains(zone));
        self.certificates.retain(|host, _| hosts.contains(host));
        self.databases.retain(|name, _| config.databases.contains_key(name));
        self.members.retain(|name, _| config.external_pools.contains_key(name));
        self.load_tests.retain(|name, _| config.loads.contains_key(name));
        self.restores.retain(|name, _| config.databases.contains_key(name));
        self.answers.retain(|(person, contact), _| {
            let known = config.people.get(person).into_iter().flat_map(|person| &person.contacts);
            known.map(ToString::to_string).any(|known| known == *contact)
        });
    }
}

/// What is new in a result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Of a domain.
    Registration(String, Registration),
    /// Of a zone.
    NameServers(String, BTreeSet<String>),
    /// Of a host.
    Certificate(String, Leaf),
    /// Of a database.
    Database(String, KnownDatabase),
    /// Of a pool.
    Members(PoolId, BTreeSet<String>),
}
