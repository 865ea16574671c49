//! WebSockets and other upgrades: after the 101 bytes both ways.

use crate::fixture::{ConfigParts, answer, connect, door, edge, find, listening};
use std::io::{Read, Write};
use std::net::Shutdown;

const UPGRADE: &[u8] = b"GET /socket HTTP/1.1\r\nhost: a.test\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";

/// Switches, sends a greeting immediately, and echoes.
fn echo() -> std::net::SocketAddr {
    listening(|mut socket| {
        let mut seen = Vec::new();
        let mut some = [0; 70_000];
        while find(&seen, b"\r\n\r\n").is_none() {
            let got = socket.read(&mut some).unwrap_or(0);
            if got == 0 {
                return;
            }
            seen.extend_from_slice(&some[..got]);
        }
        let head = String::from_utf8_lossy(&seen).into_owned();
        assert!(
            head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"),
            "{head}"
        );
        socket.write_all(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello").unwrap();
        while let Ok(got) = socket.read(&mut some) {
            if got == 0 || socket.write_all(&some[..got]).is_err() {
                return;
            }
        }
    })
}

#[test]
fn bytes_go_both_ways_after_a_101() {
    let edge = edge(&[echo()], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket.write_all(UPGRADE).unwrap();
    let response = answer(&mut socket);
    assert!(
        response.starts_with("HTTP/1.1 101 ")
            && response.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
        "{response}"
    );
    let mut rest = response.split_once("\r\n\r\n").unwrap().1.as_bytes().to_vec();
    let mut some = [0; 70_000];
    while rest.len() < 5 {
        let got = socket.read(&mut some).unwrap();
        rest.extend_from_slice(&some[..got]);
    }
    assert_eq!(rest, b"hello");
    // More than any buffer on the way.
    let long: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    let mut writer = socket.try_clone().unwrap();
    let sent = long.clone();
    let writing = std::thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(Shutdown::Write).unwrap();
    });
    let mut echoed = Vec::new();
    socket.read_to_end(&mut echoed).unwrap();
    writing.join().unwrap();
    assert!(echoed == long, "{} of {} bytes", echoed.len(), long.len());
}

#[test]
fn a_reload_leaves_tunnels_alone() {
    let server = echo();
    let edge = edge(&[server], &ConfigParts::default());
    let mut socket = connect(door(&edge, false));
    socket.write_all(UPGRADE).unwrap();
    let mut response = answer(&mut socket);
    let mut some = [0; 16];
    while !response.ends_with("hello") {
        let got = socket.read(&mut some).unwrap();
        response.push_str(&String::from_utf8_lossy(&some[..got]));
    }
    for _ in 0..5 {
        edge.reload(&crate::fixture::terms(&[server], &ConfigParts::default())).unwrap();
        socket.write_all(b"still here").unwrap();
        let mut back = [0; 10];
        socket.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"still here");
    }
}
