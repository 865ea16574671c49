//! One connection to a node: opened, and kept between rounds.

use super::login;
use super::product::{FIXED, Product};
use super::refusal::{ends_the_connection, failed, lacks_right, refused};
use super::rows::{Figures, Rows};
use super::target::Target;
use super::wire::Wire;
use crate::kinds::database::RIGHTS_AGAIN;
use crate::kinds::tls::Tls;
use crate::names::Names;
use tokio::time::Instant;
use types::database::{Encryption, NodeAnswer, Reading};

/// An open connection.
pub(super) struct Session {
    wire: Wire,
    pub(super) product: Product,
    pub(super) encryption: Encryption,
    /// Variables that are read once.
    pub(super) fixed: Figures,
    /// Statements that mainstay has executed on it.
    pub(super) statements: u64,
    opened: Instant,
    /// Whether its user may not read something.
    pub(super) lacks_rights: bool,
}

impl Session {
    /// Connects, logs in and sets the settings of the connection. Ends at the deadline by the caller.
    pub(super) async fn open(
        target: &Target,
        names: &Names,
        tls: &Tls,
        deadline: Instant,
    ) -> Result<Self, NodeAnswer> {
        let (wire, version, encryption) = login::open(target, names, tls, deadline).await?;
        let mut session = Self {
            wire,
            product: Product::of(&version),
            encryption,
            fixed: Figures::default(),
            statements: 0,
            opened: Instant::now(),
            lacks_rights: false,
        };
        for statement in session.product.settings() {
            session.rows(statement, "").await?;
        }
        session.fixed = Figures::read(session.rows(FIXED, "").await?);
        Ok(session)
    }

    /// Whether rights may have been granted since: the server reads them at the login.
    pub(super) fn is_outdated(&self) -> bool {
        self.lacks_rights && self.opened.elapsed() >= RIGHTS_AGAIN
    }

    /// Begins a round: the server may send a round's bytes again.
    pub(super) fn renew(&mut self) {
        self.wire.renew();
    }

    /// Executes a statement. Only the loss of the connection is an error. `grant` is the right that it needs.
    pub(super) async fn rows(&mut self, statement: &str, grant: &str) -> Result<Reading<Rows>, NodeAnswer> {
        self.statements += 1;
        match self.wire.query(statement).await.map_err(|error| failed(&error))? {
            Ok(rows) => Ok(Reading::Known(rows)),
            Err(error) if ends_the_connection(&error) => Err(refused(&error)),
            Err(error) if lacks_right(&error) => Ok(Reading::NotPermitted { grant: grant.to_owned() }),
            Err(error) => {
                tracing::debug!(code = error.code, "a query of a database round was refused: {}", error.said);
                Ok(Reading::Absent)
            }
        }
    }
}
