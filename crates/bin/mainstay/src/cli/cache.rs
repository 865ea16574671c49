//! `mainstay cache`: purges of the edge's response cache.

use crate::cli::running::Running;
use crate::cli::{Common, Failure, actor, table};
use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use std::process::ExitCode;

#[derive(Debug, Subcommand)]
pub(crate) enum Cache {
    /// Drop stored responses of a service: `cache purge auth`, `cache purge auth '/static/*'`.
    Purge {
        /// The service.
        service: String,
        /// A path with all its queries, `/static/*` for all below it, or a path with one query; default: everything.
        path: Option<String>,
        /// Your name; default: the login name.
        #[arg(long)]
        by: Option<String>,
    },
}

/// The part of the response that is printed.
#[derive(Deserialize)]
struct Purged {
    dropped: u64,
}

impl Cache {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        let Self::Purge { service, path, by } = self;
        let body = json!({ "by": actor(by.as_ref()), "service": service, "path": path });
        let answer = Running::find(common)?.post("/api/v1/cache/purge", &body)?;
        if common.json {
            table::json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let Purged { dropped } = serde_json::from_value(answer).map_err(Failure::no)?;
        let what = path.as_ref().map_or_else(|| service.clone(), |path| format!("{service} {path}"));
        let noun = if dropped == 1 { "response" } else { "responses" };
        table::say(&format!("{what}: {dropped} stored {noun} dropped"));
        Ok(ExitCode::SUCCESS)
    }
}
