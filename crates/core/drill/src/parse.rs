//! Parser: text -> [`Script`]. One statement per line; `#` starts a comment, also within a line.

use crate::script::{Act, Life, Limits, Milestone, Script, Step};
use std::time::Duration;
use thiserror::Error;
use types::resource::NotAResource;
use types::{PersonId, Resource};

/// A line that cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {mistake}")]
pub struct ScriptError {
    /// Counted from 1; the line after the last when a statement is missing.
    pub line: usize,
    /// The problem.
    pub mistake: Mistake,
}

/// The problem of a line, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages describe them")]
pub enum Mistake {
    #[error("a script has at most {LINES_MAX} lines")]
    TooLong,
    #[error("`{0}` needs a value")]
    NoValue(String),
    #[error("`{0}` is not a statement; expected one of {STATEMENTS}")]
    Statement(String),
    #[error(transparent)]
    Cause(#[from] NotAResource),
    #[error("`{0}` is not written +HOURS:MINUTES, such as +9:17")]
    LifeTime(String),
    #[error("`at` needs a time and something to do")]
    NothingToDo,
    #[error(
        "`limit {0}` is not a limit; expected `limit WHAT within 10s` (alert, cause, surge, conflict, statement, pool, idle, well, \
         human, update), `limit cause before caches-expired`, `limit opens`, `limit effects right`, `limit loss within 5s` \
         (loss, first-page, promotion, connection), `limit creeping 40%`, `limit once`, `limit maintenance-pages 0`, \
         `limit pages 1` or `limit false-alerts 0`"
    )]
    Limit(String),
    #[error("duplicate `{0}`")]
    Duplicate(String),
    #[error(
        "`{0}` is not an act; expected `warm caches`, `fault swap`, `fault hold`, `renew`, `flood 200x`, `flood ends`, \
         `forward client`, `fault slow-query`, `fix query`, `add servers 4`, `add replicas 1`, `roll back`, `return servers`, \
         `audit CRITERION`, `back up`, `subscribe`, `record 20 entries`, `fault power-cut`, `power returns`, `promote replica`, \
         `return primary`, `follow promotion`, `kill edge`, `restart servers 2`, `announce maintenance after 5s for 60s`, \
         `provider works for 20s`, `person NAME answers after 4s`, `person NAME stays silent` or `phone works|fails|hangs`"
    )]
    Act(String),
    #[error("`{0}` is not a wait; expected `MILESTONE within 30s`, because a wait needs a timeout")]
    Wait(String),
    #[error("`{0}` is not a milestone; expected one of {names}", names = milestones())]
    Milestone(String),
    #[error("`{0}` is not a flood; expected 2x to 10000x the usual requests")]
    Flood(String),
    #[error("`{0}` is not a number of servers; expected 1 to {SERVERS_MAX}")]
    Servers(String),
    #[error("`{0}` is not a number of entries; expected 1 to {ENTRIES_MAX}")]
    Entries(String),
    #[error("`{0}` is not a share; expected one such as 99%")]
    Percent(String),
    #[error("`{0}` is not a number")]
    Number(String),
    #[error("`{0}` is not a duration; expected one such as 250ms, 4s, 2min or 9h")]
    Duration(String),
    #[error("the script has no fault; expected a step such as `at 0s fault swap` or `at 0s flood 200x`")]
    NoFault,
    #[error("the script does not name what the outage affects; expected `touches domain.acme.app …`")]
    NoTouches,
    #[error("the script has no name; expected `drill NAME`")]
    NoName,
    #[error("the script names no cause; expected `cause domain.acme.app`")]
    NoCause,
}

/// Most servers that a script adds at once: they are processes or tasks of one machine.
const SERVERS_MAX: u32 = 20;
/// Most entries that are recorded at once.
const ENTRIES_MAX: u32 = 1_000;
/// Longest script.
const LINES_MAX: usize = 1_000;

