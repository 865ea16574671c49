//! Sign-in of the console: one-time links, sessions in signed cookies, and form tokens against request forgery.

mod signed_out;

use crate::params::{NAME_MAX, cleaned};
use axum::http::header::{self, HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};
use signed_out::SignedOut;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokens::{Key, TokenError};
use types::Time;
use types::time::later;

/// Lifetime of a sign-in link.
pub const LINK_LIFETIME: Duration = Duration::from_secs(3_600);
/// Lifetime of a session.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
/// Maximum number of used links that are kept. Beyond it no link is accepted until some have expired.
const USED_MAX: usize = 1_000;

const COOKIE_NAME: &str = "mainstay_session";
const DAY: i64 = 86_400;

/// Creates and checks links, sessions and form tokens.
pub struct Sessions {
    key: Key,
    /// Identifies this run of the process. Links of an earlier run are refused: which of them were used is unknown.
    run: String,
    created: AtomicU64,
    used: Mutex<BTreeMap<String, Time>>,
    signed_out: SignedOut,
}

/// Why a sign-in link is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Forged or expired.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Created before the last restart.
    #[error("this link is older than the last restart; ask for a new one")]
    BeforeRestart,
    /// Already used.
    #[error("this link was already used; each opens the console once")]
    Used,
    /// Too many links were used.
    #[error("too many links were used within the last hour; try again later")]
    TooMany,
}

/// Session of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Text of the cookie: the link that it was created by, and the name.
    text: String,
    /// Name of the person, as typed.
    pub name: String,
}

impl Sessions {
    pub(crate) fn new(key: Key, now: Time) -> Self {
        let run = now.as_microsecond().to_string();
        Self {
            key,
            run,
            created: AtomicU64::new(0),
            used: Mutex::default(),
            signed_out: SignedOut::default(),
        }
    }

    /// Keeps the sessions that were signed out in a file.
    pub(crate) fn with_file(self, file: PathBuf, now: Time) -> Self {
        Self { signed_out: SignedOut::in_file(file, now), ..self }
    }

    /// Returns the token of a new sign-in link.
    pub(crate) fn new_link(&self, now: Time) -> String {
        let number = self.created.fetch_add(1, Ordering::Relaxed);
        self.key.sign("login", &format!("{}.{number}", self.run), later(now, LINK_LIFETIME))
    }

    /// Checks a link without using it up: scanners open every link.
    pub(crate) fn check_link(&self, token: &str, now: Time) -> Result<String, LinkError> {
        let link = self.key.verify("login", token, now)?;
        if link.split_once('.').is_none_or(|(run, _)| run != self.run) {
            return Err(LinkError::BeforeRestart);
        }
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&link) { Err(LinkError::Used) } else { Ok(link) }
    }

    /// Uses a link up. Returns the cookie of the session.
    pub(crate) fn sign_in(
        &self,
        token: &str,
        name: &str,
        secure: bool,
        now: Time,
    ) -> Result<HeaderValue, LinkError> {
        let link = self.check_link(token, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now);
        if used.len() >= USED_MAX {
            return Err(LinkError::TooMany);
        }
        // Two requests may have checked the same link concurrently; the first one wins.
        if used.insert(link.clone(), later(now, LINK_LIFETIME)).is_some() {
            return Err(LinkError::Used);
        }
        let session = self.key.sign("session", &format!("{link}|{name}"), later(now, SESSION_LIFETIME));
        Ok(session_cookie(&session, SESSION_LIFETIME, secure))
    }

    /// Ends a session, also where its cookie was copied. Returns the cookie that replaces it. Blocks on the disk.
    pub(crate) fn sign_out(&self, session: &Session, secure: bool, now: Time) -> HeaderValue {
        if let Some((link, _)) = session.text.split_once('|')
            && let Err(error) = self.signed_out.add(link, later(now, SESSION_LIFETIME), now)
        {
            tracing::error!(%error, "a sign-out could not be saved; after a restart the session would be valid again");
        }
        session_cookie("", Duration::ZERO, secure)
    }

    /// Returns the session of a request, if it has one.
    pub(crate) fn session(&self, headers: &HeaderMap, now: Time) -> Option<Session> {
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(Cookie::split_parse).flatten();
        cookies.find_map(|cookie| {
            let value = (cookie.name() == COOKIE_NAME).then(|| cookie.value())?;
            let text = self.key.verify("session", value, now).ok()?;
            let (link, name) = text.split_once('|')?;
            let name = cleaned(name, NAME_MAX).filter(|_| !self.signed_out.contains(link))?;
            Some(Session { text, name })
        })
    }

    /// Returns the form token of a session. It is the same for a whole day, so that an unchanged page has the same
    /// bytes, and valid for at least one more day.
    pub(crate) fn form_token(&self, session: &Session, now: Time) -> String {
        let midnight = now.as_second() - now.as_second().rem_euclid(DAY);
        let until = Time::from_second(midnight + 2 * DAY).unwrap_or(Time::MAX);
        self.key.sign("form", &session.text, until)
    }

    /// Whether a form token belongs to this session.
    pub(crate) fn is_form_token(&self, session: &Session, token: &str, now: Time) -> bool {
        self.key
            .verify("form", token, now)
            .is_ok_and(|text| tokens::constant_time_eq(text.as_bytes(), session.text.as_bytes()))
    }
}

