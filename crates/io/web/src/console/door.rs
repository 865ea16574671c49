//! Who may enter the console: one-time links, sessions in signed cookies, and tokens that prove a form is ours.

use super::ended::Ended;
use crate::api::NAME_MAX;
use crate::problem::written;
use axum::http::header::{self, HeaderMap, HeaderValue};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokens::{Key, TokenError};
use types::Time;
use types::time::later;

/// How long a sign-in link may be used.
pub const LINK_LIFE: Duration = Duration::from_secs(3_600);
/// How long a session lasts.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 86_400);
/// Most used links that are remembered; beyond it, no link opens anything until some have ended.
const USED_MAX: usize = 1_000;

const COOKIE: &str = "mainstay_session";
const DAY: i64 = 86_400;

/// Signs and opens what lets people in.
pub struct Door {
    key: Key,
    /// Links of an earlier life of this process open nothing: nobody remembers which of them were used.
    life: String,
    made: AtomicU64,
    used: Mutex<BTreeMap<String, Time>>,
    ended: Ended,
}

/// Why a link opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It is not a link of ours, or its hour is over.
    #[error(transparent)]
    Seal(#[from] TokenError),
    /// It was printed before the last restart.
    #[error("this link is older than the last restart; ask for a new one")]
    FromBefore,
    /// It was used.
    #[error("this link was used already; each opens the console once")]
    Used,
    /// Too many links are in use.
    #[error("too many links were used within the last hour; wait a while")]
    TooMany,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What the cookie says: the link it came from, and the name.
    text: String,
    /// Who it is, in their own words.
    pub name: String,
}

impl Door {
    pub(crate) fn new(key: Key, now: Time) -> Self {
        let life = now.as_microsecond().to_string();
        Self { key, life, made: AtomicU64::new(0), used: Mutex::default(), ended: Ended::default() }
    }

    /// The same door, which remembers in a file who signed out.
    pub(crate) fn remembering(self, file: PathBuf, now: Time) -> Self {
        Self { ended: Ended::kept_in(file, now), ..self }
    }

    /// The token of a fresh sign-in link.
    pub(crate) fn new_link(&self, now: Time) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        self.key.sign("login", &format!("{}.{number}", self.life), later(now, LINK_LIFE))
    }

    /// Whether a link would open the console. Changes nothing: scanners look at every link.
    pub(crate) fn look_at(&self, token: &str, now: Time) -> Result<String, LinkError> {
        let link = self.key.verify("login", token, now)?;
        if link.split_once('.').is_none_or(|(life, _)| life != self.life) {
            return Err(LinkError::FromBefore);
        }
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.contains_key(&link) { Err(LinkError::Used) } else { Ok(link) }
    }

    /// Uses a link up. Returns the value of the cookie that is the session.
    pub(crate) fn enter(
        &self,
        token: &str,
        name: &str,
        secure: bool,
        now: Time,
    ) -> Result<HeaderValue, LinkError> {
        let link = self.look_at(token, now)?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| *until > now);
        if used.len() >= USED_MAX {
            return Err(LinkError::TooMany);
        }
        // Two requests may have looked at the same link at the same time; one of them was first.
        if used.insert(link.clone(), later(now, LINK_LIFE)).is_some() {
            return Err(LinkError::Used);
        }
        let session = self.key.sign("session", &format!("{link}|{name}"), later(now, SESSION_LIFE));
        Ok(cookie(&session, SESSION_LIFE.as_secs(), secure))
    }

    /// Ends a session wherever its cookie is. Returns the cookie that takes its place. Waits for the disk.
    pub(crate) fn leave(&self, session: &Session, secure: bool, now: Time) -> HeaderValue {
        if let Some((link, _)) = session.text.split_once('|')
            && let Err(error) = self.ended.add(link, later(now, SESSION_LIFE), now)
        {
            tracing::error!(%error, "somebody signed out; this could not be written down, and after a restart their cookie would be good again");
        }
        cookie("", 0, secure)
    }

    /// Who sent a request, if they are signed in.
    pub(crate) fn session(&self, asked: &HeaderMap, now: Time) -> Option<Session> {
        let cookies = asked.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut values = cookies.flat_map(|line| line.split(';')).filter_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == COOKIE).then_some(value)
        });
        values.find_map(|value| {
            let text = self.key.verify("session", value, now).ok()?;
            let (link, name) = text.split_once('|')?;
            let name = written(name, NAME_MAX).filter(|_| !self.ended.contains(link))?;
            Some(Session { text, name })
        })
    }

    /// Proves that a form was made by us for this session. The same for a whole day, so that a page that did not change
    /// has the same bytes; good for at least a day more.
    pub(crate) fn form_token(&self, session: &Session, now: Time) -> String {
        let midnight = now.as_second() - now.as_second().rem_euclid(DAY);
        let until = Time::from_second(midnight + 2 * DAY).unwrap_or(Time::MAX);
        self.key.sign("form", &session.text, until)
    }

    /// Whether a form was made by us for this session.
    pub(crate) fn is_our_form(&self, session: &Session, token: &str, now: Time) -> bool {
        self.key
            .verify("form", token, now)
            .is_ok_and(|text| tokens::constant_time_eq(text.as_bytes(), session.text.as_bytes()))
    }
}

