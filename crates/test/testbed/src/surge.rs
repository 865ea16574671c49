//! The world of the drill `surge`: a sign-in whose limits fight each other, the visitors that it has, and a flood.
//!
//! `auth.localhost` is the sign-in page, `api.localhost` the API that it asks, `shop.localhost` has nothing to do with
//! either. In front of them stands whatever is to be tried: mainstay's edge, which reads the configuration that this world writes,
//! or a plain round-robin proxy. Half of the usual visitors have been there before.
//!
//! Deliberately absent: any protection in the configuration beyond a pool and what makes a known visitor. Nobody had set it up.

mod config;
pub mod plain;

use crate::LabError;
use crate::flood::{Crowd, Flood, Group, Settings, Step};
use crate::keys::Authority;
use crate::phone::{Manner, Phone, Provider};
use crate::signin::{Api, ApiSettings, Bounds, FrontEnd, FrontSettings};
use crate::tasks::lock;
use crate::web::{self, Server};
use drill::score::{Served, Visitors};
use drill::{Act, Witness};
use hyper::StatusCode;
use jiff::Timestamp;
use plain::Proxy;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use tokio::net::TcpListener;

/// Visits a second of each half of the usual visitors. A visit is two requests: the page, and the sign-in.
const VISITS: f64 = 3.0;
/// When the flood is over those come back whom it kept out: so many times the usual visits.
const BACK: f64 = 2.0;
/// Requests a second that are usual in front of sign-in.
const USUAL: f64 = 2.0 * 2.0 * VISITS;
/// A visitor hangs up after so long.
const DEADLINE: Duration = Duration::from_secs(5);
/// The address from which the sign-in page calls the API: the configuration declares it as a caller.
const CALLS_FROM: Ipv4Addr = Ipv4Addr::new(127, 88, 0, 9);
/// Where everything is named: `auth.localhost`.
const TOP: &str = "localhost";

/// What stands in front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// mainstay's edge, started by whoever runs the drill.
    Mainstay,
    /// A plain round-robin proxy, started here.
    Plain,
}

/// The world. Stops when dropped.
pub struct Surge {
    doors: Doors,
    front: FrontEnd,
    api: Api,
    shop: SocketAddr,
    phone: Phone,
    flood: Flood,
    folder: PathBuf,
    proxy: Option<Proxy>,
    history: Mutex<History>,
    _shop: Server,
}

/// Where what stands in front listens.
#[derive(Clone, Copy, Debug)]
struct Doors {
    /// For visitors.
    visitors: SocketAddr,
    /// For the sign-in page's calls of the API; the same, where names tell services apart.
    calls: SocketAddr,
    /// For probes.
    tls: SocketAddr,
}

#[derive(Clone, Copy, Debug, Default)]
struct History {
    fault_at: Option<Timestamp>,
    flood_ended: Option<Timestamp>,
}

/// How visitors fared in one part of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `before`, `flood`, `after`, `mended`.
    pub name: String,
    /// How they fared.
    pub visitors: Visitors,
    /// Requests of the flood that were really sent, a second.
    pub flood_per_sec: f64,
}

impl Surge {
    /// Builds the world; its usual visitors come from now on.
    ///
    /// # Errors
    /// When loopback has no room, or the folder cannot be written.
    pub async fn start(folder: &Path, behind: Behind) -> Result<Self, LabError> {
        let no_ground = |last| LabError::NoGround { tries: 1, last };
        let bind = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let api = Api::start(bind().await.map_err(no_ground)?, limited()).map_err(no_ground)?;
        let front_at = bind().await.map_err(no_ground)?;
        let (proxy, doors) = match behind {
            Behind::Mainstay => (None, Doors::free().map_err(no_ground)?),
            Behind::Plain => {
                let to = [front_at.local_addr().map_err(no_ground)?, api.address()];
                let proxy = Proxy::start(folder, to).await.map_err(no_ground)?;
                let [visitors, calls] = proxy.doors();
                (Some(proxy), Doors { visitors, calls, tls: visitors })
            }
        };
        let mut settings = FrontSettings::new(doors.calls, &format!("api.{TOP}"), CALLS_FROM);
        // What is refused is tried three times, and counts three times: 15 calls a second against a limit of 9.
        settings.budget = Bounds { most: 100.0, least: 5.0, creep: 1.0 };
        let front = FrontEnd::start(front_at, settings).map_err(no_ground)?;
        let shop = bind().await.map_err(no_ground)?;
        let shop_at = shop.local_addr().map_err(no_ground)?;
        let handler =
            web::handler(|_, _| async { web::answer(StatusCode::OK, "text/html", "<title>Shop</title>") });
        let phone = Phone::start(bind().await.map_err(no_ground)?).map_err(no_ground)?;
        phone.person("ana", Manner::Answers { after: Duration::from_secs(4) });
        write_keys(folder)?;
        let flood = Flood::start(visitors(doors.visitors)).map_err(no_ground)?;
        flood.phase("before", &[VISITS, VISITS, 0.0]);
        Ok(Self {
            doors,
            front,
            api,
            shop: shop_at,
            phone,
            flood,
            folder: folder.to_owned(),
            proxy,
            history: Mutex::default(),
            _shop: Server::start(shop, None, handler),
        })
    }

