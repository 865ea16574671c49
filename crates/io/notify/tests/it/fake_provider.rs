//! A fake provider on loopback with given responses. It keeps the requests.

use crate::{config, key, noon};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use notify::Notifier;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use types::config::SecretRef;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answers = Arc<dyn Fn(&Received) -> Response + Send + Sync>;

#[derive(Clone)]
pub(crate) struct FakeProvider {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Answers,
}

impl FakeProvider {
    /// Runs until the test's runtime ends.
    pub(crate) async fn answering(answers: impl Fn(&Received) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { url, received: Arc::default(), answers: Arc::new(answers) };
        let router = Router::new().fallback(receive).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) async fn with_status(status: u16) -> Self {
        Self::answering(move |_| StatusCode::from_u16(status).unwrap().into_response()).await
    }

    /// A notifier whose two channels use this provider.
    pub(crate) fn notifier(&self, secret: Option<SecretRef>) -> Notifier {
        let config = config(&self.url, &format!("{}/hooks/s3cr3t?x=y", self.url), secret);
        Notifier::new(&config, key()).unwrap().with_clock(noon)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The only request.
    pub(crate) fn only(&self) -> Received {
        let [received] = self.received().try_into().unwrap();
        received
    }
}

async fn receive(
    State(provider): State<FakeProvider>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let received = Received { method, path: uri.to_string(), headers, body };
    let answer = (provider.answers)(&received);
    provider.received.lock().unwrap().push(received);
    answer
}
