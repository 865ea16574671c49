//! `[site]` and `[status_page]` as written.

use crate::formats::{DAY, FILE, SECRET, TIMEZONE};
use crate::keys::keys;
use crate::kind::list::list;
use crate::kind::scalar::{Boolean, duration, integer};
use crate::kind::string::{Choice, Format, NameOf, Text, format};
use crate::kind::table::table;
use crate::kind::value::At;
use crate::parse::address::{cidr, listen};
use crate::parse::url::Url;
use crate::value_error::ValueError;
use ipnet::IpNet;
use jiff::tz::TimeZone;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::ChannelId;
use types::config::{Publish, SecretRef, Site, StatusPage, Subscriptions};

/// The default data folder.
pub(crate) const DATA: &str = "mainstay-data";
const NO_NAME: &str = "Status";
const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080));

const LISTEN_ADDRESS: Format<SocketAddr> =
    format("an address with a port: \"127.0.0.1:8080\"", None, |text, _| listen(text));
const OWN_URL: Format<Url> =
    format("a URL (http or https)", Some("^https?://"), |text, _| status_page_url(text));
const PRIVATE_RANGE: Format<IpNet> =
    format("a CIDR range such as \"10.0.0.0/8\"", None, |text, _| cidr(text));

keys! {
    /// This installation.
    [site]
    struct RawSite {
        /// Name of the company or team, for the status page and notifications.
        name: String = Text, default NO_NAME.to_owned(), example r#""Acme""#;
        /// Timezone of texts, and of people and schedules that name none. Everything is stored in UTC.
        timezone: TimeZone = TIMEZONE, default TimeZone::UTC => "UTC", example r#""Europe/Tallinn""#;
        /// Data folder: journal, time series, keys.
        data: Option<PathBuf> = FILE, otherwise "./mainstay-data", example r#""/var/lib/mainstay""#;
        /// Listen address of status page, console and API.
        listen: SocketAddr = LISTEN_ADDRESS, default LISTEN => "127.0.0.1:8080", example r#""127.0.0.1:8080""#;
        /// Public URL of the status page, without a path. It should not share a registrable domain with a monitored
        /// service, or it fails together with it.
        url: Option<At<Url>> = OWN_URL, otherwise "the address of `listen`", example r#""https://status.acme.net""#;
        /// PEM files with additional trusted root certificates, for private certificate authorities.
        extra_ca_files: Vec<PathBuf> = list(FILE), otherwise "none", example r#"["/etc/ssl/acme-root.pem"]"#;
        /// Private address ranges that probes and webhooks may connect to. A monitored name that resolves to any other
        /// private address is a fault.
        allow_private: Vec<IpNet> = list(PRIVATE_RANGE), otherwise "none", example r#"["10.0.0.0/8"]"#;
        /// URL of a dead man's switch elsewhere, such as a check of healthchecks.io, kept as a secret: mainstay requests it every 30 seconds as
        /// long as its event loop runs. When the requests stay away, that service notifies people.
        dead_mans_switch: Option<SecretRef> = SECRET, otherwise "none", example r#""env:DEAD_MANS_SWITCH_URL""#;
    }
}

impl RawSite {
    /// Title of the status page that has none of its own.
    pub(crate) fn page_title(&self) -> String {
        if self.name == NO_NAME { self.name.clone() } else { format!("{} status", self.name) }
    }

    /// Resolves paths and the default URL.
    pub(crate) fn resolve(self, folder: &Path) -> Site {
        let reachable = match self.listen.ip().is_unspecified() {
            true => format!("localhost:{}", self.listen.port()),
            false => self.listen.to_string(),
        };
        Site {
            name: self.name,
            timezone: self.timezone,
            data: self.data.unwrap_or_else(|| folder.join(DATA)),
            listen: self.listen,
            url: self.url.map_or_else(
                || format!("http://{reachable}"),
                |at| at.value.text().trim_end_matches('/').to_owned(),
            ),
            extra_ca_files: self.extra_ca_files,
            allow_private: self.allow_private,
            dead_mans_switch: self.dead_mans_switch,
        }
    }
}

fn status_page_url(text: &str) -> Result<Url, ValueError> {
    let url = Url::read(text)?;
    if url.rest.contains('?') {
        Err(ValueError::new("the URL of the status page has a query"))
    } else if !url.rest.trim_matches('/').is_empty() {
        // Pages, feeds and links in notifications use absolute paths.
        Err(ValueError::new("the status page cannot be below a path")
            .hint("use a host name of its own: \"https://status.acme.net\""))
    } else {
        Ok(url)
    }
}

const HISTORY_DAYS: u16 = 90;

/// Mails to subscribers per minute; relays that limit them allow more.
const MAILS_PER_MINUTE: u32 = 600;

keys! {
    /// The public status page.
    [status_page]
    struct RawStatusPage {
        /// Title of the page.
        title: Option<String> = Text, otherwise "the site's name and \"status\"", example r#""Acme status""#;
        /// Period of uptime and past incidents.
        history: Duration = duration(DAY, Duration::from_secs(730 * 86_400)),
            default DAY * u32::from(HISTORY_DAYS), example r#""90d""#;
        /// Who publishes updates. `automatic`: mainstay, once a service has been failing for a minute. `approve`: mainstay
        /// drafts an update that a person publishes. `manual`: people only. Component states are always shown.
        publish: Publish = Choice(&[
            ("automatic", Publish::Automatic),
            ("approve", Publish::Approve),
            ("manual", Publish::Manual),
        ]), default Publish::Automatic, example r#""approve""#;
        /// Whether the page has charts of the response times of public services.
        response_times: bool = Boolean, default true, example "false";
        /// Who gets the updates of the page besides its readers. Without it there are no subscribers.
        subscribers: Option<RawSubscribers> = table::<RawSubscribers>(), otherwise "none",
            example r#"{ mail = "mail" }"#;
    }
}

keys! {
    /// Subscribers of the status page.
    struct RawSubscribers {
        /// The channel of mails to subscribers, one with `smtp`. Without it, visitors cannot subscribe; webhooks and chats
        /// are added by the team, with `mainstay subscriber add`.
        mail: Option<At<String>> = NameOf("channel"), otherwise "no mails", example r#""mail""#;
        /// Mails per minute, at most. Keep it below the limit of the relay.
        per_minute: u32 = integer::<u32>(1, 1_000_000), default MAILS_PER_MINUTE, example "600";
        /// Folder with texts that replace the built-in ones.
        templates: Option<PathBuf> = FILE, otherwise "the built-in texts", example r#""templates""#;
    }
}

impl RawStatusPage {
    /// `title` is used when none is written. The order of services is not in this section.
    pub(crate) fn resolve(self, title: String) -> StatusPage {
        StatusPage {
            title: self.title.unwrap_or(title),
            history_days: u16::try_from(self.history.as_secs().div_ceil(86_400)).unwrap_or(HISTORY_DAYS),
            publish: self.publish,
            response_times: self.response_times,
            subscribers: self.subscribers.map(|subscribers| Subscriptions {
                mail: subscribers.mail.map(|mail| ChannelId(mail.value)),
                per_minute: subscribers.per_minute,
                templates: subscribers.templates,
            }),
            order: Vec::new(),
        }
    }
}
