//! Results of load tests in words, for the command line and the console.

use text::number::grouped;
use types::load_test::{Knee, LoadEnd, LoadStep, LoadTest};

/// The result: "knee at 420/s; p99 doubles at 380/s".
#[must_use]
pub fn summary(test: &LoadTest) -> String {
    let Some(knee) = &test.knee else {
        return match test.ended {
            LoadEnd::NoAnswer => "no good answer".to_owned(),
            LoadEnd::ErrorBudget => "no knee found: too many requests failed".to_owned(),
            LoadEnd::Stopped => "stopped before a knee was found".to_owned(),
            _ => "no knee found: it did not keep up with the lowest rate".to_owned(),
        };
    };
    let doubles = knee.p99_doubles_milli.map(|at| format!("; p99 doubles at {}", rate(at)));
    format!("{}{}{}", at(knee), doubles.unwrap_or_default(), of_servers(test, knee))
}

fn at(knee: &Knee) -> String {
    if knee.is_found() {
        format!("knee at {}", rate(knee.rate_milli))
    } else {
        format!("keeps up with {}; the knee is higher", rate(knee.rate_milli))
    }
}

fn of_servers(test: &LoadTest, knee: &Knee) -> String {
    match test.servers {
        0 | 1 => String::new(),
        servers => format!(" ({} for each of {servers} servers)", rate(knee.rate_milli / u64::from(servers))),
    }
}

/// Why a test ended, where that is worth a sentence.
#[must_use]
pub fn ended(end: LoadEnd) -> Option<&'static str> {
    Some(match end {
        LoadEnd::Complete => return None,
        LoadEnd::AtBound => "The highest allowed rate was kept up with: raise `allow.rate` to find the knee.",
        LoadEnd::ErrorBudget => "Aborted: too many requests failed (`error_budget`).",
        LoadEnd::NoAnswer => "No request had a good answer.",
        LoadEnd::NotRecovered => {
            "After the last rate, which was too much, the target did not recover within 30 s."
        }
        LoadEnd::SenderLimit => {
            "This machine could not send more requests; the target may be capable of more. Run the test from a faster or less busy one."
        }
        LoadEnd::TimeBound => {
            "Ended by the highest allowed duration (`allow.lasting`); the result is less exact."
        }
        LoadEnd::Stopped => "Stopped by a person.",
    })
}

/// A rate: "420/s", "1,200/s", "2.5/s".
#[must_use]
pub fn rate(milli: u64) -> String {
    let tenths = (milli + 50) / 100;
    if milli >= 10_000 || tenths.is_multiple_of(10) {
        format!("{}/s", grouped((milli + 500) / 1_000))
    } else {
        format!("{}.{}/s", tenths / 10, tenths % 10)
    }
}

/// A latency: "850 µs", "12.5 ms", "320 ms", "1.25 s".
#[must_use]
pub fn latency(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..100_000 => format!("{:.1} ms", us as f64 / 1_000.0),
        100_000..1_000_000 => format!("{:.0} ms", us as f64 / 1_000.0),
        _ => format!("{:.2} s", us as f64 / 1_000_000.0),
    }
}

/// One step: asked and achieved rate, percentiles, failed requests.
#[must_use]
pub fn step(step: &LoadStep) -> String {
    let note = if step.kept_up { "" } else { "  did not keep up" };
    format!(
        "asked {:>8}  achieved {:>8}  p50 {:>8}  p90 {:>8}  p99 {:>8}  max {:>8}  failed {}{note}",
        rate(step.asked_milli),
        rate(step.achieved_milli),
        latency(step.p50_us),
        latency(step.p90_us),
        latency(step.p99_us),
        latency(step.max_us),
        grouped(step.failed),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_latencies() {
        for (milli, text) in [
            (1_000, "1/s"),
            (2_500, "2.5/s"),
            (2_040, "2/s"),
            (420_000, "420/s"),
            (419_600, "420/s"),
            (1_200_000, "1,200/s"),
        ] {
            assert_eq!(rate(milli), text);
        }
        for (us, text) in [(850, "850 µs"), (12_512, "12.5 ms"), (320_400, "320 ms"), (1_250_000, "1.25 s")]
        {
            assert_eq!(latency(us), text);
        }
    }
}
