//! Ranking causes: recorded faults, the same with parts left out, generated systems, and arbitrary input.

mod arbitrary;
mod recorded;
mod systems;
mod worlds;

use statistics::rank::{Case, Verdict, rank};

/// A case and the node at which its fault was injected.
struct Labelled {
    case: Case,
    cause: String,
}

/// Shares of cases, of which `named` counts those with a verdict.
#[derive(Debug, Clone, Copy)]
struct Figures {
    top_1: f64,
    top_3: f64,
    named: f64,
}

fn figures(cases: &[Labelled]) -> Figures {
    let mut found = [0_u32; 3];
    for Labelled { case, cause } in cases {
        let ranking = rank(case);
        let place = ranking.ranked.iter().position(|ranked| ranked.node == *cause).unwrap();
        found[0] += u32::from(place == 0);
        found[1] += u32::from(place < 3);
        found[2] += u32::from(ranking.verdict == Verdict::Ranked);
    }
    let [top_1, top_3, named] = found.map(|count| share(count, cases.len()));
    Figures { top_1, top_3, named }
}

/// Share of cases in which nothing stands out.
fn silent(cases: &[Case]) -> f64 {
    let silent = cases.iter().filter(|case| rank(case).verdict == Verdict::NothingStandsOut).count();
    share(u32::try_from(silent).unwrap(), cases.len())
}

fn share(count: u32, of: usize) -> f64 {
    f64::from(count) / f64::from(u32::try_from(of).unwrap())
}
