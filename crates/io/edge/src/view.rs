//! The policy as the request path needs it: compiled once, shared by all threads, swapped whole.

use crate::cache::store::ResponseCache;
use crate::client::ClientTokens;
use crate::idempotency::KeyStore;
use crate::offline::OfflineFiles;
use crate::pool::{Pool, Tls, TlsError};
use crate::probe_tokens::ProbeTokens;
use crate::tls::outward;
use rustls::pki_types::ServerName;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hasher};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls_roots::Roots;
use types::config::{self, Protocol};
use types::{CallerId, PoolId, Time};

/// The part of a file of trusted roots that is compared.
const TRUST_MAX: u64 = 16 << 20;

/// The compiled policy.
pub(crate) struct View {
    pub(crate) edge: config::Edge,
    pub(crate) policy: traffic::Policy,
    /// Every pool that a route leads to, with its current configuration.
    pub(crate) pools: Vec<(Arc<Pool>, config::Pool)>,
    /// The pool of each route, by index.
    route_pool: Vec<Option<usize>>,
    pub(crate) client_tokens: ClientTokens,
    pub(crate) probe_tokens: ProbeTokens,
    /// Stored responses, where a path is cached.
    pub(crate) cache: Option<Arc<ResponseCache>>,
    /// Idempotency keys, where a service has writes that are delivered once.
    pub(crate) keys: Option<Arc<KeyStore>>,
    /// The files of the offline kit of each route, by index.
    pub(crate) offline: Vec<Option<Arc<OfflineFiles>>>,
    /// The files of trusted roots, each with its content as a number.
    trust: Vec<(PathBuf, Option<u64>)>,
}

/// The parts of a view.
pub(crate) struct Parts<'a> {
    pub(crate) policy: &'a types::Policy,
    pub(crate) edge: config::Edge,
    pub(crate) tokens: &'a BTreeMap<CallerId, SecretString>,
    pub(crate) key: &'a tokens::Key,
    pub(crate) zero: Instant,
}

/// Hashes of the files of trusted roots, so that a change under the same name is noticed. A file that cannot be
/// read counts as unchanged: its roots are still in use.
fn contents(trust: &[PathBuf], before: Option<&View>) -> Vec<(PathBuf, Option<u64>)> {
    let request_body = |path: &PathBuf| {
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(TRUST_MAX).read_to_end(&mut bytes).ok()?;
        let mut hasher = DefaultHasher::new();
        hasher.write(&bytes);
        Some(hasher.finish())
    };
    let known = |path: &PathBuf| before?.trust.iter().find(|(known, _)| known == path)?.1;
    trust.iter().map(|path| (path.clone(), request_body(path).or_else(|| known(path)))).collect()
}

