//! A web server on loopback, with an event loop whose results the test chooses.

use crate::stub_subscriptions::StubSubscriptions;
use crate::{fixed_time, views};
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
use types::{Actor, Command, Denial, DenialId};
use web::{CommandError, CommandRequest, WebSettings, WebState};

/// API token.
pub(crate) const TOKEN: &str = "a token of forty characters, more or less";

/// Results of the event loop.
pub(crate) type Results = fn(&Command) -> Option<Result<(), CommandError>>;

/// A running web server.
pub(crate) struct Fixture {
    pub(crate) state: Arc<WebState>,
    pub(crate) base: String,
    pub(crate) key: tokens::Key,
    pub(crate) folder: Arc<TempDir>,
    pub(crate) received: Arc<Mutex<Vec<String>>>,
    pub(crate) client: Client,
    pub(crate) subscriptions: Arc<StubSubscriptions>,
    _stop: watch::Sender<bool>,
}

impl Fixture {
    /// Server with the views of the outage; every command succeeds.
    pub(crate) async fn new() -> Self {
        Self::with(Some(views::outage()), |_| Some(Ok(()))).await
    }

    /// Server with these views, if any, and these results. The result `None` is no answer at all.
    pub(crate) async fn with(views: Option<Views>, results: Results) -> Self {
        Self::inside(Arc::new(TempDir::new().unwrap()), views, results).await
    }

    pub(crate) async fn inside(folder: Arc<TempDir>, views: Option<Views>, results: Results) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (sender, mut commands) = mpsc::channel::<CommandRequest>(16);
        let received: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&received);
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some(request) = commands.recv().await {
                let CommandRequest { actor, command, .. } = &request;
                let over =
                    actor.contact.as_ref().map_or_else(String::new, |contact| format!(" over {contact}"));
                log.lock()
                    .unwrap()
                    .push(format!("{actor}, {:?}, {}{over}: {command:?}", actor.kind, actor.via));
                match results(command) {
                    Some(result) => {
                        let events = result.map(|()| events(actor, command));
                        drop(request.reply.send(events));
                    }
                    None => unanswered.push(request),
                }
            }
        });
        let key = tokens::Key::new([7; 32]);
        let settings = WebSettings {
            name: "Acme".to_owned(),
            url: base.clone(),
            key: key.clone(),
            api_token: TOKEN.into(),
            data: folder.path().to_owned(),
        };
        let state = WebState::new(settings, sender).with_edge(Arc::new(crate::edge_views::StubEdge));
        let subscriptions = Arc::new(StubSubscriptions::new());
        let state = state.with_subscriptions(Some(subscriptions.clone()));
        let state = Arc::new(state.with_samples(Some(Arc::new(crate::stub_samples::StubSamples))));
        if let Some(views) = views {
            state.publish(Arc::new(views));
        }
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(web::serve(listener, Arc::clone(&state), stopped));
        // Only HTTP is used, but the client needs a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build()
            .unwrap();
        Self { state, base, key, folder, received, client, subscriptions, _stop: stop }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    /// Commands that were received so far.
    pub(crate) fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

/// Events of a successful command.
fn events(actor: &Actor, command: &Command) -> Vec<EventKind> {
    let Command::Deny { what, service, lasting, .. } = command else { return Vec::new() };
    let (what, service, by, from) =
        (what.clone(), service.clone(), actor.id.clone(), fixed_time::at(fixed_time::NOW));
    let denial = Denial { id: DenialId(7), what, service, from, until: later(from, *lasting), by };
    vec![EventKind::TrafficDenied { denial, by: actor.clone() }]
}

/// Header of a response; empty when missing.
pub(crate) fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}