impl Script {
    /// Parses a script.
    ///
    /// # Errors
    /// The first line that cannot be parsed, with what was expected.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut partial = PartialScript::default();
        let mut last = 0;
        for (index, raw) in text.lines().enumerate() {
            last = index + 1;
            let fail = |mistake| ScriptError { line: last, mistake };
            if index >= LINES_MAX {
                return Err(fail(Mistake::TooLong));
            }
            let line = raw.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                partial.read(line).map_err(fail)?;
            }
        }
        partial.finish().map_err(|mistake| ScriptError { line: last + 1, mistake })
    }
}

#[derive(Default)]
struct PartialScript {
    name: Option<String>,
    title: Option<String>,
    cause: Option<Resource>,
    touches: Vec<String>,
    learns: Vec<String>,
    expects: Vec<String>,
    statement: Option<String>,
    in_life: Option<String>,
    in_life_title: Option<String>,
    life: Vec<Life>,
    limits: Limits,
    steps: Vec<Step>,
}

const STATEMENTS: &str = "drill, title, cause, touches, learns, expects, statement, in-life, in-life-title, life, limit, at, then, wait, when";

impl PartialScript {
    fn read(&mut self, line: &str) -> Result<(), Mistake> {
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if rest.is_empty() {
            return Err(Mistake::NoValue(word.to_owned()));
        }
        let words: Vec<&str> = rest.split_whitespace().collect();
        match word {
            "drill" => once(&mut self.name, rest.to_owned(), word),
            "title" => once(&mut self.title, rest.to_owned(), word),
            "cause" => once(&mut self.cause, rest.parse()?, word),
            "statement" => once(&mut self.statement, rest.to_owned(), word),
            "in-life" => once(&mut self.in_life, rest.to_owned(), word),
            "in-life-title" => once(&mut self.in_life_title, rest.to_owned(), word),
            "touches" => {
                self.touches.extend(words.iter().map(|&w| w.to_owned()));
                Ok(())
            }
            "learns" => {
                self.learns.extend(words.iter().map(|&w| w.to_owned()));
                Ok(())
            }
            "expects" => {
                self.expects.extend(words.iter().map(|&w| w.to_owned()));
                Ok(())
            }
            "life" => {
                let (after, text) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
                let after = hours_and_minutes(after).ok_or_else(|| Mistake::LifeTime(after.to_owned()))?;
                self.life.push(Life { after, text: text.trim().to_owned() });
                Ok(())
            }
            "limit" => self.limit(&words),
            "at" => {
                let (at, act) = words.split_first().ok_or(Mistake::NothingToDo)?;
                let step = Step::Act { at: Some(duration(at)?), act: act_of(act)? };
                self.steps.push(step);
                Ok(())
            }
            "then" => {
                self.steps.push(Step::Act { at: None, act: act_of(&words)? });
                Ok(())
            }
            "wait" | "when" => {
                self.steps.push(wait_of(&words)?);
                Ok(())
            }
            _ => Err(Mistake::Statement(word.to_owned())),
        }
    }

    fn limit(&mut self, words: &[&str]) -> Result<(), Mistake> {
        match words {
            ["alert", "within", within] => self.limits.alert = Some(duration(within)?),
            ["cause", "within", within] => self.limits.cause = Some(duration(within)?),
            ["cause", "before", "caches-expired"] => self.limits.cause_before_caches = true,
            ["surge", "within", within] => self.limits.surge = Some(duration(within)?),
            ["conflict", "within", within] => self.limits.conflict = Some(duration(within)?),
            ["statement", "within", within] => self.limits.statement = Some(duration(within)?),
            ["pool", "within", within] => self.limits.pool = Some(duration(within)?),
            ["idle", "within", within] => self.limits.idle = Some(duration(within)?),
            ["well", "within", within] => self.limits.well = Some(duration(within)?),
            ["opens"] => self.limits.opens = true,
            ["effects", "right"] => self.limits.effects = true,
            ["crash-loop", "within", within] => self.limits.crash_loop = Some(duration(within)?),
            ["configuration", share] => self.limits.configuration = Some(percent(share)?),
            ["human", "within", within] => self.limits.human = Some(duration(within)?),
            ["update", "within", within] => self.limits.update = Some(duration(within)?),
            ["pages", count] => self.limits.pages = Some(number(count)?),
            ["false-alerts", count] => self.limits.false_alerts = Some(number(count)?),
            _ => return self.power_limit(words),
        }
        Ok(())
    }

