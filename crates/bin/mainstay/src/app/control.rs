//! The control socket: how the command line reaches the running process. A socket in the data folder, 0600 in 0700,
//! needs no token: each side learns the user of the other from the kernel. A TCP port could belong to any process.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use web::WebState;

/// The socket in the data folder.
pub(crate) const SOCKET: &str = "control.sock";
/// Its name until its permissions are set.
const FRESH: &str = "control.new";

/// Longest path of a socket, in bytes: the kernel's `sun_path` with its closing zero.
const PATH_MAX: usize = 107;
/// Timeout of a connection, and of a request.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest response that is read, in bytes.
const RESPONSE_MAX: usize = 256 << 20;

/// Why a request to the running process failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    /// There is no socket, or no process listens on it.
    #[error("no mainstay listens in {}", .0.display())]
    Absent(PathBuf),
    /// The folder or the socket belongs to another user.
    #[error("{} belongs to another user", .0.display())]
    NotOurs(PathBuf),
    /// The process was reached, but the request failed.
    #[error("{0}")]
    Failed(String),
}

/// The path of a socket, short enough for the kernel: a longer one goes through the descriptor of its folder.
struct SocketPath {
    path: PathBuf,
    _folder: Option<File>,
}

impl SocketPath {
    fn of(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(name);
        if path.as_os_str().len() <= PATH_MAX {
            return Ok(Self { path, _folder: None });
        }
        let open = File::open(folder)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd())).join(name);
        if !path.parent().is_some_and(Path::exists) {
            let why = format!("{} is too long for a socket: {PATH_MAX} bytes at most", folder.display());
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, why));
        }
        Ok(Self { path, _folder: Some(open) })
    }
}

/// An open control socket. Dropping it removes the file, unless another process has replaced it.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    number: u64,
}

impl Control {
    /// Listens in the data folder, and replaces the socket of an earlier process.
    ///
    /// # Errors
    /// When the folder cannot hold a socket.
    pub(crate) fn listen(data: &Path) -> io::Result<(Self, UnixListener)> {
        let fresh = SocketPath::of(data, FRESH)?;
        match fs::remove_file(&fresh.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh.path)?;
        fs::set_permissions(&fresh.path, Permissions::from_mode(0o600))?;
        let number = fs::symlink_metadata(&fresh.path)?.ino();
        let path = data.join(SOCKET);
        // Under its final name the socket is never open to other users.
        fs::rename(data.join(FRESH), &path)?;
        Ok((Self { path, number }, listener))
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.number) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Serves commands on the control socket. Without it commands cannot reach this process; everything else works.
pub(crate) fn serve(
    data: &Path,
    site: &Arc<WebState>,
    stop: &watch::Receiver<bool>,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Option<Control> {
    let opened = Control::listen(data).inspect_err(|why| {
        tracing::error!("commands cannot reach this process: {}: {why}", data.display());
    });
    let (control, listener) = opened.ok()?;
    let (site, stop) = (site.clone(), stop.clone());
    tasks.push(tokio::spawn(async move {
        if let Err(why) = web::serve_control(listener, site, stop).await {
            tracing::error!("commands are no longer answered: {why}");
        }
    }));
    Some(control)
}

/// Whether a process accepts connections in this data folder.
pub(crate) async fn is_alive(data: &Path) -> bool {
    connect(data).await.is_ok()
}

/// Connects once, to learn why that fails.
///
/// # Errors
/// See [`ControlError`].
pub(crate) async fn reach(data: &Path) -> Result<(), ControlError> {
    connect(data).await.map(drop)
}

/// Sends a request to the process that runs with this data folder. Returns status code and body; `Null` where that is
/// no JSON.
///
/// # Errors
/// See [`ControlError`].
pub(crate) async fn request(
    data: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<(StatusCode, Value), ControlError> {
    let stream = connect(data).await?;
    let failed =
        |why: &dyn std::fmt::Display| ControlError::Failed(format!("mainstay did not answer: {why}"));
    let body = body.map(ToString::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "mainstay")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|why| failed(&why))?;
    let answered = async {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|why| failed(&why))?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|why| failed(&why))?;
        let status = response.status();
        let text = Limited::new(response.into_body(), RESPONSE_MAX).collect().await;
        let text = text.map_err(|why| failed(&why))?.to_bytes();
        connection.abort();
        Ok((status, serde_json::from_slice(&text).unwrap_or(Value::Null)))
    };
    timeout(TIMEOUT, answered)
        .await
        .unwrap_or_else(|_| Err(ControlError::Failed("mainstay did not answer within 10 s".to_owned())))
}

/// Connects to a process of the folder's owner, of our user or of root; refuses any other.
async fn connect(data: &Path) -> Result<UnixStream, ControlError> {
    let found = |why: io::Error| match why.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::NotADirectory => {
            ControlError::Absent(data.to_owned())
        }
        io::ErrorKind::PermissionDenied => ControlError::NotOurs(data.to_owned()),
        _ => ControlError::Failed(format!("{}: {why}", data.join(SOCKET).display())),
    };
    let owner = fs::metadata(data).map_err(found)?.uid();
    let short = SocketPath::of(data, SOCKET).map_err(found)?;
    let stream = match timeout(TIMEOUT, UnixStream::connect(&short.path)).await {
        Ok(connected) => connected.map_err(found)?,
        Err(_) => return Err(ControlError::Failed("mainstay takes no connection within 10 s".to_owned())),
    };
    let peer = stream.peer_cred().map_err(found)?.uid();
    if [owner, 0, rustix::process::geteuid().as_raw()].contains(&peer) {
        Ok(stream)
    } else {
        Err(ControlError::NotOurs(data.join(SOCKET)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn abandoned_socket_is_replaced_and_foreign_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        // Longer than the kernel takes as the path of a socket.
        for data in [folder.path().to_owned(), folder.path().join("d".repeat(120))] {
            fs::create_dir_all(&data).unwrap();
            assert!(matches!(connect(&data).await, Err(ControlError::Absent(_))), "{}", data.display());
            let (first, listening) = Control::listen(&data).unwrap();
            assert_eq!(fs::metadata(data.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
            assert!(is_alive(&data).await);
            drop(listening);
            assert!(matches!(connect(&data).await, Err(ControlError::Absent(_))));
            let (second, _listening) = Control::listen(&data).unwrap();
            assert!(is_alive(&data).await);
            drop(first);
            assert!(is_alive(&data).await, "the name belongs to the second");
            drop(second);
            assert!(!data.join(SOCKET).exists());
        }
    }
}
