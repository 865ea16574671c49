//! A server to stand behind a proxy, on a port of one's choice: `testbed-origin 127.0.0.1:9000 --places 10 --each-ms
//! 50`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks to its user")]

use clap::Parser;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use testbed::origin::Origin;
use testbed::pace::Pace;
use tokio::net::TcpSocket;

/// Responds immediately, or at a fixed rate: see the module `origin`. Prints its counters as JSON on SIGTERM.
#[derive(Parser)]
struct Args {
    /// Where to listen.
    listen: SocketAddr,
    /// Places for requests with a fixed rate.
    #[arg(long, default_value_t = 10)]
    places: usize,
    /// Duration of each.
    #[arg(long, default_value_t = 50)]
    each_ms: u64,
    /// Longest wait in its own line.
    #[arg(long, default_value_t = 10_000)]
    wait_max_ms: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed-origin: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(args: &Args) -> io::Result<()> {
    let ms = Duration::from_millis;
    let pace = Pace::new(args.places, ms(args.each_ms), ms(args.wait_max_ms), Instant::now());
    let socket = if args.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(args.listen)?;
    let origin = Origin::start(socket.listen(4_096)?, pace)?;
    println!("listening on {}", origin.address());
    let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    terminated.recv().await;
    println!("{}", serde_json::to_string(&origin.counts())?);
    Ok(())
}
