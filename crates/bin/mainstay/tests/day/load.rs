//! The load of the day: a browser, curl, h2load, ab and grpcio, each the same through both proxies at the same time.

use crate::Failure;
use crate::chromium::{Browser, Scripts};
use crate::setting::{GRPC_NAME, NAME, Setting};
use crate::tally::{Count, Kind, Proxy, Tally};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testbed::pages::PARTS;
use testbed::relay::{Line, Relay};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

static KINDS: [Kind; 13] = [
    Kind { name: "page", load: "browser", slack: 1 },
    Kind { name: "EventSource", load: "browser", slack: 4 },
    Kind { name: "WebSocket", load: "browser", slack: 12 },
    Kind { name: "upload far h2", load: "upload", slack: 1 },
    Kind { name: "upload far h1", load: "upload", slack: 1 },
    Kind { name: "download far", load: "download", slack: 2 },
    Kind { name: "h2load", load: "h2load", slack: 4 },
    Kind { name: "h2load --h1", load: "h2load", slack: 2 },
    Kind { name: "ab -c 24", load: "ab", slack: 4 },
    Kind { name: "gRPC unary", load: "grpc", slack: RPC_SLACK },
    Kind { name: "gRPC client_stream", load: "grpc", slack: RPC_SLACK },
    Kind { name: "gRPC server_stream", load: "grpc", slack: RPC_SLACK },
    Kind { name: "gRPC bidi", load: "grpc", slack: RPC_SLACK },
];

/// Calls of one kind that the restarts of a day's servers may cancel. A server of grpcio answers CANCELLED to a call that it has read but
/// not begun when it ends (grpc/grpc#41785): without a proxy, one of eight threads' calls at each of twelve restarts.
const RPC_SLACK: u64 = 2;
const UPLOAD_BYTES: usize = 2_000_000;
/// What grpcio says of a call that a proxy refused, with an answer for gRPC or one for browsers.
const REFUSALS: [&str; 3] = ["RESOURCE_EXHAUSTED", "header with status: 429", "header with status: 503"];
/// The line to a distant client.
const FAR: Line = Line { delay: Duration::from_millis(50), megabits_per_second: 100.0 };
/// How long one run of a client's program may take.
const RUN_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Day {
    pub(crate) setting: Setting,
    pub(crate) tally: Tally,
    pub(crate) ends: Instant,
    /// Loads of this day; all, if none is named.
    pub(crate) only: Vec<String>,
}

impl Day {
    pub(crate) fn kinds(&self) -> Vec<&'static Kind> {
        KINDS.iter().filter(|kind| self.wants(kind.load)).collect()
    }

    fn wants(&self, load: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == load)
    }

    async fn if_wanted(
        &self,
        load: &str,
        work: impl Future<Output = Result<(), Failure>>,
    ) -> Result<(), Failure> {
        if self.wants(load) { work.await } else { Ok(()) }
    }

    fn goes_on(&self) -> bool {
        Instant::now() < self.ends
    }

    fn address(&self, proxy: Proxy) -> String {
        format!("https://{NAME}:{}", self.setting.ports(proxy).tls)
    }
}

/// Everything through one proxy, until the day ends.
pub(crate) async fn all(day: Arc<Day>, proxy: Proxy) -> Result<(), Failure> {
    tokio::try_join!(
        day.if_wanted("browser", browse(&day, proxy)),
        day.if_wanted("upload", upload(&day, proxy)),
        day.if_wanted("download", download(&day, proxy)),
        day.if_wanted("h2load", h2load(&day, proxy)),
        day.if_wanted("h2load", h2load_h1(&day, proxy)),
        day.if_wanted("ab", ab(&day, proxy)),
        day.if_wanted("grpc", rpc(&day, proxy)),
    )?;
    Ok(())
}

/// One window with streams that are held, another with one page after the other.
async fn browse(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let resolve = format!("--host-resolver-rules=MAP {NAME} 127.0.0.1");
    // A window behind another one is not to be slowed down.
    let switches =
        [resolve.as_str(), "--disable-background-timer-throttling", "--disable-renderer-backgrounding"];
    let browser = Browser::start_with(Scripts::Run, &switches).await;
    hold(day, proxy, &browser).await;
    let held = browser.window().await?;
    let pages = browser.new_window().await?;
    browser.switch_to_window(pages).await?;
    let mut number = 0;
    while day.goes_on() {
        number += 1;
        let count = page(&browser, &format!("{}/page/{number}", day.address(proxy))).await;
        day.tally.add("page", proxy, &count);
        sleep(Duration::from_millis(200)).await;
    }
    browser.switch_to_window(held).await?;
    let tally = browser.run("ended = true; return typeof tally == 'undefined' ? null : tally").await;
    if tally.is_null() {
        let mut refused = Count::default();
        refused.status(503);
        day.tally.add("EventSource", proxy, &refused);
        day.tally.add("WebSocket", proxy, &refused);
        return Ok(());
    }
    day.tally.add("EventSource", proxy, &stream(&tally["sse"]));
    day.tally.add("WebSocket", proxy, &stream(&tally["ws"]));
    Ok(())
}

