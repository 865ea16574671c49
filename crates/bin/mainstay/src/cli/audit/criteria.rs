//! The criteria themselves.

use crate::cli::{Common, Failure, table};
use ::audit::{
    criteria::{all, definition},
    definition::page,
};
use serde_json::json;
use std::process::ExitCode;
use types::audit::Criterion;

/// Lists them.
pub(crate) fn list(common: &Common) -> Result<ExitCode, Failure> {
    if common.json {
        let rows = all().map(|it| json!({ "criterion": it.criterion, "level": it.level, "title": it.title }));
        table::json(&rows.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<[String; 3]> = all()
        .map(|it| [it.criterion.to_string(), it.level.as_str().to_owned(), it.title.to_owned()])
        .collect();
    for row in table::rows(&rows) {
        table::say(&row);
    }
    table::say("\n`mainstay audit --criteria NAME` says why one matters, how it is checked, and the remedy");
    Ok(ExitCode::SUCCESS)
}

/// Explains one.
pub(crate) fn explain(common: &Common, criterion: Criterion) -> Result<ExitCode, Failure> {
    let Some(it) = definition(criterion) else { return Err(Failure::no("it has no description")) };
    if common.json {
        table::json(&json!({
            "criterion": it.criterion, "level": it.level, "title": it.title, "why": it.why, "how": it.how, "remedy": it.remedy,
        }))?;
    } else {
        table::say(page(it).trim_end());
    }
    Ok(ExitCode::SUCCESS)
}
