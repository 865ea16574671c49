//! Conversion of I/O and TLS errors to faults.

use rustls::{AlertDescription, InvalidMessage};
use std::io::{Error, ErrorKind};
use types::Fault;
use types::fault::Phase;

/// Linux error numbers of faults of this machine, not of the peer.
const TOO_MANY_FILES: [i32; 2] = [23, 24]; // ENFILE, EMFILE
const NO_PORT_LEFT: i32 = 99; // EADDRNOTAVAIL

/// The peer sent more data than any accepted response needs.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more data than is read")]
pub(crate) struct TooMuchData;

/// The fault of a failed system call on a socket.
pub(crate) fn from_io(error: &Error, phase: Phase) -> Fault {
    if let Some(tls) = inner::<rustls::Error>(error) {
        return from_tls(tls);
    }
    if inner::<TooMuchData>(error).is_some() {
        return Fault::TooLarge { what: "answer".to_owned() };
    }
    if let Some(fault) = local_fault(error) {
        return fault;
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Fault::Refused,
        ErrorKind::TimedOut => Fault::TimedOut { phase },
        ErrorKind::UnexpectedEof if phase == Phase::Body => Fault::Truncated,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => match phase {
            Phase::Body => Fault::Truncated,
            _ => Fault::Unreachable { why: format!("the connection was cut while {phase}") },
        },
        ErrorKind::UnexpectedEof => {
            Fault::Unreachable { why: format!("the connection was closed while {phase}") }
        }
        ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            Fault::Garbage { why: format!("{error} ({phase})") }
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            Fault::Unreachable { why: "there is no route to it".to_owned() }
        }
        _ => Fault::Unreachable { why: error.to_string() },
    }
}

/// The fault of an exhausted resource of this machine, which would look like an outage of every target.
fn local_fault(error: &Error) -> Option<Fault> {
    let code = error.raw_os_error()?;
    if TOO_MANY_FILES.contains(&code) {
        return Some(Fault::Isolated {
            why: "this process has too many files open; raise its limit of open files (ulimit -n)".to_owned(),
        });
    }
    (code == NO_PORT_LEFT)
        .then(|| Fault::Isolated { why: "this machine has no free local port or address".to_owned() })
}

/// The fault of a failed TLS handshake or stream. Certificates are verified in `kinds::tls`.
pub(crate) fn from_tls(error: &rustls::Error) -> Fault {
    use rustls::Error as E;
    match error {
        E::InvalidMessage(
            InvalidMessage::CertificatePayloadTooLarge
            | InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::MessageTooLarge,
        ) => Fault::TooLarge { what: "TLS handshake".to_owned() },
        E::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::UnexpectedMessage(_),
        ) => Fault::Garbage { why: "what it sends is not TLS".to_owned() },
        E::InvalidMessage(_) => Fault::Garbage { why: format!("{error}") },
        E::AlertReceived(AlertDescription::CertificateRequired) => {
            Fault::Handshake { why: "the server requires a client certificate".to_owned() }
        }
        E::AlertReceived(AlertDescription::ProtocolVersion) | E::PeerIncompatible(_) => {
            Fault::Handshake { why: format!("no TLS 1.2 or 1.3 in common with it ({error})") }
        }
        E::AlertReceived(alert) => {
            Fault::Handshake { why: format!("the server broke it off with {alert:?}") }
        }
        _ => Fault::Handshake { why: error.to_string() },
    }
}

/// The error that an I/O error was wrapped around, at any depth.
fn inner<E: std::error::Error + 'static>(error: &Error) -> Option<&E> {
    let mut deeper: &(dyn std::error::Error + 'static) = error.get_ref()?;
    loop {
        if let Some(found) = deeper.downcast_ref::<E>() {
            return Some(found);
        }
        deeper = match deeper.downcast_ref::<Error>() {
            Some(io) => io.get_ref()?,
            None => deeper.source()?,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_trouble_is_never_called_down() {
        for code in [23, 24, 99] {
            let fault = from_io(&Error::from_raw_os_error(code), Phase::Connect);
            assert_eq!(fault.as_str(), "isolated", "{code}");
        }
    }

    #[test]
    fn each_kind_has_its_word() {
        for (kind, phase, word) in [
            (ErrorKind::ConnectionRefused, Phase::Connect, "refused"),
            (ErrorKind::ConnectionReset, Phase::FirstByte, "unreachable"),
            (ErrorKind::ConnectionReset, Phase::Body, "truncated"),
            (ErrorKind::UnexpectedEof, Phase::Body, "truncated"),
            (ErrorKind::UnexpectedEof, Phase::Tls, "unreachable"),
            (ErrorKind::TimedOut, Phase::Connect, "timed-out"),
            (ErrorKind::HostUnreachable, Phase::Connect, "unreachable"),
            (ErrorKind::InvalidData, Phase::Body, "garbage"),
        ] {
            assert_eq!(from_io(&Error::from(kind), phase).as_str(), word, "{kind:?} {phase:?}");
        }
    }

    #[test]
    fn a_tls_error_is_found_inside_an_io_error() {
        let tls = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        let twice = Error::other(Error::new(ErrorKind::InvalidData, tls));
        assert_eq!(from_io(&twice, Phase::FirstByte).as_str(), "tls-handshake");
    }
}