    fn power_limit(&mut self, words: &[&str]) -> Result<(), Mistake> {
        let power = &mut self.limits.power;
        match words {
            ["loss", "within", within] => power.loss = Some(duration(within)?),
            ["first-page", "within", within] => power.first_page = Some(duration(within)?),
            ["promotion", "within", within] => power.promotion = Some(duration(within)?),
            ["connection", "within", within] => power.connection = Some(duration(within)?),
            ["creeping", share] => power.creeping = Some(percent(share)?),
            ["once"] => power.once = true,
            ["maintenance-pages", count] => power.maintenance_pages = Some(number(count)?),
            _ => return Err(Mistake::Limit(words.join(" "))),
        }
        Ok(())
    }

    fn finish(self) -> Result<Script, Mistake> {
        if !self.steps.iter().any(|step| matches!(step, Step::Act { act, .. } if act.is_fault())) {
            return Err(Mistake::NoFault);
        }
        if self.touches.is_empty() {
            return Err(Mistake::NoTouches);
        }
        let name = self.name.ok_or(Mistake::NoName)?;
        Ok(Script {
            title: self.title.unwrap_or_else(|| name.clone()),
            cause: self.cause.ok_or(Mistake::NoCause)?,
            touches: self.touches,
            learns: self.learns,
            expects: self.expects,
            statement: self.statement,
            in_life: self.in_life,
            in_life_title: self.in_life_title,
            life: self.life,
            limits: self.limits,
            steps: self.steps,
            name,
        })
    }
}

fn once<T>(place: &mut Option<T>, value: T, word: &str) -> Result<(), Mistake> {
    if place.is_some() {
        return Err(Mistake::Duplicate(word.to_owned()));
    }
    *place = Some(value);
    Ok(())
}

fn act_of(words: &[&str]) -> Result<Act, Mistake> {
    Ok(match words {
        ["warm", "caches"] => Act::WarmCaches,
        ["fault", "swap"] => Act::Swap,
        ["fault", "hold"] => Act::Hold,
        ["renew"] => Act::Renew,
        ["flood", "ends"] => Act::FloodEnds,
        ["flood", times] => Act::Flood { times: times_of(times)? },
        ["forward", "client"] => Act::ForwardClient,
        ["fault", "slow-query"] => Act::SlowQuery,
        ["fix", "query"] => Act::FixQuery,
        ["add", "servers", count] => Act::AddServers { count: servers(count)? },
        ["add", "replicas", count] => Act::AddReplicas { count: servers(count)? },
        ["roll", "back"] => Act::RollBack,
        ["return", "servers"] => Act::ReturnServers,
        ["person", ..] | ["phone", ..] => return team_act(words),
        _ => return power_act(words),
    })
}

/// The acts of people and of the phone.
fn team_act(words: &[&str]) -> Result<Act, Mistake> {
    Ok(match words {
        ["person", who, "answers", "after", after] => {
            Act::PersonAnswers { person: PersonId::from(*who), after: duration(after)? }
        }
        ["person", who, "stays", "silent"] => Act::PersonSilent { person: PersonId::from(*who) },
        ["phone", "works"] => Act::PhoneWorks,
        ["phone", "fails"] => Act::PhoneFails,
        ["phone", "hangs"] => Act::PhoneHangs,
        _ => return Err(Mistake::Act(words.join(" "))),
    })
}

/// The acts of a power cut.
fn power_act(words: &[&str]) -> Result<Act, Mistake> {
    Ok(match words {
        ["audit", first, rest @ ..] => {
            let criteria = std::iter::once(first).chain(rest).map(|&criterion| criterion.to_owned());
            Act::Audit { criteria: criteria.collect() }
        }
        ["back", "up"] => Act::BackUp,
        ["subscribe"] => Act::Subscribe,
        ["record", count, "entries"] => Act::RecordEntries { count: entries(count)? },
        ["fault", "power-cut"] => Act::PowerCut,
        ["power", "returns"] => Act::PowerReturns,
        ["promote", "replica"] => Act::PromoteReplica,
        ["return", "primary"] => Act::ReturnPrimary,
        ["follow", "promotion"] => Act::FollowPromotion,
        ["kill", "edge"] => Act::KillEdge,
        ["restart", "servers", count] => Act::RestartServers { count: servers(count)? },
        ["announce", "maintenance", "after", after, "for", lasting] => {
            Act::AnnounceMaintenance { after: duration(after)?, lasting: duration(lasting)? }
        }
        ["provider", "works", "for", lasting] => Act::ProviderWorks { lasting: duration(lasting)? },
        _ => return Err(Mistake::Act(words.join(" "))),
    })
}

