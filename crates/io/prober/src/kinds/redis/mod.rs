//! Redis and Valkey: one connection to a node, kept between rounds, and the facts of `INFO`.
//!
//! | module | holds |
//! |---|---|
//! | `connection` | the URL, the login, one command and its bounded reply |
//! | `info` | the reply of `INFO` as facts |

mod connection;
mod info;

use crate::connect::RETRY_PAUSE;
use crate::kinds::database::url::UrlError;
use crate::kinds::tls::Tls;
use crate::names::Names;
use connection::{Connection, Target};
use tokio::time::{Instant, timeout_at};
use types::Fault;
use types::database::NodeAnswer;
use types::fault::Phase;

/// A node, and the connection to it.
pub(crate) struct Node {
    target: Target,
    open: Option<Connection>,
    paused: Option<(Instant, NodeAnswer)>,
}

impl Node {
    /// A node by its URL. Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the URL, without the URL.
    pub(crate) fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { target: connection::parse(url)?, open: None, paused: None })
    }

    /// `host:port`.
    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.target.host, self.target.port)
    }

    /// One round. Ends at the deadline.
    pub(crate) async fn round(&mut self, names: &Names, tls: &Tls, deadline: Instant) -> NodeAnswer {
        if let Some((until, answer)) = &self.paused
            && Instant::now() < *until
        {
            return answer.clone();
        }
        self.paused = None;
        let asked = timeout_at(deadline, self.ask(names, tls, deadline)).await;
        let late = || NodeAnswer::Failed(Fault::TimedOut { phase: Phase::FirstByte });
        match asked.unwrap_or_else(|_| Err(late())) {
            Ok((connection, answer)) => {
                self.open = Some(connection);
                answer
            }
            Err(answer) => {
                self.paused = Some((Instant::now() + RETRY_PAUSE, answer.clone()));
                answer
            }
        }
    }

    /// Asks over the connection that is open. One that was lost since the last round is replaced.
    async fn ask(
        &mut self,
        names: &Names,
        tls: &Tls,
        deadline: Instant,
    ) -> Result<(Connection, NodeAnswer), NodeAnswer> {
        if let Some(mut connection) = self.open.take()
            && let Ok(reply) = connection.command(&["INFO"]).await
        {
            let facts = info::facts(&reply, &connection.encryption)?;
            return Ok((connection, facts));
        }
        let mut connection = Connection::open(&self.target, names, tls, deadline).await?;
        let reply = connection.command(&["INFO"]).await?;
        let facts = info::facts(&reply, &connection.encryption)?;
        Ok((connection, facts))
    }
}
