//! A probe at every address of a name, so that one failed server among several is seen before the last one fails.
//!
//! The name is looked up once. Then each of its addresses, at most 16, is asked the whole question side by side, with the
//! name's own Host and SNI. The answer of the probe is the fastest good one. Once a good answer is there, the others get three seconds, or four times as long as it took: an address
//! that swallows everything must not make each look as long as the time limit.
//!
//! Addresses of a family that this machine has no route to are not asked: most servers still have no IPv6, and that is no
//! fault of the name. Nor are inner addresses that the configuration does not allow; where others are left to ask they are reported as
//! bad addresses of the name, for the public cannot go there either. Of `localhost` one address is enough.

use crate::connect;
use crate::names::{self, Names};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use types::Fault;
use types::config::Expect;
use types::fault::TlsFault;
use types::probe_result::{AddressSeen, Answer, HttpSeen, Phases};

/// Minimum time for the other addresses after the first good answer: two lost packets at the start of a connection.
const LAG_MIN: Duration = Duration::from_secs(3);
/// Time for the other addresses, as a multiple of the good answer's duration.
const LAG_TIMES: u32 = 4;

/// The combined result of all addresses of a name.
pub(crate) struct Measurement {
    pub(crate) answer: Answer,
    pub(crate) phases: Phases,
    pub(crate) addresses: Vec<AddressSeen>,
    pub(crate) alias: Option<String>,
}

impl Measurement {
    /// A result without addresses.
    pub(crate) fn of(answer: Answer, phases: Phases) -> Self {
        Self { answer, phases, addresses: Vec::new(), alias: None }
    }
}

/// The result of one address.
struct Exchange {
    place: usize,
    answer: Answer,
    phases: Phases,
}

/// Resolves a host and runs `question` at each of its addresses. `expect` decides whether an HTTP answer is good.
pub(crate) async fn run<Fut>(
    names: &Names,
    (host, port): (&str, u16),
    expect: Option<&Expect>,
    deadline: Instant,
    question: impl Fn(SocketAddr) -> Fut,
) -> Measurement
where
    Fut: Future<Output = (Answer, Phases)>,
{
    let began = Instant::now();
    let mut looked_up = Phases::default();
    let declared = connect::declared(host, port);
    let found = connect::find_all(names, host, declared, port, deadline, &mut looked_up).await;
    let (found, kept_out) = match found {
        Ok(found) => found,
        Err(fault) => {
            let phases = Phases { total: began.elapsed(), ..looked_up };
            return Measurement {
                alias: names.alias(host),
                ..Measurement::of(Answer::Failed(fault), phases)
            };
        }
    };
    let found = with_a_route(found);
    let exchanges = found.iter().enumerate().map(|(place, address)| {
        let asking = question(*address);
        async move {
            let (answer, mut phases) = asking.await;
            phases.total = began.elapsed();
            Exchange { place, answer, phases }
        }
    });
    let all = collect(exchanges.collect(), expect, began, deadline).await;
    let mut asked = sum_up(&found, all, expect);
    let unasked = |address| AddressSeen { address, fault: Some(Fault::PrivateAddress { address }) };
    asked.addresses.extend(kept_out.into_iter().map(unasked));
    if names::is_localhost(host) {
        one_is_enough(&mut asked.addresses);
    }
    if let Some(took) = looked_up.dns {
        connect::add(&mut asked.phases.dns, took);
    }
    asked.alias = names.alias(host);
    asked
}

/// Drops a refusing address of `localhost` if the other one answers: its two addresses are not published by anyone, and
/// most programs on a machine listen on one of them.
fn one_is_enough(addresses: &mut Vec<AddressSeen>) {
    let is_silent =
        |seen: &AddressSeen| matches!(seen.fault, Some(Fault::Refused | Fault::PrivateAddress { .. }));
    if !addresses.iter().all(is_silent) {
        addresses.retain(|seen| !is_silent(seen));
    }
}