fn wait_of(words: &[&str]) -> Result<Step, Mistake> {
    let [word, "within", within] = words else {
        return Err(Mistake::Wait(words.join(" ")));
    };
    let (until, _) = Milestone::NAMES
        .into_iter()
        .find(|(_, known)| known == word)
        .ok_or_else(|| Mistake::Milestone((*word).to_owned()))?;
    Ok(Step::Wait { until, within: duration(within)? })
}

fn milestones() -> String {
    let names: Vec<&str> = Milestone::NAMES.iter().map(|(_, name)| *name).collect();
    names.join(", ")
}

/// Parses `200x`. Bounded, because a flood consists of real requests on one machine.
fn times_of(text: &str) -> Result<u32, Mistake> {
    let wrong = || Mistake::Flood(text.to_owned());
    let times = text.strip_suffix('x').and_then(|count| count.parse().ok()).ok_or_else(wrong)?;
    if (2..=10_000).contains(&times) { Ok(times) } else { Err(wrong()) }
}

fn servers(text: &str) -> Result<u32, Mistake> {
    let count = text.parse().ok().filter(|count| (1..=SERVERS_MAX).contains(count));
    count.ok_or_else(|| Mistake::Servers(text.to_owned()))
}

fn entries(text: &str) -> Result<u32, Mistake> {
    let count = text.parse().ok().filter(|count| (1..=ENTRIES_MAX).contains(count));
    count.ok_or_else(|| Mistake::Entries(text.to_owned()))
}

/// Parses `99%`.
fn percent(text: &str) -> Result<u32, Mistake> {
    let share = text.strip_suffix('%').and_then(|share| share.parse().ok());
    share.filter(|share| *share <= 100).ok_or_else(|| Mistake::Percent(text.to_owned()))
}

fn number(text: &str) -> Result<u32, Mistake> {
    text.parse().map_err(|_| Mistake::Number(text.to_owned()))
}

/// Parses `4s`, `250ms`, `2min`, `9h`.
fn duration(text: &str) -> Result<Duration, Mistake> {
    let wrong = || Mistake::Duration(text.to_owned());
    let cut = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(cut);
    let count: u32 = digits.parse().map_err(|_| wrong())?;
    let one = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "min" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        _ => return Err(wrong()),
    };
    one.checked_mul(count).ok_or_else(wrong)
}

