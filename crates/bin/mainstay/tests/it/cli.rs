//! The command line in bad moments: a configuration that is being edited, a port that somebody took, a reader that went away.

use crate::docs;
use crate::house::{House, Web, config, until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn commands_reach_a_process_whose_config_is_being_edited() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    for broken in ["[servise.x]\n", "[service.x\n", "\"\"\"\n", "[site]\ndata = 7\n"] {
        house.write_config(&format!("{}\n{broken}", config(&web, "Shop")));
        let status = house.command(&["status"]);
        assert_eq!(status.status.code(), Some(0), "{broken}: {}", text(&status.stderr));
        assert!(text(&status.stderr).contains("is not sound"), "{broken}: {}", text(&status.stderr));
    }
    for args in [
        &["why", "shop"] as &[&str],
        &["incident", "list"],
        &["journal", "verify"],
        &["journal", "dump"],
        &["login"],
        &["export", "out"],
    ] {
        assert_eq!(house.command(args).status.code(), Some(0), "{args:?}");
    }
    assert_eq!(
        house.command(&["oncall"]).status.code(),
        Some(2),
        "who is on call is in the configuration alone"
    );
}

#[test]
fn whoever_took_the_port_is_told_nothing() {
    let house = House::watching(&Web::start());
    let thief = TcpListener::bind("127.0.0.1:0").unwrap();
    thief.set_nonblocking(true).unwrap();
    fs::create_dir(house.data()).unwrap();
    fs::write(house.data().join("address"), thief.local_addr().unwrap().to_string()).unwrap();
    fs::write(house.data().join("api-token"), "ab".repeat(32)).unwrap();
    let status = house.command(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stderr).contains("mainstay is not running"), "{}", text(&status.stderr));
    assert_eq!(thief.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "nobody came");
}

#[test]
fn a_reader_that_went_away_ends_no_command_with_a_panic() {
    let house = House::watching(&Web::start());
    house.write_config(&"[service.a]\ntitel = \"x\"\n".repeat(300));
    let ended = |args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .args(args)
            .arg("--config")
            .arg(house.config())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Both readers are gone before anything is said, or soon after.
        drop((child.stdout.take(), child.stderr.take()));
        child.wait().unwrap().code()
    };
    for (args, code) in [
        (&["check", "--json"] as &[&str], 2),
        (&["check"], 2),
        (&["schema"], 0),
        (&["schema", "--reference"], 0),
        (&["--help"], 0),
        (&["status"], 2),
        (&["status", "--json"], 2),
        (&["run"], 2),
        (&["no-such-command"], 2),
    ] {
        assert_eq!(ended(args), Some(code), "{args:?}");
    }
}

#[test]
fn check_says_what_run_would_lack() {
    let web = Web::start();
    let house = House::watching(&web);
    let good = config(&web, "Shop");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    fs::write(house.folder.path().join("file"), "").unwrap();
    let hook = "webhook = \"http://127.0.0.1:9/\"";
    for (from, to, wanted) in [
        (hook, format!("{hook}\nsecret = \"env:NO_SUCH_VARIABLE\""), "NO_SUCH_VARIABLE"),
        (hook, format!("{hook}\nsecret = \"file:/nonexistent/key\""), "/nonexistent/key"),
        ("listen = \"127.0.0.1:0\"", format!("listen = \"{taken}\""), "cannot listen"),
        ("data = \"data\"", "data = \"file/data\"".to_owned(), "cannot be made"),
        ("data = \"data\"", "data = \"file\"".to_owned(), "is a file"),
        (
            "[person.ana]",
            "[edge]\nlisten = [\"127.0.0.1:0\"]\ngeoip.country = \"no.mmdb\"\n[person.ana]".to_owned(),
            "no.mmdb",
        ),
        (
            "[person.ana]",
            "[caller.app]\ntoken = \"env:NO_SUCH_TOKEN\"\n[person.ana]".to_owned(),
            "NO_SUCH_TOKEN",
        ),
        ("inner =", "trust = [\"no.pem\"]\ninner =".to_owned(), "no.pem"),
    ] {
        house.write_config(&good.replace(from, &to));
        let answer = house.json(&["check"]);
        let missing = answer["missing"].to_string();
        assert!(missing.contains(wanted) && answer["sound"] == false, "{wanted}: {answer:#}");
        assert_eq!(house.command(&["check"]).status.code(), Some(2), "{wanted}");
        assert_eq!(house.command(&["check", "--text-alone"]).status.code(), Some(0), "{wanted}");
    }
}

