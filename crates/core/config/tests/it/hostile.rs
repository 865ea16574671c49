//! Malformed and hostile texts: bounded time and memory, never a panic.

use crate::problems;
use proptest::prelude::*;
use std::path::Path;

const SAMPLES: [&str; 4] = [
    include_str!("../../../../../examples/small-team.toml"),
    include_str!("../../../../../examples/wildcard-tenants.toml"),
    include_str!("../../../../../examples/two-timezones.toml"),
    include_str!("../../../../../examples/edge/mainstay.toml"),
];

/// Reads a text and checks every problem; a valid configuration has no dangling reference.
fn survive(text: &str) {
    match config::read(text, "mainstay.toml", Path::new("/etc/mainstay")) {
        Ok(read) => closed(&read.config),
        Err(problems) => {
            for problem in &problems {
                let (offset, length) = problem.span;
                assert!(text.get(offset..offset + length).is_some(), "{problem}");
                assert!(problem.line >= 1 && problem.column >= 1 && problem.hint.is_some(), "{problem}");
            }
            assert!(!problems.is_empty() && !problems.to_string().is_empty());
        }
    }
}

fn closed(config: &types::Config) {
    for (id, probe) in &config.probes {
        assert!(*id == probe.id && config.graph.contains(&probe.about), "{id}");
        assert!(
            probe.failure_threshold > 0
                && probe.success_threshold > 0
                && !probe.interval.is_zero()
                && !probe.timeout.is_zero()
        );
    }
    for (above, below) in config.graph.edges() {
        assert!(config.graph.contains(above) && config.graph.contains(below));
        assert!(!config.graph.beneath(below).contains(above), "{above} depends on itself");
    }
    for service in config.services.values() {
        assert!(config.escalations.contains_key(&service.escalation));
        assert!(service.schedule.iter().all(|schedule| config.schedules.contains_key(schedule)));
        assert!(service.depends_on.iter().all(|need| match need.kind {
            types::Kind::Pool => config.pools.contains_key(&need.name.as_str().into()),
            _ => config.services.contains_key(&need.name.as_str().into()),
        }));
        if let Some(guard) = &service.traffic {
            assert!(config.edge.is_some() && config.pools.contains_key(&guard.pool), "{}", service.id);
            assert!(!service.hosts.is_empty() && !guard.response_timeout.is_zero());
        }
        assert!(service.hosts.iter().all(|host| !host.contains('*')));
    }
    let is_channel = |reach: &types::notification::Contact| config.channels.contains_key(&reach.channel);
    for escalation in config.escalations.values() {
        assert!(!escalation.steps.is_empty() && escalation.fallback.iter().all(is_channel));
        for step in &escalation.steps {
            assert!(config.people.is_empty() || !step.people.is_empty() || !step.schedules.is_empty());
            assert!(step.people.iter().all(|person| config.people.contains_key(person)));
            assert!(step.schedules.iter().all(|schedule| config.schedules.contains_key(schedule)));
        }
    }
    for schedule in config.schedules.values() {
        assert!(!schedule.layers.is_empty());
        let is_person = |person: &types::PersonId| config.people.contains_key(person);
        assert!(schedule.layers.iter().flat_map(types::config::Layer::everybody).all(is_person));
        assert!(schedule.overrides.iter().flat_map(|one| one.change.named()).all(is_person));
        assert!(schedule.away.keys().all(is_person));
    }
    if let Some(edge) = &config.edge {
        assert!(!edge.listen.is_empty() || !edge.listen_tls.is_empty());
        assert!(edge.listen_tls.is_empty() || !edge.certificates.is_empty());
    }
    for pool in config.pools.values() {
        assert!(
            !pool.servers.is_empty() && pool.max_concurrency > 0 && pool.initial_concurrency > 0,
            "{}",
            pool.id
        );
    }
    for caller in config.callers.values() {
        assert!(caller.token.is_some() || !caller.cidrs.is_empty(), "{}", caller.id);
        assert!(caller.service.iter().all(|service| config.services.contains_key(service)));
    }
    for person in config.people.values() {
        assert!(!person.contacts.is_empty() && person.contacts.iter().all(is_channel), "{}", person.id);
    }
}

/// Fragments that a mutation inserts.
const BITS: [&str; 30] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "=",
    ",",
    ".",
    "\n",
    "#",
    "\\",
    "*",
    ":",
    "[[schedule.platform.layer]]",
    "[schedule.platform]",
    "[service.shop]",
    "a.b.c = 1",
    "5",
    "-1",
    "true",
    "2026-10-26",
    "07:30:00",
    "\u{0}",
    "ü",
    "\r",
    "🦀",
];

