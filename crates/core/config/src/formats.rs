//! Types of keys that several sections share: strings with a format of their own, ranges of durations and thresholds.

use crate::kind::scalar::{Integer, Span, duration, integer};
use crate::kind::string::{Choice, Format, format};
use crate::parse::host::Host;
use crate::parse::phone::Sender;
use crate::parse::url::Url;
use crate::parse::{address, mail, path, phone, scalar, size};
use ipnet::IpNet;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use types::Severity;
use types::config::{SecretRef, SmtpServer};

pub(crate) const BRIEF: Duration = Duration::from_millis(100);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);
pub(crate) const WEEK: Duration = Duration::from_secs(7 * 86_400);

/// Interval of a probe. The minimum is for test networks; it is too short for servers in production.
pub(crate) const INTERVAL: Span = duration(Duration::from_millis(50), WEEK);
pub(crate) const TIMEOUT: Span = duration(Duration::from_millis(50), Duration::from_secs(120));
/// How long a probe must fail before an alert fires.
pub(crate) const FAILING_FOR: Span = duration(Duration::ZERO, HOUR);
pub(crate) const THRESHOLD: Integer<u32> = integer(1, 100);
pub(crate) const PORT: Integer<u16> = integer(1, 65_535);

pub(crate) const SEVERITY: Choice<Severity> =
    Choice(&[("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)]);

pub(crate) const TIMEZONE: Format<TimeZone> =
    format("a timezone such as \"Europe/Tallinn\"", None, |text, _| scalar::timezone(text));
pub(crate) const URL: Format<Url> =
    format("a URL (http or https)", Some("^https?://"), |text, _| Url::read(text));
pub(crate) const SMTP: Format<SmtpServer> =
    format("an SMTP server: \"smtps://relay.acme.net\"", Some("^smtps?://"), |text, _| mail::server(text));
pub(crate) const SENDER: Format<Sender> = format(
    "an e-mail address: \"Acme status <status@acme.net>\", or a phone number",
    Some("@|^[+]|^MG"),
    |text, _| phone::sender(text),
);
pub(crate) const ACCOUNT: Format<String> =
    format("an account SID: \"AC\" and 32 digits", Some("^AC[0-9a-fA-F]{32}$"), |text, _| {
        phone::account(text)
    });
pub(crate) const FILE: Format<PathBuf> =
    format("a file path", None, |text, context| scalar::path(text, context.folder));
pub(crate) const HOST: Format<Host> =
    format("a host name such as \"auth.acme.com\"", None, |text, _| Host::read(text));
pub(crate) const SECRET: Format<SecretRef> =
    format("a secret: \"env:NAME\" or \"file:PATH\"", Some("^(env|file):."), |text, context| {
        scalar::secret(text, context.folder)
    });
pub(crate) const LISTEN: Format<SocketAddr> =
    format("an address with a port: \"127.0.0.1:8000\"", None, |text, _| address::listen(text));
pub(crate) const CIDR: Format<IpNet> =
    format("a CIDR range or an address: \"10.0.0.0/8\", \"10.1.2.3\"", None, |text, _| address::cidr(text));
pub(crate) const SIZE: Format<u64> =
    format("a size: \"64MB\"", Some("^[0-9]+ ?([KMGkmg][Ii]?)?[Bb]$"), |text, _| size::size(text));
pub(crate) const PATH_PATTERN: Format<String> =
    format("a path: \"/login\", or \"/pay/*\" for all below it", Some("^/"), |text, _| path::pattern(text));
