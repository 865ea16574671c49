//! The audit in a pipeline: JUnit and SARIF, validated against their schemas in third_party/schemas.

use crate::audit::{config, text};
use crate::instance::{Instance, Web, until};
use serde_json::{Value, json};
use std::process::Command;

/// The JSON Schema of SARIF 2.1.0, as OASIS publishes it.
const SARIF: &str = include_str!("../../../../../third_party/schemas/sarif-schema-2.1.0.json");

/// The pattern of a language in it. It has a closing bracket too many, which ECMAScript refuses in Unicode mode.
const BROKEN: &str = "^[a-zA-Z]{2}|^[a-zA-Z]{2}-[a-zA-Z]{2}]?$";

#[test]
fn formats_of_pipelines_name_findings() {
    let web = Web::start();
    let instance = Instance::with(&config(&web));
    let (code, junit) = text(&instance, &["audit", "--format", "junit"]);
    assert_eq!(code, Some(1));
    assert_eq!(junit_faults(&instance, &junit), None, "{junit}");
    assert!(junit.contains("classname=\"traffic-limits\"") && junit.contains("<failure"), "{junit}");
    let (_, sarif) = text(&instance, &["audit", "--format", "sarif"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert_sarif(&sarif);
    assert_eq!(sarif_faults(&sarif), [] as [String; 0]);
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let limits = results.iter().find(|result| result["ruleId"] == "traffic-limits").unwrap();
    assert_eq!(limits["level"], "error");
    let line = limits["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64().unwrap();
    let config = std::fs::read_to_string(instance.config()).unwrap();
    assert_eq!(config.lines().nth(usize::try_from(line).unwrap() - 1), Some("[service.shop]"));
}

/// Also with what only a running mainstay has: findings about one of several contacts, and an exception that has ended.
#[test]
fn formats_of_a_running_process_and_of_one_service_are_valid() {
    let web = Web::start();
    let ended = "{ criterion = \"runbook\", owner = \"ana\", until = 2020-01-01, why = \"later\" }";
    let config = config(&web)
        .replace("exceptions = [", &format!("exceptions = [{ended}, "))
        .replace("contacts = [\"hook:ana\"]", "contacts = [\"hook:ana\", \"hook:b\"]");
    let mut instance = Instance::with(&config);
    instance.start();
    until("findings of the journal", || {
        let (_, junit) = text(&instance, &["audit", "--format", "junit"]);
        junit.contains("mainstay.here ana over hook:b").then_some(())
    });
    for more in [&[] as &[&str], &["--service", "shop"], &["--service", "blog", "--gate"], &["--text-alone"]]
    {
        let (_, junit) = text(&instance, &[&["audit", "--format", "junit"], more].concat());
        assert_eq!(junit_faults(&instance, &junit), None, "{more:?}: {junit}");
        let (_, sarif) = text(&instance, &[&["audit", "--format", "sarif"], more].concat());
        let sarif: Value = serde_json::from_str(&sarif).unwrap();
        assert_sarif(&sarif);
        assert_eq!(sarif_faults(&sarif), [] as [String; 0], "{more:?}");
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        let print = |result: &Value| result["partialFingerprints"]["criterion/resource"].to_string();
        let prints: std::collections::BTreeSet<String> = results.iter().map(print).collect();
        assert_eq!(prints.len(), results.len(), "a fingerprint is of one finding: {prints:?}");
    }
}

/// A validator that accepts everything would show nothing.
#[test]
fn documents_that_are_not_valid_are_refused() {
    let instance = Instance::with("");
    let suite = "<testsuite name=\"a\" tests=\"0\" failures=\"0\" errors=\"0\" skipped=\"0\"/>";
    let junit = |attributes: &str| format!("<testsuites name=\"a\"{attributes}>{suite}</testsuites>");
    assert_eq!(junit_faults(&instance, &junit("")), None);
    let fault = junit_faults(&instance, &junit(" skipped=\"0\"")).unwrap();
    assert!(fault.contains("'skipped' is not allowed"), "{fault}");

    let sarif = |level: &str, line: u32| {
        json!({ "version": "2.1.0", "runs": [{
            "tool": { "driver": { "name": "a" } },
            "results": [{
                "level": level, "message": { "text": "b" },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": "c" }, "region": { "startLine": line },
                } }],
            }],
        }] })
    };
    assert_eq!(sarif_faults(&sarif("error", 1)), [] as [String; 0]);
    for (level, line) in [("fatal", 1), ("error", 0)] {
        assert_eq!(sarif_faults(&sarif(level, line)).len(), 1, "{level} {line}");
    }
    let published = jsonschema::validator_for(&serde_json::from_str(SARIF).unwrap());
    assert!(published.is_err(), "without a fault of its own it is used as it is");
}

/// What xmllint says about a JUnit report; `None` when it is valid.
fn junit_faults(instance: &Instance, document: &str) -> Option<String> {
    let file = instance.folder.path().join("report.xml");
    std::fs::write(&file, document).unwrap();
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../third_party/schemas/junit-10.xsd");
    let mut xmllint = Command::new("xmllint");
    let run = xmllint.args(["--noout", "--nonet", "--schema", schema]).arg(&file).output();
    let output = run.unwrap_or_else(|why| panic!("xmllint (Debian: libxml2-utils, cargo xtask ci): {why}"));
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What is wrong with a document by the schema of SARIF 2.1.0.
fn sarif_faults(document: &Value) -> Vec<String> {
    let mut schema: Value = serde_json::from_str(SARIF).unwrap();
    // Two broken patterns, of properties that the audit does not write. With them the schema itself is refused.
    for definition in ["run", "toolComponent"] {
        let language = &mut schema["definitions"][definition]["properties"]["language"];
        let pattern = language.as_object_mut().unwrap().remove("pattern");
        assert_eq!(pattern, Some(BROKEN.into()), "corrected in a later version of the schema: keep it");
    }
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

/// What code scanning relies on, and the schema does not demand.
fn assert_sarif(document: &Value) {
    assert!(document["$schema"].as_str().unwrap().ends_with("sarif-schema-2.1.0.json"));
    for run in document["runs"].as_array().unwrap() {
        let driver = &run["tool"]["driver"];
        assert!(driver["name"].is_string() && driver["version"].is_string());
        let levels = ["none", "note", "warning", "error"];
        let is_level = |level: &Value| levels.contains(&level.as_str().unwrap());
        let mut ids = std::collections::BTreeSet::new();
        for rule in driver["rules"].as_array().unwrap() {
            assert!(ids.insert(rule["id"].as_str().unwrap()), "rules are unique: {rule}");
            assert!(is_level(&rule["defaultConfiguration"]["level"]), "{rule}");
            for text in ["shortDescription", "fullDescription", "help"] {
                assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
            }
        }
        for result in run["results"].as_array().unwrap() {
            assert!(
                ids.contains(result["ruleId"].as_str().unwrap()) && is_level(&result["level"]),
                "{result}"
            );
            assert!(!result["message"]["text"].as_str().unwrap().is_empty(), "{result}");
            let fingerprints = result["partialFingerprints"].as_object().unwrap();
            assert!(fingerprints.values().all(Value::is_string), "{result}");
            let location = &result["locations"][0];
            assert!(location["logicalLocations"][0]["fullyQualifiedName"].is_string(), "{result}");
            let physical = &location["physicalLocation"];
            let uri = physical["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.contains([' ', '\\']), "a URI reference: {uri}");
            assert!(physical["region"]["startLine"].as_u64().unwrap() >= 1, "{result}");
        }
    }
}
