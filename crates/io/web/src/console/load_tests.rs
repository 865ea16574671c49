//! The page of load tests: targets, and the last results with their charts.

use super::frame::Frame;
use super::load_chart::LoadChart;
use crate::design::{Clock, Moment};
use crate::session::Session;
use crate::state::WebState;
use askama::Template;
use engine::load_tests::RecordedLoadTest;
use engine::views::Views;
use load::wording;
use std::time::Duration;
use types::Time;
use types::config::LoadTarget;
use types::load_test::LoadStep;

/// Refresh interval of the page: tests are rare.
const REFRESH: Duration = Duration::from_secs(60);
/// Results with charts and tables, at most.
const RESULTS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "load_tests.html")]
struct LoadPage<'a> {
    frame: Frame<'a>,
    targets: Vec<TargetRow<'a>>,
    results: Vec<ResultRow<'a>>,
}

struct TargetRow<'a> {
    name: &'a str,
    url: &'a str,
    service: &'a str,
    bound: String,
    last: Option<(String, Moment)>,
}

struct ResultRow<'a> {
    id: String,
    name: &'a str,
    at: Moment,
    by: &'a str,
    summary: String,
    note: &'static str,
    chart: Option<LoadChart>,
    steps: Vec<StepRow>,
}

impl ResultRow<'_> {
    fn top_rate(&self) -> String {
        self.chart.as_ref().map(|chart| wording::rate(chart.top_milli)).unwrap_or_default()
    }

    fn top_latency(&self) -> String {
        self.chart.as_ref().map(|chart| wording::latency(chart.top_us)).unwrap_or_default()
    }
}

struct StepRow {
    cells: [String; 7],
    kept_up: bool,
}

/// Renders the page for a person.
///
/// # Errors
/// When the template fails, which would be a bug.
pub(crate) fn page(state: &WebState, views: &Views, session: &Session, at: Time) -> askama::Result<String> {
    let clock = Clock::new(&views.status_page.timezone, at);
    let acceptance = views.acceptance.as_ref();
    let tests = acceptance.map(|acceptance| acceptance.recorded_load_tests()).unwrap_or_default();
    let targets = acceptance.map(|acceptance| acceptance.config().loads.values()).into_iter().flatten();
    LoadPage {
        frame: Frame::new(state, views, session, "load", REFRESH),
        targets: targets.map(|declared| target(declared, tests, &clock)).collect(),
        results: tests.iter().take(RESULTS_MAX).enumerate().map(|(n, it)| result(n, it, &clock)).collect(),
    }
    .render()
}

fn target<'a>(declared: &'a LoadTarget, tests: &[RecordedLoadTest], clock: &Clock<'_>) -> TargetRow<'a> {
    let last = tests.iter().find(|recorded| recorded.test.target == declared.name);
    TargetRow {
        name: &declared.name,
        url: &declared.url,
        service: declared.service.as_ref().map_or("", |service| service.0.as_str()),
        bound: wording::rate(u64::from(declared.allow.rate) * 1_000),
        last: last.map(|last| (wording::summary(&last.test), clock.full(last.test.at))),
    }
}

fn result<'a>(n: usize, recorded: &'a RecordedLoadTest, clock: &Clock<'_>) -> ResultRow<'a> {
    let test = &recorded.test;
    ResultRow {
        id: format!("test-{n}"),
        name: &test.target,
        at: clock.full(test.at),
        by: &recorded.by.id,
        summary: wording::summary(test),
        note: wording::ended(test.ended).unwrap_or_default(),
        chart: LoadChart::new(test),
        steps: test.steps.iter().map(step).collect(),
    }
}

fn step(step: &LoadStep) -> StepRow {
    StepRow {
        cells: [
            wording::rate(step.asked_milli),
            wording::rate(step.achieved_milli),
            wording::latency(step.p50_us),
            wording::latency(step.p90_us),
            wording::latency(step.p99_us),
            wording::latency(step.max_us),
            step.failed.to_string(),
        ],
        kept_up: step.kept_up,
    }
}
