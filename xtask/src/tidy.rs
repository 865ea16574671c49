//! The repository's own rules, checked: layers of crates, cycles of modules, banned words, sizes, errors as text,
//! forgotten files.

mod allow;
mod cycles;
mod drawing;
mod files;
mod glossary;
mod layers;
mod sizes;
mod source;
mod split;
mod string_errors;
mod vendored;
mod words;

pub(crate) use drawing::draw;
pub(crate) use layers::metadata;

use allow::Allowed;
use glossary::Banned;
use layers::Workspace;
use source::File;
use std::collections::BTreeMap;
use words::Hit;

/// Hits of one check that are printed without `--report`.
const SHOWN: usize = 20;

/// Runs every check. With `report` all hits are printed and nothing fails.
pub(crate) fn check(report: bool) -> Result<(), String> {
    let workspace = Workspace::read()?;
    let files = source::tracked()?;
    let mut allowed = Allowed::read()?;
    let banned = glossary::read()?;
    let shown = if report { usize::MAX } else { SHOWN };

    let mut failed = Vec::new();
    let mut finish = |check: &str, summary: String, faults: Vec<String>| {
        println!("{check}: {summary}");
        print_first(&faults, shown);
        if !faults.is_empty() {
            failed.push(format!("{check} ({})", faults.len()));
        }
    };

    let mut faults = workspace.upward(&mut allowed);
    faults.extend(workspace.impure());
    faults.extend(workspace.names());
    faults.extend(workspace.lints());
    faults.extend(drawing::differs(&workspace)?);
    finish("layers", allowed.imports_summary(workspace.packages.len()), faults);

    let faults = cycles::in_workspace(&files);
    finish("module cycles", format!("{} found", faults.len()), faults);

    let (functions, long_files) = sizes::check(&files, &mut allowed);
    finish("functions", allowed.functions_summary(functions.len(), sizes::FUNCTION_LINES_MAX), functions);
    println!("files over {} lines (a warning): {}", sizes::FILE_LINES_WARNED, long_files.len());
    print_first(&long_files, shown);

    let faults = string_errors::check(&files);
    finish("errors as text", format!("{} found", faults.len()), faults);

    let mut faults = files::check(&files);
    faults.extend(vendored::check()?);
    finish("files", format!("{} tracked", files.len()), faults);

    let hits = banned_words(&files, &banned, &mut allowed);
    let (style, hits): (Vec<Hit>, Vec<Hit>) = hits.into_iter().partition(|hit| hit.is_style);
    finish("banned words", words_summary(&banned, &hits, &allowed, report), by_file(&hits));
    println!("words to avoid in prose (a warning): {}", style.len());
    print_first(&by_file(&style), if report { usize::MAX } else { 0 });

    finish("allow-list", "entries without effect or reason".to_owned(), allowed.stale());
    if report || failed.is_empty() { Ok(()) } else { Err(failed.join(", ")) }
}

fn print_first(lines: &[String], shown: usize) {
    for line in lines.iter().take(shown) {
        println!("  {line}");
    }
    if shown > 0 && lines.len() > shown {
        println!("  ... {} more: cargo xtask tidy --report", lines.len() - shown);
    }
}

fn banned_words(files: &[File], banned: &[Banned], allowed: &mut Allowed) -> Vec<Hit> {
    let mut hits = Vec::new();
    for file in files.iter().filter(|file| glossary::applies_to(&file.path)) {
        hits.extend(words::check(file, banned));
    }
    hits.retain(|hit| !allowed.word(&hit.term, &hit.path));
    hits
}

fn words_summary(banned: &[Banned], hits: &[Hit], allowed: &Allowed, whole: bool) -> String {
    let mut text = format!("{} hits of {} terms; {}", hits.len(), banned.len(), allowed.words_summary());
    let terms: Vec<&str> = banned.iter().map(|banned| banned.term.as_str()).collect();
    text.push_str(&format!("\n  terms: {}", terms.join(", ")));
    if whole {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for hit in hits {
            *counts.entry(hit.term.as_str()).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(term, count)| format!("{term} {count}")).collect();
        text.push_str(&format!("\n  hits: {}", counts.join(", ")));
    }
    text
}

/// One line for a file and term: `path: term -> instead (line, line identifier)`.
fn by_file(hits: &[Hit]) -> Vec<String> {
    let mut lines: BTreeMap<(&str, &str, &str), Vec<String>> = BTreeMap::new();
    for hit in hits {
        let found = if hit.found == hit.term { String::new() } else { format!(" {}", hit.found) };
        lines
            .entry((hit.path.as_str(), hit.term.as_str(), hit.instead.as_str()))
            .or_default()
            .push(format!("{}{found}", hit.line));
    }
    lines
        .iter()
        .map(|((path, term, instead), places)| format!("{path}: {term} -> {instead} ({})", places.join(", ")))
        .collect()
}
