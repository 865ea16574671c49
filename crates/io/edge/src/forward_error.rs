//! Errors of forwarding: the cause, and with it whether another server may be tried.

use crate::telemetry;
use http::Method;
use std::io;
use traffic::Shed;

/// An error between the edge and a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForwardError {
    /// The connection failed.
    #[error("no connection to the server: {0}")]
    Connect(io::Error),
    /// The connection timed out.
    #[error("timeout of the connection to the server")]
    ConnectTime,
    /// The server's certificate is not the one that the configuration expects. Every server of the pool is likely to
    /// have it, and no retry helps.
    #[error("the server's certificate is wrong: expected {expected}, {why}")]
    Certificate {
        /// The name that it should be certified for.
        expected: String,
        /// The problem found.
        why: String,
    },
    /// TLS did not come about otherwise.
    #[error("the TLS handshake with the server failed: {0}")]
    Handshake(String),
    /// The connection broke.
    #[error("the connection to the server broke: {0}")]
    Reset(io::Error),
    /// The server closed before it answered.
    #[error("the server closed the connection without a response")]
    Closed,
    /// The server closed within its response.
    #[error("the server closed the connection within its response")]
    Truncated,
    /// The response did not begin before the deadline.
    #[error("response timeout")]
    Late,
    /// The response stalled.
    #[error("the response stalled")]
    Stalled,
    /// The response is not HTTP.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The response's chunks are not.
    #[error("the server's chunked encoding cannot be parsed")]
    Chunks,
    /// HTTP/2 ended.
    #[error("the HTTP/2 connection to the server failed: {0}")]
    Http2(String),
    /// The server declared that it did not process the request.
    #[error("the server refused the stream")]
    Refused,
    /// The server was found down while it had the request.
    #[error("the server went down before it answered")]
    ServerDown,
    /// The client went away, or what it sent was broken.
    #[error("the client closed the connection within its request")]
    ClientClosed,
    /// The client's body stalled.
    #[error("the request's body stalled")]
    Slow,
    /// The client's body is longer than the configuration allows.
    #[error("the request's body is longer than allowed")]
    TooLarge,
}

/// A request without a response of a server.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// The pool had no place for it.
    Shed(Shed),
    /// It was forwarded, or should have been.
    Failed(ForwardError),
}

impl Unanswered {
    /// Whether no server has got the request. Not where it may have been sent to another one before.
    pub(crate) fn is_unsent(&self, method: &Method) -> bool {
        match self {
            Self::Shed(_) => true,
            // Of these methods a request is sent again after a failure.
            Self::Failed(_) if method.is_idempotent() => false,
            Self::Failed(why) => matches!(
                why,
                ForwardError::Connect(_)
                    | ForwardError::ConnectTime
                    | ForwardError::Certificate { .. }
                    | ForwardError::Handshake(_)
                    | ForwardError::Refused
            ),
        }
    }
}

impl ForwardError {
    /// Whether the client is the cause: it left, or its body did not come.
    pub(crate) fn is_of_client(&self) -> bool {
        matches!(self, Self::ClientClosed | Self::Slow | Self::TooLarge)
    }

    /// Returns the outcome for the load balancer.
    pub(crate) fn outcome(&self) -> traffic::Outcome {
        use traffic::Failure;
        traffic::Outcome::Failed(match self {
            Self::Connect(why) => Failure::Connect(why.to_string()),
            Self::ConnectTime => Failure::Connect("connection timeout".to_owned()),
            Self::Handshake(why) => Failure::Connect(why.clone()),
            Self::Certificate { expected, why } => {
                Failure::Certificate { expected: expected.clone(), why: why.clone() }
            }
            Self::Reset(_)
            | Self::Closed
            | Self::Truncated
            | Self::Http2(_)
            | Self::Refused
            | Self::ServerDown => Failure::Reset,
            Self::Late | Self::Stalled => Failure::Timeout,
            Self::Malformed(_) | Self::Chunks => Failure::Garbage,
            Self::ClientClosed | Self::Slow | Self::TooLarge => return traffic::Outcome::Left,
        })
    }

    /// Returns the failure for telemetry.
    pub(crate) fn failure(&self) -> telemetry::Failure {
        use telemetry::Failure;
        match self {
            Self::Connect(_) | Self::ConnectTime | Self::Handshake(_) => Failure::Connect,
            Self::Certificate { .. } => Failure::Certificate,
            Self::Reset(_)
            | Self::Closed
            | Self::Truncated
            | Self::Http2(_)
            | Self::Refused
            | Self::ServerDown => Failure::Reset,
            Self::Late | Self::Stalled => Failure::Timeout,
            Self::Malformed(_) | Self::Chunks => Failure::Garbage,
            Self::ClientClosed | Self::Slow | Self::TooLarge => Failure::ClientClosed,
        }
    }

    /// Whether the connection broke before a response: a process that ended looks like that.
    pub(crate) fn breaks(&self) -> bool {
        matches!(self, Self::Reset(_) | Self::Closed | Self::Http2(_))
    }

    /// Whether another server may do better.
    pub(crate) fn elsewhere(&self) -> bool {
        !matches!(
            self,
            Self::Certificate { .. } | Self::ClientClosed | Self::Slow | Self::TooLarge | Self::Late
        )
    }

    /// Returns the same error for another request that waited for the same connection.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Connect(why) => Self::Connect(io::Error::new(why.kind(), why.to_string())),
            Self::ConnectTime => Self::ConnectTime,
            Self::Certificate { expected, why } => {
                Self::Certificate { expected: expected.clone(), why: why.clone() }
            }
            Self::Handshake(why) => Self::Handshake(why.clone()),
            other => Self::Http2(other.to_string()),
        }
    }
}

/// A response of a server that cannot be forwarded.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum Malformed {
    #[error("the head of the server's response is longer than {HEAD_MAX} bytes")]
    TooLong,
    #[error("the head of the server's response has more than {FIELDS_MAX} fields")]
    TooMany,
    #[error("the head of the server's response cannot be parsed")]
    Head,
    #[error("the server declares the length of its response in more than one way")]
    Framing,
    #[error("the server uses a transfer coding that was not requested")]
    Coding,
    #[error("the server sends interim responses without a final one")]
    Interim,
}

/// The longest head of a response, in bytes.
pub(crate) const HEAD_MAX: usize = 64 * 1024;
/// The most fields of a head.
pub(crate) const FIELDS_MAX: usize = 4096;
