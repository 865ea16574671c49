//! One connection to an SMTP server. What its replies mean is decided here by the phase in which they come.

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Quit, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use std::time::Duration;
use subscribers::Answer;
use tokio::net::TcpStream;
use tokio::time::timeout;
use types::time;

/// Timeout of a connection, with TLS and sign-in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// Timeout of a command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of the reply to a message (RFC 5321, section 4.5.3.2.6). A shorter one leaves more messages in doubt.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(600);
/// Timeout of a polite end.
const QUIT_TIMEOUT: Duration = Duration::from_millis(200);
/// Length of a server's text in a log line, in characters.
const TEXT_MAX: usize = 160;

/// Phase of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connect,
    Sender,
    Recipient,
    /// `DATA`: the message has not left.
    Message,
    /// The message itself.
    Text,
}

/// Failure of a command.
enum Failure {
    Reply(Error),
    Timeout(Duration),
}

/// A connection on which nothing is in progress.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    messages: u32,
    /// Whether the server or the network ended it.
    is_broken: bool,
    /// Whether the last message was not finished.
    is_unfinished: bool,
}

impl Session {
    /// Connects, encrypts and signs in.
    pub(super) async fn open(
        address: (&str, u16),
        tls: Option<TlsParameters>,
        from_start: bool,
        credentials: Option<&Credentials>,
        hello: &ClientId,
    ) -> Result<Self, Answer> {
        let opening = async {
            let mut connection = if from_start {
                AsyncSmtpConnection::connect_tokio1(address, Some(CONNECT_TIMEOUT), hello, tls, None).await?
            } else {
                let stream = TcpStream::connect(address).await.map_err(OpenError::Unreachable)?;
                // The end of a message is a packet of its own: it must not wait for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                let stream = Box::new(stream);
                let mut connection = AsyncSmtpConnection::connect_with_transport(stream, hello).await?;
                if let Some(tls) = tls {
                    connection.starttls(tls, hello).await?;
                }
                connection
            };
            if let Some(credentials) = credentials {
                connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
            }
            Ok::<_, OpenError>(connection)
        };
        match timeout(CONNECT_TIMEOUT, opening).await {
            Ok(Ok(connection)) => {
                Ok(Self { connection, messages: 0, is_broken: false, is_unfinished: false })
            }
            Ok(Err(OpenError::Smtp(error))) => Err(answer(Phase::Connect, &Failure::Reply(error))),
            Ok(Err(OpenError::Unreachable(why))) => {
                Err(Answer::Unavailable(format!("the SMTP server cannot be reached: {why}")))
            }
            Err(_) => Err(answer(Phase::Connect, &Failure::Timeout(CONNECT_TIMEOUT))),
        }
    }

    /// Messages that were begun on it.
    pub(super) fn messages(&self) -> u32 {
        self.messages
    }

    /// Names sender and recipient; the server then waits for the message.
    pub(super) async fn begin(&mut self, from: &Address, to: &Address) -> Result<(), Answer> {
        self.messages += 1;
        self.is_unfinished = true;
        self.command(Phase::Sender, Mail::new(Some(from.clone()), Vec::new())).await?;
        self.command(Phase::Recipient, Rcpt::new(to.clone(), Vec::new())).await?;
        self.command(Phase::Message, Data).await
    }

    /// Sends the message.
    pub(super) async fn finish(&mut self, message: &[u8]) -> Answer {
        let failure = match timeout(MESSAGE_TIMEOUT, self.connection.message(message)).await {
            Ok(Ok(_)) => {
                self.is_unfinished = false;
                return Answer::Accepted;
            }
            Ok(Err(error)) => Failure::Reply(error),
            Err(_) => Failure::Timeout(MESSAGE_TIMEOUT),
        };
        self.is_broken |= is_lost(&failure);
        answer(Phase::Text, &failure)
    }

    /// Makes the connection ready for the next message; `false` when it cannot be used any more.
    pub(super) async fn reset(&mut self) -> bool {
        if self.is_unfinished && !self.is_broken {
            let reset = self.command(Phase::Sender, Rset).await;
            self.is_broken |= reset.is_err();
            self.is_unfinished = false;
        }
        !self.is_broken
    }

    pub(super) async fn close(mut self) {
        if !self.is_broken {
            let _ = timeout(QUIT_TIMEOUT, self.connection.command(Quit)).await;
        }
    }

    async fn command(&mut self, phase: Phase, command: impl std::fmt::Display) -> Result<(), Answer> {
        let failure = match timeout(COMMAND_TIMEOUT, self.connection.command(command)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => Failure::Reply(error),
            Err(_) => Failure::Timeout(COMMAND_TIMEOUT),
        };
        self.is_broken |= is_lost(&failure);
        Err(answer(phase, &failure))
    }
}

enum OpenError {
    Smtp(Error),
    Unreachable(std::io::Error),
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Smtp(error)
    }
}

