//! Opening a connection: the greeting, TLS, and the login (MySQL internals, "Connection Phase").

use super::refusal::{failed, refused};
use super::target::Target;
use super::wire::{self, Refused, Stream, Wire, no_mysql};
use crate::connect;
use crate::kinds::database::encrypt::Encrypt;
use crate::kinds::tls::{Alpn, Tls};
use crate::names::Names;
use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin as _, Context};
use mysql_common::constants::CapabilityFlags;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize as _;
use secrecy::ExposeSecret as _;
use std::io;
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use types::Fault;
use types::database::{Encryption, NodeAnswer};
use types::probe_result::Phases;

/// Packets of a login. The longest honest one has four.
const PACKETS_MAX: usize = 8;
/// Longest greeting.
const GREETING_MAX: usize = 4 << 10;
/// Longest packet that this side announces to read.
const ANNOUNCED: u32 = 1 << 20;
/// `utf8mb4_general_ci`.
const COLLATION: u8 = 45;
/// "AuthMoreData": the password itself is needed.
const FULL_LOGIN: &[u8] = &[4];

/// Capabilities of this side. Local files, several statements and compression are not among them.
const CAPABILITIES: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41
    .union(CapabilityFlags::CLIENT_LONG_PASSWORD)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION);

/// Connects and logs in. Returns the connection, the version of the server, and how the connection is protected.
pub(super) async fn open(
    target: &Target,
    names: &Names,
    tls: &Tls,
    deadline: Instant,
) -> Result<(Wire, String, Encryption), NodeAnswer> {
    let mut phases = Phases::default();
    let opened = connect::open(names, (&target.host, target.port), deadline, &mut phases).await;
    let (mut stream, address) = opened.map_err(NodeAnswer::Failed)?;
    let packet = wire::receive(&mut stream, 0, GREETING_MAX).await.map_err(|error| failed(&error))?;
    let greeting = Greeting::read(&packet)?;
    let secured = secure(stream, address, target, greeting.has(CapabilityFlags::CLIENT_SSL), tls, deadline);
    let (stream, encryption, sequence) = secured.await.map_err(NodeAnswer::Failed)?;
    let mut wire = Wire::new(stream, sequence);
    let login = Login { target, greeting: &greeting, tls: encryption != Encryption::Plain };
    login.run(&mut wire).await?;
    Ok((wire, greeting.version, encryption))
}

/// What a server says first.
struct Greeting {
    capabilities: CapabilityFlags,
    challenge: Vec<u8>,
    plugin: AuthPlugin<'static>,
    version: String,
}

impl Greeting {
    fn read(packet: &[u8]) -> Result<Self, NodeAnswer> {
        if packet.first() == Some(&0xff) {
            return Err(refused(&Refused::read(packet)));
        }
        let greeting: Option<HandshakePacket<'_>> = Some(packet)
            .filter(|packet| has_honest_length(packet))
            .and_then(|packet| ParseBuf(packet).parse(()).ok());
        let Some(greeting) = greeting else { return Err(failed(&no_mysql())) };
        let capabilities = greeting.capabilities();
        if greeting.protocol_version() != 10 || !capabilities.contains(CapabilityFlags::CLIENT_PROTOCOL_41) {
            return Err(failed(&no_mysql()));
        }
        let plugin = greeting.auth_plugin().map(AuthPlugin::into_owned);
        Ok(Self {
            capabilities,
            challenge: greeting.nonce(),
            // Of a plugin that is not supported the server asks for another one, if the user has another one.
            plugin: plugin.filter(is_supported).unwrap_or(AuthPlugin::MysqlNativePassword),
            version: text::truncate::chars(&greeting.server_version_str(), 100),
        })
    }

    fn has(&self, flag: CapabilityFlags) -> bool {
        self.capabilities.contains(flag)
    }
}

/// Whether the length of the challenge, 20 bytes after the end of the version, is one that the library can subtract from.
fn has_honest_length(greeting: &[u8]) -> bool {
    let version_end = greeting.iter().skip(1).position(|byte| *byte == 0);
    version_end.and_then(|end| greeting.get(end + 22)).is_some_and(|length| *length < 128)
}

/// Begins TLS, if the URL and the server agree on it. Returns the number of the next packet too.
async fn secure(
    mut stream: TcpStream,
    address: SocketAddr,
    target: &Target,
    is_offered: bool,
    tls: &Tls,
    deadline: Instant,
) -> Result<(Box<dyn Stream>, Encryption, u8), Fault> {
    match (target.encrypt, is_offered) {
        (Encrypt::Never, _) | (Encrypt::IfOffered, false) => {
            return Ok((Box::new(stream), Encryption::Plain, 1));
        }
        (_, true) => {}
        (_, false) => {
            let why = "the server has no TLS, and ssl-mode requires it (set ssl_cert and ssl_key there)";
            return Err(Fault::Handshake { why: why.to_owned() });
        }
    }
    let mut request = Vec::new();
    SslRequest::new(CAPABILITIES | CapabilityFlags::CLIENT_SSL, ANNOUNCED, COLLATION).serialize(&mut request);
    let sent = async { stream.write_all(&wire::packet(&request, 1)?).await };
    sent.await.map_err(|error| crate::faults::from_io(&error, types::fault::Phase::FirstByte))?;
    let mut phases = Phases::default();
    let shaken = tls.handshake(stream, address, &target.host, Alpn::Nothing, deadline, &mut phases).await;
    let encryption = target.encrypt.judge(&shaken);
    let stream = shaken.stream?;
    Ok((Box::new(stream), encryption?, 2))
}

