//! HAProxy's statistics as CSV (management guide, section 9.1: "CSV format").
//!
//! Rows are counted by `status`: `act` stays 1 on a server that is down, and the row BACKEND stays UP on one backup server.

use super::Members;
use super::selection::Selection;
use super::unusable::Unusable;
use csv::{ByteRecord, ReaderBuilder};
use std::collections::BTreeMap;
use std::time::Duration;
use types::pool::{MemberState, PoolMember};
use types::time::earlier;

/// Columns of a row; those that this version of HAProxy does not have are empty.
struct Row<'a> {
    columns: &'a BTreeMap<String, usize>,
    record: &'a ByteRecord,
}

impl Row<'_> {
    fn text(&self, column: &str) -> String {
        let field = self.columns.get(column).and_then(|place| self.record.get(*place)).unwrap_or_default();
        String::from_utf8_lossy(field).into_owned()
    }

    fn number(&self, column: &str) -> Option<u64> {
        self.text(column).parse().ok()
    }
}

/// The members of a backend.
pub(super) fn members(answer: &[u8], selection: &Selection<'_>) -> Result<Members, Unusable> {
    let wrong = |why: &str| Unusable::Format { expected: "CSV", why: why.to_owned() };
    let Some(answer) = answer.trim_ascii_start().strip_prefix(b"# ") else {
        return Err(wrong("the first line does not begin with `# pxname,svname`"));
    };
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(answer);
    let header = reader.byte_headers().map_err(|error| wrong(&error.to_string()))?;
    let columns: BTreeMap<String, usize> = header
        .iter()
        .enumerate()
        .map(|(place, name)| (String::from_utf8_lossy(name).into_owned(), place))
        .collect();
    if !["pxname", "svname", "status"].iter().all(|name| columns.contains_key(*name)) {
        return Err(wrong("it has no columns pxname, svname and status"));
    }
    let records: Result<Vec<ByteRecord>, csv::Error> = reader.byte_records().collect();
    let records = records.map_err(|error| wrong(&error.to_string()))?;
    let rows: Vec<Row<'_>> = records.iter().map(|record| Row { columns: &columns, record }).collect();
    // A frontend may have the same name as a backend.
    let backends: Vec<String> =
        rows.iter().filter(|row| !is_frontend(row)).map(|row| row.text("pxname")).collect();
    let chosen = selection.choose(backends.iter().map(String::as_str))?;
    let mut found = Members::default();
    for row in rows.iter().filter(|row| row.text("pxname") == chosen && !is_frontend(row)) {
        if row.text("svname") == "BACKEND" {
            found.queued = row.number("qcur").unwrap_or_default();
        } else {
            found.members.push(member(row, selection));
        }
    }
    Ok(found)
}

/// Whether a row is a frontend or one of its listening sockets.
fn is_frontend(row: &Row<'_>) -> bool {
    matches!(row.text("type").as_str(), "0" | "3") || row.text("svname") == "FRONTEND"
}

fn member(row: &Row<'_>, selection: &Selection<'_>) -> PoolMember {
    let status = row.text("status");
    let state = match status.split([' ', '(']).next().unwrap_or_default() {
        // A weight of 0 gets no requests, by intention.
        "UP" | "no" if row.number("weight") == Some(0) => MemberState::Draining,
        "UP" | "OPEN" => MemberState::Serving,
        "no" => MemberState::Serving,
        "DRAIN" | "NOLB" => MemberState::Draining,
        // A slot of a server template without an address, or a name that does not resolve.
        "MAINT" if status.contains("resolution") => MemberState::Absent,
        "MAINT" => MemberState::Maintenance,
        _ => MemberState::Down,
    };
    let since = row.number("lastchg").map(|secs| earlier(selection.now, Duration::from_secs(secs)));
    PoolMember {
        backup: row.number("bck") == Some(1),
        why: why(row, &status, state),
        since,
        work: row.number("stot"),
        inflight: row.number("scur"),
        limit: row.number("slim"),
        ..PoolMember::new(row.text("svname"), state)
    }
}

