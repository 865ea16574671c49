//! Rows of a result, by the names of their columns.

use std::time::Duration;

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
}