fn session_cookie(value: &str, lifetime: Duration, secure: bool) -> HeaderValue {
    let cookie = Cookie::build((COOKIE_NAME, value))
        .path("/console")
        .max_age(lifetime.try_into().unwrap_or(cookie::time::Duration::ZERO))
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure);
    // A token has only characters that are valid in a header.
    HeaderValue::try_from(cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn signed_in(sessions: &Sessions, now: Time) -> HeaderMap {
        let cookie = sessions.sign_in(&sessions.new_link(now), "Ana | Ops", true, now).unwrap();
        let value = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {value}").parse().unwrap())])
    }

    #[test]
    fn link_opens_once_within_its_hour_and_run() {
        let now = at("2026-11-22T04:00:00Z");
        let sessions = Sessions::new(Key::new([1; 32]), now);
        let link = sessions.new_link(now);
        assert!(
            sessions.check_link(&link, now).is_ok() && sessions.check_link(&link, now).is_ok(),
            "checking does not use it up"
        );
        assert!(sessions.sign_in(&link, "Ana", false, now).is_ok());
        assert_eq!(sessions.sign_in(&link, "Ana", false, now), Err(LinkError::Used));
        assert_eq!(sessions.check_link(&link, now), Err(LinkError::Used));

        let second = sessions.new_link(now);
        assert_ne!(link, second);
        assert!(matches!(
            sessions.check_link(&second, at("2026-11-22T05:00:00Z")),
            Err(LinkError::Token(TokenError::Expired(_)))
        ));
        let restarted = Sessions::new(Key::new([1; 32]), at("2026-11-22T04:10:00Z"));
        assert_eq!(restarted.check_link(&second, now), Err(LinkError::BeforeRestart));
    }

    #[test]
    fn used_link_is_forgotten_only_after_it_expired() {
        let now = at("2026-11-22T04:00:00Z");
        let sessions = Sessions::new(Key::new([1; 32]), now);
        for _ in 0..USED_MAX {
            sessions.sign_in(&sessions.new_link(now), "Ana", false, now).unwrap();
        }
        assert_eq!(sessions.sign_in(&sessions.new_link(now), "Ana", false, now), Err(LinkError::TooMany));
        let later = at("2026-11-22T05:00:00Z");
        assert!(sessions.sign_in(&sessions.new_link(later), "Ana", false, later).is_ok());
    }

    #[test]
    fn session_lasts_a_week_and_has_the_name() {
        let now = at("2026-11-22T04:00:00Z");
        let sessions = Sessions::new(Key::new([1; 32]), now);
        let headers = signed_in(&sessions, now);
        assert_eq!(sessions.session(&headers, now).unwrap().name, "Ana | Ops");
        assert!(sessions.session(&headers, at("2026-11-29T03:59:59Z")).is_some());
        assert_eq!(sessions.session(&headers, at("2026-11-29T04:00:00Z")), None);
        assert_eq!(Sessions::new(Key::new([2; 32]), now).session(&headers, now), None);
        assert_eq!(sessions.session(&HeaderMap::new(), now), None);
        // Sessions survive a restart, because the key does.
        assert!(
            Sessions::new(Key::new([1; 32]), at("2026-11-23T00:00:00Z")).session(&headers, now).is_some()
        );
    }

    #[test]
    fn signed_out_session_is_refused_everywhere_and_others_are_not() {
        let now = at("2026-11-22T04:00:00Z");
        let folder = tempfile::tempdir().unwrap();
        let sessions =
            || Sessions::new(Key::new([1; 32]), now).with_file(folder.path().join("signed-out"), now);
        let first = sessions();
        let (ana, other) = (signed_in(&first, now), signed_in(&first, now));
        first.sign_out(&first.session(&ana, now).unwrap(), true, now);
        for sessions in [first, sessions()] {
            assert_eq!(sessions.session(&ana, now), None, "also a copied cookie, also after a restart");
            assert!(sessions.session(&other, now).is_some());
        }
    }

    #[test]
    fn form_token_belongs_to_one_session() {
        let now = at("2026-11-22T04:00:00Z");
        let sessions = Sessions::new(Key::new([1; 32]), now);
        let ana = sessions.session(&signed_in(&sessions, now), now).unwrap();
        let other = sessions.session(&signed_in(&sessions, now), now).unwrap();
        let token = sessions.form_token(&ana, now);
        assert_eq!(token, sessions.form_token(&ana, at("2026-11-22T23:59:59Z")), "the same all day");
        assert!(sessions.is_form_token(&ana, &token, at("2026-11-23T23:59:59Z")));
        assert!(!sessions.is_form_token(&ana, &token, at("2026-11-24T00:00:00Z")));
        assert!(!sessions.is_form_token(&other, &token, now));
        assert!(!sessions.is_form_token(&ana, "", now));
    }

    #[test]
    fn cookie_is_hidden_from_scripts_and_other_sites() {
        insta::assert_snapshot!(session_cookie("x", Duration::from_secs(9), true).to_str().unwrap(), @"mainstay_session=x; HttpOnly; SameSite=Strict; Secure; Path=/console; Max-Age=9");
        insta::assert_snapshot!(session_cookie("", Duration::ZERO, false).to_str().unwrap(), @"mainstay_session=; HttpOnly; SameSite=Strict; Path=/console; Max-Age=0");
    }
}
