//! Raw HTTP/2 frames: a writer without rules, and a reader of what an endpoint answers.

use std::io::{ErrorKind, Read, Write};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const PRIORITIZED: u8 = 32;
/// A head that is a whole request.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// Settings (RFC 9113 section 6.5.2).
pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;

/// Codes of errors (RFC 9113 section 7).
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;

/// A frame whose length is that of its payload, right or not otherwise.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn data(stream: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(DATA, flags, stream, payload)
}

/// A head: its fields as literals.
pub(crate) fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags, stream, &block(fields))
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in values {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub(crate) fn ping(payload: [u8; 8]) -> Vec<u8> {
    frame(PING, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub(crate) fn priority(stream: u32, parent: u32, weight: u8) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &priority_of(parent, weight))
}

pub(crate) fn priority_of(parent: u32, weight: u8) -> Vec<u8> {
    let mut payload = parent.to_be_bytes().to_vec();
    payload.push(weight);
    payload
}

/// A number with a prefix of seven bits (RFC 7541 section 5.1).
fn length(value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![u8::try_from(value).unwrap()];
    }
    let (mut rest, mut bytes) = (value - 127, vec![127]);
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// Fields as literals without indexing and without Huffman coding: any bytes can be sent.
pub(crate) fn raw_block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(0);
        for part in [name, value] {
            bytes.extend(length(part.len()));
            bytes.extend(*part);
        }
    }
    bytes
}

pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    raw_block(&fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect::<Vec<_>>())
}

/// What an endpoint sent.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The code of a GOAWAY or RST_STREAM frame.
    pub(crate) fn code(&self) -> u32 {
        let from = if self.kind == GOAWAY { 4 } else { 0 };
        self.payload.get(from..from + 4).map_or(u32::MAX, |code| u32::from_be_bytes(code.try_into().unwrap()))
    }

    /// The status code of a head, where it comes first as it has to; 0 of trailers.
    pub(crate) fn status(&self) -> u16 {
        let mut bytes = &self.payload[..];
        // Updates of the table's size come first.
        while let [first, rest @ ..] = bytes
            && first & 0xe0 == 0x20
        {
            bytes = rest;
            if first & 0x1f == 0x1f {
                let end = bytes.iter().position(|byte| byte & 128 == 0).map_or(bytes.len(), |at| at + 1);
                bytes = &bytes[end..];
            }
        }
        match *bytes {
            [indexed @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(indexed - 0x88)],
            [0x48 | 0x08 | 0x18, length, ref rest @ ..] => {
                let text = &rest[..usize::from(length & 127).min(rest.len())];
                if length & 128 == 0 {
                    std::str::from_utf8(text).unwrap().parse().unwrap_or(0)
                } else {
                    digits(text)
                }
            }
            _ => 0,
        }
    }
}

/// Three digits by Huffman's code (RFC 7541 appendix B): 0 to 2 have five bits, the others six.
fn digits(coded: &[u8]) -> u16 {
    let bits: Vec<u16> =
        coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| u16::from(byte >> bit & 1))).collect();
    let number =
        |from: usize, count: usize| bits.iter().skip(from).take(count).fold(0, |sum, bit| sum * 2 + bit);
    let (mut at, mut value) = (0, 0);
    for _ in 0..3 {
        let short = number(at, 5);
        let (digit, taken) =
            if short <= 2 { (short, 5) } else { (number(at, 6).saturating_sub(0x19) + 3, 6) };
        value = value * 10 + digit;
        at += taken;
    }
    value
}

/// Why no frame comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    /// Nothing came for as long as a test waits.
    Silent,
}

/// A client that keeps to no rule.
pub(crate) struct Client<S> {
    socket: S,
    bytes: Vec<u8>,
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self { socket, bytes: Vec::new() }
    }

    /// Begins as a client should: the preface, settings, and an acknowledgment of the server's.
    pub(crate) fn begun(socket: S) -> Self {
        let mut client = Self::new(socket);
        client.send(&[PREFACE, &settings(&[])].concat());
        let (mut theirs, mut ours) = (false, false);
        while !(theirs && ours) {
            let Ok(frame) = client.next() else { break };
            if frame.kind == SETTINGS {
                if frame.flags & ACK == 0 {
                    theirs = true;
                    client.send(&super::wire::frame(SETTINGS, ACK, 0, &[]));
                } else {
                    ours = true;
                }
            }
        }
        client
    }

    /// Sends. An endpoint that has closed already is no fault: what it sent before can still be read.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _ = self.socket.write_all(bytes).and_then(|()| self.socket.flush());
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Result<Frame, End> {
        loop {
            if let [a, b, c, kind, flags, s0, s1, s2, s3, ..] = self.bytes[..] {
                let end = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
                if self.bytes.len() >= end {
                    let rest = self.bytes.split_off(end);
                    let payload = std::mem::replace(&mut self.bytes, rest).split_off(9);
                    return Ok(Frame { kind, flags, stream: u32::from_be_bytes([s0, s1, s2, s3]), payload });
                }
            }
            let mut some = [0; 16 * 1024];
            match self.socket.read(&mut some) {
                Ok(0) => return Err(End::Closed),
                Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(End::Silent);
                }
                Err(_) => return Err(End::Closed),
                Ok(got) => self.bytes.extend_from_slice(&some[..got]),
            }
        }
    }
}
