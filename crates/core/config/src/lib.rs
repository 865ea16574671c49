//! Turns the text of mainstay.toml into a [`Config`], complete and consistent, or tells every [`Problem`] with its place.
//!
//! Pure: opens no file, resolves no name, looks at no clock. Secrets are never read here, only where they are.
//!
//! | module | holds |
//! |---|---|
//! | `fields`, `kind` | the one table of everything that may stand in a configuration |
//! | `syntax` | text -> tables, whatever is broken in between |
//! | `root`, `form`, `cell` | reads the sections, each table by its fields, each value by its kind: types, ranges, unknown and missing keys |
//! | `word`, `host`, `address`, `url`, `domain` | single words: spans, zones, names, networks, web addresses, registrable domains |
//! | `draft`, `probe`, `people`, `edge`, `traffic`, `pool` | the configuration as it was written |
//! | `team`, `serving`, `derive`, `edges`, `circle` | the configuration as it is meant: references, probes, the graph |
//! | `warn` | no mistake, but deserves a second look |
//! | `wrong`, `marks`, `problem`, `near` | what is wrong, where, and what was probably meant |
//! | `schema`, `reference` | the table of fields for editors and for people |
//!
//! Deliberately absent: a default for anything that nobody would guess, and any key that is read but not checked.

mod address;
mod cell;
mod circle;
mod derive;
mod domain;
mod draft;
mod edge;
mod edges;
mod fields;
mod form;
mod host;
mod kind;
mod marks;
mod near;
mod people;
mod pool;
mod probe;
mod problem;
mod reference;
mod root;
mod schema;
mod serving;
mod syntax;
mod team;
mod traffic;
mod url;
mod warn;
mod web;
mod word;
mod wrong;

pub use problem::{Problem, Problems, Spot};
pub use reference::reference;
pub use schema::schema;

use marks::Marks;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use types::{Config, config};

/// The longest text that is read, in bytes.
pub const LONGEST: usize = 16 << 20;

/// Reads a stretch of time as the configuration writes it: `30s`, `1h 30m`, `2d`.
///
/// # Errors
/// What is wrong with it, and how it is written.
pub fn span(text: &str) -> Result<std::time::Duration, String> {
    word::span(text).map_err(|wrong| format!("{}: {}", wrong.message, wrong.hint.told(String::new)))
}

/// A sound configuration, and what deserves a second look in it.
#[derive(Clone, Debug)]
pub struct Read {
    /// The configuration.
    pub config: Config,
    /// In the order of the text.
    pub warnings: Vec<Problem>,
    /// Where each of the edge's certificates stands, in their order: only who reads the files knows whether they can be used.
    pub certificates: Vec<Spot>,
}

/// Reads a configuration. `name` is what messages call the text, `folder` is what relative paths are relative to.
///
/// # Errors
/// Every problem at once, in the order of the text: at most a few hundred, never none.
pub fn read(text: &str, name: &str, folder: &Path) -> Result<Read, Problems> {
    let mut marks = Marks::default();
    if text.len() > LONGEST {
        let message = format!("the configuration is longer than {} KiB", LONGEST / 1024);
        marks.syntax(0..0, message, "divide it among several installations");
        return Err(Problems(marks.told("", name).0));
    }
    let config = syntax::mend(text, &mut marks).map(|mended| understood(text, &mended, folder, &mut marks));
    let (problems, warnings, certificates) = marks.told(text, name);
    match config {
        Some(config) if problems.is_empty() => Ok(Read { config, warnings, certificates }),
        _ => Err(Problems(problems)),
    }
}

/// The data folder that a text names, whatever else is wrong with it; the default one where it names none that can be read.
/// For commands that only need to find what runs.
#[must_use]
pub fn data_folder(text: &str, folder: &Path) -> PathBuf {
    let mended = (text.len() <= LONGEST).then(|| syntax::mend(text, &mut Marks::default())).flatten();
    let declared = mended.and_then(|mended| {
        let (table, _) = toml::de::DeTable::parse_recoverable(&mended);
        let data = table.get_ref().get("site")?.get_ref().as_table()?.get("data")?;
        word::path(data.get_ref().as_str()?, folder).ok()
    });
    declared.unwrap_or_else(|| folder.join(draft::DATA))
}

fn understood(text: &str, mended: &str, folder: &Path, marks: &mut Marks) -> Config {
    let table = syntax::parse(mended, marks);
    let root = root::Root::open(table.get_ref(), marks);
    let draft = draft::read(&root, folder, marks);
    let people = team::people(&draft, marks);
    let schedules = team::schedules(&draft, marks);
    let escalations = team::escalations(&draft, marks);
    let channels = team::channels(&draft);
    circle::judge(&draft.services, marks);
    serving::judge(&draft, marks);
    let derived = derive::derive(&draft, marks);
    warn::warn(&draft, &derived, marks);
    let mut status_page = draft.status_page;
    let mut order: Vec<_> =
        draft.services.iter().map(|(name, service)| (service.place.start, name.as_str())).collect();
    order.sort_unstable();
    status_page.order = order.into_iter().map(|(_, name)| name.into()).collect();
    let domains =
        draft.domains.into_iter().map(|(zone, domain)| (zone, config::Domain { expires: domain.expires }));
    Config {
        digest: digest(text),
        site: draft.site,
        dns: draft.dns,
        registry: draft.registry,
        services: derived.services,
        probes: derived.probes,
        domains: domains.collect(),
        people,
        schedules,
        escalations,
        channels,
        edge: draft.edge.map(|edge| edge.edge),
        pools: draft.pools.into_values().map(|draft| (draft.pool.id.clone(), draft.pool)).collect(),
        callers: draft.callers.into_values().map(|draft| (draft.caller.id.clone(), draft.caller)).collect(),
        status_page,
        graph: derived.graph,
    }
}

fn digest(text: &str) -> String {
    text::hex::encode(&Sha256::digest(text.as_bytes()))
}
