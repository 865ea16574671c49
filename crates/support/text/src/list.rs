//! Names joined in English.

use std::fmt::Display;

/// Joins all names: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn and<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    joined(&texts(names), " and ")
}

/// Joins all names as alternatives: `a`, `a or b`, `a, b or c`.
#[must_use]
pub fn or<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    joined(&texts(names), " or ")
}

/// Joins at most `max` names; of more, the first `max - 1` and the number of the others: `a, b and c`, but
/// `a, b and 2 more`. So the number is never 1: the name itself takes its place.
#[must_use]
pub fn and_more<T: Display>(names: impl IntoIterator<Item = T>, max: usize) -> String {
    let names = texts(names);
    shortened(&names, max).unwrap_or_else(|| joined(&names, " and "))
}

/// As [`and_more`], but only commas between names that are all there: `a, b, c`. For lists inside a sentence that goes
/// on with "and".
#[must_use]
pub fn commas_or_more<T: Display>(names: impl IntoIterator<Item = T>, max: usize) -> String {
    let names = texts(names);
    shortened(&names, max).unwrap_or_else(|| names.join(", "))
}

fn texts<T: Display>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(|name| name.to_string()).collect()
}

fn joined(names: &[String], last_gap: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{}{last_gap}{last}", first.join(", ")),
    }
}

/// The list with a number at its end, if it has more than `max` names.
fn shortened(names: &[String], max: usize) -> Option<String> {
    let max = max.max(2);
    if names.len() <= max {
        return None;
    }
    let (first, more) = names.split_at(max - 1);
    Some(format!("{} and {} more", first.join(", "), more.len()))
}
