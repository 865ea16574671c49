//! Parameters of requests: ids, names, texts, durations and JSON bodies, checked.

use crate::latency::LatencyRange;
use crate::problem::Problem;
use axum::http::StatusCode;
use engine::views::{ProbeRow, Views};
use std::time::Duration;
use types::deny_target::InvalidDenyTarget;
use types::{DenialId, DenyTarget, IncidentId, MaintenanceId, SilenceId};

/// Maximum length of a person's name, in characters.
pub const NAME_MAX: usize = 60;
/// Maximum length of a note or update, in characters.
pub const TEXT_MAX: usize = 5_000;
/// Maximum length of the path of a purge, in bytes.
pub const PATH_MAX: usize = 4_000;
/// Maximum duration of a denial. Longer ones belong into the configuration.
pub const DENIAL_MAX: Duration = Duration::from_secs(30 * 86_400);

/// Parses the number of an incident: `incident-7` or `7`.
pub(crate) fn incident_id(text: &str) -> Result<IncidentId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/incidents lists the incidents.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of an incident"), hint)
    })
}

/// Parses the number of a maintenance: `maintenance-7` or `7`.
pub(crate) fn maintenance_id(text: &str) -> Result<MaintenanceId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/maintenances lists the maintenances.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of a maintenance"), hint)
    })
}

/// Parses the number of a silence: `silence-7` or `7`.
pub(crate) fn silence_id(text: &str) -> Result<SilenceId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/silences lists the silences.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of a silence"), hint)
    })
}

/// Parses the number of a denial: `denial-7` or `7`.
pub(crate) fn denial_id(text: &str) -> Result<DenialId, Problem> {
    text.parse().map_err(|_| {
        let hint = "GET /api/v1/denials lists the denials.";
        Problem::new(StatusCode::NOT_FOUND, format!("`{text}` is not the number of a denial"), hint)
    })
}

/// The probe with this name.
pub(crate) fn known_probe<'a>(views: &'a Views, name: &str) -> Result<&'a ProbeRow, Problem> {
    views.now.probes.iter().find(|row| row.probe.0 == name).ok_or_else(|| {
        let hint =
            "The console lists the probes at /console/probes; a new one is there after its first answer.";
        Problem::new(StatusCode::NOT_FOUND, "No probe with an answer has this name.", hint)
    })
}

/// Parses a trace id, also with capital letters and dashes.
pub(crate) fn trace_id(text: &str) -> Result<String, Problem> {
    let plain: String = text.trim().chars().filter(|letter| *letter != '-').collect();
    if plain.len() == 32 && plain.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(plain.to_ascii_lowercase());
    }
    let hint = "It is on every error page and in the header `x-request-id` of every response.";
    Err(Problem::new(StatusCode::NOT_FOUND, "A trace id has 32 hexadecimal digits.", hint))
}

/// Parses the traffic of a denial: a country, an ASN or a CIDR range.
pub(crate) fn deny_what(text: &str) -> Result<DenyTarget, Problem> {
    text.parse().map_err(|wrong: InvalidDenyTarget| {
        let hint =
            "Examples: the country EE, the ASN AS64500, the CIDR range 192.0.2.0/24, the address 192.0.2.7.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, wrong.to_string(), hint)
    })
}

/// Checks the path of a purge: `/a`, `/a?x=1`, `/a/*`.
pub(crate) fn cached_path(text: &str) -> Result<String, Problem> {
    let path = text.trim();
    let star = path.find('*').is_none_or(|at| at + 1 == path.len());
    if path.starts_with('/')
        && star
        && path.len() <= PATH_MAX
        && path.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Ok(path.to_owned());
    }
    let detail = format!("`{}` is not a path", path.chars().take(60).collect::<String>());
    let hint = "Examples: /keys, /keys?id=1, /static/* for all paths below.";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, hint))
}

/// Checks the duration of a denial.
pub(crate) fn denial_duration(seconds: u64) -> Result<Duration, Problem> {
    let duration = Duration::from_secs(seconds);
    if !duration.is_zero() && duration <= DENIAL_MAX {
        return Ok(duration);
    }
    let hint = "Longer denials belong into the configuration: `deny` under [service.NAME.traffic].";
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a denial lasts from 1 second to 30 days", hint))
}

/// Checks the position of a valve.
pub(crate) fn valve_percent(percent: u64) -> Result<u8, Problem> {
    u8::try_from(percent).ok().filter(|percent| *percent <= 100).ok_or_else(|| {
        let hint = "0 lets nobody in, 20 a fifth of the clients, 100 opens the valve.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the position of a valve is 0 to 100 per cent", hint)
    })
}

/// Checks a person's name.
pub(crate) fn name(by: &str) -> Result<String, Problem> {
    cleaned(by, NAME_MAX).map(|name| name.replace('\n', " ")).ok_or_else(|| {
        let detail = format!("a name has 1 to {NAME_MAX} characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Give your name, so that the team knows.")
    })
}

/// Checks the text of a note or update.
pub(crate) fn text(text: &str) -> Result<String, Problem> {
    cleaned(text, TEXT_MAX).ok_or_else(|| {
        let detail = format!("the text has 1 to {TEXT_MAX} characters");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail, "Write a text, and keep it short.")
    })
}

/// Removes control characters; `None` when nothing is left or it has more than `max` characters.
pub(crate) fn cleaned(text: &str, max: usize) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text: String = text.chars().filter(|letter| *letter == '\n' || !letter.is_control()).collect();
    let text = text.trim();
    (!text.is_empty() && text.chars().count() <= max).then(|| text.to_owned())
}

/// Parses a range of latencies; without one, the last 24 hours.
pub(crate) fn latency_range(text: &str) -> Result<LatencyRange, Problem> {
    LatencyRange::parse(text).ok_or_else(|| {
        let hint = "The ranges are 24h, 7d, 30d and 90d.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("`{text}` is not a range"), hint)
    })
}