/// Waits for all addresses, or until the time after the fastest good answer is over.
async fn collect<Fut: Future<Output = Exchange>>(
    mut running: FuturesUnordered<Fut>,
    expect: Option<&Expect>,
    began: Instant,
    deadline: Instant,
) -> Vec<Exchange> {
    let mut all = Vec::new();
    let mut until: Option<Instant> = None;
    loop {
        // Each question ends by itself at the deadline; this is for those that a good answer has overtaken.
        let stop = until.unwrap_or(deadline + LAG_MIN);
        tokio::select! {
            biased;
            next = running.next() => match next {
                Some(exchange) => {
                    if until.is_none() && fault(&exchange.answer, expect).is_none() {
                        let lag = (exchange.phases.total * LAG_TIMES).max(LAG_MIN);
                        until = Some((began + lag).min(deadline));
                    }
                    all.push(exchange);
                }
                None => return all,
            },
            () = sleep_until(stop) => return all,
        }
    }
}

/// Combines the results of all addresses.
fn sum_up(found: &[SocketAddr], mut all: Vec<Exchange>, expect: Option<&Expect>) -> Measurement {
    let learns = expect.is_some_and(|expect| expect.learns);
    let has_page = |exchange: &Exchange| matches!(&exchange.answer, Answer::Http(seen) if (200..300).contains(&seen.status));
    // Without an expected status, refusals count as usual only if no other address serves a page.
    let strict = Expect { learns: false, ..expect.cloned().unwrap_or_default() };
    let expect = if learns && all.iter().any(has_page) { Some(&strict) } else { expect };
    all.sort_by_key(|exchange| exchange.place);
    let addresses = found
        .iter()
        .enumerate()
        .map(|(place, address)| {
            let exchange = all.iter().find(|exchange| exchange.place == place);
            let late = || {
                Some(Fault::Unreachable { why: "no answer long after another address gave one".to_owned() })
            };
            AddressSeen {
                address: address.ip(),
                fault: exchange.map_or_else(late, |exchange| fault(&exchange.answer, expect)),
            }
        })
        .collect();
    let best = all.into_iter().max_by_key(|exchange| {
        let speed = std::cmp::Reverse(exchange.phases.total);
        (
            rank(&exchange.answer, expect),
            speed_of_good(&exchange.answer, expect, speed),
            std::cmp::Reverse(exchange.place),
        )
    });
    match best {
        Some(Exchange { answer, phases, .. }) => Measurement { answer, phases, addresses, alias: None },
        None => {
            let fault = Fault::Isolated { why: "the probe run was lost by an internal error".to_owned() };
            Measurement { addresses, ..Measurement::of(Answer::Failed(fault), Phases::default()) }
        }
    }
}

/// Of good answers the fastest one is taken, of bad ones that of the first address, so that the result is stable.
fn speed_of_good<T>(answer: &Answer, expect: Option<&Expect>, speed: T) -> Option<T> {
    fault(answer, expect).is_none().then_some(speed)
}

/// Which answer speaks for all. A certificate that a browser refuses at one address is refused by everybody who is sent
/// there, so of certificates the worst is reported; a page that one address serves is served.
fn rank(answer: &Answer, expect: Option<&Expect>) -> u8 {
    match answer {
        Answer::Tls(seen) if TlsFault::refusal(&seen.faults).is_some() => 4,
        _ if fault(answer, expect).is_none() => 3,
        Answer::Failed(Fault::Handshake { .. } | Fault::Garbage { .. } | Fault::TooLarge { .. }) => 2,
        Answer::Failed(_) => 0,
        _ => 1,
    }
}

