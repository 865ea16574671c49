//! Rows of a result, by the names of their columns.

use std::collections::BTreeMap;
use std::time::Duration;
use types::database::Reading;

/// Rows of a result. A value is text; `None` is NULL.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    names: Vec<String>,
    rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self { names, rows: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Vec<Option<String>>) {
        self.rows.push(row);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|values| Row { names: &self.names, values })
    }

    pub(super) fn first(&self) -> Option<Row<'_>> {
        self.iter().next()
    }
}

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    names: &'a [String],
    values: &'a [Option<String>],
}

impl<'a> Row<'a> {
    /// The value of the first column that has one of these names; they differ by product and version.
    pub(super) fn text(self, names: &[&str]) -> Option<&'a str> {
        let place =
            names.iter().find_map(|name| self.names.iter().position(|own| own.eq_ignore_ascii_case(name)))?;
        self.values.get(place)?.as_deref()
    }

    pub(super) fn number<T: std::str::FromStr>(self, names: &[&str]) -> Option<T> {
        self.text(names)?.parse().ok()
    }

    /// A number of seconds; one below zero is zero.
    pub(super) fn seconds(self, names: &[&str]) -> Option<Duration> {
        let seconds: f64 = self.number(names)?;
        Some(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    /// Whether a variable is on.
    pub(super) fn is_on(self, name: &str) -> bool {
        self.text(&[name]).is_some_and(is_on)
    }
}

/// Since MariaDB 12 there are several values of `read_only` that are not OFF.
fn is_on(value: &str) -> bool {
    value != "OFF" && value != "0"
}

/// Variables or counters of a server by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Figures(BTreeMap<String, String>);

impl Figures {
    pub(super) fn read(rows: Reading<Rows>) -> Self {
        let pair = |row: Row<'_>| {
            Some((row.text(&["Variable_name"])?.to_ascii_lowercase(), row.text(&["Value"])?.to_owned()))
        };
        Self(rows.known().map(|rows| rows.iter().filter_map(pair).collect()).unwrap_or_default())
    }

    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.0.get(&name.to_ascii_lowercase())?.parse().ok()
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| is_on(value))
    }
}
