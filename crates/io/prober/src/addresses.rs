//! Asks every address behind a name, so that one dead server among several is seen before the last one dies.
//!
//! The name is looked up once. Then each of its addresses, at most 16, is asked the whole question side by side, with the
//! name's own Host and SNI. The answer of the probe is the fastest good one. Once a good answer is there, the others get three seconds, or four times as long as it took: an address
//! that swallows everything must not make each look as long as the time limit.
//!
//! Addresses of a family that this machine has no route to are not asked: most servers still have no IPv6, and that is no
//! fault of the name. Nor are inner addresses that the configuration does not allow; where others are left to ask they are told as
//! bad addresses of the name, for the public cannot go there either. Of `localhost` one address is enough.

use crate::names::{self, Names};
use crate::tcp;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use types::Fault;
use types::config::Expect;
use types::fault::TlsFault;
use types::probe_result::{AddressSeen, Answer, HttpSeen, Phases};

/// What the other addresses get at least, once one has answered well: two lost packets at the begin of a connection.
const LAG_MIN: Duration = Duration::from_secs(3);
/// And how many times as long as the good answer took.
const LAG_TIMES: u32 = 4;

/// What a question got from all addresses of its name.
pub(crate) struct Asked {
    pub(crate) answer: Answer,
    pub(crate) phases: Phases,
    pub(crate) addresses: Vec<AddressSeen>,
    pub(crate) alias: Option<String>,
}

impl Asked {
    /// An answer that no address was asked for.
    pub(crate) fn of(answer: Answer, phases: Phases) -> Self {
        Self { answer, phases, addresses: Vec::new(), alias: None }
    }
}

/// What one address answered, and when.
struct Exchange {
    place: usize,
    answer: Answer,
    phases: Phases,
}

/// Looks a host up and asks `question` of each of its addresses. `expect` tells a good HTTP answer from a bad one.
pub(crate) async fn ask<Fut>(
    names: &Names,
    (host, port): (&str, u16),
    expect: Option<&Expect>,
    deadline: Instant,
    question: impl Fn(SocketAddr) -> Fut,
) -> Asked
where
    Fut: Future<Output = (Answer, Phases)>,
{
    let began = Instant::now();
    let mut looked_up = Phases::default();
    let declared = tcp::declared(host, port);
    let found = tcp::find_all(names, host, declared, port, deadline, &mut looked_up).await;
    let (found, kept_out) = match found {
        Ok(found) => found,
        Err(fault) => {
            let phases = Phases { total: began.elapsed(), ..looked_up };
            return Asked { alias: names.alias(host), ..Asked::of(Answer::Failed(fault), phases) };
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
        tcp::add(&mut asked.phases.dns, took);
    }
    asked.alias = names.alias(host);
    asked
}

/// Drops the address that nobody listens on where another answers. Nobody published the two addresses of `localhost`, and
/// most programs on a machine listen on one of them.
fn one_is_enough(addresses: &mut Vec<AddressSeen>) {
    let is_silent =
        |seen: &AddressSeen| matches!(seen.fault, Some(Fault::Refused | Fault::PrivateAddress { .. }));
    if !addresses.iter().all(is_silent) {
        addresses.retain(|seen| !is_silent(seen));
    }
}

/// Waits for all of them, or for as long as the fastest good answer allows.
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

/// The answer of the whole, and how each address did.
fn sum_up(found: &[SocketAddr], mut all: Vec<Exchange>, expect: Option<&Expect>) -> Asked {
    let learns = expect.is_some_and(|expect| expect.learns);
    let has_page = |exchange: &Exchange| matches!(&exchange.answer, Answer::Http(seen) if (200..300).contains(&seen.status));
    // Where nobody declared what is right, refusals are usual only if no other address has a page.
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
        Some(Exchange { answer, phases, .. }) => Asked { answer, phases, addresses, alias: None },
        None => {
            let fault = Fault::Isolated { why: "the question was lost inside".to_owned() };
            Asked { addresses, ..Asked::of(Answer::Failed(fault), Phases::default()) }
        }
    }
}

/// Among good answers the fastest speaks for all; among bad ones the first address does, so that the answer stays the same.
fn speed_of_good<T>(answer: &Answer, expect: Option<&Expect>, speed: T) -> Option<T> {
    fault(answer, expect).is_none().then_some(speed)
}

/// Which answer speaks for all. A certificate that a browser refuses at one address is refused by everybody who is sent
/// there, so of certificates the worst is told; a page that one address serves is served.
fn rank(answer: &Answer, expect: Option<&Expect>) -> u8 {
    match answer {
        Answer::Tls(seen) if seen.faults.iter().any(|fault| !matches!(fault, TlsFault::Expiring { .. })) => 4,
        _ if fault(answer, expect).is_none() => 3,
        Answer::Failed(Fault::Handshake { .. } | Fault::Garbage { .. } | Fault::TooLarge { .. }) => 2,
        Answer::Failed(_) => 0,
        _ => 1,
    }
}

/// What is wrong with what one address answered.
fn fault(answer: &Answer, expect: Option<&Expect>) -> Option<Fault> {
    let refused = |faults: &[TlsFault]| {
        let fault = faults.iter().find(|fault| !matches!(fault, TlsFault::Expiring { .. }))?;
        Some(Fault::Tls { tls: fault.clone() })
    };
    match answer {
        Answer::Failed(fault) => Some(fault.clone()),
        Answer::Tls(seen) => refused(&seen.faults),
        Answer::Http(seen) => {
            let certificates = seen.hops.iter().filter_map(|hop| hop.tls.as_ref());
            certificates.filter_map(|tls| refused(&tls.faults)).next().or_else(|| page_fault(seen, expect?))
        }
        Answer::Tcp { .. } | Answer::Dns(_) | Answer::Domain(_) => None,
    }
}

fn page_fault(seen: &HttpSeen, expect: &Expect) -> Option<Fault> {
    let is_usual = expect.learns && (400..500).contains(&seen.status);
    if !expect.accepts(seen.status) && !is_usual {
        return Some(Fault::Status { got: seen.status });
    }
    (seen.body_found == Some(false)).then_some(Fault::BodyLacks)
}

/// Leaves out a whole family that this machine has no route to, where the other one can be asked.
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

/// Whether this machine would know where to send a packet for an address. Sends none.
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
        let page = |status| {
            Answer::Http(HttpSeen {
                status,
                address: "192.0.2.1:80".parse().unwrap(),
                body_bytes: 0,
                body_found: None,
                hops: Vec::new(),
            })
        };
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
        for (answers, learns, told) in [
            (vec![(page(200), 30), (page(200), 20)], false, "200 20 ms 00"),
            (vec![(dead(), 1), (page(200), 20)], false, "200 20 ms 10"),
            (vec![(page(500), 1), (page(200), 20)], false, "200 20 ms 10"),
            (vec![(page(500), 9), (dead(), 1)], false, "500 9 ms 11"),
            (vec![(dead(), 9), (dead(), 1)], false, "refused 9 ms 11"),
            (vec![(page(401), 9), (page(401), 1)], true, "401 1 ms 00"),
            (vec![(page(401), 1), (page(200), 9)], true, "200 9 ms 10"),
            (vec![(page(401), 1), (page(503), 9)], true, "401 1 ms 01"),
        ] {
            assert_eq!(run(answers, learns), told);
        }
    }
}