#[test]
fn the_data_folder_is_closed_to_everybody_else() {
    let web = Web::start();
    let mut house = House::watching(&web);
    fs::create_dir(house.data()).unwrap();
    fs::set_permissions(house.data(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(house.data().join("denials.json"), "[]").unwrap();
    fs::set_permissions(house.data().join("denials.json"), fs::Permissions::from_mode(0o644)).unwrap();
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    let backup = house.folder.path().join("backup.db");
    assert!(house.command(&["journal", "backup", backup.to_str().unwrap()]).status.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&house.data()), mode(&backup)), (0o700, 0o600));
    let names: Vec<String> = fs::read_dir(house.data())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| mode(&entry.path()) & 0o077 != 0)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, Vec::<String>::new(), "open to others");
    let folder = house.folder.path().join("site");
    assert!(house.command(&["export", folder.to_str().unwrap()]).status.success());
    assert_ne!(mode(&folder.join("index.html")) & 0o044, 0, "an export is for everybody");
    // Nothing that signs anybody in, and no colour, is in what a service manager keeps.
    let kept = house.said() + &house.log();
    assert!(!kept.contains("token=") && !kept.contains('\x1b'), "{kept}");
}

#[test]
fn a_damaged_journal_names_the_way_to_start_and_a_fresh_machine_takes_a_backup() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    let backup = house.folder.path().join("backup.db");
    let backup = backup.to_str().unwrap().to_owned();
    assert!(house.command(&["journal", "backup", &backup]).status.success());
    house.kill();
    fs::remove_file(house.data().join("journal.mark")).unwrap();
    let refused = house.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("`--accept-loss`"), "{}", text(&refused.stderr));
    assert!(house.json(&["check"])["missing"].to_string().contains("--accept-loss"));
    house.start_with(&["--accept-loss"]);
    assert_eq!(house.terminate(), Some(0));

    let fresh = House::watching(&web);
    let restored = fresh.command(&["journal", "restore", &backup]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored.stderr));
    assert_eq!(fs::metadata(fresh.data()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fresh.command(&["journal", "verify"]).status.success());
    let twice = fresh.command(&["journal", "restore", &backup]);
    assert!(twice.status.code() == Some(1) && text(&twice.stderr).contains("--replace"));
}

