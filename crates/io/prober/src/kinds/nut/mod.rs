//! Network UPS Tools: the state of an uninterruptible power supply (UPS), asked of its daemon `upsd` over TCP (RFC 9271).
//!
//! One connection a run: login if one is configured, `LIST VAR`, `LOGOUT`. No command that changes anything is sent, and no
//! `LOGIN`, which would make the UPS wait for this machine before it shuts down.

mod protocol;

use self::protocol::{REPLY_MAX, Reply};
use crate::connect;
use crate::faults::{self, TooMuchData};
use crate::names::Names;
use secrecy::{ExposeSecret as _, SecretString};
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::fault::{Phase, UpsFault};
use types::probe_result::{Answer, Phases};
use types::ups::UpsSeen;

/// The daemon, and what is asked of it.
pub(crate) struct Target<'a> {
    pub(crate) ups: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    /// `USER:PASSWORD`.
    pub(crate) login: Option<&'a SecretString>,
}

/// Asks for the state of a UPS.
pub(crate) async fn run(names: &Names, target: Target<'_>, deadline: Instant) -> (Answer, Phases) {
    let began = Instant::now();
    let mut phases = Phases::default();
    let seen = ask(names, &target, deadline, &mut phases).await;
    phases.total = began.elapsed();
    (seen.map_or_else(Answer::Failed, Answer::Ups), phases)
}

async fn ask(
    names: &Names,
    target: &Target<'_>,
    deadline: Instant,
    phases: &mut Phases,
) -> Result<UpsSeen, Fault> {
    let (stream, address) = connect::open(names, (target.host, target.port), deadline, phases).await?;
    let sent = Instant::now();
    let mut connection = Connection { stream: BufReader::new(stream).take(REPLY_MAX), address };
    let asked = timeout_at(deadline, connection.look(target)).await;
    connect::add(&mut phases.first_byte, sent.elapsed());
    asked.map_err(|_| Fault::TimedOut { phase: Phase::FirstByte })?
}

struct Connection {
    stream: Take<BufReader<TcpStream>>,
    address: SocketAddr,
}

impl Connection {
    async fn look(&mut self, target: &Target<'_>) -> Result<UpsSeen, Fault> {
        if let Some(login) = target.login {
            let (user, password) = login.expose_secret().split_once(':').unwrap_or_default();
            self.send(&format!("USERNAME {}\n", protocol::quoted(user))).await?;
            protocol::accepted(&self.line().await?)?;
            self.send(&format!("PASSWORD {}\n", protocol::quoted(password))).await?;
            protocol::accepted(&self.line().await?)?;
        }
        self.send(&format!("LIST VAR {}\n", target.ups)).await?;
        let mut reply = Reply::new(target.ups);
        while !reply.take(&self.line().await?)? {}
        // The answer is complete: whether the daemon reads the farewell does not matter.
        let _ = self.send("LOGOUT\n").await;
        reply.seen(self.address)
    }

    async fn send(&mut self, line: &str) -> Result<(), Fault> {
        let sent = self.stream.get_mut().get_mut().write_all(line.as_bytes()).await;
        sent.map_err(|why| faults::from_io(&why, Phase::FirstByte))
    }

    /// The next line without its end.
    async fn line(&mut self) -> Result<String, Fault> {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).await;
        let end = match (read, line.last()) {
            (Err(why), _) => why,
            (Ok(_), Some(b'\n')) => {
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            (Ok(_), _) if self.stream.limit() == 0 => io::Error::new(io::ErrorKind::InvalidData, TooMuchData),
            (Ok(_), _) => io::ErrorKind::UnexpectedEof.into(),
        };
        Err(faults::from_io(&end, Phase::Body))
    }
}

/// A fault of the answer, in words.
fn unknown(why: impl Into<String>) -> Fault {
    Fault::Ups { ups: UpsFault::Unknown { why: why.into() } }
}
