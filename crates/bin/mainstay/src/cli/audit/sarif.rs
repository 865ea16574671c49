//! The report as SARIF 2.1.0 (OASIS): each finding at the line of its section in the configuration.

use crate::cli::{Common, Failure, config};
use ::audit::criteria::all;
use ::audit::definition::Definition;
use ::audit::{Finding, Report};
use serde_json::{Value, json};
use types::audit::Level;
use types::{Kind, Resource};

/// The document.
pub(crate) fn document(report: &Report, common: &Common) -> Result<Value, Failure> {
    let text = config::text(&common.config)?;
    // Code scanning wants paths from the root of the repository.
    let file = uri(&common.config.strip_prefix("./").unwrap_or(&common.config).display().to_string());
    let results: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| result(finding, &file, line(&text, &finding.resource)))
        .collect();
    Ok(json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "mainstay audit",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": all().map(rule).collect::<Vec<_>>(),
            } },
            "results": results,
        }],
    }))
}

/// A path as a reference of RFC 3986, which SARIF demands: a space or a `#` would end it.
fn uri(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~');
    path.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn rule(definition: &Definition) -> Value {
    json!({
        "id": definition.criterion,
        "shortDescription": { "text": definition.title },
        "fullDescription": { "text": definition.why },
        "help": { "text": definition.remedy },
        "defaultConfiguration": { "level": level(definition.level) },
    })
}

fn result(finding: &Finding, file: &str, line: usize) -> Value {
    json!({
        "ruleId": finding.criterion,
        "level": level(finding.level),
        "message": { "text": format!("{}: {}. {}", finding.resource, finding.evidence, finding.remedy) },
        "locations": [{
            "physicalLocation": {
                "artifactLocation": { "uri": file },
                "region": { "startLine": line },
            },
            "logicalLocations": [{ "fullyQualifiedName": finding.resource }],
        }],
        // The same finding in the next run, even when lines were added above it.
        "partialFingerprints": { "criterion/resource": format!("{}/{}", finding.criterion, finding.about()) },
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Must => "error",
        Level::Should => "warning",
        Level::Off => "none",
    }
}

/// The line of a section; the first line for what no section declares.
fn line(text: &str, resource: &Resource) -> usize {
    let section = match resource.kind {
        Kind::Service | Kind::Pool | Kind::Database | Kind::Domain | Kind::Probe | Kind::Heartbeat => {
            resource.kind.as_str()
        }
        Kind::Host
        | Kind::Tls
        | Kind::Address
        | Kind::Location
        | Kind::Dns
        | Kind::Source
        | Kind::Mainstay => return 1,
    };
    ::config::line_of(text, section, &resource.name).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn path_is_written_as_a_reference() {
        assert_eq!(uri("ops/mainstay.toml"), "ops/mainstay.toml");
        assert_eq!(uri("my ops/a#b.toml"), "my%20ops/a%23b.toml");
    }
}
