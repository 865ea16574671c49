//! Requirements of `mainstay run` on this machine, checked without changing anything.

use crate::app::subscribers::Setting;
use crate::app::{control, edge_controller, sources};
use config::Read;
use notify::Notifier;
use rustix::fs::{Access, access};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use tokens::Key;
use types::Config;

/// A message for each requirement that is not met.
pub(crate) fn missing(read: &Read) -> Vec<String> {
    let config = &read.config;
    let mut missing = Vec::new();
    // Nothing is signed with this key: the real one is created at the first start.
    if let Err(why) = Notifier::new(config, Key::new([0; 32])) {
        missing.extend(why.problems().iter().cloned());
    }
    missing.extend(prober::Prober::new(config).err().map(|why| format!("probes: {why}")));
    missing.extend(edge_controller::tokens(config).err().map(|why| why.to_string()));
    missing.extend(Setting::read(config).err().map(|why| why.to_string()));
    missing.extend(sources::Reporters::read(config).err().map(|why| why.to_string()));
    let files = config.edge.iter().flat_map(|edge| edge.geoip_country.iter().chain(&edge.geoip_asn));
    missing.extend(files.filter_map(|file| edge::check_geoip(file).err().map(|why| why.to_string())));
    missing.extend(folder(&config.site.data));
    // A running mainstay with this data folder uses the ports itself.
    if !runs(&config.site.data) {
        missing.extend(ports(config));
    }
    missing
}

/// Why the data folder cannot be written or created, or why its journal is damaged.
fn folder(data: &Path) -> Option<String> {
    let shown = data.display();
    if !data.exists() {
        let parent =
            data.ancestors().skip(1).find(|parent| parent.exists() || parent.as_os_str().is_empty())?;
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        let why = if parent.is_dir() { writable(parent)? } else { "it is not a folder".to_owned() };
        return Some(format!("the data folder {shown} cannot be created in {}: {why}", parent.display()));
    }
    if !data.is_dir() {
        return Some(format!("the data folder {shown} is a file"));
    }
    if let Some(why) = writable(data) {
        return Some(format!("the data folder {shown} cannot be written: {why}"));
    }
    journal::sqlite::look(data.join("journal.db")).err().map(|why| why.to_string())
}

fn writable(folder: &Path) -> Option<String> {
    access(folder, Access::WRITE_OK | Access::EXEC_OK).err().map(|why| io::Error::from(why).to_string())
}

fn runs(data: &Path) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.is_ok_and(|runtime| runtime.block_on(control::is_alive(data)))
}

/// Addresses that are in use.
fn ports(config: &Config) -> Vec<String> {
    let edge = config.edge.iter().flat_map(|edge| edge.listen.iter().chain(&edge.listen_tls));
    let wanted = std::iter::once((&config.site.listen, "site.listen")).chain(edge.map(|at| (at, "the edge")));
    let taken = |at: &SocketAddr| TcpListener::bind(at).err();
    wanted
        .filter_map(|(at, whose)| taken(at).map(|why| format!("{whose}: cannot listen on {at}: {why}")))
        .collect()
}
