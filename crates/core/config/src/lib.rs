//! Parses the text of mainstay.toml into a complete and consistent [`Config`], or reports every [`Problem`] with its
//! position.
//!
//! Pure: opens no file, resolves no name, reads no clock. Secrets are never read here, only the references to them.
//!
//! | module | contents |
//! |---|---|
//! | `keys`, `kind`, `formats` | how a key is declared, and the types that it may have |
//! | `raw` | the configuration as it is written: each section with its keys, declared once |
//! | `schema`, `reference` | JSON Schema and reference page, generated from those declarations |
//! | `renames`, `fix` | keys that had another name once: how they are reported, and how a file is rewritten |
//! | `syntax` | text -> TOML tables; recovers after a syntax error |
//! | `document` | reads the sections of a document |
//! | `parse` | parsers of single values: durations, timezones, host names, CIDR ranges, URLs, registrable domains |
//! | `resolve` | the configuration as it is meant: references, derived probes, the dependency graph |
//! | `position` | where a section is written |
//! | `warnings` | what is valid, but probably not intended |
//! | `diagnostics`, `problem`, `value_error`, `suggest` | problems, their positions, and what was probably meant |
//!
//! Deliberately absent: a default that nobody would guess, and a key that is read but not checked.

mod diagnostics;
mod document;
mod fix;
mod formats;
mod keys;
mod kind;
mod parse;
mod position;
mod problem;
mod raw;
mod reference;
mod renames;
mod resolve;
mod schema;
mod suggest;
mod syntax;
mod value_error;
mod warnings;

pub use fix::{Fixed, Renamed, Unfixable, fix};
pub use position::line_of;
pub use problem::{Problem, Problems, SourceSpan};
pub use reference::reference;
pub use schema::schema;

use diagnostics::Diagnostics;
use document::DocumentReader;
use kind::Context;
use parse::domain::Declared;
use parse::scalar;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use types::audit::AuditSettings;
use types::{CallerId, Config, PoolId};

/// The longest text that is read, in bytes.
pub const LONGEST: usize = 16 << 20;

/// A text is no duration: what is wrong with it, and how a duration is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}: {hint}")]
pub struct DurationError {
    message: String,
    hint: String,
}

/// Parses a duration as the configuration writes it: `30s`, `1h 30m`, `2d`.
///
/// # Errors
/// See [`DurationError`].
pub fn duration(text: &str) -> Result<std::time::Duration, DurationError> {
    scalar::duration(text).map_err(|error| DurationError {
        message: error.message.to_string(),
        hint: error.hint.text_or(String::new).to_string(),
    })
}

/// A valid configuration and its warnings.
#[derive(Clone, Debug)]
pub struct Read {
    /// The configuration.
    pub config: Config,
    /// Warnings in the order of the text.
    pub warnings: Vec<Problem>,
    /// Position of each certificate of the edge, in their order. Whether its files are usable is known only to the
    /// caller, who reads them.
    pub certificates: Vec<SourceSpan>,
}

/// Parses a configuration. `name` is the file name used in messages, `folder` the base of relative paths.
///
/// # Errors
/// All problems together, in the order of the text: at least one, at most a few hundred.
pub fn read(text: &str, name: &str, folder: &Path) -> Result<Read, Problems> {
    let mut diagnostics = Diagnostics::default();
    if text.len() > LONGEST {
        let message = format!("the configuration is longer than {} KiB", LONGEST / 1024);
        diagnostics.syntax(0..0, message, "divide it among several installations");
        return Err(Problems(diagnostics.finish("", name).0));
    }
    let config = syntax::recover(text, &mut diagnostics)
        .map(|recovered| interpret(text, &recovered, folder, &mut diagnostics));
    let (problems, warnings, certificates) = diagnostics.finish(text, name);
    match config {
        Some(config) if problems.is_empty() => Ok(Read { config, warnings, certificates }),
        _ => Err(Problems(problems)),
    }
}