/// The fault of one address's answer, if any.
fn fault(answer: &Answer, expect: Option<&Expect>) -> Option<Fault> {
    let refused =
        |faults: &[TlsFault]| TlsFault::refusal(faults).map(|fault| Fault::Tls { tls: fault.clone() });
    match answer {
        Answer::Failed(fault) => Some(fault.clone()),
        Answer::Tls(seen) => refused(&seen.faults),
        Answer::Http(seen) => {
            let certificates = seen.hops.iter().filter_map(|hop| hop.tls.as_ref());
            certificates.filter_map(|tls| refused(&tls.faults)).next().or_else(|| page_fault(seen, expect?))
        }
        Answer::Tcp { .. }
        | Answer::Dns(_)
        | Answer::Domain(_)
        | Answer::Database(_)
        | Answer::Pool(_)
        | Answer::Ups(_) => None,
    }
}

fn page_fault(seen: &HttpSeen, expect: &Expect) -> Option<Fault> {
    let is_usual = expect.learns && (400..500).contains(&seen.status);
    if !expect.accepts(seen.status) && !is_usual {
        return Some(Fault::Status { got: seen.status });
    }
    // What could not be searched is no fault of one address.
    expect.content_fault(seen).filter(|fault| !fault.is_unsearched())
}

/// Leaves out an address family without a route, if the other one has a route.
fn with_a_route(found: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let family = |six: bool| found.iter().filter(move |address| address.is_ipv6() == six);
    let has_none =
        |six: bool| family(six).next().is_some() && !family(six).any(|address| has_route(*address));
    match (has_none(false), has_none(true)) {
        (true, false) if family(true).next().is_some() => family(true).copied().collect(),
        (false, true) if family(false).next().is_some() => family(false).copied().collect(),
        _ => found,
    }
}

/// Whether this machine has a route to an address. Sends no packet.
fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_without_a_route_is_left_out() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        // A link-local address without its interface leads nowhere.
        let (four, six) = (at("127.0.0.1:80"), at("[fe80::1]:80"));
        assert_eq!(with_a_route(vec![four, six]), [four]);
        assert_eq!(with_a_route(vec![six]), [six], "it is asked, and fails as it will");
    }

    #[test]
    fn what_speaks_for_all() {
        let page = |status| Answer::Http(HttpSeen::new(status, "192.0.2.1:80".parse().unwrap()));
        let run = |answers: Vec<(Answer, u64)>, learns| {
            let expect = Expect { learns, ..Expect::default() };
            let found: Vec<SocketAddr> = (1..=answers.len())
                .map(|n| SocketAddr::from(([192, 0, 2, u8::try_from(n).unwrap()], 80)))
                .collect();
            let all = answers.into_iter().enumerate().map(|(place, (answer, millis))| Exchange {
                place,
                answer,
                phases: Phases { total: Duration::from_millis(millis), ..Phases::default() },
            });
            let asked = sum_up(&found, all.collect(), Some(&expect));
            let bad = asked.addresses.iter().map(|seen| u8::from(seen.fault.is_some()).to_string());
            let answer = match asked.answer {
                Answer::Http(seen) => seen.status.to_string(),
                Answer::Failed(fault) => fault.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            format!("{answer} {} ms {}", asked.phases.total.as_millis(), bad.collect::<String>())
        };
        let dead = || Answer::Failed(Fault::Refused);
        for (answers, learns, expected) in [
            (vec![(page(200), 30), (page(200), 20)], false, "200 20 ms 00"),
            (vec![(dead(), 1), (page(200), 20)], false, "200 20 ms 10"),
            (vec![(page(500), 1), (page(200), 20)], false, "200 20 ms 10"),
            (vec![(page(500), 9), (dead(), 1)], false, "500 9 ms 11"),
            (vec![(dead(), 9), (dead(), 1)], false, "refused 9 ms 11"),
            (vec![(page(401), 9), (page(401), 1)], true, "401 1 ms 00"),
            (vec![(page(401), 1), (page(200), 9)], true, "200 9 ms 10"),
            (vec![(page(401), 1), (page(503), 9)], true, "401 1 ms 01"),
        ] {
            assert_eq!(run(answers, learns), expected);
        }
    }
}
