//! HTTP: a GET request with redirects; the certificate of every hop is verified.
//!
//! | module | holds |
//! |---|---|
//! | `redirect` | the next URL, and when to stop |
//! | `cookies` | cookies of one run |
//! | `exchange` | one request and its response on a connection of its own |
//! | `message` | request, response and failure, independent of the version |
//! | `http1` | HTTP/1, tolerant; with `head` (lines of a head) and `framing` (the end of a body) |
//! | `http2` | HTTP/2, when the server negotiates it |
//! | `stream` | the byte stream, plain or TLS, and the time of its first byte |
//! | `body` | search for a text in a body; with `content_coding` (gzip and others), `charset` and `search` |
//!
//! Each run opens its own connection: a reused one would measure neither the name, nor the route, nor the certificate.

mod body;
mod charset;
mod content_coding;
mod cookies;
mod exchange;
mod framing;
mod head;
mod http1;
mod http2;
mod message;
mod redirect;
mod search;
mod stream;

use crate::connect;
use crate::kinds::tls::{Alpn, Tls};
use crate::names::Names;
use crate::setup::ProbeToken;
use cookies::CookieJar;
use exchange::{Body, exchange};
use head::Head;
use message::{Failure, Response};
use redirect::RedirectChain;
use std::net::{IpAddr, SocketAddr};
use stream::Stream;
use tokio::time::Instant;
use types::Fault;
use types::config::Expect;
use types::probe_result::{Answer, Hop, HttpSeen, Phases, TlsSeen};
use url::Url;

/// The context of all hops of one run.
struct Context<'a> {
    tls: &'a Tls,
    names: &'a Names,
    token: Option<&'a ProbeToken>,
    /// An address literal of the configuration: it is allowed, also for redirects of that server to itself.
    declared: Option<SocketAddr>,
    /// The host of the URL, and the address that this run uses.
    pinned: (String, IpAddr),
    deadline: Instant,
}

/// Requests a URL at one address of its host and follows redirects. Redirects of the host to itself stay at that address;
/// those to other hosts are resolved.
pub(crate) async fn run(
    (tls, names, token): (&Tls, &Names, Option<&ProbeToken>),
    url: &str,
    address: IpAddr,
    expect: &Expect,
    deadline: Instant,
) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let followed = async {
        let trail = RedirectChain::begin(url)?;
        let host = trail.at().host_str().unwrap_or_default().to_owned();
        // An address literal of the configuration is allowed with its port: a redirect of that server to itself is followed,
        // one to another port of the machine is not.
        let declared = meant(trail.at());
        let context = Context { tls, names, token, declared, pinned: (host, address), deadline };
        follow(&context, trail, expect, &mut phases).await
    };
    let answer = match followed.await {
        Ok(seen) => Answer::Http(seen),
        Err(fault) => Answer::Failed(fault),
    };
    (answer, phases)
}

async fn follow(
    context: &Context<'_>,
    mut trail: RedirectChain,
    expect: &Expect,
    phases: &mut Phases,
) -> Result<HttpSeen, Fault> {
    let needle = expect.body_contains.as_deref();
    let mut jar = CookieJar::default();
    let mut hops = Vec::new();
    loop {
        let url = trail.at();
        let body = |head: &Head| match redirect::leads_on(head.status, head.location().is_some(), expect) {
            true => Body::Leave,
            false => Body::Read(needle),
        };
        let (response, address, seen) = context.ask(url, &jar, body, phases).await?;
        let Response { head, body_bytes, body_found } = response;
        head.all("set-cookie").for_each(|field| jar.take(field, url));
        let status = head.status;
        hops.push(Hop { url: redirect::without_credentials(url), status, tls: seen });
        match head.location() {
            Some(location) if redirect::leads_on(status, true, expect) => trail.step(location, &jar)?,
            _ => return Ok(HttpSeen { status, address, body_bytes, body_found, hops }),
        }
    }
}

/// The address and port of a URL whose host is an address literal.
fn meant(url: &Url) -> Option<SocketAddr> {
    Some(SocketAddr::new(connect::literal(url.host_str()?)?, url.port_or_known_default()?))
}

impl Context<'_> {
    /// Requests one hop. If a server answers HTTP/2 with HTTP_1_1_REQUIRED, the request is repeated once by HTTP/1.1.
    async fn ask<'a>(
        &self,
        url: &Url,
        jar: &CookieJar,
        body: impl Fn(&Head) -> Body<'a>,
        phases: &mut Phases,
    ) -> Result<(Response, SocketAddr, Option<TlsSeen>), Fault> {
        for inside in [Alpn::Http, Alpn::OnlyHttp1] {
            let (wire, address, seen) = self.open(url, inside, phases).await?;
            let token = self.token.and_then(|token| token(url.host_str()?));
            match exchange(wire, url, (jar, token), &body, self.deadline, phases).await {
                Ok(response) => return Ok((response, address, seen)),
                Err(Failure::Fault(fault)) => return Err(fault),
                Err(Failure::OnlyHttp1) => {}
            }
        }
        Err(Fault::Garbage { why: "it speaks neither HTTP/2 nor HTTP/1.1".to_owned() })
    }

    /// Opens a connection for the URL's scheme. A certificate that a browser would refuse ends the run here: nothing is
    /// sent to a server that is not who it should be.
    async fn open(
        &self,
        url: &Url,
        inside: Alpn,
        phases: &mut Phases,
    ) -> Result<(Stream, SocketAddr, Option<TlsSeen>), Fault> {
        let host = url.host_str().ok_or(Fault::BadRedirect)?;
        let port = url.port_or_known_default().ok_or(Fault::BadRedirect)?;
        let (own, address) = &self.pinned;
        let found = if own == host && connect::literal(host).is_none() {
            vec![self.names.socket(*address, port)]
        } else {
            connect::find(self.names, host, self.declared, port, self.deadline, phases).await?
        };
        let (stream, address) = connect::connect(&found, self.deadline, phases).await?;
        if url.scheme() == "http" {
            return Ok((Stream::plain(stream), address, None));
        }
        let shaken = self.tls.handshake(stream, address, host, inside, self.deadline, phases).await;
        match (shaken.seen.as_ref().and_then(|seen| seen.faults.first()), shaken.stream) {
            (Some(worst), _) => Err(Fault::Tls { tls: worst.clone() }),
            (None, Err(fault)) => Err(fault),
            (None, Ok(stream)) => Ok((Stream::tls(stream), address, shaken.seen)),
        }
    }
}
