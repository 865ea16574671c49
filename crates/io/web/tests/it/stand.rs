//! A site on loopback with a mind whose answers a test chooses.

use crate::world;
use engine::views::Views;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use types::event::EventKind;
use types::time::later;
use types::{Denial, DenialId, Input};
use web::{Ask, AskError, Site, SiteSettings};

/// What machines show.
pub(crate) const TOKEN: &str = "a token of forty characters, more or less";

/// How the mind of a test answers.
pub(crate) type Answer = fn(&Input) -> Option<Result<(), AskError>>;

/// A site that serves.
pub(crate) struct Stand {
    pub(crate) site: Arc<Site>,
    pub(crate) base: String,
    pub(crate) key: tokens::Key,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    pub(crate) client: Client,
    _stop: watch::Sender<bool>,
}

impl Stand {
    /// A site during the outage whose mind agrees to everything.
    pub(crate) async fn new() -> Self {
        Self::with(Some(world::outage()), |_| Some(Ok(()))).await
    }

    /// A site with these views, if any, and this mind. `None` from the mind is no answer at all.
    pub(crate) async fn with(views: Option<Views>, answer: Answer) -> Self {
        Self::inside(Arc::new(TempDir::new().unwrap()), views, answer).await
    }

    pub(crate) async fn inside(folder: Arc<TempDir>, views: Option<Views>, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (asks_in, mut asks) = mpsc::channel::<Ask>(16);
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let wrote = Arc::clone(&heard);
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(ask) = asks.recv().await {
                wrote.lock().unwrap().push(format!("{:?}", ask.input));
                match answer(&ask.input) {
                    Some(said) => drop(ask.answer.send(said.map(|()| follows(&ask.input)))),
                    None => unanswered.push(ask),
                }
            }
        });
        let key = tokens::Key::new([7; 32]);
        let settings = SiteSettings {
            name: "Acme".to_owned(),
            url: base.clone(),
            key: key.clone(),
            api_token: TOKEN.to_owned(),
            data: folder.path().to_owned(),
        };
        let site = Arc::new(Site::new(settings, asks_in).beside(Arc::new(crate::traffic::Remembers)));
        if let Some(views) = views {
            site.publish(Arc::new(views));
        }
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve(listener, Arc::clone(&site), stopped));
        // Only http is spoken here, but the client asks for a provider when it is built.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self { site, base, key, folder, heard, client, _stop: stop }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    /// What the mind was asked so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// What the mind does when it agrees.
fn follows(wish: &Input) -> Vec<EventKind> {
    let Input::Deny { what, service, lasting, by, .. } = wish else { return Vec::new() };
    let (what, service, by, from) = (what.clone(), service.clone(), by.clone(), world::at(world::NOW));
    let denial = Denial { id: DenialId(7), what, service, from, until: later(from, *lasting), by };
    vec![EventKind::TrafficDenied { denial }]
}

/// A header of an answer; empty when it has none.
pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}