/// Opens the page with the held streams, again and again until it comes.
async fn hold(day: &Day, proxy: Proxy, browser: &Browser) {
    let address = format!("{}/held", day.address(proxy));
    while day.goes_on() {
        let opened = browser.goto(&address).await;
        if opened.is_ok() && browser.run("return document.title").await == json!("Held all day") {
            return;
        }
        let mut count = Count::default();
        count.status(
            browser
                .run("return performance.getEntriesByType('navigation')[0]?.responseStatus")
                .await
                .as_u64()
                .unwrap_or(0),
        );
        day.tally.add("page", proxy, &count);
        sleep(Duration::from_millis(200)).await;
    }
}

/// One page with everything in it, as the browser's own record of it says.
async fn page(browser: &Browser, address: &str) -> Count {
    let mut count = Count::default();
    let began = Instant::now();
    if let Err(why) = browser.goto(address).await {
        count.status(0);
        count.note(why.to_string().lines().next().unwrap_or_default(), 1);
        return count;
    }
    let script = "return performance.getEntriesByType('navigation')
        .concat(performance.getEntriesByType('resource').filter(entry => entry.name.includes('/part/')))
        .map(entry => entry.responseStatus)";
    let statuses = browser.run(script).await;
    let statuses = statuses.as_array().map(Vec::as_slice).unwrap_or_default();
    for status in statuses {
        count.status(status.as_u64().unwrap_or(0));
    }
    // A page that did not come asks for nothing more.
    if count.well > 0 {
        (statuses.len()..=PARTS).for_each(|_| count.status(0));
    }
    count.note("ms of all pages", u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    count.note("pages", 1);
    count
}

/// What the page with the held streams counted.
fn stream(tally: &Value) -> Count {
    let number = |name: &str| tally[name].as_u64().unwrap_or(0);
    // What was under way when a server ended is lost with it, whichever proxy is in front: half a second's messages for
    // each end.
    let lost = number("lost").saturating_sub(5 * number("broken"));
    let mut count = Count {
        asked: number("asked"),
        well: number("well"),
        refused: number("refused"),
        failed: number("failed") + lost,
        ..Count::default()
    };
    count.note("messages", number("messages"));
    count.note("lost", number("lost"));
    count.note("ended by the other side", number("broken"));
    count
}

/// Runs a client's program to its end.
async fn run(program: &str, args: &[String]) -> Result<Output, Failure> {
    let mut command = Command::new(program);
    command.args(args).kill_on_drop(true);
    match timeout(RUN_MAX, command.output()).await {
        Ok(done) => Ok(done.map_err(|why| format!("{program} cannot be started: {why}"))?),
        Err(_) => Err(format!("{program} took more than {RUN_MAX:?}").into()),
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// One transfer by curl after the other, through the line to a distant client.
async fn curl(day: &Day, proxy: Proxy, kind: &'static str, args: String, path: &str) -> Result<(), Failure> {
    let near = SocketAddr::from((Ipv4Addr::LOCALHOST, day.setting.ports(proxy).tls));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let relay = Relay::start(listener, near, FAR)?;
    let far = relay.address().port();
    let ca = day.setting.path("ca.pem");
    while day.goes_on() {
        let line = format!(
            "-sS -o /dev/null -m 50 --cacert {} --resolve {NAME}:{far}:127.0.0.1 -w %{{http_code}}|%{{time_total}} {args} https://{NAME}:{far}{path}",
            ca.display()
        );
        let done = run("curl", &words(&line)).await?;
        let said = String::from_utf8_lossy(&done.stdout);
        let (status, seconds) = said.trim().split_once('|').unwrap_or(("0", "0"));
        let mut count = Count::default();
        // A status without the whole answer is a failure.
        let status = status.parse().unwrap_or(0);
        count.status(if done.status.success() || status >= 400 { status } else { 0 });
        if !done.status.success() {
            count.note(&format!("curl {}", done.status.code().unwrap_or(-1)), 1);
        }
        count.note("ms", seconds.parse::<f64>().map_or(0, |seconds| (seconds * 1e3) as u64));
        day.tally.add(kind, proxy, &count);
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn upload(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let file = day.setting.path(&format!("upload-{}", proxy.name()));
    std::fs::write(&file, vec![b'u'; UPLOAD_BYTES])?;
    let args = |version| format!("{version} --data-binary @{} -H expect:", file.display());
    tokio::try_join!(
        curl(day, proxy, "upload far h2", args("--http2"), "/upload"),
        curl(day, proxy, "upload far h1", args("--http1.1"), "/upload"),
    )?;
    Ok(())
}

async fn download(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    tokio::try_join!(
        curl(day, proxy, "download far", "--http2".to_owned(), "/download?bytes=1000000&length=true"),
        curl(day, proxy, "download far", "--http1.1".to_owned(), "/download?bytes=1000000&length=false"),
    )?;
    Ok(())
}

/// Eight clients with 10 requests each at a time over HTTP/2.
async fn h2load(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let line = format!("-t1 -c4 -m10 -n400 {}/part/30/2000/a.svg", day.address(proxy));
    loaded(day, proxy, "h2load", 400, &line, day.setting.ports(proxy).tls).await
}

async fn h2load_h1(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let port = day.setting.ports(proxy).http;
    let line = format!("--h1 -t1 -c8 -n200 http://{NAME}:{port}/part/30/2000/a.svg");
    loaded(day, proxy, "h2load --h1", 200, &line, port).await
}

async fn loaded(
    day: &Day,
    proxy: Proxy,
    kind: &'static str,
    requests: u64,
    line: &str,
    port: u16,
) -> Result<(), Failure> {
    let log = day.setting.path(&format!("{}-{}.log", kind.replace(' ', ""), proxy.name()));
    while day.goes_on() {
        let _ = std::fs::remove_file(&log);
        let line = format!("--connect-to=127.0.0.1:{port} -N 50 -T 50 --log-file={} {line}", log.display());
        run("h2load", &words(&line)).await?;
        // Start, status, duration: -1 where there was no answer.
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let mut count = Count::default();
        for line in text.lines() {
            count.status(line.split('\t').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0));
        }
        while count.asked < requests {
            count.status(0);
        }
        day.tally.add(kind, proxy, &count);
        sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// The first thing that people try. It does not tell one status from another: what is not 2xx counts as refused.
async fn ab(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let port = day.setting.ports(proxy).http;
    let line =
        format!("-q -k -r -s 50 -c 24 -n 600 -H Host:{NAME} http://127.0.0.1:{port}/part/40/2000/a.svg");
    while day.goes_on() {
        let done = run("ab", &words(&line)).await?;
        let text = String::from_utf8_lossy(&done.stdout);
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.trim_start_matches([' ', '(']).strip_prefix(name));
            line.and_then(|rest| rest.split([',', ')']).next()?.trim().parse().ok()).unwrap_or(0)
        };
        let errors = text.lines().find_map(|line| line.trim_start().strip_prefix("(Connect: ")).unwrap_or("");
        let mut errors = BTreeMap::from_iter(
            format!("Connect: {errors}").trim_end_matches(')').split(", ").filter_map(|part| {
                let (name, times) = part.split_once(": ")?;
                Some((name.to_owned(), times.trim().parse::<u64>().ok()?))
            }),
        );
        // Another length is what a refusal has.
        errors.remove("Length");
        let mut count = Count { asked: 600, refused: number("Non-2xx responses:"), ..Count::default() };
        count.failed = errors.get("Connect").max(errors.get("Receive")).copied().unwrap_or(0)
            + (600 - number("Complete requests:").min(600));
        count.well = count.asked.saturating_sub(count.refused + count.failed);
        for (name, times) in errors {
            count.note(&name, times);
        }
        if !done.status.success() {
            count.note(String::from_utf8_lossy(&done.stderr).lines().last().unwrap_or_default(), 1);
        }
        day.tally.add("ab -c 24", proxy, &count);
        sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}

/// Whether a proxy serves the certificate that was written last.
pub(crate) async fn serves_new_certificate(setting: &Setting, proxy: Proxy) -> Result<(), Failure> {
    let port = setting.ports(proxy).tls;
    let line = format!(
        "-sS -o /dev/null -m 10 --cacert {} --pinnedpubkey {} --resolve {NAME}:{port}:127.0.0.1 https://{NAME}:{port}/health",
        setting.path("ca.pem").display(),
        setting.path("edge.pub").display()
    );
    let done = run("curl", &words(&line)).await?;
    if done.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&done.stderr);
    Err(format!("{}, the new certificate: {}", proxy.name(), why.trim()).into())
}

async fn rpc(day: &Day, proxy: Proxy) -> Result<(), Failure> {
    let left = day.ends.saturating_duration_since(Instant::now());
    let mut command = Command::from(day.setting.rpc());
    command
        .args(["call", &format!("127.0.0.1:{}", day.setting.ports(proxy).tls), GRPC_NAME])
        .arg(day.setting.path("ca.pem"))
        .arg(left.as_secs_f64().to_string())
        .kill_on_drop(true);
    let done = timeout(left + RUN_MAX, command.output()).await.map_err(|_| "grpcio's client hangs")?;
    let done = done.map_err(|why| format!("grpcio's client: {why}"))?;
    let counts: BTreeMap<String, BTreeMap<String, u64>> = serde_json::from_slice(&done.stdout)
        .map_err(|why| format!("grpcio's client: {why}: {}", String::from_utf8_lossy(&done.stderr)))?;
    for (kind, codes) in counts {
        let name = KINDS.iter().map(|kind| kind.name).find(|name| name.strip_prefix("gRPC ") == Some(&kind));
        let Some(name) = name else { continue };
        let mut count = Count::default();
        for (code, times) in codes {
            match code.as_str() {
                "asked" => count.asked += times,
                "well" => count.well += times,
                code => {
                    count.note(code, times);
                    if REFUSALS.iter().any(|refusal| code.contains(refusal)) {
                        count.refused += times
                    } else {
                        count.failed += times
                    }
                }
            }
        }
        day.tally.add(name, proxy, &count);
    }
    Ok(())
}
