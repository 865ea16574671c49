//! HTTP: a request with redirects; the certificate of every hop is verified.
//!
//! | module | holds |
//! |---|---|
//! | `question` | the request with its secrets, and what is looked for in the response |
//! | `redirect` | the next URL and method, and when to stop |
//! | `cookies` | cookies of one run |
//! | `exchange` | one request and its response on a connection of its own |
//! | `message` | request, response and failure, independent of the version |
//! | `http1` | HTTP/1, tolerant; with `head` (lines of a head) and `framing` (the end of a body) |
//! | `http2` | HTTP/2, when the server negotiates it |
//! | `stream` | the byte stream, plain or TLS, and the time of its first byte |
//! | `body` | search for texts in a body; with `page`, `content_coding` (gzip and others), `charset` and `search` |
//! | `conditions` | what a response lacks of that which is expected of it |
//!
//! Each run opens its own connection: a reused one would measure neither the name, nor the route, nor the certificate.

mod body;
mod charset;
mod conditions;
mod content_coding;
mod cookies;
mod exchange;
mod framing;
mod head;
mod http1;
mod http2;
mod message;
mod page;
mod question;
mod redirect;
mod search;
mod stream;

use crate::connect;
use crate::kinds::tls::{Alpn, Offer, Tls};
use crate::names::Names;
use crate::setup::ProbeToken;
use cookies::CookieJar;
pub(crate) use question::{Question, QuestionError};

use exchange::exchange;
use http::header::ACCEPT_ENCODING;
use message::{Failure, Response, Turn};
use redirect::RedirectChain;
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use stream::Stream;
use tokio::time::Instant;
use types::Fault;
use types::probe_result::{Answer, Hop, HttpSeen, Phases, TlsSeen};
use url::Url;

/// The context of all hops of one run.
struct Context<'a> {
    tls: &'a Tls,
    names: &'a Names,
    token: Option<&'a ProbeToken>,
    question: &'a Question,
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
    question: &Question,
    deadline: Instant,
) -> (Answer, Phases) {
    let mut phases = Phases::default();
    let followed = async {
        let trail = RedirectChain::begin(url, question.method.clone())?;
        let host = trail.at().host_str().unwrap_or_default().to_owned();
        // An address literal of the configuration is allowed with its port: a redirect of that server to itself is followed,
        // one to another port of the machine is not.
        let declared = meant(trail.at());
        let context = Context { tls, names, token, question, declared, pinned: (host, address), deadline };
        follow(&context, trail, &mut phases).await
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
    phases: &mut Phases,
) -> Result<HttpSeen, Fault> {
    let question = context.question;
    let accepts_coding = question.fields.iter().any(|field| field.name == ACCEPT_ENCODING);
    let mut jar = CookieJar::default();
    let (mut hops, mut notes) = (Vec::new(), BTreeSet::new());
    loop {
        let (response, address, seen) = context.ask(&trail, &jar, phases).await?;
        let Response { head, body } = response;
        let (url, status) = (trail.at(), head.status);
        head.all("set-cookie").for_each(|field| jar.take(field, url));
        hops.push(Hop { url: redirect::without_credentials(url), status, tls: seen });
        notes.extend(head.notes(accepts_coding));
        match head.location() {
            Some(location) if redirect::leads_on(status, true, &question.expect) => {
                trail.step(status, location, &jar)?;
            }
            _ => {
                let mut end = HttpSeen { hops, notes, ..HttpSeen::new(status, address) };
                if let Some(body) = body {
                    end.unmet = conditions::unmet(question, &head, &body);
                    end.body_bytes = body.bytes;
                    end.body_found = body.searched.as_ref().and_then(|searched| searched.found);
                    end.unsearchable = body.searched.and_then(|searched| searched.unsearchable);
                }
                return Ok(end);
            }
        }
    }
}

/// The address and port of a URL whose host is an address literal.
fn meant(url: &Url) -> Option<SocketAddr> {
    Some(SocketAddr::new(connect::literal(url.host_str()?)?, url.port_or_known_default()?))
}

impl Context<'_> {
    /// Requests one hop. If a server answers HTTP/2 with HTTP_1_1_REQUIRED, the request is repeated once by HTTP/1.1.
    async fn ask(
        &self,
        trail: &RedirectChain,
        jar: &CookieJar,
        phases: &mut Phases,
    ) -> Result<(Response, SocketAddr, Option<TlsSeen>), Fault> {
        let (url, question) = (trail.at(), self.question);
        for inside in [Alpn::Http, Alpn::OnlyHttp1] {
            // A server that others redirect to gets no certificate of ours, as it gets none of our secrets.
            let identity = question.identity.clone().filter(|_| trail.is_home());
            let (wire, address, seen) = self.open(url, Offer { alpn: inside, identity }, phases).await?;
            let turn = Turn {
                question,
                url,
                method: trail.method(),
                has_body: trail.keeps_body(),
                is_home: trail.is_home(),
                jar,
                token: self.token.and_then(|token| token(url.host_str()?)),
            };
            let leaves = |head: &head::Head| {
                redirect::leads_on(head.status, head.location().is_some(), &question.expect)
            };
            match exchange(wire, &turn, leaves, self.deadline, phases).await {
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
        inside: Offer,
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
