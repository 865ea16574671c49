//! The queries of a round, and their prepared forms on one connection.
//!
//! Each one is a statement of its own, so that a right that is missing costs one fact. Each is prepared once: planning takes
//! longer than executing. Every result has a limit of rows.

use std::collections::BTreeMap;
use tokio_postgres::error::{Severity, SqlState};
use tokio_postgres::{Client, Error, Row, Statement};
use types::database::Reading;

/// The role that may read everything that is measured here.
pub(super) const GRANT: &str = "pg_monitor";

/// Settings of mainstay's own connection. The server ends what hangs, planning stays cheap, nothing can be written, and
/// no function of a schema that others can write to is called.
pub(super) const SETUP: &str = "set statement_timeout = '3s'; set lock_timeout = '500ms'; set jit = off; \
     set default_transaction_read_only = on; set search_path = pg_catalog; set client_min_messages = error";

/// What cannot change while a connection lasts.
pub(super) const FIXED: &str =
    "select current_setting('server_version'), current_setting('max_connections')::int8,
     current_setting('superuser_reserved_connections')::int8
       + coalesce(nullif(current_setting('reserved_connections', true), '')::int8, 0),
     pg_has_role(current_user, 'pg_read_all_stats', 'usage'),
     (select quote_ident(n.nspname) from pg_extension e join pg_namespace n on n.oid = e.extnamespace
       where e.extname = 'pg_stat_statements')";

const IDENTITY: &str = "select system_identifier::text from pg_control_system()";

const POSITION: &str = "select recovery,
      case when recovery then (select received_tli::int8 from pg_stat_wal_receiver)
        else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int8 end,
      (case when recovery then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end - '0/0')::int8,
      extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8
    from (select pg_is_in_recovery() as recovery) as node";

/// Without pg_read_all_stats, the type of other users' backends is NULL.
const SESSIONS: &str =
    "select count(*) filter (where coalesce(backend_type, 'client backend') = 'client backend'),
      count(*) filter (where state = 'active' and backend_type = 'client backend'),
      count(*) filter (where state like 'idle in transaction%'),
      count(*) filter (where wait_event_type = 'Lock'),
      count(*) filter (where wait_event = 'SyncRep'),
      coalesce(max(extract(epoch from clock_timestamp() - query_start))
        filter (where wait_event = 'SyncRep'), 0)::float8
    from pg_stat_activity where datid is not null";

const BUSY: &str = "(select pid::int8, coalesce(application_name, ''), state,
      extract(epoch from clock_timestamp() - query_start)::float8, left(query, 1024)
      from pg_stat_activity
      where state = 'active' and backend_type = 'client backend' and pid <> pg_backend_pid()
      order by query_start limit 50)
    union all
    (select pid::int8, coalesce(application_name, ''), state,
      extract(epoch from clock_timestamp() - state_change)::float8, left(query, 1024)
      from pg_stat_activity where state like 'idle in transaction%' order by state_change limit 1)";

/// Clients of an application; mainstay's own role is none. What a replica refused is the last statement of the session.
const CLIENTS: &str = "select coalesce(application_name, ''), coalesce(host(client_addr), ''), count(*),
      count(*) filter (where query ~* '^\\s*(insert|update|delete|merge)\\M')
    from pg_stat_activity where backend_type = 'client backend' and usename <> current_user
    group by 1, 2 order by 3 desc, 1, 2 limit 100";

/// `pg_blocking_pids` locks the lock tables for a moment, so it is called for waiting sessions only.
const BLOCKED: &str = "with waiting as materialized (
      select pid, pg_blocking_pids(pid) as blockers from pg_stat_activity
      where wait_event_type = 'Lock' order by query_start limit 64)
    select a.pid::int8, coalesce(a.application_name, ''), coalesce(a.state, ''),
      coalesce(extract(epoch from clock_timestamp() - case when w.pid is null and a.state <> 'active'
        then a.state_change else a.query_start end), 0)::float8,
      coalesce(left(a.query, 1024), ''), coalesce(w.blockers, '{}')::int8[]
    from pg_stat_activity a left join waiting w on w.pid = a.pid
    where w.pid is not null or a.pid in (select unnest(blockers) from waiting) limit 200";

const UPSTREAM: &str = "select status, sender_host, sender_port::int8, pg_is_wal_replay_paused()
    from (select 1) as one left join pg_stat_wal_receiver on true";

const STANDBYS: &str =
    "select coalesce(nullif(application_name, ''), client_addr::text, ''), state, sync_state,
      (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
        - replay_lsn)::int8
    from pg_stat_replication where coalesce(state, '') <> 'backup' limit 100";

const SLOTS: &str = "select slot_name::text, active, to_jsonb(slot) ->> 'wal_status',
      (case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end
        - restart_lsn)::int8
    from pg_replication_slots as slot where not temporary limit 100";

