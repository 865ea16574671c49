//! The command line in unusual states: configuration being edited, port in use, closed pipe.

use crate::docs;
use crate::instance::{Instance, Web, config, until};
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
fn commands_work_while_config_is_being_edited() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    for broken in ["[servise.x]\n", "[service.x\n", "\"\"\"\n", "[site]\ndata = 7\n"] {
        instance.write_config(&format!("{}\n{broken}", config(&web, "Shop")));
        let status = instance.command(&["status"]);
        assert_eq!(status.status.code(), Some(0), "{broken}: {}", text(&status.stderr));
        assert!(text(&status.stderr).contains("has problems"), "{broken}: {}", text(&status.stderr));
    }
    for args in [
        &["why", "shop"] as &[&str],
        &["incident", "list"],
        &["journal", "verify"],
        &["journal", "dump"],
        &["login"],
        &["export", "out"],
    ] {
        assert_eq!(instance.command(args).status.code(), Some(0), "{args:?}");
    }
    assert_eq!(
        instance.command(&["oncall"]).status.code(),
        Some(2),
        "who is on call is in the configuration alone"
    );
}

#[test]
fn process_on_a_reused_port_receives_no_request() {
    let instance = Instance::watching(&Web::start());
    let thief = TcpListener::bind("127.0.0.1:0").unwrap();
    thief.set_nonblocking(true).unwrap();
    fs::create_dir(instance.data()).unwrap();
    fs::write(instance.data().join("address"), thief.local_addr().unwrap().to_string()).unwrap();
    fs::write(instance.data().join("api-token"), "ab".repeat(32)).unwrap();
    let status = instance.command(&["status"]);
    assert_eq!(status.status.code(), Some(1));
    assert!(text(&status.stderr).contains("mainstay is not running"), "{}", text(&status.stderr));
    assert_eq!(thief.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "no connection");
}

#[test]
fn closed_pipe_causes_no_panic() {
    let instance = Instance::watching(&Web::start());
    instance.write_config(&"[service.a]\ntitel = \"x\"\n".repeat(300));
    let ended = |args: &[&str]| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mainstay"))
            .args(args)
            .arg("--config")
            .arg(instance.config())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Both pipes are closed before any output, or soon after.
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
fn check_reports_missing_requirements() {
    let web = Web::start();
    let instance = Instance::watching(&web);
    let good = config(&web, "Shop");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    fs::write(instance.folder.path().join("file"), "").unwrap();
    let hook = "webhook = \"http://127.0.0.1:9/\"";
    for (from, to, wanted) in [
        (hook, format!("{hook}\nsecret = \"env:NO_SUCH_VARIABLE\""), "NO_SUCH_VARIABLE"),
        (hook, format!("{hook}\nsecret = \"file:/nonexistent/key\""), "/nonexistent/key"),
        ("listen = \"127.0.0.1:0\"", format!("listen = \"{taken}\""), "cannot listen"),
        ("data = \"data\"", "data = \"file/data\"".to_owned(), "cannot be created"),
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
        ("allow_private =", "extra_ca_files = [\"no.pem\"]\nallow_private =".to_owned(), "no.pem"),
    ] {
        instance.write_config(&good.replace(from, &to));
        let answer = instance.json(&["check"]);
        let missing = answer["missing"].to_string();
        assert!(missing.contains(wanted) && answer["sound"] == false, "{wanted}: {answer:#}");
        assert_eq!(instance.command(&["check"]).status.code(), Some(2), "{wanted}");
        assert_eq!(instance.command(&["check", "--text-alone"]).status.code(), Some(0), "{wanted}");
    }
}

#[test]
fn data_folder_is_closed_to_other_users() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    fs::create_dir(instance.data()).unwrap();
    fs::set_permissions(instance.data(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(instance.data().join("denials.json"), "[]").unwrap();
    fs::set_permissions(instance.data().join("denials.json"), fs::Permissions::from_mode(0o644)).unwrap();
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let backup = instance.folder.path().join("backup.db");
    assert!(instance.command(&["journal", "backup", backup.to_str().unwrap()]).status.success());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&instance.data()), mode(&backup)), (0o700, 0o600));
    let names: Vec<String> = fs::read_dir(instance.data())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| mode(&entry.path()) & 0o077 != 0)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, Vec::<String>::new(), "open to others");
    let folder = instance.folder.path().join("site");
    assert!(instance.command(&["export", folder.to_str().unwrap()]).status.success());
    assert_ne!(mode(&folder.join("index.html")) & 0o044, 0, "an export is public");
    // Output for a service manager contains no sign-in link and no colour.
    let kept = instance.output() + &instance.log();
    assert!(!kept.contains("token=") && !kept.contains('\x1b'), "{kept}");
}

