//! Serves the small fixed world of the tests on loopback, to look at it: `world [well|outage] [PORT]`.
//! A mind that agrees to everything answers wishes; nothing changes.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example for developers")]

#[path = "../tests/it/traffic.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod traffic;
#[path = "../tests/it/world.rs"]
#[allow(dead_code, reason = "shared with the tests")]
mod world;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use web::{Site, SiteSettings};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let views = if words.next().as_deref() == Some("well") { world::well() } else { world::outage() };
    let port = words.next().map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let (asks_in, mut asks) = mpsc::channel::<web::Ask>(16);
    tokio::spawn(async move {
        while let Some(ask) = asks.recv().await {
            let _ = ask.answer.send(Ok(Vec::new()));
        }
    });
    let folder = std::env::temp_dir().join(format!("site-world-{}", std::process::id()));
    let key = tokens::Key::new([7; 32]);
    let settings = SiteSettings {
        name: "Acme".to_owned(),
        url: url.clone(),
        key: key.clone(),
        api_token: "token".to_owned(),
        data: folder,
    };
    let site = Arc::new(Site::new(settings, asks_in).beside(Arc::new(traffic::Remembers)));
    site.publish(Arc::new(views));
    let ack =
        key.sign("ack", "incident-7|ana", types::time::later(web::site::now(), Duration::from_secs(3_600)));
    println!("status page    {url}/\nconsole  {}\nack      {url}/ack/{ack}", site.login_link());
    let (_stop, stopped) = watch::channel(false);
    let beating = Arc::clone(&site);
    tokio::spawn(async move {
        loop {
            beating.beat();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    });
    web::serve(listener, site, stopped).await?;
    Ok(())
}