const ARCHIVER: &str = "select current_setting('archive_mode') <> 'off', archived_count, failed_count,
      extract(epoch from clock_timestamp() - last_archived_time)::float8,
      extract(epoch from clock_timestamp() - last_failed_time)::float8
    from pg_stat_archiver";

const WRAPAROUND: &str = "select datname::text,
      (greatest(age(datfrozenxid), mxid_age(datminmxid))::int8 * 100 / 2147483648)::int8
    from pg_database order by 2 desc limit 1";

/// Shared catalogs (datid 0) are left out: they are read by connecting and by monitors.
const WORK: &str =
    "select sum(xact_commit + xact_rollback)::int8, sum(tup_returned)::int8, sum(deadlocks)::int8,
      current_setting('synchronous_standby_names')
    from pg_stat_database where datid <> 0";

/// A query of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Query {
    Identity,
    Position,
    Sessions,
    Busy,
    Clients,
    Blocked,
    Upstream,
    Standbys,
    Slots,
    Archiver,
    Wraparound,
    Work,
    Statements,
    StatementTexts,
}

const ALL: [Query; 14] = [
    Query::Identity,
    Query::Position,
    Query::Sessions,
    Query::Busy,
    Query::Clients,
    Query::Blocked,
    Query::Upstream,
    Query::Standbys,
    Query::Slots,
    Query::Archiver,
    Query::Wraparound,
    Query::Work,
    Query::Statements,
    Query::StatementTexts,
];

impl Query {
    /// The text. The schema is that of the extension pg_stat_statements, quoted.
    fn sql(self, schema: &str) -> String {
        let fixed = match self {
            Self::Identity => IDENTITY,
            Self::Position => POSITION,
            Self::Sessions => SESSIONS,
            Self::Busy => BUSY,
            Self::Clients => CLIENTS,
            Self::Blocked => BLOCKED,
            Self::Upstream => UPSTREAM,
            Self::Standbys => STANDBYS,
            Self::Slots => SLOTS,
            Self::Archiver => ARCHIVER,
            Self::Wraparound => WRAPAROUND,
            Self::Work => WORK,
            Self::Statements => {
                return format!(
                    "select queryid, sum(calls)::int8, sum(total_exec_time)::float8
                     from {schema}.pg_stat_statements(false) where queryid is not null
                     group by 1 order by 3 desc limit 500"
                );
            }
            Self::StatementTexts => {
                return format!(
                    "select queryid, left(min(query), 1024) from {schema}.pg_stat_statements(true)
                     where queryid = any($1) group by 1"
                );
            }
        };
        fixed.to_owned()
    }
}

/// The prepared queries of one connection.
pub(super) struct Queries {
    prepared: BTreeMap<Query, Statement>,
    refused: BTreeMap<Query, Reading<Vec<Row>>>,
}

impl Queries {
    /// Prepares all of them. One that this server does not have is left out.
    pub(super) async fn prepare(client: &Client, statements_schema: Option<&str>) -> Result<Self, Error> {
        let mut queries = Self { prepared: BTreeMap::new(), refused: BTreeMap::new() };
        for query in ALL {
            let about_statements = matches!(query, Query::Statements | Query::StatementTexts);
            if about_statements && statements_schema.is_none() {
                continue;
            }
            match client.prepare(&query.sql(statements_schema.unwrap_or_default())).await {
                Ok(statement) => {
                    queries.prepared.insert(query, statement);
                }
                Err(error) => {
                    queries.refused.insert(query, refusal(error)?);
                }
            }
        }
        Ok(queries)
    }

    /// Transactions that preparing took: one each.
    pub(super) fn transactions(&self) -> u64 {
        u64::try_from(self.prepared.len() + self.refused.len()).unwrap_or_default()
    }

    /// Executes a query. Only the loss of the connection is an error.
    pub(super) async fn rows(
        &self,
        client: &Client,
        query: Query,
        ids: Option<&[i64]>,
    ) -> Result<Reading<Vec<Row>>, Error> {
        let Some(statement) = self.prepared.get(&query) else {
            return Ok(match self.refused.get(&query) {
                Some(Reading::NotPermitted { grant }) => Reading::NotPermitted { grant: grant.clone() },
                _ => Reading::Absent,
            });
        };
        let rows = match &ids {
            Some(ids) => client.query(statement, &[ids]).await,
            None => client.query(statement, &[]).await,
        };
        match rows {
            Ok(rows) => Ok(Reading::Known(rows)),
            Err(error) => refusal(error),
        }
    }
}

/// What an error of the server says about one fact; errors of the connection stay errors.
fn refusal(error: Error) -> Result<Reading<Vec<Row>>, Error> {
    let Some(said) = error.as_db_error() else { return Err(error) };
    if matches!(said.parsed_severity(), Some(Severity::Fatal | Severity::Panic)) {
        return Err(error);
    }
    if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE {
        return Ok(Reading::NotPermitted { grant: GRANT.to_owned() });
    }
    tracing::debug!(code = said.code().code(), "a query of a database round was refused: {}", said.message());
    Ok(Reading::Absent)
}