/// Returns the data folder that a text declares, whatever else is wrong with it; the default folder when it declares
/// none. For commands that only need to find the running process.
#[must_use]
pub fn data_folder(text: &str, folder: &Path) -> PathBuf {
    let recovered =
        (text.len() <= LONGEST).then(|| syntax::recover(text, &mut Diagnostics::default())).flatten();
    let declared = recovered.and_then(|recovered| {
        let (table, _) = toml::de::DeTable::parse_recoverable(&recovered);
        let data = table.get_ref().get("site")?.get_ref().as_table()?.get("data")?;
        scalar::path(data.get_ref().as_str()?, folder).ok()
    });
    declared.unwrap_or_else(|| folder.join(raw::site::DATA))
}

fn interpret(text: &str, recovered: &str, folder: &Path, diagnostics: &mut Diagnostics) -> Config {
    let mut table = syntax::parse(recovered, diagnostics);
    renames::apply(table.get_mut(), diagnostics);
    let mut context = Context { diagnostics, folder, declared: Declared::default(), sections: raw::SECTIONS };
    let document = DocumentReader::open(table.get_ref(), &mut context);
    let raw = raw::read(&document, &mut context);
    let people = resolve::team::people(&raw, diagnostics);
    let schedules = resolve::schedule::schedules(&raw, diagnostics);
    let escalations = resolve::team::escalations(&raw, diagnostics);
    let channels = resolve::team::channels(&raw);
    let notices = resolve::team::notices(&raw, diagnostics);
    resolve::cycle::check(&raw.services, diagnostics);
    resolve::serving::check(&raw, diagnostics);
    resolve::source::check(&raw, diagnostics);
    resolve::subscribers::check(&raw, diagnostics);
    resolve::load::check(&raw, diagnostics);
    let heartbeats = resolve::heartbeat::heartbeats(&raw, diagnostics);
    let maintenances = resolve::maintenance::maintenances(&raw, diagnostics);
    let derived = resolve::derive::derive(&raw, diagnostics);
    warnings::warn(&raw, &derived, diagnostics);
    let (external_pools, pools): (BTreeMap<_, _>, BTreeMap<_, _>) =
        raw.pools.into_iter().partition(|(_, pool)| pool.is_external());
    let mut status_page = raw.status_page;
    let mut order: Vec<_> =
        raw.services.iter().map(|(name, service)| (service.written.place.start, name.as_str())).collect();
    order.sort_unstable();
    status_page.order = order.into_iter().map(|(_, name)| name.into()).collect();
    let mut config = Config {
        digest: digest(text),
        site: raw.site,
        dns: raw.dns,
        registry: raw.registry,
        services: derived.services,
        probes: derived.probes,
        domains: raw.domains.into_iter().map(|(zone, at)| (zone, at.value)).collect(),
        databases: raw.databases.into_iter().filter_map(|(name, raw)| Some((name, raw.resolve()?))).collect(),
        people,
        schedules,
        escalations,
        channels,
        notices,
        edge: raw.edge.map(raw::edge::RawEdge::resolve),
        pools: pools.into_iter().map(|(name, raw)| (PoolId(name.clone()), raw.resolve(name))).collect(),
        external_pools: external_pools
            .into_iter()
            .filter_map(|(name, raw)| Some((PoolId(name.clone()), raw.resolve_external(name)?)))
            .collect(),
        callers: raw
            .callers
            .into_iter()
            .map(|(name, raw)| (CallerId(name.clone()), raw.resolve(name)))
            .collect(),
        sources: raw.sources.into_iter().filter_map(|(name, raw)| Some((name, raw.resolve()?))).collect(),
        loads: raw
            .loads
            .into_iter()
            .filter_map(|(name, raw)| raw.resolve(&name).map(|it| (name, it)))
            .collect(),
        heartbeats,
        maintenances,
        status_page,
        audit: AuditSettings::default(),
        locations: derived.locations,
        graph: derived.graph,
    };
    // An exception may name anything that the configuration has.
    config.audit = raw.audit.resolve(raw.people.keys().map(String::as_str), &config.resources(), diagnostics);
    config
}

fn digest(text: &str) -> String {
    text::hex::encode(&Sha256::digest(text.as_bytes()))
}
