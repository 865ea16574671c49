//! The scene of the day: ports, certificates, servers, and both proxies before them.

use crate::Failure;
use crate::process::Process;
use crate::tally::Proxy;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;

/// The name that both proxies serve, and that of the gRPC servers.
pub(crate) const NAME: &str = "day.test";
pub(crate) const GRPC_NAME: &str = "grpc.day.test";
/// How long a process may take to begin or end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const APPS: usize = 3;
const GRPCS: usize = 2;

type Done = Result<(), Failure>;

pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) tls: u16,
}

pub(crate) struct Setting {
    pub(crate) folder: TempDir,
    pub(crate) mainstay: Ports,
    pub(crate) haproxy: Ports,
    site: u16,
    apps: Vec<u16>,
    grpcs: Vec<u16>,
    python: PathBuf,
    authority: Issuer<'static, KeyPair>,
}

pub(crate) struct Running {
    pub(crate) apps: Vec<Process>,
    pub(crate) grpcs: Vec<Process>,
    pub(crate) mainstay: Process,
    pub(crate) haproxy: Process,
}

impl Setting {
    pub(crate) fn new(python: PathBuf) -> Result<Self, Failure> {
        let folder = TempDir::new()?;
        let mut ports = free_ports(5 + APPS + GRPCS)?.into_iter();
        let mut next = || ports.next().ok_or("too few ports");
        let mainstay = Ports { http: next()?, tls: next()? };
        let haproxy = Ports { http: next()?, tls: next()? };
        let site = next()?;
        let apps = (0..APPS).map(|_| next()).collect::<Result<_, _>>()?;
        let grpcs = (0..GRPCS).map(|_| next()).collect::<Result<_, _>>()?;
        let authority = authority(folder.path())?;
        let setting = Self { folder, mainstay, haproxy, site, apps, grpcs, python, authority };
        setting.certify()?;
        setting.configure(1)?;
        Ok(setting)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn ports(&self, proxy: Proxy) -> &Ports {
        match proxy {
            Proxy::Mainstay => &self.mainstay,
            Proxy::Haproxy => &self.haproxy,
        }
    }

    /// A new certificate for the same names, where both proxies read it.
    pub(crate) fn certify(&self) -> Done {
        let make = || -> Result<(String, KeyPair), rcgen::Error> {
            let key = KeyPair::generate()?;
            let params = CertificateParams::new(vec![NAME.to_owned(), GRPC_NAME.to_owned()])?;
            Ok((params.signed_by(&key, &self.authority)?.pem(), key))
        };
        let (chain, pair) = make()?;
        let key = pair.serialize_pem();
        self.replace("edge.pub", &pair.public_key_pem())?;
        self.replace("edge-and-key.pem", &format!("{chain}{key}"))?;
        self.replace("edge.key", &key)?;
        self.replace("edge.pem", &chain)
    }

    /// Writes both configurations. Editions differ in a title, so that each is a change.
    pub(crate) fn configure(&self, edition: u32) -> Done {
        self.replace("mainstay.toml", &self.fill(include_str!("mainstay.toml"), &self.mainstay, edition))?;
        self.replace("haproxy.cfg", &self.fill(include_str!("haproxy.cfg"), &self.haproxy, edition))
    }

    fn fill(&self, text: &str, proxy: &Ports, edition: u32) -> String {
        let numbered = |word: &str, ports: &[u16]| -> Vec<(String, String)> {
            let named = |(n, port): (usize, &u16)| (format!("@{word}{}@", n + 1), port.to_string());
            ports.iter().enumerate().map(named).collect()
        };
        let mut words = vec![
            ("@FOLDER@".to_owned(), self.folder.path().display().to_string()),
            ("@EDITION@".to_owned(), edition.to_string()),
            ("@HTTP@".to_owned(), proxy.http.to_string()),
            ("@TLS@".to_owned(), proxy.tls.to_string()),
            ("@SITE@".to_owned(), self.site.to_string()),
        ];
        words.extend(numbered("APP", &self.apps));
        words.extend(numbered("GRPC", &self.grpcs));
        words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value))
    }

    /// A file is never seen half written.
    fn replace(&self, name: &str, text: &str) -> Done {
        let new = self.path("new");
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, self.path(name)));
        Ok(written.map_err(|why| format!("{name}: {why}"))?)
    }

    pub(crate) async fn start(&self) -> Result<Running, Failure> {
        let mut apps = Vec::new();
        for n in 0..APPS {
            apps.push(self.start_app(n).await?);
        }
        let mut grpcs = Vec::new();
        for n in 0..GRPCS {
            grpcs.push(self.start_grpc(n).await?);
        }
        let mut command = Command::new(binary());
        command.args(["run", "--only", "edge", "--log", "info", "--config"]).arg(self.path("mainstay.toml"));
        let mainstay = Process::begin("mainstay", self.folder.path(), &mut command)?;
        let mut command = Command::new(program("haproxy"));
        command.args(["-W", "-f"]).arg(self.path("haproxy.cfg"));
        let haproxy = Process::begin("haproxy", self.folder.path(), &mut command)?;
        for proxy in Proxy::BOTH {
            answers(&format!("127.0.0.1:{}", self.ports(proxy).tls)).await?;
        }
        Ok(Running { apps, grpcs, mainstay, haproxy })
    }

    pub(crate) async fn start_app(&self, n: usize) -> Result<Process, Failure> {
        let here = std::env::current_exe()?;
        let mut command = Command::new(here);
        command.args(["serve", &self.apps[n].to_string()]);
        let app = Process::begin(&format!("app{}", n + 1), self.folder.path(), &mut command)?;
        answers(&format!("127.0.0.1:{}", self.apps[n])).await.map(|()| app)
    }

    pub(crate) async fn start_grpc(&self, n: usize) -> Result<Process, Failure> {
        let mut command = self.rpc();
        command.args(["serve", &self.grpcs[n].to_string()]);
        let grpc = Process::begin(&format!("grpc{}", n + 1), self.folder.path(), &mut command)?;
        answers(&format!("127.0.0.1:{}", self.grpcs[n])).await.map(|()| grpc)
    }

    /// What both proxies wrote, and everybody else.
    pub(crate) fn logs(&self) -> String {
        let files = fs::read_dir(self.folder.path()).into_iter().flatten().flatten().map(|file| file.path());
        let logs = files.filter(|path| path.extension().is_some_and(|kind| kind == "log"));
        logs.map(|path| format!("{}:\n{}", path.display(), fs::read_to_string(&path).unwrap_or_default()))
            .collect()
    }

    /// What mainstay itself remembers of the latest requests that were refused or failed.
    pub(crate) fn traces(&self) -> String {
        let mut command = Command::new(binary());
        command.arg("trace").arg("--config").arg(self.path("mainstay.toml"));
        match command.output() {
            Ok(done) => String::from_utf8_lossy(&done.stdout).into_owned(),
            Err(why) => why.to_string(),
        }
    }

    /// The program of gRPC's server and client.
    pub(crate) fn rpc(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/day/rpc.py"));
        command
    }

    /// From now on the servers take `times` as long.
    pub(crate) async fn slow(&self, times: u32) -> Done {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        for port in &self.apps {
            let asked = client.post(format!("http://127.0.0.1:{port}/slow/{times}")).send().await;
            asked.and_then(reqwest::Response::error_for_status)?;
        }
        Ok(())
    }
}

