//! The last load tests: a fold of the journal, bounded.

use serde::Serialize;
use std::sync::Arc;
use types::{Actor, LoadTest};

/// Maximum of load tests in memory; the journal has all of them.
const TESTS_MAX: usize = 50;

/// A load test, and who ran it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordedLoadTest {
    /// What it measured.
    #[serde(flatten)]
    pub test: LoadTest,
    /// Who ran it.
    pub by: Actor,
}

/// Load tests, newest first. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadTests(Arc<Vec<RecordedLoadTest>>);

impl LoadTests {
    pub(crate) fn add(&mut self, test: &LoadTest, by: &Actor) {
        let tests = Arc::make_mut(&mut self.0);
        let at = tests.partition_point(|known| known.test.at > test.at);
        tests.insert(at, RecordedLoadTest { test: test.clone(), by: by.clone() });
        tests.truncate(TESTS_MAX);
    }

    pub(crate) fn all(&self) -> &[RecordedLoadTest] {
        &self.0
    }

    /// Whether a test is stored: one target is tested once at a time.
    pub(crate) fn has(&self, test: &LoadTest) -> bool {
        // To the millisecond: a result that went through JSON has lost what is below a microsecond.
        let start = test.at.as_millisecond();
        self.0.iter().any(|known| known.test.target == test.target && known.test.at.as_millisecond() == start)
    }
}
