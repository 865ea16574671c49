//! `mainstay-drill rank FILE`: ranks the causes of recorded faults, one JSON line for each.

use clap::Args;
use flate2::read::GzDecoder;
use mainstay::{Failure, table};
use serde_json::{Value, json};
use statistics::rank::{Case, rank};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes of a file after decompression: far more than a recorded set has, and it fits into memory.
const BYTES_MAX: u64 = 256 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Arguments of the command.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// One case or a list of cases, as JSON, also compressed by gzip.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Options {
    /// Prints `{"id", "ranked": [{"node", "score"}], "verdict"}` for each case.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        for case in cases(&read(&self.file)?).map_err(|why| self.broken(&why))? {
            table::say(&line(&case).to_string());
        }
        Ok(ExitCode::SUCCESS)
    }

    fn broken(&self, why: &serde_json::Error) -> Failure {
        let form = r#"{"id", "nodes", "calls", "target": {"node", "metric"}, "baseline", "incident"}"#;
        Failure::wrong(format!("{}: {why}", self.file.display()))
            .hint(format!("the file must hold one case or a list of cases, each {form}"))
    }
}

fn line(case: &Case) -> Value {
    let ranking = rank(case);
    // Four digits: more would suggest a precision that the method does not have.
    let rounded = |score: f64| (score * 1e4).round() / 1e4;
    let ranked: Vec<Value> =
        ranking.ranked.iter().map(|one| json!({ "node": one.node, "score": rounded(one.score) })).collect();
    json!({ "id": case.id, "ranked": ranked, "verdict": ranking.verdict.to_string() })
}

fn cases(bytes: &[u8]) -> Result<Vec<Case>, serde_json::Error> {
    let is_list = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    if is_list { serde_json::from_slice(bytes) } else { Ok(vec![serde_json::from_slice(bytes)?]) }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |why: std::io::Error| Failure::wrong(format!("cannot read {}: {why}", path.display()));
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start).map_err(failed)?;
    let compressed = start == GZIP;
    let whole = start.as_slice().chain(file);
    let mut bytes = Vec::new();
    let limit = BYTES_MAX + 1;
    if compressed {
        GzDecoder::new(whole).take(limit).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        whole.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > BYTES_MAX {
        let message = format!("{} has more than {} MiB", path.display(), BYTES_MAX >> 20);
        return Err(Failure::wrong(message).hint("split the list into several files"));
    }
    Ok(bytes)
}