impl View {
    /// Compiles a policy. Pools that are spoken to as before go on as they are, with all that is known of their
    /// servers.
    pub(crate) fn new(parts: Parts<'_>, before: Option<&Self>, now: Time) -> Self {
        let Parts { policy, edge, tokens, key, zero } = parts;
        let tick = traffic::Tick(u64::try_from(zero.elapsed().as_micros()).unwrap_or(u64::MAX));
        // Secret, and another one for each closing: no client can compute its place, and none is always the last.
        let seed = |valve: &types::Valve| key.number(&format!("valve {} {}", valve.service, valve.number));
        let compiled = traffic::Policy::new(policy, tokens, now, tick).with_valves(policy, now, tick, seed);
        let trust = &policy.config.site.extra_ca_files;
        let trusted = contents(trust, before);
        let mut roots: Option<Roots> = None;
        let mut pools: Vec<(Arc<Pool>, config::Pool)> = Vec::new();
        let mut places: BTreeMap<PoolId, usize> = BTreeMap::new();
        let mut route_pool = Vec::new();
        for route in compiled.routes() {
            let place = match places.get(&route.pool) {
                Some(place) => Some(*place),
                None => policy.config.pools.get(&route.pool).map(|config| {
                    let config = &with_initial(policy, config);
                    let kept = before.filter(|view| view.trust == trusted).and_then(|view| view.kept(config));
                    let pool = match kept {
                        Some(pool) => {
                            pool.ask(|origin, tick| origin.reshape(config, tick));
                            pool
                        }
                        None => Pool::new(config, tls(config, trust, &mut roots), zero),
                    };
                    pools.push((pool, config.clone()));
                    places.insert(route.pool.clone(), pools.len() - 1);
                    pools.len() - 1
                }),
            };
            route_pool.push(place);
        }
        let cache = compiled.routes().iter().any(traffic::Route::has_cache).then(|| {
            let kept = before.and_then(|view| view.cache.clone());
            let cache = kept.unwrap_or_else(|| ResponseCache::new(edge.cache_size));
            cache.resize(edge.cache_size);
            cache
        });
        let offline = compiled.routes().iter().map(|route| {
            let service = policy.config.services.get(&route.service)?;
            let traffic = service.traffic.as_ref()?;
            let kit = traffic.offline.as_ref()?;
            let kept = before.and_then(|view| view.offline_files(service, kit, traffic.response_timeout));
            Some(kept.unwrap_or_else(|| OfflineFiles::new(&service.title, kit, traffic.response_timeout)))
        });
        let offline: Vec<_> = offline.collect();
        let keys = if offline.iter().flatten().any(|files| files.has_writes()) {
            keys(&policy.config.site.data, before)
        } else {
            // Requests in flight end in their store, and a section that comes back finds it.
            before.and_then(|view| view.keys.clone())
        };
        Self {
            keys,
            offline,
            edge,
            policy: compiled,
            pools,
            route_pool,
            client_tokens: ClientTokens::new(key, now),
            probe_tokens: ProbeTokens::new(key, now),
            cache,
            trust: trusted,
        }
    }

    /// The files of before, where nothing in them has changed.
    fn offline_files(
        &self,
        service: &types::config::Service,
        kit: &config::Offline,
        timeout: Duration,
    ) -> Option<Arc<OfflineFiles>> {
        let index = self.policy.routes().iter().find(|route| route.service == service.id)?.index;
        self.offline.get(index)?.clone().filter(|files| files.is_of(&service.title, kit, timeout))
    }

    /// The pool of before, where the configuration speaks to it in the same way.
    fn kept(&self, config: &config::Pool) -> Option<Arc<Pool>> {
        let same = |old: &&(Arc<Pool>, config::Pool)| {
            old.1.id == config.id && old.1.protocol == config.protocol && old.1.tls == config.tls
        };
        self.pools.iter().find(same).map(|(pool, _)| Arc::clone(pool))
    }

    /// The index of a route's pool.
    pub(crate) fn pool_of(&self, route: &traffic::Route) -> Option<usize> {
        *self.route_pool.get(route.index)?
    }
}

/// The store of idempotency keys; the one of before, where there is one.
fn keys(data: &Path, before: Option<&View>) -> Option<Arc<KeyStore>> {
    if let Some(keys) = before.and_then(|view| view.keys.clone()) {
        return Some(keys);
    }
    let store = KeyStore::new(data.join("idempotency.db"));
    store.inspect_err(|why| tracing::error!("the thread for idempotency keys cannot be started: {why}")).ok()
}

/// The pool with the initial limit that a load test gives it. A pool that is there already keeps what it has learned.
fn with_initial(policy: &types::Policy, pool: &config::Pool) -> config::Pool {
    let raised = policy.initial_concurrency.get(&pool.id).copied().unwrap_or(pool.initial_concurrency);
    config::Pool { initial_concurrency: raised.max(pool.initial_concurrency), ..pool.clone() }
}

fn tls(config: &config::Pool, trust: &[PathBuf], roots: &mut Option<Roots>) -> Result<Option<Tls>, TlsError> {
    let Some(text) = config.tls.clone() else { return Ok(None) };
    let name =
        ServerName::try_from(text.clone()).map_err(|why| TlsError::Name { name: text.clone(), why })?;
    let roots = roots.get_or_insert_with(|| {
        let (roots, faults) = Roots::load_usable(trust);
        faults.iter().for_each(|fault| tracing::error!("site.extra_ca_files: {fault}"));
        roots
    });
    let config = outward::config(roots, config.protocol == Protocol::Http2)?;
    Ok(Some(Tls { name, text, config }))
}
