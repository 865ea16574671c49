//! What seeing costs a request: `cargo run --release -p edge --example telemetry_cost`.
//!
//! Everything that the request path calls in `edge::telemetry`, without sockets. A roll-up is made every 50,000
//! requests, as busy a thread as there is.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement for people to run")]

use edge::telemetry::{Ids, Phase, Settings, Telemetry};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use traffic::facts::{Limit, Quota};

const REQUESTS: u64 = 1_000_000;
const ROUNDS: usize = 5;

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// A `traceparent` comes in.
    traced: bool,
    refused: bool,
    access: bool,
    /// Addresses of clients.
    clients: u32,
    /// The head is counted apart from the end.
    twice: bool,
}

fn main() {
    let usual =
        Case { name: "pass", traced: false, refused: false, access: false, clients: 1_000, twice: true };
    for case in [
        usual,
        Case { name: "pass, counted at its end", twice: false, ..usual },
        Case { name: "pass, traceparent in", traced: true, ..usual },
        Case { name: "pass, 4 million addresses", clients: 4_000_000, ..usual },
        Case { name: "pass, access lines to nowhere", access: true, ..usual },
        Case { name: "refused", refused: true, twice: false, ..usual },
        Case {
            name: "refused, 4 million addresses",
            refused: true,
            clients: 4_000_000,
            twice: false,
            ..usual
        },
    ] {
        let mut all: Vec<f64> = (0..ROUNDS).map(|_| round(case)).collect();
        all.sort_by(f64::total_cmp);
        println!(
            "{:<32} {:>5.0} ns a request (best {:.0}, worst {:.0})",
            case.name,
            all[ROUNDS / 2],
            all[0],
            all[ROUNDS - 1]
        );
    }
    println!("{:<32} {:>5} bytes", "a record", size_of::<edge::telemetry::RequestRecord>());
}

/// Time that this thread ran, so that a busy machine does not count.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

fn round(case: Case) -> f64 {
    let settings = Settings {
        access: case.access.then(|| Box::new(io::sink()) as Box<dyn io::Write + Send>),
        ..Settings::new(1, Instant::now())
    };
    let telemetry = Telemetry::new(settings).unwrap();
    let recorder = telemetry.recorder(0);
    let route = recorder.route(&"auth".into(), &"auth".into());
    let servers: Vec<SocketAddr> = (1..=4).map(|last| (Ipv4Addr::new(10, 0, 0, last), 8080).into()).collect();
    let mut headers = HeaderMap::new();
    for name in ["host", "user-agent", "accept", "accept-encoding", "cookie"] {
        headers.insert(name, HeaderValue::from_static("some value or other"));
    }
    if case.traced {
        let value = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        headers.insert("traceparent", HeaderValue::from_static(value));
    }
    let answer = headers.clone();
    let quota = Quota { limit: Limit::Client, burst: 40, window_secs: 2, remaining: 0, reset_secs: 2 };
    let refusal = traffic::Refusal {
        status: 429,
        limit: Limit::Client,
        retry_after: Some(Duration::from_secs(1)),
        quota: Some(quota),
        denial: None,
    };
    let paths = ["/", "/login", "/account/settings?tab=security", "/api/v1/items/12345"];
    let begun = on_cpu();
    let mut rolling = Duration::ZERO;
    for number in 0..REQUESTS {
        let tick = number * 20;
        let ids = Ids::of(black_box(&headers));
        let client =
            IpAddr::from(Ipv4Addr::from_bits(0x0a00_0000 + number.wrapping_mul(7_919) as u32 % case.clients));
        let mut open = recorder.open(tick, client, ids);
        open.route = route;
        open.asks(Version::HTTP_11, &Method::GET, "auth.acme.com", paths[(number % 4) as usize]);
        open.stamp(Phase::Head, tick);
        open.stamp(Phase::Judged, tick + 2);
        black_box(open.ids.trace.digits());
        if case.refused {
            open.refused(&refusal, tick + 3);
            open.close(tick + 10);
        } else {
            open.stamp(Phase::Admitted, tick + 3);
            open.server = Some(servers[(number % 4) as usize]);
            open.stamp(Phase::Connected, tick + 4);
            black_box(open.ids.outward());
            open.stamp(Phase::Sent, tick + 5);
            open.answered(StatusCode::OK, black_box(&answer), tick + 205 + number % 64, 0);
            if case.twice {
                open.count();
            }
            open.sent = 512;
            open.close(tick + 215);
        }
        if number % 50_000 == 0 {
            let at = on_cpu();
            black_box(telemetry.roll_up(Duration::from_secs(1), [], BTreeMap::new(), 1));
            rolling += on_cpu() - at;
        }
    }
    // The roll-up has a thread of its own in life.
    (on_cpu() - begun - rolling).as_nanos() as f64 / REQUESTS as f64
}
