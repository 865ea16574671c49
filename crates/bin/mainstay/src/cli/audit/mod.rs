//! `mainstay audit`: acceptance criteria that services, databases, names and on-call do not meet.

mod criteria;
mod junit;
mod sarif;
mod text;

use crate::app::clock;
use crate::cli::running::Running;
use crate::cli::{Common, Failure, config, table};
use ::audit::Report;
use clap::{Args, ValueEnum};
use engine::views::Acceptance;
use std::process::ExitCode;
use std::sync::Arc;
use types::ServiceId;
use types::audit::Criterion;

/// Audits the running mainstay, or the file.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    /// Only what concerns this service: itself, what it depends on, and who is paged for it.
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Print only what fails the audit: for a pipeline that releases a service.
    #[arg(long)]
    gate: bool,
    /// Format of the report.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Audit the file, without what a running mainstay has seen.
    #[arg(long)]
    text_alone: bool,
    /// List the criteria; with a name: why it matters, how it is checked, and the remedy.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "")]
    criteria: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    /// For test reports of CI.
    Junit,
    /// For code scanning, version 2.1.0.
    Sarif,
}

impl Audit {
    pub(crate) fn run(&self, common: &Common) -> Result<ExitCode, Failure> {
        match self.criteria.as_deref() {
            Some("") => return criteria::list(common),
            Some(name) => {
                let criterion: Criterion = name
                    .parse()
                    .map_err(|why| Failure::wrong(why).hint("`mainstay audit --criteria` lists them"))?;
                return criteria::explain(common, criterion);
            }
            None => {}
        }
        // Names of services consist of these characters, so that one needs no encoding in a URL.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if let Some(name) = self.service.as_ref().filter(|name| !name.chars().all(is_plain)) {
            return Err(no_service(name));
        }
        let mut report = self.report(common)?;
        let fails = report.fails();
        if self.gate {
            report = report.musts();
        }
        let format = if common.json { Format::Json } else { self.format };
        match format {
            Format::Text => text::print(&report, self.gate),
            Format::Json => table::json(&report)?,
            Format::Junit => table::say(junit::document(&report)?.trim_end()),
            Format::Sarif => table::json(&sarif::document(&report, common)?)?,
        }
        Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    /// Of the running mainstay, which has seen answers of probes; of the file when none runs.
    fn report(&self, common: &Common) -> Result<Report, Failure> {
        if !self.text_alone
            && let Some(running) = Running::find_if_any(common)?
        {
            let path = match &self.service {
                Some(service) => format!("/api/v1/audit?service={service}"),
                None => "/api/v1/audit".to_owned(),
            };
            return serde_json::from_value(running.get(&path)?).map_err(Failure::no);
        }
        let config = config::read(&common.config, true)?;
        let acceptance = Acceptance::new(Arc::new(config));
        match &self.service {
            None => Ok(acceptance.report(clock::now())),
            Some(name) => {
                acceptance.report_on(&ServiceId(name.clone()), clock::now()).ok_or_else(|| no_service(name))
            }
        }
    }
}

fn no_service(name: &str) -> Failure {
    Failure::wrong(format!("there is no service `{name}` in the configuration"))
}
