//! Who comes: groups of visitors, where they come from, what they ask for.

use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Everything that a generator needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the visitors go.
    pub target: SocketAddr,
    /// The Host that they ask for.
    pub host: String,
    /// How long each request may take: a visitor hangs up then.
    pub deadline: Duration,
    /// Who comes.
    pub groups: Vec<Group>,
    /// Decides who comes when, and how long each waits before trying again.
    pub seed: u64,
}

/// Visitors that are measured together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name in reports.
    pub name: String,
    /// Whether they keep the cookies that they are given, as people do who come back. Others come each time as if for
    /// the first time.
    #[serde(default)]
    pub known: bool,
    /// A cookie line that they bring along from the beginning, handed out in turn.
    #[serde(default)]
    pub cookies: Vec<String>,
    /// Where they come from.
    pub crowds: Vec<Crowd>,
    /// What each visit consists of: all of it must succeed.
    pub steps: Vec<Step>,
    /// How often a request that was refused, failed or late is tried again.
    #[serde(default)]
    pub retries: u8,
    /// Their User-Agent, where not a browser's.
    #[serde(default)]
    pub agent: Option<String>,
}

/// Visitors spread evenly over neighbouring networks of 254 addresses.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowd {
    /// The first network's address, in 127.0.0.0/8; its last octet does not matter.
    pub first: Ipv4Addr,
    /// How many networks.
    pub networks: u32,
    /// How many visitors; addresses are shared when there are more than 254 a network.
    pub visitors: u32,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// GET or POST, for instance.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Sent with a Content-Length, if not empty.
    #[serde(default)]
    pub body: String,
}

impl Step {
    /// A request without a body.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self { method: "GET".to_owned(), path: path.to_owned(), body: String::new() }
    }

    /// A form that is sent off.
    #[must_use]
    pub fn post(path: &str, body: &str) -> Self {
        Self { method: "POST".to_owned(), path: path.to_owned(), body: body.to_owned() }
    }
}

impl Crowd {
    /// The address of each visitor.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let networks = self.networks.max(1);
        let first = self.first.to_bits() & !0xff;
        (0..self.visitors)
            .map(move |n| Ipv4Addr::from_bits(first + ((n % networks) << 8) + 1 + (n / networks) % 254))
    }
}

impl Group {
    /// Known visitors, or first-time ones, who make one visit after the other.
    #[must_use]
    pub fn new(name: &str, known: bool, crowds: Vec<Crowd>, steps: Vec<Step>) -> Self {
        Self { name: name.to_owned(), known, cookies: Vec::new(), crowds, steps, retries: 0, agent: None }
    }

    /// The request of a step as bytes, without a cookie: what comes before it and what comes after.
    pub(super) fn request(&self, step: &Step, host: &str) -> (Vec<u8>, Vec<u8>) {
        const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        let agent = self.agent.as_deref().unwrap_or(BROWSER);
        let before = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nuser-agent: {agent}\r\naccept: */*\r\n",
            step.method, step.path
        );
        let after = match step.body.len() {
            0 if step.method == "GET" => "\r\n".to_owned(),
            length => format!(
                "content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{}",
                step.body
            ),
        };
        (before.into_bytes(), after.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_fills_its_networks_evenly() {
        let crowd = Crowd { first: Ipv4Addr::new(127, 66, 7, 9), networks: 3, visitors: 800 };
        let all: Vec<Ipv4Addr> = crowd.addresses().collect();
        let first: Vec<String> = all[..4].iter().map(ToString::to_string).collect();
        assert_eq!(first, ["127.66.7.1", "127.66.8.1", "127.66.9.1", "127.66.7.2"]);
        assert_eq!(all.len(), 800);
        assert!(all.iter().all(|a| (1..=254).contains(&a.octets()[3]) && (7..=9).contains(&a.octets()[2])));
    }

    #[test]
    fn requests_read_as_a_browsers_do() {
        let group = Group::new("g", false, Vec::new(), Vec::new());
        let text = |step: &Step| {
            let (before, after) = group.request(step, "a.test");
            String::from_utf8([before, after].concat()).unwrap()
        };
        let get = text(&Step::get("/login"));
        assert!(get.starts_with("GET /login HTTP/1.1\r\nhost: a.test\r\n") && get.ends_with("*/*\r\n\r\n"));
        assert!(text(&Step::post("/login", "user=ana")).ends_with("content-length: 8\r\n\r\nuser=ana"));
    }
}
