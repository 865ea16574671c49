//! One fetch for requests at the same time.

use super::{body, caching, field, get, response};
use crate::fixture::{Server, door, status, wait};
use crate::http2::{begin, run};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

/// A latch that servers wait for.
#[derive(Clone, Default)]
struct Latch(Arc<(Mutex<bool>, Condvar)>);

impl Latch {
    fn pass(&self) {
        let (open, changed) = &*self.0;
        let _open = changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
    }

    fn open(&self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}

/// A server that answers when the latch is open.
fn gated(latch: &Latch, headers: &'static str) -> Server {
    let (latch, count) = (latch.clone(), AtomicUsize::new(0));
    Server::new(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        latch.pass();
        Some(response(headers, &format!("n{number}")))
    })
}

#[test]
fn fifty_requests_at_a_time_are_one_for_the_server() {
    let latch = Latch::default();
    let server = gated(&latch, "cache-control: max-age=60\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    let asking: Vec<_> = (0..25).map(|_| std::thread::spawn(move || get(at, "/c/1", ""))).collect();
    let by_http2 = std::thread::spawn(move || {
        run(async move {
            let sender = begin::<Empty<Bytes>>(at).await;
            let asked = (0..25).map(|_| {
                let mut sender = sender.clone();
                async move {
                    let request = Request::get("http://a.test/c/1").body(Empty::new()).unwrap();
                    let response = sender.send_request(request).await.unwrap();
                    response.into_body().collect().await.unwrap().to_bytes()
                }
            });
            futures_util::future::join_all(asked).await
        })
    });
    wait("the first is at the server", || server.asked() == 1);
    wait("all are at the edge", || edge.roll_up().connections >= 26);
    latch.open();
    let answers: Vec<String> = asking.into_iter().map(|asking| asking.join().unwrap()).collect();
    assert!(answers.iter().all(|answer| body(answer) == "n0"), "{answers:?}");
    assert!(by_http2.join().unwrap().iter().all(|body| body == "n0"));
    assert_eq!(server.asked(), 1);
    let shared = answers.iter().filter(|answer| field(answer, "cache-status").unwrap().contains("collapsed"));
    assert!(shared.count() > 0);
}

#[test]
fn response_for_one_client_does_not_hold_up_the_others() {
    let latch = Latch::default();
    let server = gated(&latch, "cache-control: private\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    let asking: Vec<_> = (0..10).map(|_| std::thread::spawn(move || get(at, "/c/1", ""))).collect();
    wait("the first is at the server", || server.asked() == 1);
    latch.open();
    let mut bodies: Vec<String> =
        asking.into_iter().map(|asking| body(&asking.join().unwrap()).to_owned()).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!((bodies.len(), server.asked()), (10, 10), "each its own");
}

#[test]
fn first_client_that_leaves_takes_no_other_with_it() {
    let latch = Latch::default();
    let server = gated(&latch, "cache-control: max-age=60\r\n");
    let edge = caching(&[server.at], "");
    let at = door(&edge, false);
    // By HTTP/2: it resets its stream. One of HTTP/1.1 is noticed when the response is written.
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let first = std::thread::spawn(move || {
        run(async move {
            let mut sender = begin::<Empty<Bytes>>(at).await;
            let request = Request::get("http://a.test/c/1").body(Empty::new()).unwrap();
            tokio::select! {
                answered = sender.send_request(request) => panic!("answered: {answered:?}"),
                _ = left => {}
            }
        });
    });
    wait("the first is at the server", || server.asked() == 1);
    let others: Vec<_> = (0..5).map(|_| std::thread::spawn(move || get(at, "/c/1", ""))).collect();
    wait("the others are at the edge", || edge.roll_up().connections >= 6);
    leave.send(()).unwrap();
    first.join().unwrap();
    wait("another one asks", || server.asked() == 2);
    latch.open();
    for other in others {
        let answer = other.join().unwrap();
        assert_eq!((status(&answer), body(&answer)), (200, "n1"));
    }
    assert_eq!(server.asked(), 2);
}