/// Whether the connection cannot be used after a failure: only a reply other than 421 leaves it as it was.
fn is_lost(failure: &Failure) -> bool {
    match failure {
        Failure::Timeout(_) => true,
        Failure::Reply(error) => error.status().is_none_or(|code| u16::from(code) == 421),
    }
}

/// What a failure means in its phase.
fn answer(phase: Phase, failure: &Failure) -> Answer {
    let (code, text) = match failure {
        Failure::Timeout(after) => (None, format!("no reply within {}", time::spoken(*after))),
        Failure::Reply(error) => (error.status().map(u16::from), error.to_string()),
    };
    judge(phase, code, &text)
}

fn judge(phase: Phase, code: Option<u16>, text: &str) -> Answer {
    // A reply to a recipient often repeats the address, which does not belong in a log: the numbers alone are passed on.
    let numbers = || {
        let after = text.split_once("): ").map_or("", |(_, after)| after);
        let enhanced = after.split_whitespace().next().filter(|word| is_enhanced(word)).unwrap_or_default();
        code.map_or_else(|| "no answer".to_owned(), |code| format!("{code} {enhanced}").trim().to_owned())
    };
    let is_policy = numbers().contains(" 5.7.");
    let unavailable = |what: &str| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
        Answer::Unavailable(format!("{what}: {shown}"))
    };
    match (phase, code) {
        (Phase::Connect, _) => unavailable("the SMTP server does not let mainstay in"),
        (Phase::Sender, _) => unavailable("the SMTP server refuses the sender"),
        // RFC 5321, section 6.1, asks for another attempt, and RFC 1047 says why mails arrive twice by it.
        (Phase::Text, None) => Answer::InDoubt("the SMTP server did not answer a message".to_owned()),
        (Phase::Recipient | Phase::Message, None) | (_, Some(421)) => {
            unavailable("the SMTP server ends the connection")
        }
        // Sign-in or encryption required: nothing about this recipient.
        (_, Some(530 | 534 | 535 | 538)) => unavailable("the SMTP server requires a sign-in"),
        (_, Some(500..=599)) if !is_policy => Answer::Refused(numbers()),
        // 4xx, or a policy that may change.
        (Phase::Recipient | Phase::Message | Phase::Text, _) => Answer::Later(numbers()),
    }
}

/// Whether a word is an enhanced status code (RFC 3463): `5.1.1`.
fn is_enhanced(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3
        && parts.iter().all(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_are_judged_by_their_phase() {
        use Phase::{Connect, Message, Recipient, Sender, Text};
        let kind = |answer: Answer| match answer {
            Answer::Accepted => "accepted".to_owned(),
            Answer::Refused(why) => format!("refused {why}"),
            Answer::Later(why) => format!("later {why}"),
            Answer::InDoubt(_) => "in doubt".to_owned(),
            Answer::Unavailable(_) => "unavailable".to_owned(),
        };
        for (phase, code, text, expected) in [
            (Connect, Some(554), "permanent error (554): no", "unavailable"),
            (Connect, None, "no reply within 15 s", "unavailable"),
            (Sender, Some(550), "permanent error (550): 5.1.8 bad sender", "unavailable"),
            (Sender, Some(421), "transient error (421): too many", "unavailable"),
            (
                Recipient,
                Some(450),
                "transient error (450): 4.2.1 <ana@acme.net> greylisted",
                "later 450 4.2.1",
            ),
            (Recipient, Some(421), "transient error (421): 4.7.0 slow down", "unavailable"),
            (
                Recipient,
                Some(550),
                "permanent error (550): 5.1.1 <ana@acme.net> unknown",
                "refused 550 5.1.1",
            ),
            (Recipient, Some(550), "permanent error (550): no such user ana@acme.net", "refused 550"),
            (Recipient, Some(550), "permanent error (550): 5.7.1 relaying denied", "later 550 5.7.1"),
            (Recipient, Some(530), "permanent error (530): 5.7.0 sign in first", "unavailable"),
            (Recipient, None, "network error: reset", "unavailable"),
            (Message, Some(452), "transient error (452): 4.3.1 full", "later 452 4.3.1"),
            (Message, Some(554), "permanent error (554): 5.7.1 spam", "later 554 5.7.1"),
            (Message, Some(552), "permanent error (552): 5.3.4 too big", "refused 552 5.3.4"),
            (Message, None, "network error: reset", "unavailable"),
            (Text, Some(452), "transient error (452): 4.3.1 full", "later 452 4.3.1"),
            (Text, Some(554), "permanent error (554): 5.6.0 refused", "refused 554 5.6.0"),
            (Text, Some(421), "transient error (421): 4.3.2 closing", "unavailable"),
            (Text, None, "network error: reset", "in doubt"),
            (Text, None, "no reply within 10 min", "in doubt"),
        ] {
            assert_eq!(kind(judge(phase, code, text)), expected, "{phase:?} {text}");
        }
    }
}