/// The authority that signs the day's certificates; clients know it by `ca.pem`.
fn authority(folder: &Path) -> Result<Issuer<'static, KeyPair>, Failure> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "Day's authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    fs::write(folder.join("ca.pem"), params.self_signed(&key)?.pem())?;
    Ok(Issuer::new(params, key))
}

/// Ports without a listener: of the range in PORTS (`29000-29999`) or of the system's choice.
fn free_ports(count: usize) -> Result<Vec<u16>, Failure> {
    let range = std::env::var("PORTS").ok();
    let range = range.as_deref().and_then(|range| range.split_once('-'));
    let candidates: Vec<u16> = match range {
        Some((first, last)) => {
            let number = |text: &str| text.parse().map_err(|why| format!("PORTS: {why}"));
            let mut all: Vec<u16> = (number(first)?..=number(last)?).collect();
            fastrand::shuffle(&mut all);
            all
        }
        None => vec![0; count],
    };
    // All are held until all are found, so that none is found twice.
    let held: Vec<TcpListener> = candidates
        .into_iter()
        .filter_map(|port| TcpListener::bind(("127.0.0.1", port)).ok())
        .take(count)
        .collect();
    if held.len() < count {
        return Err("too few free ports".into());
    }
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

async fn answers(address: &str) -> Done {
    let ends = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        if Instant::now() >= ends {
            return Err(format!("no one listens on {address}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Debian has some programs where only root's PATH looks.
pub(crate) fn program(name: &str) -> PathBuf {
    let system = Path::new("/usr/sbin").join(name);
    if system.exists() { system } else { PathBuf::from(name) }
}

/// A Python that has grpcio: the one that DAY_PYTHON names, the system's, or one made here by venv and pip.
pub(crate) fn python() -> Result<PathBuf, Failure> {
    let has_grpcio = |python: &Path| {
        Command::new(python).args(["-c", "import grpc"]).output().is_ok_and(|output| output.status.success())
    };
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("day-venv");
    let candidates = [
        std::env::var_os("DAY_PYTHON").map(PathBuf::from),
        Some(PathBuf::from("python3")),
        Some(made.join("bin/python3")),
    ];
    if let Some(found) = candidates.into_iter().flatten().find(|python| has_grpcio(python)) {
        return Ok(found);
    }
    for (program, args) in [
        (PathBuf::from("python3"), vec!["-m".into(), "venv".into(), made.clone().into_os_string()]),
        (made.join("bin/pip"), vec!["install".into(), "--quiet".into(), "grpcio>=1.60".into()]),
    ] {
        let done = Command::new(&program).args(&args).output();
        let done = done.map_err(|why| format!("grpcio: {}: {why}", program.display()))?;
        if !done.status.success() {
            return Err(format!("grpcio: {}", String::from_utf8_lossy(&done.stderr)).into());
        }
    }
    Ok(made.join("bin/python3"))
}

fn binary() -> OsString {
    std::env::var_os("DAY_MAINSTAY").unwrap_or_else(|| env!("CARGO_BIN_EXE_mainstay").into())
}
