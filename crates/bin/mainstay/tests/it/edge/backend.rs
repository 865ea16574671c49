//! A small server that returns its name: keeps connections, responds to `/status/N` with N and to `/slow` late.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The server. It serves until the test ends.
pub(crate) struct Backend {
    pub address: SocketAddr,
    /// The path of the newest request.
    newest: Arc<Mutex<String>>,
}

impl Backend {
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let newest: Arc<Mutex<String>> = Arc::default();
        let note = newest.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let note = note.clone();
                thread::spawn(move || {
                    let _ = serve(&stream, name, &note);
                });
            }
        });
        Self { address, newest }
    }

    /// Whether the latest request was for this path; clears the record.
    pub(crate) fn is_asked(&self, path: &str) -> bool {
        let mut newest = self.newest.lock().unwrap();
        let is = *newest == path;
        if is {
            newest.clear();
        }
        is
    }
}

fn serve(stream: &TcpStream, name: &str, note: &Mutex<String>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        let path = first.split(' ').nth(1).unwrap_or("/");
        *note.lock().unwrap() = path.to_owned();
        if path == "/slow" {
            thread::sleep(Duration::from_millis(1_500));
        }
        let status = path.strip_prefix("/status/").unwrap_or("200");
        let body = format!("{path} from {name}");
        let mut answer = stream;
        answer.write_all(
            format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes(),
        )?;
    }
}
