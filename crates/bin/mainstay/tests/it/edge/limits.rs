//! Limits and costs of the operating system: open files, processor time of idle connections.

use super::backend::Backend;
use super::client::Client;
use super::{answered, config, free};
use crate::instance::Instance;
use std::io::Write;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// The soft and the hard limit of open files, as the kernel writes them.
fn files(limits: &str) -> (String, String) {
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut words = line.split_whitespace().skip(3).map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn soft_limit_of_files_is_raised_and_clients_beyond_it_are_served() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start_edge_only_with_files(128);
    answered(edge, "127.0.0.1", 200);
    let (soft, hard) = files(&instance.proc("limits"));
    assert_eq!(soft, hard);
    let mut stay = Vec::new();
    for _ in 0..200 {
        let mut client = Client::connect("127.0.0.1", edge).unwrap();
        assert_eq!(client.ask("GET", "/", &[]).unwrap().status, 200, "after {}", stay.len());
        stay.push(client);
    }
    answered(edge, "127.0.0.2", 200);
}

/// Hundredths of a second of processor time that the process has used.
fn used(instance: &Instance) -> u64 {
    let stat = instance.proc("stat");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn connections_that_sent_one_byte_cost_no_processor_time() {
    let (one, edge) = (Backend::start("one"), free());
    let mut instance = Instance::with(&config(edge, &[&one], ""));
    instance.start_edge_only();
    answered(edge, "127.0.0.1", 200);
    let begin = || {
        let mut socket = TcpStream::connect(edge).unwrap();
        // The beginning of PRI, POST and PUT.
        socket.write_all(b"P").unwrap();
        socket
    };
    let waiting: Vec<TcpStream> = (0..200).map(|_| begin()).collect();
    answered(edge, "127.0.0.2", 200);
    let (before, from) = (used(&instance), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let share = (used(&instance) - before) as f64 / from.elapsed().as_secs_f64();
    assert!(share <= 25.0, "{share} % of a core for {} connections", waiting.len());
}
