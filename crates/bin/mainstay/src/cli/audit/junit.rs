//! The report as JUnit XML, as junit-10.xsd of Jenkins has it: one test case for each finding, and for each criterion that is met.

use crate::cli::Failure;
use ::audit::criteria::definition;
use ::audit::{Finding, Report};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use types::audit::Level;

/// The document.
pub(crate) fn document(report: &Report) -> Result<String, Failure> {
    let mut suite = TestSuite::new("acceptance criteria");
    for finding in &report.findings {
        let mut status = match finding.level {
            Level::Must => TestCaseStatus::non_success(NonSuccessKind::Failure),
            // A criterion that should be met does not fail the build.
            Level::Should | Level::Off => TestCaseStatus::skipped(),
        };
        status.set_message(said(finding));
        suite.add_test_case(case(finding.criterion.as_str(), &finding.about(), status));
    }
    for accepted in &report.accepted {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!(
            "accepted by {} until {}: {}",
            accepted.owner, accepted.until, accepted.why
        ));
        let finding = &accepted.finding;
        suite.add_test_case(case(finding.criterion.as_str(), &finding.about(), status));
    }
    for unknown in &report.not_checked {
        let mut status = TestCaseStatus::skipped();
        status.set_message(unknown.why.clone());
        suite.add_test_case(case(unknown.criterion.as_str(), &unknown.resource.to_string(), status));
    }
    for criterion in &report.met {
        let title = definition(*criterion).map_or("", |definition| definition.title);
        suite.add_test_case(case(criterion.as_str(), title, TestCaseStatus::success()));
    }
    let mut document = quick_junit::Report::new("mainstay audit");
    document.add_test_suite(suite);
    let text = document.to_string().map_err(Failure::no)?;
    // The library counts what was skipped on the outermost element, too. By the schema only suites have that count, so that
    // whoever validates refuses the document. That element is the first in the text.
    Ok(text.replacen(&format!(" skipped=\"{}\"", document.skipped), "", 1))
}

fn case(criterion: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(criterion);
    case
}

fn said(finding: &Finding) -> String {
    format!("{} -> {}", finding.evidence, finding.remedy)
}
