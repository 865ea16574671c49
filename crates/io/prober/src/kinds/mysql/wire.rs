//! Packets of the protocol (MySQL internals, "MySQL Packets" and "COM_QUERY Response"), each within its limits.

use super::rows::Rows;
use crate::faults::TooMuchData;
use mysql_common::io::ParseBuf;
use mysql_common::packets::Column;
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

/// Longest packet that is accepted. The longest honest one is a row with a statement of 1 kB; the protocol allows 16 MB.
const PACKET_MAX: usize = 256 << 10;
/// Bytes that are accepted in one round.
const ROUND_MAX: usize = 2 << 20;
/// Columns of a result. `SHOW REPLICA STATUS` has about 60.
const COLUMNS_MAX: u64 = 200;
/// "COM_QUERY".
const QUERY: u8 = 3;

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection as packets.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
    /// Number of the next packet, by which both sides know that they agree.
    sequence: u8,
    budget: usize,
}

impl Wire {
    /// Continues a connection at a packet's number.
    pub(super) fn new(stream: Box<dyn Stream>, sequence: u8) -> Self {
        Self { stream: BufReader::new(stream), sequence, budget: ROUND_MAX }
    }

    /// Begins a round: the server may send a round's bytes again.
    pub(super) fn renew(&mut self) {
        self.budget = ROUND_MAX;
    }

    /// Sends a packet.
    pub(super) async fn send(&mut self, payload: &[u8]) -> io::Result<()> {
        let packet = packet(payload, self.sequence)?;
        self.sequence = self.sequence.wrapping_add(1);
        self.stream.write_all(&packet).await?;
        self.stream.flush().await
    }

    /// Receives a packet.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let payload = receive(&mut self.stream, self.sequence, self.budget).await?;
        self.sequence = self.sequence.wrapping_add(1);
        self.budget = self.budget.saturating_sub(payload.len() + 4);
        Ok(payload)
    }

    /// Executes a statement. The inner error is that of the server.
    pub(super) async fn query(&mut self, statement: &str) -> io::Result<Result<Rows, Refused>> {
        self.sequence = 0;
        let mut command = vec![QUERY];
        command.extend_from_slice(statement.as_bytes());
        self.send(&command).await?;
        let first = self.receive().await?;
        let columns = match first.first() {
            Some(0x00) => return Ok(Ok(Rows::default())),
            Some(0xff) => return Ok(Err(Refused::read(&first))),
            // A server that asks for a file of this machine gets none.
            Some(0xfb) | None => return Err(no_mysql()),
            Some(_) => ParseBuf(&first).checked_eat_lenenc_int().ok_or_else(no_mysql)?,
        };
        if columns > COLUMNS_MAX {
            return Err(no_mysql());
        }
        let mut names = Vec::new();
        for _ in 0..columns {
            let packet = self.receive().await?;
            let column: Column = ParseBuf(&packet).parse(()).map_err(|_| no_mysql())?;
            names.push(column.name_str().into_owned());
        }
        if !is_end(&self.receive().await?) {
            return Err(no_mysql());
        }
        let mut rows = Rows::new(names);
        loop {
            let packet = self.receive().await?;
            match packet.first() {
                Some(0xff) => return Ok(Err(Refused::read(&packet))),
                _ if is_end(&packet) => return Ok(Ok(rows)),
                _ => rows.push(values(&packet, columns).ok_or_else(no_mysql)?),
            }
        }
    }
}

/// Receives a packet with this number. Reads no byte more, so that TLS may follow.
pub(super) async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    number: u8,
    budget: usize,
) -> io::Result<Vec<u8>> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let [low, middle, high, sequence] = header;
    let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
    if sequence != number {
        return Err(no_mysql());
    }
    if length > PACKET_MAX || length + header.len() > budget {
        return Err(io::Error::new(io::ErrorKind::InvalidData, TooMuchData));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}

/// A packet as bytes.
pub(super) fn packet(payload: &[u8], sequence: u8) -> io::Result<Vec<u8>> {
    let length = u32::try_from(payload.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let [low, middle, high, 0] = length.to_le_bytes() else { return Err(io::ErrorKind::InvalidInput.into()) };
    let mut packet = vec![low, middle, high, sequence];
    packet.extend_from_slice(payload);
    Ok(packet)
}

/// "EOF_Packet": without it a row could begin with the same byte, but not be as short.
fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

/// The values of a row as text; `None` is NULL.
fn values(packet: &[u8], columns: u64) -> Option<Vec<Option<String>>> {
    let mut rest = ParseBuf(packet);
    let values = (0..columns).map(|_| {
        if rest.0.first() == Some(&0xfb) {
            rest.checked_eat_u8()?;
            return Some(None);
        }
        rest.checked_eat_lenenc_str().map(|text| Some(String::from_utf8_lossy(text).into_owned()))
    });
    values.collect()
}

/// An error of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: u16,
    pub(super) said: String,
}

impl Refused {
    /// Reads "ERR_Packet". Before the login it has no SQL state.
    pub(super) fn read(packet: &[u8]) -> Self {
        let code = match packet {
            [_, low, high, ..] => u16::from_le_bytes([*low, *high]),
            _ => 0,
        };
        let said = packet.get(3..).unwrap_or_default();
        let said = if said.first() == Some(&b'#') { said.get(6..).unwrap_or_default() } else { said };
        Self { code, said: text::truncate::chars(&String::from_utf8_lossy(said), 200) }
    }
}

/// The error about bytes that are not of the protocol.
pub(super) fn no_mysql() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what it sends is not the protocol of MySQL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_is_read_with_and_without_state() {
        let read = |text: &str| Refused::read(&[&[0xff, 0x10, 0x04], text.as_bytes()].concat());
        for text in ["Too many connections", "#08004Too many connections"] {
            assert_eq!(read(text), Refused { code: 1040, said: "Too many connections".to_owned() });
        }
        assert_eq!(Refused::read(&[0xff]), Refused { code: 0, said: String::new() });
        assert_eq!(read("#08").said, "");
    }

    #[test]
    fn row_that_is_too_short_is_refused() {
        assert_eq!(
            values(&[1, b'a', 0xfb, 0], 3),
            Some(vec![Some("a".to_owned()), None, Some(String::new())])
        );
        for short in [&[][..], &[1], &[0xfc, 1], &[1, b'a']] {
            assert_eq!(values(short, 2), None, "{short:?}");
        }
    }
}