fn cookie(value: &str, secs: u64, secure: bool) -> HeaderValue {
    let secure = if secure { "; Secure" } else { "" };
    let line = format!("{COOKIE}={value}; Path=/console; Max-Age={secs}; HttpOnly; SameSite=Strict{secure}");
    // A token has no character that a header refuses.
    HeaderValue::try_from(line).unwrap_or(HeaderValue::from_static(""))
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn signed_in(door: &Door, now: Time) -> HeaderMap {
        let cookie = door.enter(&door.new_link(now), "Ana | Ops", true, now).unwrap();
        let value = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        HeaderMap::from_iter([(header::COOKIE, format!("other=1; {value}").parse().unwrap())])
    }

    #[test]
    fn a_link_opens_once_within_its_hour_and_its_life() {
        let now = at("2026-11-22T04:00:00Z");
        let door = Door::new(Key::new([1; 32]), now);
        let link = door.new_link(now);
        assert!(
            door.look_at(&link, now).is_ok() && door.look_at(&link, now).is_ok(),
            "looking uses nothing up"
        );
        assert!(door.enter(&link, "Ana", false, now).is_ok());
        assert_eq!(door.enter(&link, "Ana", false, now), Err(LinkError::Used));
        assert_eq!(door.look_at(&link, now), Err(LinkError::Used));

        let second = door.new_link(now);
        assert_ne!(link, second);
        assert!(matches!(
            door.look_at(&second, at("2026-11-22T05:00:00Z")),
            Err(LinkError::Seal(TokenError::Expired(_)))
        ));
        let restarted = Door::new(Key::new([1; 32]), at("2026-11-22T04:10:00Z"));
        assert_eq!(restarted.look_at(&second, now), Err(LinkError::FromBefore));
    }

    #[test]
    fn used_links_are_forgotten_when_they_have_ended_and_never_before() {
        let now = at("2026-11-22T04:00:00Z");
        let door = Door::new(Key::new([1; 32]), now);
        for _ in 0..USED_MAX {
            door.enter(&door.new_link(now), "Ana", false, now).unwrap();
        }
        assert_eq!(door.enter(&door.new_link(now), "Ana", false, now), Err(LinkError::TooMany));
        let later = at("2026-11-22T05:00:00Z");
        assert!(door.enter(&door.new_link(later), "Ana", false, later).is_ok());
    }

    #[test]
    fn a_session_lasts_a_week_and_says_who() {
        let now = at("2026-11-22T04:00:00Z");
        let door = Door::new(Key::new([1; 32]), now);
        let asked = signed_in(&door, now);
        assert_eq!(door.session(&asked, now).unwrap().name, "Ana | Ops");
        assert!(door.session(&asked, at("2026-11-29T03:59:59Z")).is_some());
        assert_eq!(door.session(&asked, at("2026-11-29T04:00:00Z")), None);
        assert_eq!(Door::new(Key::new([2; 32]), now).session(&asked, now), None);
        assert_eq!(door.session(&HeaderMap::new(), now), None);
        // Sessions outlive a restart: the key does.
        assert!(Door::new(Key::new([1; 32]), at("2026-11-23T00:00:00Z")).session(&asked, now).is_some());
    }

    #[test]
    fn whoever_signs_out_is_out_everywhere_and_nobody_else_is() {
        let now = at("2026-11-22T04:00:00Z");
        let folder = tempfile::tempdir().unwrap();
        let door = || Door::new(Key::new([1; 32]), now).remembering(folder.path().join("signed-out"), now);
        let first = door();
        let (ana, other) = (signed_in(&first, now), signed_in(&first, now));
        first.leave(&first.session(&ana, now).unwrap(), true, now);
        for door in [first, door()] {
            assert_eq!(door.session(&ana, now), None, "the copied cookie too, and after a restart");
            assert!(door.session(&other, now).is_some());
        }
    }

    #[test]
    fn a_form_belongs_to_one_session() {
        let now = at("2026-11-22T04:00:00Z");
        let door = Door::new(Key::new([1; 32]), now);
        let ana = door.session(&signed_in(&door, now), now).unwrap();
        let other = door.session(&signed_in(&door, now), now).unwrap();
        let token = door.form_token(&ana, now);
        assert_eq!(token, door.form_token(&ana, at("2026-11-22T23:59:59Z")), "the same all day");
        assert!(door.is_our_form(&ana, &token, at("2026-11-23T23:59:59Z")));
        assert!(!door.is_our_form(&ana, &token, at("2026-11-24T00:00:00Z")));
        assert!(!door.is_our_form(&other, &token, now));
        assert!(!door.is_our_form(&ana, "", now));
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
        insta::assert_snapshot!(cookie("x", 9, true).to_str().unwrap(), @"mainstay_session=x; Path=/console; Max-Age=9; HttpOnly; SameSite=Strict; Secure");
        insta::assert_snapshot!(cookie("", 0, false).to_str().unwrap(), @"mainstay_session=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict");
    }
}