/// The reason of a state in HAProxy's words: `Layer7 wrong status 503: Service Unavailable (L7STS)`.
fn why(row: &Row<'_>, status: &str, state: MemberState) -> Option<String> {
    if state == MemberState::Absent {
        return Some("no address by DNS".to_owned());
    }
    if state != MemberState::Down {
        // `MAINT (via api/a)`
        return status.split_once(" (").map(|(_, why)| why.trim_end_matches(')').to_owned());
    }
    let by_agent = status.contains("agent");
    let [status, code, description, last] = match by_agent {
        true => ["agent_status", "agent_code", "agent_desc", "last_agt"],
        false => ["check_status", "check_code", "check_desc", "last_chk"],
    };
    // An asterisk marks a check that is running.
    let status = row.text(status).trim_start_matches(['*', ' ']).to_owned();
    let description = row.text(description);
    let mut why = if description.is_empty() { status.clone() } else { description.clone() };
    let (code, last) = (row.text(code), row.text(last));
    if !code.is_empty() && code != "0" && status.starts_with("L7") {
        why.push_str(&format!(" {code}"));
    }
    if !last.trim().is_empty() {
        why.push_str(&format!(": {}", last.trim()));
    }
    if !description.is_empty() && !status.is_empty() {
        why.push_str(&format!(" ({status})"));
    }
    Some(why).filter(|why| !why.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::selection::selection;
    use super::*;
    use proptest::prelude::*;

    const FULL: &[u8] = include_bytes!("fixtures/haproxy-2.6-full.csv");
    const SHRUNK: &[u8] = include_bytes!("fixtures/haproxy-2.6-shrunk.csv");

    fn words(answer: &[u8], backend: Option<&'static str>) -> String {
        let members = match members(answer, &selection(backend)) {
            Ok(members) => members,
            Err(error) => return error.to_string(),
        };
        let one = |member: &PoolMember| {
            let backup = if member.backup { " backup" } else { "" };
            let why = member.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
            format!(
                "{}{backup} {}{why} {:?}",
                member.name,
                member.state.as_str(),
                member.work.unwrap_or_default()
            )
        };
        members.members.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn rows_are_judged_by_their_status() {
        insta::assert_snapshot!(words(FULL, None), @r"
        a serving 1
        b serving 0
        c serving 0
        d backup serving 0
        ");
        insta::assert_snapshot!(words(SHRUNK, Some("pool")), @r"
        a down (Layer7 wrong status 503: Service Unavailable (L7STS)) 1
        b down (Layer7 wrong status 503: Service Unavailable (L7STS)) 0
        c in maintenance 0
        d backup serving 4
        ");
        assert_eq!(words(SHRUNK, Some("web")), "has no pool `web`; it has pool: set `backend`");
    }

    #[test]
    fn every_status_has_a_state() {
        use MemberState::{Absent, Down, Draining, Maintenance, Serving};
        for (status, weight, state) in [
            ("UP", 1, Serving),
            ("UP 1/3", 1, Serving),
            ("UP", 0, Draining),
            ("no check", 1, Serving),
            ("no check", 0, Draining),
            ("DOWN", 1, Down),
            ("DOWN 1/2", 1, Down),
            ("DOWN (agent)", 1, Down),
            ("NOLB", 1, Draining),
            ("NOLB 1/3", 1, Draining),
            ("DRAIN", 0, Draining),
            ("DRAIN (agent)", 0, Draining),
            ("MAINT", 1, Maintenance),
            ("MAINT (via api/a)", 1, Maintenance),
            ("MAINT (resolution)", 1, Absent),
            ("something new", 1, Down),
        ] {
            let csv = format!("# pxname,svname,status,weight\napi,a,{status},{weight}\n");
            let read = members(csv.as_bytes(), &selection(None)).unwrap();
            assert_eq!(read.members[0].state, state, "{status}");
        }
    }

    #[test]
    fn time_of_the_change_is_read_and_quoted_fields_are_one() {
        let csv = "# pxname,svname,status,lastchg,check_status,check_desc,last_chk,\n\
                   api,a,DOWN,90,L7RSP,Layer7 invalid response,\"said \"\"no\"\", then left\",\n";
        let read = members(csv.as_bytes(), &selection(None)).unwrap();
        assert_eq!(read.members[0].since, Some(earlier(selection(None).now, Duration::from_secs(90))));
        let why = "Layer7 invalid response: said \"no\", then left (L7RSP)";
        assert_eq!(read.members[0].why.as_deref(), Some(why));
    }

    #[test]
    fn hostile_answers_are_refused_with_the_next_step() {
        for (answer, words) in [
            (&b""[..], "the first line does not begin"),
            (b"hello", "the first line does not begin"),
            (b"# a,b,c\n1,2,3\n", "it has no columns"),
            (b"# pxname,svname,status\n", "has no pools at all"),
            (b"# pxname,svname,status,type\nf,FRONTEND,OPEN,0\n", "has no pools at all"),
        ] {
            let error = members(answer, &selection(None)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            lines in "(pool|a|BACKEND|UP|DOWN 1/2|MAINT|,|\"|\n|[0-9]{1,25}|\\PC){0,80}",
        ) {
            let _ = members(&bytes, &selection(None));
            let header = b"# pxname,svname,status,weight,lastchg,type,check_status,check_desc,stot\n";
            let _ = members(&[header, lines.as_bytes()].concat(), &selection(None));
        }

        #[test]
        fn a_cut_answer_is_read_or_refused(cut in 0..SHRUNK.len()) {
            let _ = members(&SHRUNK[..cut], &selection(None));
        }
    }
}
