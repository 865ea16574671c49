//! One round of measurements of a database: facts of every node, without judgement. The prober fills them in; `detect`
//! judges them.

use crate::shown::clean;
use crate::{Fault, Time};
use serde::{Deserialize, Serialize};

mod facts;
mod thresholds;

pub use facts::{
    Archiver, Backup, BlockedChain, ClientGroup, Connections, Crowd, Encryption, Memory, NodeFacts, Position,
    Role, Session, Sessions, Slot, Standby, Standbys, StatementLoad, Upstream, Work, Wraparound,
};
pub use thresholds::DatabaseThresholds;

/// The primary of a database, as mainstay knew it last: a promotion is known by it, also after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownPrimary {
    /// Host and port: `db1.acme.net:5432`.
    pub node: String,
    /// Identifier that a primary and its replicas have in common.
    pub system_identifier: String,
    /// Timeline, which a promotion increases.
    pub timeline: u64,
}

/// One round of measurements of the nodes of one database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatabaseSeen {
    /// Time of the round.
    pub at: Time,
    /// Each node of the configuration, in its order.
    pub nodes: Vec<NodeSeen>,
    /// Backups, if the configuration names their tool.
    #[serde(default, skip_serializing_if = "Reading::is_absent")]
    pub backups: Reading<Vec<Backup>>,
}

/// One node in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSeen {
    /// Host and port: `db1.acme.net:5432`.
    pub node: String,
    /// The answer.
    pub answer: NodeAnswer,
}

/// Answer of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeAnswer {
    /// It let mainstay in.
    Facts(Box<NodeFacts>),
    /// It refuses new connections because it has no free connection slot: it works, and is full.
    Saturated {
        /// Message of the server.
        said: String,
    },
    /// It is starting, recovering or shutting down, and says so.
    Starting {
        /// Message of the server.
        said: String,
    },
    /// It refuses the login of mainstay: a mistake of the configuration, not an outage.
    Denied {
        /// Message of the server.
        said: String,
    },
    /// It gave no usable answer.
    Failed(Fault),
}

/// A fact, or the reason why there is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading<T> {
    /// The fact.
    Known(T),
    /// The role of mainstay may not read it.
    NotPermitted {
        /// The right that is missing: `pg_monitor`.
        grant: String,
    },
    /// This node or this version does not have it, or it was not measured in this round.
    #[default]
    Absent,
}

impl<T> Reading<T> {
    /// The fact, if known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            _ => None,
        }
    }

    /// Another fact made from this one, if known.
    pub fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Reading<U> {
        match self {
            Self::Known(fact) => read(fact).into(),
            Self::NotPermitted { grant } => Reading::NotPermitted { grant },
            Self::Absent => Reading::Absent,
        }
    }

    /// Whether there is no fact and no missing right.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl<T> From<Option<T>> for Reading<T> {
    fn from(fact: Option<T>) -> Self {
        fact.map_or(Self::Absent, Self::Known)
    }
}

impl DatabaseSeen {
    /// Escapes external text in it, which ends up on terminals and pages.
    #[must_use]
    pub fn shown(mut self) -> Self {
        self.clean();
        self
    }

    /// Escapes external text in it.
    pub(crate) fn clean(&mut self) {
        for seen in &mut self.nodes {
            match &mut seen.answer {
                NodeAnswer::Facts(facts) => facts.clean(),
                NodeAnswer::Saturated { said }
                | NodeAnswer::Starting { said }
                | NodeAnswer::Denied { said } => clean(said),
                NodeAnswer::Failed(fault) => fault.clean(),
            }
        }
        if let Reading::Known(backups) = &mut self.backups {
            for backup in backups {
                clean(&mut backup.name);
                clean(&mut backup.status);
            }
        }
    }
}

impl NodeFacts {
    fn clean(&mut self) {
        clean(&mut self.version);
        if let Encryption::Unverified { why } = &mut self.encryption {
            clean(why);
        }
        if let Reading::Known(sessions) = &mut self.sessions {
            sessions.longest_statement.iter_mut().for_each(Session::clean);
            sessions.longest_idle_in_transaction.iter_mut().for_each(Session::clean);
            sessions.crowd.iter_mut().for_each(|crowd| clean(&mut crowd.statement));
        }
        if let Reading::Known(chains) = &mut self.blocked {
            chains.iter_mut().for_each(|chain| chain.head.clean());
        }
        if let Reading::Known(clients) = &mut self.clients {
            for group in clients {
                clean(&mut group.application);
                clean(&mut group.address);
            }
        }
        if let Reading::Known(upstream) = &mut self.upstream {
            upstream.from.iter_mut().for_each(clean);
            upstream.error.iter_mut().for_each(clean);
        }
        if let Reading::Known(standbys) = &mut self.standbys {
            clean(&mut standbys.synchronous);
            for standby in &mut standbys.connected {
                clean(&mut standby.name);
                clean(&mut standby.state);
                clean(&mut standby.sync_state);
            }
        }
        if let Reading::Known(slots) = &mut self.slots {
            for slot in slots {
                clean(&mut slot.name);
                slot.wal_status.iter_mut().for_each(clean);
            }
        }
        if let Reading::Known(wraparound) = &mut self.wraparound {
            clean(&mut wraparound.database);
        }
        if let Reading::Known(position) = &mut self.position {
            position.system_identifier.iter_mut().for_each(clean);
        }
        if let Reading::Known(statements) = &mut self.statements {
            statements.iter_mut().for_each(|load| clean(&mut load.statement));
        }
    }
}

impl Session {
    fn clean(&mut self) {
        clean(&mut self.application);
        clean(&mut self.state);
        clean(&mut self.statement);
    }
}