#[test]
fn the_token_that_reads_does_nothing_else() {
    let web = Web::start();
    let mut house = House::watching(&web);
    house.start();
    until("a well shop", || (house.state_of("shop") == "operational").then_some(()));
    let read = |file: &str| fs::read_to_string(house.data().join(file)).unwrap();
    let (address, token) = (read("address"), read("read-token"));
    let status = |line: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(
            stream,
            "{line} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    for path in ["/metrics", "/api/v1/now", "/api/v1/incidents"] {
        assert_eq!(status(&format!("GET {path}"), ""), "200", "{path}");
    }
    for (path, body) in [
        ("/api/v1/incidents/1/ack", r#"{"by":"x"}"#),
        ("/api/v1/incidents/1/resolve", r#"{"by":"x"}"#),
        ("/api/v1/deny", r#"{"by":"x","what":"XX","for_seconds":60}"#),
        ("/api/v1/denials/1/lift", r#"{"by":"x"}"#),
        ("/api/v1/login", "{}"),
    ] {
        assert_eq!(status(&format!("POST {path}"), body), "403", "{path}");
    }
}

#[test]
fn words_that_cannot_be_meant_are_answered_with_2_and_a_summary() {
    let house = House::watching(&Web::start());
    let folder = house.folder.path().to_str().unwrap().to_owned();
    for args in [
        &["status", "--config", &folder] as &[&str],
        &["check", "--config", "no-such.toml"],
        &["oncall", "--at", "tomorrow"],
        &["incident", "ack", "x"],
        &["deny", "lift", "x"],
        &["deny", "country", "XXX", "--for", "1h"],
        &["deny", "country", "XX"],
        &["trace", "x"],
        &["page", "test", "nobody"],
        &["run", "--accept-loss", "--only", "guard"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        command.args(args).current_dir(&folder);
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(!said.is_empty() && !said.contains("panicked"), "{args:?}: {said}");
        assert!(!said.contains("invalid digit"), "{args:?}: what to write is said: {said}");
    }
}

/// A configuration with a part for every command.
fn whole(web: &Web) -> String {
    let guard = format!(
        "hosts = [\"shop.test\"]\nguard = {{ pool = \"shop\" }}\n[pool.shop]\nservers = [\"{}\"]\n\
         [edge]\nlisten = [\"127.0.0.1:0\"]\n[schedule.main]\nlayer = [{{ people = [\"ana\"], start = 2026-01-01T09:00:00, rotation = \"1 day\" }}]\n",
        web.address
    );
    config(web, "Shop").replace("title = \"Shop\"\n", &format!("title = \"Shop\"\n{guard}"))
}

#[test]
fn what_json_looks_like_is_documented() {
    let web = Web::start();
    let mut house = House::with(&whole(&web));
    house.start();
    let _ = TcpStream::connect(edge_of(&house)).and_then(|mut stream| {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n")?;
        stream.read_to_string(&mut String::new())
    });
    web.answers(503);
    until("an incident", || house.json(&["status"])["open"].as_array()?.first().map(drop));
    let failed = until("a request that failed", || {
        let mut stream = TcpStream::connect(edge_of(&house)).ok()?;
        stream.write_all(b"GET /x HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").ok()?;
        stream.read_to_string(&mut String::new()).ok()?;
        house.json(&["trace"]).as_array()?.first()?["id"].as_str().map(str::to_owned)
    });
    let (backup, out) = (path(&house, "backup.db"), path(&house, "out"));
    let mut page = "# What `--json` prints\n\nDrawn by the tests from what the program answers; `[]` is a list, `{}` an object that is not \
                    told here, and every other name a text, a number, true, false or null. Spans of time are seconds, times are \
                    RFC 3339. [commands.md](commands.md) has the rest.\n"
        .to_owned();
    for (shown, args, depth) in [
        ("check", &["check"] as &[&str], 3),
        ("status", &["status"], 1),
        ("why THING", &["why", "shop"], 2),
        ("oncall", &["oncall"], 3),
        ("incident list", &["incident", "list"], 1),
        ("incident show ID", &["incident", "show", "1"], 1),
        ("incident ack ID", &["incident", "ack", "1", "--by", "ana"], 2),
        ("deny country CODE --for SPAN", &["deny", "address", "192.0.2.0/24", "--for", "1h"], 2),
        ("deny list", &["deny", "list"], 2),
        ("deny lift ID", &["deny", "lift", "1"], 2),
        ("trace ID", &["trace", &failed], 3),
        ("trace", &["trace"], 1),
        ("page test PERSON", &["page", "test", "ana"], 2),
        ("journal verify", &["journal", "verify"], 2),
        ("journal backup FILE", &["journal", "backup", &backup], 2),
        ("login", &["login"], 1),
        ("export FOLDER", &["export", &out], 1),
        ("a command that fails", &["why", "nothing"], 1),
    ] {
        let answer = house.json(args);
        assert!(!answer.to_string().contains("\"nanos\""), "{args:?}: {answer:#}");
        page += &format!("\n## mainstay {shown}\n\n```text\n{}\n```\n", shape(&answer, depth));
    }
    assert_eq!(house.terminate(), Some(0));
    let restored = house.json(&["journal", "restore", &backup, "--replace"]);
    page += &format!("\n## mainstay journal restore FILE\n\n```text\n{}\n```\n", shape(&restored, 1));
    docs::same("docs/reference/commands-json.md", page.as_bytes());
}

fn path(house: &House, name: &str) -> String {
    house.folder.path().join(name).to_str().unwrap().to_owned()
}

/// Where the edge listens, as `run` said.
fn edge_of(house: &House) -> String {
    until("the edge's address", || {
        let said = house.said();
        let line = said.lines().find_map(|line| line.strip_prefix("edge     http://"))?;
        Some(line.trim_end_matches('/').to_owned())
    })
}

/// The names in an answer, `depth` objects deep.
fn shape(value: &Value, depth: usize) -> String {
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    let (open, close) = match value {
        Value::Object(object) => {
            fields.extend(object.clone());
            ("{", "}")
        }
        Value::Array(all) => {
            for object in all.iter().filter_map(Value::as_object) {
                for (name, value) in object {
                    fields.entry(name.clone()).or_insert_with(|| value.clone());
                }
            }
            if fields.is_empty() {
                return "[]".to_owned();
            }
            ("[{", "}]")
        }
        _ => return String::new(),
    };
    if depth == 0 {
        return format!("{}{}", &open[..1], &close[close.len() - 1..]);
    }
    let told = fields.iter().map(|(name, value)| match value {
        Value::Object(_) | Value::Array(_) if depth > 0 => format!("\"{name}\": {}", shape(value, depth - 1)),
        _ => format!("\"{name}\""),
    });
    format!("{open}{}{close}", told.collect::<Vec<_>>().join(", "))
}