/// Parses `+9:17`: nine hours and seventeen minutes.
fn hours_and_minutes(text: &str) -> Option<Duration> {
    let (hours, minutes) = text.strip_prefix('+')?.split_once(':')?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (minutes < 60).then(|| Duration::from_secs(u64::from(hours) * 3_600 + u64::from(minutes) * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "drill x\ncause domain.acme.app\ntouches domain.acme.app\nat 0s fault swap # now\n";

    #[test]
    fn scripts_of_the_repository_are_valid() {
        let script = Script::parse(include_str!("../../../../drills/expired-name.drill")).unwrap();
        assert_eq!(script.name, "expired-name");
        assert_eq!(script.limits.pages, Some(1));
        assert_eq!(script.limits.configuration, Some(99));
        assert!(script.touches(&Resource::pool("management")));
        assert!(script.touches(&Resource::host("demo.acme.app:8443")));
        assert!(!script.touches(&Resource::host("hello.acme.io:8443")));
        let script = Script::parse(include_str!("../../../../drills/surge.drill")).unwrap();
        assert_eq!(script.name, "surge");
        assert_eq!(script.limits.surge, Some(Duration::from_secs(5)));
        assert!(script.touches(&Resource::pool("auth")) && !script.touches(&Resource::service("shop")));
        let script = Script::parse(include_str!("../../../../drills/shrinking-pool.drill")).unwrap();
        assert_eq!(script.name, "shrinking-pool");
        assert_eq!(script.limits.statement, Some(Duration::from_secs(15)));
        assert!(
            script
                .steps
                .iter()
                .filter(|step| matches!(step, Step::Act { act, .. } if act.note().is_some()))
                .count()
                == 5
        );
        let script = Script::parse(include_str!("../../../../drills/power-cut.drill")).unwrap();
        assert_eq!((script.limits.power.creeping, script.limits.power.once), (Some(40), true));
        assert!(script.expects(&Resource::database("main")) && !script.touches(&Resource::service("site")));
    }

    #[test]
    fn invalid_line_is_reported_with_expectation() {
        assert!(Script::parse(VALID).is_ok());
        for (line, expected) in [
            ("dance", "needs a value"),
            ("dance now", "not a statement"),
            ("wait resolved", "needs a timeout"),
            ("wait rain within 3s", "not a milestone"),
            ("wait resolved within 3", "not a duration"),
            ("wait resolved within 99999999999h", "not a duration"),
            ("at 0s fault flood", "not an act"),
            ("at 0s flood", "not an act"),
            ("at 0s flood much", "not a flood"),
            ("at 0s flood 1x", "not a flood"),
            ("at 0s flood 99999x", "not a flood"),
            ("at 0s add servers 2000", "not a number of servers"),
            ("at 0s add servers", "not an act"),
            ("at 0s audit", "not an act"),
            ("at 0s record 5000 entries", "not a number of entries"),
            ("at 0s provider works for long", "not a duration"),
            ("limit creeping 40", "not a share"),
            ("at soon fault swap", "not a duration"),
            ("person ana answers after 4s", "not a statement"),
            ("limit pages one", "not a number"),
            ("limit luck 7", "not a limit"),
            ("limit configuration 99", "not a share"),
            ("limit configuration 101%", "not a share"),
            ("cause acme", "kind.name"),
            ("drill again", "duplicate"),
            ("life 9:17 found", "+HOURS:MINUTES"),
            ("life +9:77 found", "+HOURS:MINUTES"),
        ] {
            let error = Script::parse(&format!("{VALID}{line}\n")).unwrap_err();
            // `cause acme` is invalid before it is a duplicate: its value is parsed first.
            assert_eq!(error.line, 5, "{line}: {error}");
            assert!(error.mistake.to_string().contains(expected), "{line}: {error}");
        }
    }

    #[test]
    fn missing_statement_is_reported_after_the_last_line() {
        let error = Script::parse("drill x\ncause domain.acme.app\ntouches a\n").unwrap_err();
        assert_eq!((error.line, error.mistake.to_string().contains("fault swap")), (4, true), "{error}");
        assert!(Script::parse("").is_err());
    }

    #[test]
    fn acts_survive_a_round_trip() {
        for text in [
            "warm caches",
            "fault swap",
            "fault hold",
            "renew",
            "flood 200x",
            "flood ends",
            "forward client",
            "fault slow-query",
            "fix query",
            "add servers 4",
            "add replicas 1",
            "roll back",
            "return servers",
            "audit single-database backup-age",
            "back up",
            "subscribe",
            "record 20 entries",
            "fault power-cut",
            "power returns",
            "promote replica",
            "return primary",
            "follow promotion",
            "kill edge",
            "restart servers 2",
            "announce maintenance after 5000ms for 60000ms",
            "provider works for 20000ms",
            "person ana answers after 4000ms",
            "person ana stays silent",
            "phone works",
            "phone fails",
            "phone hangs",
        ] {
            let words: Vec<&str> = text.split(' ').collect();
            assert_eq!(act_of(&words).unwrap().to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_causes_a_panic(text in "\\PC{0,60}", word in "[a-z-]{1,12}", rest in ".{0,40}") {
            let _ = Script::parse(&text);
            let known = ["limit", "life", "at", "wait", "cause", "then", word.as_str()];
            for word in known {
                let _ = Script::parse(&format!("{word} {rest}"));
            }
        }
    }
}
