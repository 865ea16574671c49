//! The situations.

use super::driver::Story;
use crate::surge;
use types::event::UpdateStatus;
use types::fault::Phase;
use types::traffic::ServerState;
use types::{Answer, Fault};

type Situation = (&'static str, fn(&mut Story));

pub(crate) fn situations() -> Vec<Situation> {
    [&SHORT[..], &PARTS[..], &PEOPLE[..], &EDGE[..]].concat()
}

fn refused() -> Fault {
    Fault::Refused
}

/// Fails for `secs` seconds, is looked at in the middle, is well again.
fn down(story: &mut Story, secs: u64) {
    story.fails("login", refused());
    story.pass(secs / 2);
    story.look();
    story.pass(secs - secs / 2);
    story.well();
    story.pass(180);
}

const SHORT: [Situation; 8] = [
    ("all is well", |story| {
        story.pass(300);
        story.look();
    }),
    ("one bad answer", |story| {
        story.fails("login", refused());
        story.pass(2);
        story.well();
        story.pass(120);
        story.look();
    }),
    ("a service is down for 5 s", |story| down(story, 5)),
    ("a service is down for 40 s", |story| down(story, 40)),
    ("a service is down for 3 min", |story| down(story, 180)),
    ("a service is down for 40 min", |story| down(story, 2_400)),
    ("a service fails, recovers and fails again", |story| {
        down(story, 120);
        down(story, 120);
        story.pass(180);
        story.look();
    }),
    ("a service flaps", |story| {
        for _ in 0..8 {
            story.fails("login", refused());
            story.pass(12);
            story.well();
            story.pass(12);
        }
        story.look();
        story.pass(600);
        story.look();
    }),
];

const PARTS: [Situation; 16] = [
    ("a service answers with 503", |story| {
        let answer = story.http(503);
        story.answers("login", answer);
        story.pass(100);
        story.look();
    }),
    ("a service is slow", |story| {
        let Answer::Http(mut seen) = story.http(200) else { return };
        seen.body_bytes = 999;
        story.answers("pages", Answer::Http(seen));
        story.pass(200);
        story.look();
        story.well();
        story.pass(120);
    }),
    ("one of two names of a service fails", |story| {
        story.fails("http.www.acme.com", Fault::TimedOut { phase: Phase::Connect });
        story.pass(100);
        story.look();
    }),
    ("every third answer is bad", |story| {
        for _ in 0..40 {
            let answer = story.http(503);
            story.answers("login", answer);
            story.pass(10);
            story.well();
            story.pass(20);
        }
        story.look();
    }),
    ("a certificate ends in 14 days", |story| {
        story.certificate_hours = 14 * 24;
        story.pass(120);
        story.look();
    }),
    ("a certificate ends in 12 hours", |story| {
        story.certificate_hours = 12;
        story.pass(120);
        story.look();
    }),
    ("a certificate ends in 24 hours, at 03:00", |story| {
        story.at_night();
        story.certificate_hours = 24;
        story.pass(120);
        story.look();
        story.pass(4 * 3_600);
        story.look();
    }),
    ("a registration ends in 9 hours, at 03:00", |story| {
        story.at_night();
        story.domain_hours = 9;
        story.pass(120);
        story.look();
    }),
    ("a service is slow at 03:00", |story| {
        story.at_night();
        let Answer::Http(mut seen) = story.http(200) else { return };
        seen.body_bytes = 999;
        story.answers("pages", Answer::Http(seen));
        story.pass(5 * 3_600);
        story.look();
    }),
    ("a certificate has expired", |story| {
        story.certificate_hours = 0;
        story.pass(120);
        story.look();
    }),
    ("a registration ends in 20 days", |story| {
        story.domain_hours = 20 * 24;
        story.pass(120);
        story.look();
    }),
    ("a registration ends in 10 hours", |story| {
        story.domain_hours = 10;
        story.pass(120);
        story.look();
    }),
    ("the name servers of a domain were changed", |story| {
        story.servers = ["ns1.parking.example", "ns2.parking.example"];
        story.pass(120);
        story.look();
    }),
    ("two services fail together", |story| {
        story.fails("login", refused());
        story.fails("pages", refused());
        story.pass(120);
        story.look();
    }),
    ("mainstay cannot see out", |story| {
        for probe in ["login", "queue", "pages", "http.www.acme.com", "http.shop.acme.com"] {
            story.fails(probe, Fault::Unreachable { why: "network is unreachable".to_owned() });
        }
        for probe in ["tls.www.acme.com", "tls.shop.acme.com", "dns.acme.com", "domain.acme.com"] {
            story.fails(probe, Fault::Unreachable { why: "network is unreachable".to_owned() });
        }
        story.pass(120);
        story.look();
    }),
    ("a service that visitors do not see is down", |story| {
        story.fails("queue", refused());
        story.pass(120);
        story.look();
    }),
];

const PEOPLE: [Situation; 9] = [
    ("somebody acknowledges at once", |story| {
        story.fails("login", refused());
        story.pass(20);
        story.acknowledge("ana");
        story.pass(100);
        story.look();
        story.well();
        story.pass(180);
    }),
    ("nobody acknowledges", |story| {
        story.fails("login", refused());
        story.pass(1_300);
        story.look();
    }),
    ("somebody resolves while it still fails", |story| {
        story.fails("login", refused());
        story.pass(100);
        story.resolve();
        story.pass(120);
        story.look();
    }),
    ("a person writes an update", |story| {
        story.fails("login", refused());
        story.pass(100);
        story.acknowledge("ana");
        story.post(UpdateStatus::Identified, "A release went wrong; we are rolling it back.");
        story.pass(60);
        story.well();
        story.pass(180);
        story.look();
    }),
    ("mainstay restarts in the middle", |story| {
        story.fails("login", refused());
        story.pass(90);
        story.restart(20);
        story.pass(60);
        story.look();
        story.well();
        story.pass(180);
    }),
    ("publish = approve, and somebody does", |story| {
        story.config("[service.shop]", "[status_page]\npublish = \"approve\"\n\n[service.shop]");
        story.fails("login", refused());
        story.pass(100);
        story.look();
        story.approve();
        story.pass(60);
        story.well();
        story.pass(60);
        story.look();
        story.approve();
    }),
    ("publish = approve, and nobody does", |story| {
        story.config("[service.shop]", "[status_page]\npublish = \"approve\"\n\n[service.shop]");
        story.fails("login", refused());
        story.pass(100);
        story.well();
        story.pass(120);
        story.look();
        story.approve();
    }),
    ("publish = manual", |story| {
        story.config("[service.shop]", "[status_page]\npublish = \"manual\"\n\n[service.shop]");
        story.fails("login", refused());
        story.pass(2_400);
        story.well();
        story.pass(120);
        story.look();
    }),
    ("a person speaks of what no client notices", |story| {
        story.fails("queue", refused());
        story.pass(60);
        story.post(UpdateStatus::Investigating, "Reports may be late this morning.");
        story.pass(60);
        story.well();
        story.pass(300);
        story.look();
    }),
];

const EDGE: [Situation; 5] = [
    ("one of two servers of a pool is lost", |story| {
        story.edge();
        let mut rollup = surge::quiet();
        if let Some(pool) = rollup.pools.values_mut().next() {
            pool.servers[1].state = ServerState::Down;
        }
        story.traffic(rollup);
        story.pass(120);
        story.look();
    }),
    ("the last of three servers is left", |story| {
        story.edge();
        let mut rollup = surge::quiet();
        if let Some(pool) = rollup.pools.values_mut().next() {
            let mut third = pool.servers[1].clone();
            third.address = "10.0.0.3:80".to_owned();
            pool.servers.push(third);
            pool.servers.iter_mut().skip(1).for_each(|server| server.state = ServerState::Down);
        }
        story.traffic(rollup);
        story.pass(120);
        story.look();
    }),
    ("no server of a pool is left", |story| {
        story.edge();
        let mut rollup = surge::quiet();
        for pool in rollup.pools.values_mut() {
            pool.servers.iter_mut().for_each(|server| server.state = ServerState::Down);
        }
        story.traffic(rollup);
        story.pass(120);
        story.look();
    }),
    ("a surge", |story| {
        story.edge();
        story.traffic(surge::flood());
        story.pass(120);
        story.look();
        story.traffic(surge::quiet());
        story.pass(300);
        story.look();
    }),
    ("two limits fight", |story| {
        story.edge();
        story.traffic(surge::fight());
        story.pass(120);
        story.look();
        story.traffic(surge::quiet());
        story.pass(300);
        story.look();
    }),
];
