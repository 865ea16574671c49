//! Load by statement: differences of the totals of `pg_stat_statements` between two readings.

use super::queries::Query;
use super::rows::{get, seconds, unsigned};
use super::session::Session;
use crate::kinds::database::statement::{Dialect, without_literals};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::Error;
use types::database::{Reading, StatementLoad};

/// Server time that reading the statistics may take, as a mean over all rounds. A server with thousands of statements is read
/// in some rounds only.
const COST_PER_ROUND: Duration = Duration::from_millis(1);
/// Savings for a reading that is expensive.
const SAVED_MAX: Duration = Duration::from_secs(1);
/// Statements that are reported.
const TOP: usize = 5;
/// Rows of the query. Fewer rows are all statements there are.
const ROWS_MAX: usize = 500;
/// Statement texts that are kept.
const TEXTS_MAX: usize = 100;

/// Totals of one statement.
#[derive(Clone, Copy)]
struct Totals {
    calls: u64,
    millis: f64,
}

/// Memory of the readings on one connection.
#[derive(Default)]
pub(super) struct Statements {
    last: Option<(Instant, BTreeMap<i64, Totals>)>,
    loads: BTreeMap<i64, f64>,
    texts: BTreeMap<i64, String>,
    current: Reading<Vec<StatementLoad>>,
    cost: Duration,
    saved: Duration,
}

impl Statements {
    /// The load between the last two readings. Reads again if that is affordable. `trip` is the time of a query that costs the
    /// server nothing.
    pub(super) async fn read(
        &mut self,
        session: &mut Session,
        trip: Duration,
    ) -> Result<Reading<Vec<StatementLoad>>, Error> {
        self.saved = (self.saved + COST_PER_ROUND).min(SAVED_MAX);
        if self.saved < self.cost {
            return Ok(self.current.clone());
        }
        let began = Instant::now();
        session.transactions += 1;
        let rows = match session.rows(Query::Statements).await? {
            Reading::Known(rows) => rows,
            Reading::NotPermitted { grant } => return Ok(Reading::NotPermitted { grant }),
            Reading::Absent => return Ok(Reading::Absent),
        };
        let mut cost = began.elapsed().saturating_sub(trip);
        let totals: BTreeMap<i64, Totals> = rows
            .iter()
            .filter_map(|row| {
                let totals = Totals { calls: unsigned(get(row, 1)?), millis: get(row, 2)? };
                Some((get(row, 0)?, totals))
            })
            .collect();
        if let Some((then, before)) = self.last.take() {
            let span = began.duration_since(then).as_secs_f64().max(0.001);
            let mut top = self.differences(&totals, &before, span);
            cost += self.name(session, &mut top).await?.saturating_sub(trip);
            self.current = Reading::Known(top);
        }
        self.last = Some((began, totals));
        self.cost = cost;
        self.saved = self.saved.saturating_sub(cost);
        Ok(self.current.clone())
    }

    /// The statements with the most execution time since the totals before.
    fn differences(
        &mut self,
        totals: &BTreeMap<i64, Totals>,
        before: &BTreeMap<i64, Totals>,
        span: f64,
    ) -> Vec<StatementLoad> {
        let complete = before.len() < ROWS_MAX;
        let mut loads: Vec<StatementLoad> = totals
            .iter()
            .filter_map(|(id, now)| {
                let then = match before.get(id) {
                    // A smaller total is one that was reset.
                    Some(then) if then.calls <= now.calls && then.millis <= now.millis => *then,
                    None if !complete => return None,
                    _ => Totals { calls: 0, millis: 0.0 },
                };
                let (calls, millis) = (now.calls - then.calls, now.millis - then.millis);
                #[expect(clippy::cast_precision_loss, reason = "a mean of milliseconds")]
                let mean = if calls == 0 { 0.0 } else { millis / calls as f64 };
                Some(StatementLoad {
                    id: *id,
                    calls,
                    mean: seconds(Some(mean / 1_000.0)),
                    load: millis / 1_000.0 / span,
                    load_before: self.loads.get(id).copied(),
                    statement: String::new(),
                })
            })
            .collect();
        self.loads = loads.iter().map(|load| (load.id, load.load)).collect();
        loads.sort_by(|a, b| b.load.total_cmp(&a.load));
        loads.retain(|load| load.calls > 0);
        loads.truncate(TOP);
        loads
    }

    /// Adds the texts, which are read when one is not known yet. Returns the time that this took.
    async fn name(&mut self, session: &mut Session, top: &mut [StatementLoad]) -> Result<Duration, Error> {
        let began = Instant::now();
        let unknown: Vec<i64> =
            top.iter().map(|load| load.id).filter(|id| !self.texts.contains_key(id)).collect();
        if !unknown.is_empty() {
            if self.texts.len() + unknown.len() > TEXTS_MAX {
                self.texts.clear();
            }
            session.transactions += 1;
            let rows = session.texts(&unknown).await?;
            for row in rows.known().into_iter().flatten() {
                if let (Some(id), Some(text)) = (get::<i64>(row, 0), get::<Option<&str>>(row, 1)) {
                    let text = without_literals(text.unwrap_or_default(), Dialect::Postgres);
                    self.texts.insert(id, text);
                }
            }
            // One without a text is not asked for again.
            for id in &unknown {
                self.texts.entry(*id).or_default();
            }
        }
        for load in top {
            load.statement = self.texts.get(&load.id).cloned().unwrap_or_default();
        }
        Ok(if unknown.is_empty() { Duration::ZERO } else { began.elapsed() })
    }
}
