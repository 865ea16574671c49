//! A front end that asks an API through the same edge: one trace over real sockets, with the limits of both.

use crate::fixture::{ConfigParts, Server, ask, door, status, terms, wait};
use edge::Edge;
use edge::telemetry::TraceId;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use types::trace::{Trace, Verdict};

const TOKEN: &str = "a-token-of-sufficient-length-0123456789";

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map(|(_, value)| value)
}

/// Asks the API for each request and tells the client that its own client limits itself when the API does.
fn front_end(edge: Arc<OnceLock<SocketAddr>>) -> Server {
    Server::new(move |request| {
        let request = String::from_utf8_lossy(request).into_owned();
        let parent = field(&request, "traceparent")?;
        let client = field(&request, "mainstay-client")?;
        let state = field(&request, "tracestate")
            .map_or_else(String::new, |state| format!("tracestate: {state}\r\n"));
        let answered = ask(
            *edge.get()?,
            &format!(
                "POST /v1/session?secret=1 HTTP/1.1\r\nhost: api.test\r\ntraceparent: {parent}\r\n{state}\
                 mainstay-caller: {TOKEN}\r\nmainstay-client: {client}\r\ncontent-length: 0\r\n\r\n"
            ),
        );
        let limited = status(&answered) == 429;
        Some(if limited {
            b"HTTP/1.1 429 No\r\nratelimit: \"api-client\";r=0;t=3\r\ncontent-length: 0\r\n\r\n".to_vec()
        } else {
            crate::fixture::OK.to_vec()
        })
    })
}

fn traced(edge: &Edge, answer: &str) -> Trace {
    let id = field(answer, "x-request-id").unwrap();
    let id = TraceId::read(id.as_bytes()).unwrap();
    wait("both hops are kept", || edge.telemetry().trace(id).is_some_and(|trace| trace.hops.len() == 2));
    edge.telemetry().trace(id).unwrap()
}

#[test]
fn both_limits_are_in_one_trace_and_the_roll_up_names_it() {
    let at = Arc::new(OnceLock::new());
    let front = front_end(Arc::clone(&at));
    let api = Server::saying(
        b"HTTP/1.1 429 No\r\nratelimit: \"per-address\";r=0;t=30\r\nratelimit-policy: \"per-address\";q=100;w=60\r\n\
          retry-after: 30\r\ncontent-length: 0\r\n\r\n",
    );
    let more = format!(
        "[service.api]\nhosts = [\"api.test\"]\n[service.api.traffic]\npool = \"api\"\n[pool.api]\nservers = [\"{}\"]\n\
         [caller.web-front]\nservice = \"web\"\ntoken = \"env:TOKEN\"",
        api.at
    );
    let mut terms = terms(&[front.at], &ConfigParts { more: &more, ..ConfigParts::default() });
    terms.tokens.insert("web-front".into(), TOKEN.into());
    let edge = Edge::start(&terms, tokens::Key::new([7; 32])).unwrap();
    at.set(door(&edge, false)).unwrap();

    let answer = ask(
        door(&edge, false),
        "GET /login?token=1 HTTP/1.1\r\nhost: a.test\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntracestate: vendor=x\r\n\r\n",
    );
    assert_eq!(status(&answer), 429);
    let trace = traced(&edge, &answer);
    assert_eq!(trace.id, "4bf92f3577b34da6a3ce929d0e0e4736");
    let [outer, inner] = &trace.hops[..] else { panic!("{trace:?}") };
    assert_eq!(
        (outer.parent.as_deref(), inner.parent.as_ref()),
        (Some("00f067aa0ba902b7"), Some(&outer.span))
    );
    assert_eq!((outer.path.as_str(), inner.path.as_str()), ("/login", "/v1/session"));
    assert_eq!(inner.caller, Some("web-front".into()));
    assert_eq!((inner.verdict, inner.status, outer.status), (Verdict::Passed, 429, 429));
    assert_eq!(outer.limit.as_deref(), Some("api-client of web, none left, again in 3 s"));
    assert_eq!(inner.limit.as_deref(), Some("per-address of api, 100 in 60 s, none left, again in 30 s"));
    assert!(outer.took_us >= inner.took_us && inner.took_us > 0, "{trace:?}");
    for (hop, server) in [(outer, front.at), (inner, api.at)] {
        let [attempt] = &hop.attempts[..] else { panic!("{hop:?}") };
        assert_eq!((attempt.server.as_str(), attempt.status), (server.to_string().as_str(), Some(429)));
        let names: Vec<&str> = hop.phases.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names.first(), Some(&"policy check"), "{hop:?}");
        assert!(names.ends_with(&["wait for first byte", "send response"]), "{hop:?}");
        assert!(
            hop.phases.windows(2).all(|two| two[0].began_us + two[0].took_us == two[1].began_us),
            "{hop:?}"
        );
    }
    let seen = String::from_utf8(api.seen.lock().unwrap()[0].clone()).unwrap();
    assert_eq!(field(&seen, "tracestate"), Some("vendor=x"));
    assert_eq!(field(&seen, "traceparent").map(|parent| &parent[36..52]), Some(inner.span.as_str()));

    let rollup = edge.roll_up();
    let refused = &rollup.services[&"api".into()].callers_refused[&"web-front".into()];
    assert_eq!((refused.count, refused.trace.as_ref()), (1, Some(&trace.id)));
    assert_eq!(refused.limits, ["api-client of web", "per-address of api"]);
    assert_eq!(rollup.services[&"web".into()].server_429, 1);
}