#[test]
fn damaged_journal_names_accept_loss_and_new_machine_restores_a_backup() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    let backup = instance.folder.path().join("backup.db");
    let backup = backup.to_str().unwrap().to_owned();
    assert!(instance.command(&["journal", "backup", &backup]).status.success());
    instance.kill();
    fs::remove_file(instance.data().join("journal.mark")).unwrap();
    let refused = instance.command(&["run"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("`--accept-loss`"), "{}", text(&refused.stderr));
    assert!(instance.json(&["check"])["missing"].to_string().contains("--accept-loss"));
    instance.start_with(&["--accept-loss"]);
    assert_eq!(instance.terminate(), Some(0));

    let fresh = Instance::watching(&web);
    let restored = fresh.command(&["journal", "restore", &backup]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored.stderr));
    assert_eq!(fs::metadata(fresh.data()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fresh.command(&["journal", "verify"]).status.success());
    let twice = fresh.command(&["journal", "restore", &backup]);
    assert!(twice.status.code() == Some(1) && text(&twice.stderr).contains("--replace"));
}

#[test]
fn read_token_grants_no_commands() {
    let web = Web::start();
    let mut instance = Instance::watching(&web);
    instance.start();
    until("an operational shop", || (instance.state_of("shop") == "operational").then_some(()));
    let read = |file: &str| fs::read_to_string(instance.data().join(file)).unwrap();
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
        ("/api/v1/valve", r#"{"by":"x","service":"shop","percent":20}"#),
        ("/api/v1/cache/purge", r#"{"by":"x","service":"shop"}"#),
        ("/api/v1/maintenances", r#"{"by":"x","title":"x","services":["shop"],"for_seconds":60}"#),
        ("/api/v1/maintenances/1/end", r#"{"by":"x"}"#),
        ("/api/v1/maintenances/1/extend", r#"{"by":"x","for_seconds":60}"#),
        ("/api/v1/login", "{}"),
    ] {
        assert_eq!(status(&format!("POST {path}"), body), "403", "{path}");
    }
}

#[test]
fn invalid_arguments_exit_with_2_and_a_message() {
    let instance = Instance::watching(&Web::start());
    let folder = instance.folder.path().to_str().unwrap().to_owned();
    for args in [
        &["status", "--config", &folder] as &[&str],
        &["check", "--config", "no-such.toml"],
        &["oncall", "--at", "tomorrow"],
        &["incident", "ack", "x"],
        &["deny", "lift", "x"],
        &["change"],
        &["change", "deploy", "--at", "tomorrow"],
        &["change", "deploy", "--kind", "magic"],
        &["load"],
        &["load", "shop", "--rate", "fast"],
        &["deny", "country", "XXX", "--for", "1h"],
        &["deny", "country", "XX"],
        &["valve", "shop", "half"],
        &["maintenance", "add", "Move", "--for", "1h"],
        &["maintenance", "add", "Move", "--service", "shop"],
        &["maintenance", "end", "x"],
        &["headroom", "--more", "0"],
        &["trace", "x"],
        &["probe", "nut", "rack"],
        &["probe", "tcp", "127.0.0.1"],
        &["probe", "magic", "x"],
        &["page", "test", "nobody"],
        &["run", "--accept-loss", "--only", "edge"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mainstay"));
        command.args(args).current_dir(&folder);
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(!said.is_empty() && !said.contains("panicked"), "{args:?}: {said}");
        assert!(!said.contains("invalid digit"), "{args:?}: the expected form is named: {said}");
    }
}

/// A configuration with a section for every command.
fn whole(web: &Web, copy: &Web) -> String {
    let services = format!(
        "hosts = [\"shop.test\"]\ntraffic = {{ pool = \"shop\", cache = [{{ path = \"/kept/*\" }}] }}\n[pool.shop]\nservers = [\"{}\"]\n\
         [load.copy]\ntarget = \"http://localhost:{}/\"\nservice = \"shop\"\nallow = {{ rate = \"20/s\" }}\n\
         [edge]\nlisten = [\"127.0.0.1:0\"]\n[schedule.main]\nlayer = [{{ people = [\"ana\"], start = 2026-01-01T09:00:00, rotation = \"1 day\" }}]\n\
         [status_page]\nsubscribers = {{}}\n",
        web.address,
        copy.address.port()
    );
    config(web, "Shop").replace("title = \"Shop\"\n", &format!("title = \"Shop\"\n{services}"))
}

/// Begin of the document.
const JSON_HEAD: &str = "# What `--json` prints\n\nGenerated by the tests from the output of the program; `[]` is a list, `{}` an object that is not \
                    described here, and every other name a text, a number, true, false or null. Durations are seconds, times are \
                    RFC 3339. [commands.md](commands.md) has the rest.\n";

/// Sends a request to the edge.
fn ask(instance: &Instance, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(edge_of(instance))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nhost: shop.test\r\nconnection: close\r\n\r\n").as_bytes(),
    )?;
    stream.read_to_string(&mut String::new()).map(drop)
}

#[test]
fn json_output_is_documented() {
    let (web, copy) = (Web::start(), Web::start());
    let mut instance = Instance::with(&whole(&web, &copy));
    instance.start();
    let _ = ask(&instance, "/");
    web.answers(503);
    until("an incident", || instance.json(&["status"])["open"].as_array()?.first().map(drop));
    let failed = until("a request that failed", || {
        ask(&instance, "/x").ok()?;
        instance.json(&["trace"]).as_array()?.first()?["id"].as_str().map(str::to_owned)
    });
    let (backup, out) = (path(&instance, "backup.db"), path(&instance, "out"));
    let web_address = web.address.to_string();
    let mut page = JSON_HEAD.to_owned();
    for (shown, args, depth) in [
        ("check", &["check"] as &[&str], 3),
        ("status", &["status"], 1),
        ("headroom", &["headroom"], 1),
        ("why RESOURCE", &["why", "shop"], 2),
        ("oncall", &["oncall"], 3),
        ("probe KIND TARGET", &["probe", "tcp", &web_address], 2),
        ("incident list", &["incident", "list"], 1),
        ("incident show ID", &["incident", "show", "1"], 1),
        ("incident ack ID", &["incident", "ack", "1", "--by", "ana"], 2),
        ("change TITLE", &["change", "deploy shop 4f2c", "--service", "shop", "--by", "ana"], 1),
        ("change list", &["change", "list"], 2),
        ("load TARGET", &["load", "copy", "--rate", "5", "--for", "1s", "--by", "ana"], 2),
        ("load TARGET --dry-run", &["load", "copy", "--dry-run"], 2),
        ("load list", &["load", "list"], 2),
        ("deny cidr VALUE --for D", &["deny", "cidr", "192.0.2.0/24", "--for", "1h"], 2),
        ("deny list", &["deny", "list"], 2),
        ("deny lift ID", &["deny", "lift", "1"], 2),
        ("valve SERVICE PERCENT", &["valve", "shop", "20%"], 2),
        ("valve", &["valve"], 2),
        ("cache purge SERVICE [PATH]", &["cache", "purge", "shop", "/kept/*"], 2),
        ("trace ID", &["trace", &failed], 3),
        ("trace", &["trace"], 1),
        (
            "maintenance add TITLE",
            &["maintenance", "add", "Move", "--service", "shop", "--for", "1h", "--by", "ana"],
            1,
        ),
        ("maintenance list", &["maintenance", "list"], 2),
        ("maintenance extend ID", &["maintenance", "extend", "1", "--for", "1h", "--by", "ana"], 1),
        ("maintenance end ID", &["maintenance", "end", "1", "--by", "ana"], 1),
        ("backup list", &["backup", "list"], 1),
        (
            "subscriber add KIND ADDRESS",
            &["subscriber", "add", "webhook", "http://127.0.0.1:9/", "--by", "ana"],
            1,
        ),
        ("subscriber list", &["subscriber", "list"], 2),
        ("subscriber import FILE", &["subscriber", "import", "/dev/null", "--by", "ana"], 1),
        ("subscriber remove ID", &["subscriber", "remove", "1", "--by", "ana"], 1),
        ("page test PERSON", &["page", "test", "ana", "--wait", "0s"], 2),
        ("journal verify", &["journal", "verify"], 2),
        ("journal backup FILE", &["journal", "backup", &backup], 2),
        ("login", &["login"], 1),
        ("export FOLDER", &["export", &out], 1),
        ("a command that fails", &["why", "nothing"], 1),
    ] {
        let answer = instance.json(args);
        assert!(!answer.to_string().contains("\"nanos\""), "{args:?}: {answer:#}");
        page += &format!("\n## mainstay {shown}\n\n```text\n{}\n```\n", shape(&answer, depth));
    }
    assert_eq!(instance.terminate(), Some(0));
    let restored = instance.json(&["journal", "restore", &backup, "--replace"]);
    page += &format!("\n## mainstay journal restore FILE\n\n```text\n{}\n```\n", shape(&restored, 1));
    docs::same("docs/reference/commands-json.md", page.as_bytes());
}

fn path(instance: &Instance, name: &str) -> String {
    instance.folder.path().join(name).to_str().unwrap().to_owned()
}

/// Address of the edge, from the output of `run`.
fn edge_of(instance: &Instance) -> String {
    until("the edge's address", || {
        let said = instance.output();
        let line = said.lines().find_map(|line| line.strip_prefix("edge         http://"))?;
        Some(line.trim_end_matches('/').to_owned())
    })
}

/// The names in a JSON value, `depth` objects deep.
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
    let members = fields.iter().map(|(name, value)| match value {
        Value::Object(_) | Value::Array(_) if depth > 0 => format!("\"{name}\": {}", shape(value, depth - 1)),
        _ => format!("\"{name}\""),
    });
    format!("{open}{}{close}", members.collect::<Vec<_>>().join(", "))
}