/// A login over a connection.
struct Login<'a> {
    target: &'a Target,
    greeting: &'a Greeting,
    tls: bool,
}

impl Login<'_> {
    async fn run(&self, wire: &mut Wire) -> Result<(), NodeAnswer> {
        let mut plugin = self.greeting.plugin.clone();
        let mut challenge = self.greeting.challenge.clone();
        let mut procedure = begin(&plugin)?;
        let answer = self.answer(&mut procedure, &challenge, &challenge)?.unwrap_or_default();
        wire.send(&self.response(&plugin, &answer)).await.map_err(|error| failed(&error))?;
        for _ in 0..PACKETS_MAX {
            let packet = wire.receive().await.map_err(|error| failed(&error))?;
            let answer = match packet.split_first() {
                Some((0x00, _)) => return Ok(()),
                Some((0xff, _)) => return Err(refused(&Refused::read(&packet))),
                Some((0xfe, _)) => {
                    (plugin, challenge) = switched(&packet)?;
                    procedure = begin(&plugin)?;
                    self.answer(&mut procedure, &challenge, &challenge)?
                }
                Some((0x01, more)) => {
                    if more == FULL_LOGIN && !self.tls {
                        return Err(denied(
                            "its first login after a start of the server needs the password itself, which is sent over TLS \
                             only: set ssl-mode=REQUIRED in the URL",
                        ));
                    }
                    self.answer(&mut procedure, more, &challenge)?
                }
                _ => return Err(failed(&no_mysql())),
            };
            if let Some(answer) = answer {
                wire.send(&answer).await.map_err(|error| failed(&error))?;
            }
        }
        Err(failed(&no_mysql()))
    }

    /// "HandshakeResponse41".
    fn response(&self, plugin: &AuthPlugin<'_>, answer: &[u8]) -> Vec<u8> {
        let has = |flag| self.greeting.has(flag);
        let tls = if self.tls { CapabilityFlags::CLIENT_SSL } else { CapabilityFlags::empty() };
        let names = [("program_name".to_owned(), "mainstay".to_owned())];
        let response = HandshakeResponse::new(
            Some(answer),
            (8, 0, 0),
            Some(self.target.user.as_bytes()),
            None::<&[u8]>,
            Some(plugin.borrow()).filter(|_| has(CapabilityFlags::CLIENT_PLUGIN_AUTH)),
            CAPABILITIES | tls,
            Some(names.into()).filter(|_| has(CapabilityFlags::CLIENT_CONNECT_ATTRS)),
            ANNOUNCED,
        );
        let mut packet = Vec::new();
        response.serialize(&mut packet);
        packet
    }

    /// The answer to a challenge, if the server waits for one.
    fn answer(
        &self,
        procedure: &mut AuthProc,
        challenge: &[u8],
        scramble: &[u8],
    ) -> Result<Option<Vec<u8>>, NodeAnswer> {
        let password = self.target.password.expose_secret().as_bytes();
        let answered = procedure.run(Secret { password, scramble, tls: self.tls }, challenge);
        let answered = answered.map_err(|_| failed(&no_mysql()))?;
        Ok(answered.data().map(<[u8]>::to_vec))
    }
}

fn begin(plugin: &AuthPlugin<'_>) -> Result<AuthProc, NodeAnswer> {
    let procedure = AuthProc::init(plugin).ok().filter(|_| is_supported(plugin));
    procedure.ok_or_else(|| {
        let name = String::from_utf8_lossy(plugin.as_bytes()).into_owned();
        denied(&format!(
            "its user has the authentication plugin {}, which mainstay does not have: create it with \
             mysql_native_password (MariaDB) or caching_sha2_password (MySQL)",
            text::truncate::chars(&name, 60)
        ))
    })
}

/// Plugins by which the password itself goes to nobody, or over TLS only.
fn is_supported(plugin: &AuthPlugin<'_>) -> bool {
    matches!(plugin, AuthPlugin::MysqlNativePassword | AuthPlugin::CachingSha2Password)
}

/// "AuthSwitchRequest": another plugin and another challenge.
fn switched(packet: &[u8]) -> Result<(AuthPlugin<'static>, Vec<u8>), NodeAnswer> {
    if packet.len() == 1 {
        return begin(&AuthPlugin::MysqlOldPassword).map(|_| (AuthPlugin::MysqlOldPassword, Vec::new()));
    }
    let switch: io::Result<AuthSwitchRequest<'_>> = ParseBuf(packet).parse(());
    let switch = switch.map_err(|_| failed(&no_mysql()))?;
    Ok((switch.auth_plugin().into_owned(), switch.plugin_data().to_vec()))
}

fn denied(said: &str) -> NodeAnswer {
    NodeAnswer::Denied { said: said.to_owned() }
}

/// What a plugin may use.
#[derive(Clone, Copy)]
struct Secret<'a> {
    password: &'a [u8],
    scramble: &'a [u8],
    tls: bool,
}

impl Context for Secret<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.tls
    }

    fn scramble(&self) -> &[u8] {
        self.scramble
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