    /// Does one act of a script. The instant is the one from which it holds.
    ///
    /// # Errors
    /// [`LabError::NotHere`] for what this world has no parts for.
    pub fn act(&self, act: &Act) -> Result<Timestamp, LabError> {
        let now = Timestamp::now();
        match act {
            Act::Flood { times } => {
                let fault = *lock(&self.history).fault_at.get_or_insert(now);
                self.flood.phase("flood", &[VISITS, VISITS, USUAL * f64::from(*times)]);
                return Ok(fault);
            }
            Act::FloodEnds => {
                lock(&self.history).flood_ended = Some(now);
                self.flood.phase("after", &[BACK * VISITS, BACK * VISITS, 0.0]);
            }
            Act::PassVisitorOn => {
                self.front.pass_visitor(true);
                self.flood.phase("mended", &[BACK * VISITS, BACK * VISITS, 0.0]);
            }
            Act::PersonAnswers { person, after } => {
                self.phone.person(&person.0, Manner::Answers { after: *after });
            }
            Act::PersonSilent { person } => self.phone.person(&person.0, Manner::Silent),
            Act::PhoneWorks => self.phone.provider(Provider::Works),
            Act::PhoneFails => self.phone.provider(Provider::Fails),
            Act::PhoneHangs => self.phone.provider(Provider::Hangs),
            Act::WarmCaches | Act::Swap | Act::Hold | Act::Renew => {
                return Err(LabError::NotHere(act.to_string()));
            }
        }
        Ok(now)
    }

    /// What others than mainstay saw since the flood began, for the score.
    #[must_use]
    pub fn witness(&self) -> Witness {
        let history = *lock(&self.history);
        let Some(fault_at) = history.fault_at else { return Witness::default() };
        let woke: Vec<_> =
            self.phone.calls().into_iter().filter(|call| call.woke() && call.at >= fault_at).collect();
        let answers = self.phone.answers();
        let mut visitors = Visitors::default();
        for part in self.parts().iter().filter(|part| part.name != "before") {
            visitors.known = together(visitors.known, part.visitors.known);
            visitors.first = together(visitors.first, part.visitors.first);
        }
        Witness {
            asked: woke.iter().map(|call| call.at).min(),
            answered: answers.iter().filter(|a| a.ok() && a.at >= fault_at).map(|a| a.at).min(),
            keys: woke.into_iter().map(|call| call.key).collect(),
            visitors,
            flood_ended: history.flood_ended,
            fight_began: self.api.refuses_since().filter(|began| *began >= fault_at),
            ..Witness::default()
        }
    }

    /// How visitors fared, part by part.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.flood.report().phases.iter().map(part).collect()
    }

    /// The phone.
    #[must_use]
    pub fn phone(&self) -> &Phone {
        &self.phone
    }

    /// What stands in front, where that is not mainstay: `haproxy 3.0.11`.
    #[must_use]
    pub fn in_front(&self) -> Option<&str> {
        self.proxy.as_ref().map(Proxy::name)
    }

    /// The mainstay.toml that watches and serves this world.
    #[must_use]
    pub fn config_toml(&self, data: &Path, listen: SocketAddr) -> String {
        config::toml(self, data, listen)
    }
}

impl Doors {
    /// Bound and let go: the configuration and the generator must know them before mainstay has them.
    fn free() -> io::Result<Self> {
        let at = || std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (plain, tls) = (at()?, at()?);
        let visitors = plain.local_addr()?;
        Ok(Self { visitors, calls: visitors, tls: tls.local_addr()? })
    }
}

/// The API: 9 calls a second of one address, over ten seconds.
fn limited() -> ApiSettings {
    ApiSettings { most: 90, ..ApiSettings::default() }
}

fn write_keys(folder: &Path) -> Result<(), LabError> {
    let authority = Authority::new("Lab Root CA")?;
    let names = ["auth", "api", "shop"].map(|name| format!("{name}.{TOP}"));
    let (chain, key) = authority.files(&names)?;
    for (name, text) in [("lab-ca.pem", authority.pem()), ("edge.pem", chain), ("edge.key", key)] {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|why| LabError::Folder { path, why })?;
    }
    Ok(())
}

/// The usual visitors in two halves, and the flood from three networks.
fn visitors(target: SocketAddr) -> Settings {
    let sign_in = |user: &str| Step::post("/login", &format!("user={user}&password=x"));
    let crowd = |second: u8, networks, visitors| {
        vec![Crowd { first: Ipv4Addr::new(127, second, 0, 0), networks, visitors }]
    };
    let people =
        |name: &str, known, crowd| Group::new(name, known, crowd, vec![Step::get("/login"), sign_in("ana")]);
    let flood = Group::new("flood", false, crowd(87, 3, 700), vec![sign_in("bot")]);
    let groups =
        vec![people("known", true, crowd(85, 20, 40)), people("first", false, crowd(86, 20, 200)), flood];
    Settings { target, host: format!("auth.{TOP}"), deadline: DEADLINE, groups, seed: 7 }
}

fn part(phase: &crate::flood::PhaseReport) -> Part {
    let fared = |name: &str| {
        let group = phase.group(name);
        Served { asked: group.map(|group| group.visits), served: group.map(|group| group.good) }
    };
    Part {
        name: phase.name.clone(),
        visitors: Visitors { known: fared("known"), first: fared("first") },
        flood_per_sec: phase.group("flood").map_or(0.0, |flood| flood.sent_per_sec),
    }
}

fn together(one: Served, other: Served) -> Served {
    let sum = |a: Option<u64>, b: Option<u64>| Some(a.unwrap_or(0) + b.unwrap_or(0));
    Served { asked: sum(one.asked, other.asked), served: sum(one.served, other.served) }
}
