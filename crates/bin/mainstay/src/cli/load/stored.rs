//! Stored results of load tests.

use crate::cli::running::Running;
use crate::cli::timezone::{display_time, timezone_of};
use crate::cli::{Common, Failure, actor, table};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use types::LoadTest;

/// Largest file that is read, in bytes: a result has at most a hundred steps.
const FILE_MAX: u64 = 1 << 20;

/// Lists the stored results.
pub(super) fn list(common: &Common) -> Result<ExitCode, Failure> {
    let answer = Running::find(common)?.get("/api/v1/load-tests")?;
    if common.json {
        table::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let timezone = timezone_of(&answer);
    let tests: Vec<&Value> = answer["load_tests"].as_array().into_iter().flatten().collect();
    if tests.is_empty() {
        table::say("no load tests; run one with: mainstay load TARGET");
    }
    for test in tests {
        let text = |name: &str| test[name].as_str().unwrap_or_default();
        let by = test["by"]["id"].as_str().unwrap_or_default();
        table::say(&format!("{} {} by {by}", text("target"), display_time(text("at"), &timezone)));
        table::say(&format!("  {}", text("summary")));
    }
    Ok(ExitCode::SUCCESS)
}

/// Stores a result from a file.
pub(super) fn store(common: &Common, file: &Path, by: Option<&String>) -> Result<ExitCode, Failure> {
    let unreadable = |why: &dyn std::fmt::Display| {
        Failure::wrong(format!("{}: {why}", file.display()))
            .hint("write it with: mainstay load TARGET --json > FILE")
    };
    let size = std::fs::metadata(file).map_err(|why| unreadable(&why))?.len();
    if size > FILE_MAX {
        return Err(unreadable(&"it is too large for the result of a load test"));
    }
    let text = std::fs::read_to_string(file).map_err(|why| unreadable(&why))?;
    let value: Value = serde_json::from_str(&text).map_err(|why| unreadable(&why))?;
    let test: LoadTest = serde_json::from_value(value["test"].clone()).map_err(|why| unreadable(&why))?;
    let body = json!({ "by": actor(by), "test": test });
    let answer = Running::find(common)?.post("/api/v1/load-tests", &body)?;
    if common.json {
        table::json(&answer)?;
    } else {
        table::say(if answer["is_known"] == true { "stored already" } else { "stored" });
    }
    Ok(ExitCode::SUCCESS)
}
