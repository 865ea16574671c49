//! Serves the fixed views of the tests on loopback: `preview [healthy|outage] [PORT]`. Every command succeeds and
//! changes nothing.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example for developers")]

#[path = "../tests/it/edge_views.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod edge_views;
#[path = "../tests/it/fixed_time.rs"]
mod fixed_time;
#[path = "../tests/it/stub_samples.rs"]
mod stub_samples;
#[path = "../tests/it/views.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod views;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use web::{WebSettings, WebState};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let views = if args.next().as_deref() == Some("healthy") { views::healthy() } else { views::outage() };
    let port = args.next().map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (sender, mut commands) = mpsc::channel::<web::CommandRequest>(16);
    tokio::spawn(async move {
        while let Some(command) = commands.recv().await {
            let _ = command.reply.send(Ok(Vec::new()));
        }
    });
    let folder = std::env::temp_dir().join(format!("web-preview-{}", std::process::id()));
    let key = tokens::Key::new([7; 32]);
    let settings = WebSettings {
        name: "Acme".to_owned(),
        url: url.clone(),
        key: key.clone(),
        api_token: "token".into(),
        data: folder,
    };
    let state = WebState::new(settings, sender).with_edge(Arc::new(edge_views::StubEdge));
    let state = Arc::new(state.with_samples(Some(Arc::new(stub_samples::StubSamples))));
    state.publish(Arc::new(views));
    state.refresh_latencies();
    let ack =
        key.sign("ack", "incident-7|ana", types::time::later(web::clock::now(), Duration::from_secs(3_600)));
    println!("status page    {url}/\nconsole  {}\nack      {url}/ack/{ack}", state.login_link());
    let (_stop, stopped) = watch::channel(false);
    let beating = Arc::clone(&state);
    tokio::spawn(async move {
        loop {
            beating.heartbeat();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    web::serve(listener, state, stopped).await?;
    Ok(())
}