proptest! {
    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survive(&text);
    }

    #[test]
    fn anything_like_toml(text in "([\\[\\]{}\"'=,.#\\n a-c:*0-9-]|\\[\\[|\\]\\]|\"\"\"|service|probe|schedule|layer|hosts|edge|traffic|pool|servers){0,60}") {
        survive(&text);
    }

    #[test]
    fn configs_cut_and_patched(
        which in 0..4usize,
        edits in prop::collection::vec((0..5000usize, 0..40usize, 0..BITS.len()), 1..6),
    ) {
        let mut text = SAMPLES[which].to_owned();
        for (at, cut, bit) in edits {
            let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1 } at };
            let from = floor(at % (text.len() + 1));
            let to = floor((from + cut).min(text.len())).max(from);
            text.replace_range(from..to, BITS[bit]);
        }
        survive(&text);
    }

    #[test]
    fn configs_with_one_value_exchanged(which in 0..4usize, line in 0..120usize, value in "(\"\\PC{0,40}\"|[0-9]{1,20}|\\[\\]|\\{\\}|\\[\"\\PC{0,10}\"\\]|2026-[0-9]{2}-[0-9]{2}|nan|1e9)") {
        let lines: Vec<&str> = SAMPLES[which].lines().collect();
        let at = line % lines.len();
        let patched: Vec<String> = lines.iter().enumerate().map(|(n, line)| match line.split_once(" = ") {
            Some((key, _)) if n == at => format!("{key} = {value}"),
            _ => (*line).to_owned(),
        }).collect();
        survive(&patched.join("\n"));
    }
}

#[test]
fn text_that_is_too_long_is_rejected() {
    assert_eq!(
        problems(&"#".repeat(config::LONGEST + 1)),
        "mainstay.toml:1:1: the configuration is longer than 16384 KiB (divide it among several installations)"
    );
    assert_eq!(problems(&"#".repeat(config::LONGEST)), "fine");
}

#[test]
fn deep_texts_do_not_overflow_the_stack() {
    let deep = config::LONGEST / 2 - 8;
    survive(&format!("{}a = 1", "a.".repeat(deep)));
    survive(&format!("[{}a]", "a . ".repeat(deep / 2)));
    survive(&format!("[{}a]", "\"a\".".repeat(deep / 2)));
    survive(&format!("a = {}", "[".repeat(deep)));
    survive(&format!("a = {}", "{a=".repeat(deep / 2)));
    survive(&"[".repeat(deep));
    survive(&"[[a]]\n".repeat(deep / 4));
}

#[test]
fn many_mistakes_are_reported_in_part() {
    for (text, line) in [
        (String::new(), "a = = 1\n"),
        ("[service.a]\ndepends_on = [\n".to_owned(), "\"service.x\",\n"),
        ("[service.a]\ndepends_on = [\n".to_owned(), "5,\n"),
        (String::new(), "[service.\u{fc}]\n"),
        ("[site]\n".to_owned(), "xyzzy = 1\n"),
    ] {
        let text = text + &line.repeat(20_000);
        let problems = config::read(&text, "mainstay.toml", Path::new(".")).unwrap_err();
        assert!(problems.len() <= 501, "{}", problems.len());
    }
}

#[test]
fn many_mistyped_timezones_are_cheap() {
    let mut text = String::new();
    for n in 0..10_000 {
        text.push_str(&format!(
            "[person.p{n}]\ntimezone = \"Europe/Talin\"\n[channel.c{n}]\nsecret = \"hunter2\"\n"
        ));
    }
    let problems = config::read(&text, "mainstay.toml", Path::new(".")).unwrap_err();
    assert!(problems.len() <= 501 && !format!("{problems}").contains("hunter2"));
}

#[test]
fn too_many_hosts_are_one_problem() {
    let hosts: Vec<String> = (0..40_000).map(|n| format!("\"h{n}.acme.com\"")).collect();
    assert_eq!(
        problems(&format!("[service.a]\nhosts = [{}]\n", hosts.join(","))),
        "mainstay.toml:1:10: the configuration has 80002 probes; the maximum is 50000 (use fewer hosts and samples, or several installations)"
    );
    let zones: Vec<String> = (0..2_400).map(|n| format!("\"h{n}.com\"")).collect();
    assert_eq!(problems(&format!("[service.a]\nhosts = [{}]\n", zones.join(","))), "fine");
}

#[test]
fn wildcards_and_samples_cost_their_sum() {
    let list = |count: usize, make: &dyn Fn(usize) -> String| {
        let all: Vec<String> = (1..=count).map(|n| format!("\"{}\"", make(n))).collect();
        all.join(",")
    };
    let config = |hosts: String, samples: String| {
        format!("[service.a]\nhosts = [{hosts}]\nwildcard_samples = [{samples}]\n")
    };
    let apart =
        config(list(26_000, &|n| format!("*.d{n}.acme.me")), list(26_000, &|n| format!("a.d{n}.acme.me")));
    assert!(problems(&apart).contains("the configuration has 52002 probes"));
    let ports =
        config(list(20_000, &|n| format!("*.acme.me:{n}")), list(20_000, &|n| format!("a{n}.acme.me")));
    assert!(problems(&ports).contains("the maximum is 50000"));
}

#[test]
fn long_dependency_cycle_is_one_problem() {
    let mut text = String::new();
    for n in 0..12_000 {
        text.push_str(&format!("[service.s{n}]\ndepends_on = [\"service.s{}\"]\n", (n + 1) % 12_000));
    }
    let reported = problems(&text);
    assert!(reported.contains("dependency cycle of 12000 services"), "{reported}");
    assert_eq!(reported.lines().count(), 1);
}
