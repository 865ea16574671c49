//! The edge alone, to be measured: `plain CONFIG.toml` serves by a configuration until it is killed.
use edge::{Edge, Terms};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("plain PLAN.toml")?;
    let text = std::fs::read_to_string(&path)?;
    let config = config::read(&text, &path, Path::new("."))?.config;
    let policy = types::Policy {
        config: Arc::new(config),
        denials: BTreeMap::new(),
        valves: BTreeMap::new(),
        initial_concurrency: BTreeMap::new(),
    };
    let edge = Edge::start(&Terms { policy, tokens: BTreeMap::new() }, tokens::Key::new([7; 32]))?;
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let _ = edge.roll_up();
    }
}
