//! Settings of the generator: groups of clients, their addresses and requests.

use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Settings of a generator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the server.
    pub target: SocketAddr,
    /// Value of the Host header.
    pub host: String,
    /// Deadline of a request, after which the client closes the connection.
    pub deadline: Duration,
    /// The groups.
    pub groups: Vec<Group>,
    /// Seed of arrival times and retry delays.
    pub seed: u64,
}

/// Clients that are measured together.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The name in reports.
    pub name: String,
    /// Whether the clients keep cookies, so that the server recognizes them. Other clients are first-time clients in
    /// each visit.
    #[serde(default)]
    pub recognized: bool,
    /// Cookies that the clients have from the start, assigned in turn.
    #[serde(default)]
    pub cookies: Vec<String>,
    /// Ranges of client addresses.
    pub clients: Vec<ClientRange>,
    /// Requests of a visit; all must succeed.
    pub steps: Vec<Step>,
    /// Number of retries of a request that was rejected, failed or late.
    #[serde(default)]
    pub retries: u8,
    /// The User-Agent; default: that of a browser.
    #[serde(default)]
    pub agent: Option<String>,
}

/// Clients distributed evenly over adjacent subnets of 254 addresses.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientRange {
    /// Address of the first subnet, in 127.0.0.0/8; its last octet is ignored.
    pub first: Ipv4Addr,
    /// Number of subnets.
    pub subnets: u32,
    /// Number of clients; addresses are shared when a subnet has more than 254.
    pub count: u32,
}

/// One request.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The method.
    pub method: String,
    /// Path with query.
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

    /// A POST request with a form.
    #[must_use]
    pub fn post(path: &str, body: &str) -> Self {
        Self { method: "POST".to_owned(), path: path.to_owned(), body: body.to_owned() }
    }
}

impl ClientRange {
    /// The address of each client.
    pub fn addresses(self) -> impl Iterator<Item = Ipv4Addr> {
        let subnets = self.subnets.max(1);
        let first = self.first.to_bits() & !0xff;
        (0..self.count)
            .map(move |n| Ipv4Addr::from_bits(first + ((n % subnets) << 8) + 1 + (n / subnets) % 254))
    }
}

impl Group {
    /// A group without cookies and retries.
    #[must_use]
    pub fn new(name: &str, recognized: bool, clients: Vec<ClientRange>, steps: Vec<Step>) -> Self {
        Self {
            name: name.to_owned(),
            recognized,
            cookies: Vec::new(),
            clients,
            steps,
            retries: 0,
            agent: None,
        }
    }

    /// The bytes of a request, before and after its cookies.
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
    fn range_fills_its_subnets_evenly() {
        let range = ClientRange { first: Ipv4Addr::new(127, 66, 7, 9), subnets: 3, count: 800 };
        let all: Vec<Ipv4Addr> = range.addresses().collect();
        let first: Vec<String> = all[..4].iter().map(ToString::to_string).collect();
        assert_eq!(first, ["127.66.7.1", "127.66.8.1", "127.66.9.1", "127.66.7.2"]);
        assert_eq!(all.len(), 800);
        assert!(all.iter().all(|a| (1..=254).contains(&a.octets()[3]) && (7..=9).contains(&a.octets()[2])));
    }

    #[test]
    fn requests_look_like_those_of_a_browser() {
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
