//! A provider on loopback that answers as it is told and keeps what it was sent.

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

/// What a provider was sent.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

type Answers = Arc<dyn Fn(&Asked) -> Response + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Answers,
}

impl Provider {
    /// Runs until the test's runtime ends.
    pub(crate) async fn answering(answers: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let provider = Self { url, asked: Arc::default(), answers: Arc::new(answers) };
        let router = Router::new().fallback(hear).with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    pub(crate) async fn with_status(status: u16) -> Self {
        Self::answering(move |_| StatusCode::from_u16(status).unwrap().into_response()).await
    }

    /// A courier whose channels both lead here.
    pub(crate) fn notifier(&self, secret: Option<SecretRef>) -> Notifier {
        let config = config(&self.url, &format!("{}/hooks/s3cr3t?x=y", self.url), secret);
        Notifier::new(&config, key()).unwrap().with_clock(noon)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The one thing that it was asked.
    pub(crate) fn once(&self) -> Asked {
        let [asked] = self.asked().try_into().unwrap();
        asked
    }
}

async fn hear(
    State(provider): State<Provider>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = Asked { method, path: uri.to_string(), headers, body };
    let answer = (provider.answers)(&asked);
    provider.asked.lock().unwrap().push(asked);
    answer
}
