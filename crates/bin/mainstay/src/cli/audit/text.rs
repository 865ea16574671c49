//! The report for people.

use crate::cli::table::{self, Tone};
use ::audit::{Finding, Report};
use types::audit::Level;

const WIDTH: usize = 80;
const INDENT: &str = "        ";

/// Prints it: findings, then what was accepted and what could not be checked, then a summary.
pub(crate) fn print(report: &Report, musts_only: bool) {
    report.findings.iter().for_each(print_finding);
    if !musts_only {
        for accepted in &report.accepted {
            let finding = &accepted.finding;
            table::say(&format!("accepted {} {}", finding.criterion, finding.resource));
            let until = accepted.until.strftime("%Y-%m-%d");
            let line = format!("until {until} by {}: {}", accepted.owner, accepted.why);
            table::say(&table::wrapped(&line, INDENT, WIDTH));
        }
        for unknown in &report.not_checked {
            let line = format!("unknown {} {}: {}", unknown.criterion, unknown.resource, unknown.why);
            table::say(&table::wrapped(&line, "", WIDTH));
        }
    }
    table::say(&summary(report));
    if report.configuration_only {
        table::say(
            "The file alone was audited: nothing that probes see is known without a running mainstay.",
        );
    }
}

fn print_finding(finding: &Finding) {
    let (word, tone) = match finding.level {
        Level::Must => ("must", Tone::Bad),
        Level::Should | Level::Off => ("should", Tone::Warn),
    };
    let filling = " ".repeat(INDENT.len().saturating_sub(word.len()));
    table::say(&format!("{}{filling}{} {}", table::tinted(word, tone), finding.criterion, finding.resource));
    let ended =
        finding.exception_ended.map(|at| format!("; its exception ended {}", at.strftime("%Y-%m-%d")));
    let seen = format!("{}{}", finding.evidence, ended.unwrap_or_default());
    table::say(&table::wrapped(&seen, INDENT, WIDTH));
    table::say(&table::wrapped(&format!("-> {}", finding.remedy), INDENT, WIDTH));
}

fn summary(report: &Report) -> String {
    let count = |level| report.findings.iter().filter(|finding| finding.level == level).count();
    let (must, should) = (count(Level::Must), count(Level::Should));
    let verdict = match must {
        0 => "the audit passes".to_owned(),
        1 => "the audit fails: 1 finding must be fixed".to_owned(),
        more => format!("the audit fails: {more} findings must be fixed"),
    };
    let accepted = report.accepted.len();
    let unknown = report.not_checked.len();
    format!(
        "{verdict}; {should} should be, {accepted} accepted, {unknown} not known yet, {} criteria met",
        report.met.len()
    )
}
