//! GET, redirects followed, the certificate of every hop judged.
//!
//! | module | holds |
//! |---|---|
//! | `redirect` | where a response sends us, and when to stop |
//! | `exchange` | one request and its response on a connection of its own |
//! | `wire` | the bytes, plain or inside TLS, and when the first one came |
//! | `find` | looks for a text in a body that passes by |
//!
//! Each question opens its own connection: a reused one would measure neither the name, nor the way, nor the certificate.

mod exchange;
mod find;
mod redirect;
mod wire;

use crate::names::Names;
use crate::tcp;
use crate::tls::{Inside, Tls};
use exchange::{Body, Response, exchange};
use model::Fault;
use model::plan::Expect;
use model::sample::{Answer, Hop, HttpSeen, Phases, TlsSeen};
use redirect::Trail;
use std::net::SocketAddr;
use tokio::time::Instant;
use url::Url;
use wire::Wire;

/// Asks for a URL and follows where it leads.
pub(crate) async fn ask(
    tls: &Tls,
    names: &Names,
    url: &str,
    expect: &Expect,
    deadline: Instant,
) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let answer = match follow(tls, names, url, expect, deadline, &mut phases).await {
        Ok(seen) => Answer::Http(seen),
        Err(fault) => Answer::Failed(fault),
    };
    (answer, phases)
}

async fn follow(
    tls: &Tls,
    names: &Names,
    url: &str,
    expect: &Expect,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<HttpSeen, Fault> {
    let mut trail = Trail::begin(url)?;
    // Whoever wrote an address into the plan meant it, with this port: a redirect of that server to itself is followed, one to
    // another port of the machine would make us knock where nobody asked us to.
    let declared = meant(trail.at());
    let needle = expect.body_contains.as_deref().map(str::as_bytes);
    let mut hops = Vec::new();
    loop {
        let url = trail.at();
        let (wire, address, seen) = open(tls, names, url, declared, deadline, phases).await?;
        let body = |status, located| match redirect::leads_on(status, located, expect) {
            true => Body::Leave,
            false => Body::Read(needle),
        };
        let response = exchange(wire, url, body, deadline, phases).await?;
        let Response { status, location, body_bytes, body_found } = response;
        hops.push(Hop { url: redirect::told(url), status, tls: seen });
        match location {
            Some(location) if redirect::leads_on(status, true, expect) => trail.step(&location)?,
            _ => return Ok(HttpSeen { status, address, body_bytes, body_found, hops }),
        }
    }
}

/// The address and port that a URL names, where it is written with an address.
fn meant(url: &Url) -> Option<SocketAddr> {
    Some(SocketAddr::new(tcp::literal(url.host_str()?)?, url.port_or_known_default()?))
}

/// Opens what the URL's scheme asks for. A certificate that a browser would refuse ends the question here: nothing is sent
/// to a server that is not who it should be.
async fn open(
    tls: &Tls,
    names: &Names,
    url: &Url,
    declared: Option<SocketAddr>,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<(Wire, SocketAddr, Option<TlsSeen>), Fault> {
    let host = url.host_str().ok_or(Fault::BadRedirect)?;
    let port = url.port_or_known_default().ok_or(Fault::BadRedirect)?;
    let found = tcp::find(names, host, declared, port, deadline, phases).await?;
    let (stream, address) = tcp::connect(&found, deadline, phases).await?;
    if url.scheme() == "http" {
        return Ok((Wire::plain(stream), address, None));
    }
    let shaken = tls.shake(stream, address, host, Inside::Http, deadline, phases).await;
    match (shaken.seen.as_ref().and_then(|seen| seen.faults.first()), shaken.stream) {
        (Some(worst), _) => Err(Fault::Tls { tls: worst.clone() }),
        (None, Err(fault)) => Err(fault),
        (None, Ok(stream)) => Ok((Wire::tls(stream), address, shaken.seen)),
    }
}
