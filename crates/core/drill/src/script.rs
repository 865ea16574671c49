//! What a script says, typed.

use crate::parse::{self, ScriptError};
use std::fmt;
use std::time::Duration;
use types::{PersonId, Resource};

/// A known outage: what is done to the world, what must be reached, and how fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name: `expired-name`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The right cause: what mainstay must find out.
    pub cause: Resource,
    /// Patterns of the things that the outage truly touches; `*` stands for anything. An alert about anything else is
    /// a false one.
    pub touches: Vec<String>,
    /// What must be known before the fault may come: registrable domains, with delegation and registration, and the usual
    /// traffic of services, `service.auth`.
    pub learns: Vec<String>,
    /// How long the outage lasted in life: `9 h`.
    pub in_life: Option<String>,
    /// Where and when that was.
    pub in_life_title: Option<String>,
    /// What happened then, and how long after its beginning.
    pub life: Vec<Life>,
    /// The targets.
    pub limits: Limits,
    /// What to do and to wait for, in this order.
    pub steps: Vec<Step>,
}

/// One line of the outage as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// Since the first report of a user.
    pub after: Duration,
    /// What happened.
    pub text: String,
}

/// The targets of a drill. What is `None` is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From the fault to the first true alert.
    pub alert: Option<Duration>,
    /// From the fault to the right cause.
    pub cause: Option<Duration>,
    /// Whether the right cause must be known before the resolvers' caches run out.
    pub cause_before_caches: bool,
    /// From the fault to a human being asked.
    pub human: Option<Duration>,
    /// From the fault to the first public post.
    pub post: Option<Duration>,
    /// From the beginning of the flood until an incident names the surge with the networks that it comes from.
    pub surge: Option<Duration>,
    /// From the end of the flood, or from when limits began to fight, if that was later, until an incident has them as its
    /// cause, with a traced request.
    pub conflict: Option<Duration>,
    /// Exactly so many pages.
    pub pages: Option<u32>,
    /// At most so many alerts about things that the outage does not touch.
    pub false_alerts: Option<u32>,
}

/// One line of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do something. The drill's clock starts with the first step that has an `at`.
    Act {
        /// Not before this much after the drill's clock started; `None` means as soon as the step before is done.
        at: Option<Duration>,
        /// What to do.
        act: Act,
    },
    /// Go on when something has come about; the drill has failed when it does not come in time.
    Wait {
        /// What must come about.
        until: Milestone,
        /// How long to wait for it.
        within: Duration,
    },
}

/// Something done to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// `warm caches`: the resolver looks up every name afresh, so that its answers are good for their whole lifetime.
    WarmCaches,
    /// `fault swap`: the registration has lapsed and the parent names the registrar's parking servers.
    Swap,
    /// `fault hold`: the registrar takes the name out of the zone.
    Hold,
    /// `renew`: somebody pays, the parent names the old servers again.
    Renew,
    /// `flood 200x`: so many times the usual visitors come, from a few networks.
    Flood {
        /// How many times.
        times: u32,
    },
    /// `flood ends`: only the usual visitors come.
    FloodEnds,
    /// `pass visitor on`: the front end tells its API for whom it asks, as the guide's five lines do.
    PassVisitorOn,
    /// `person ana answers after 4s`: whenever the phone rings.
    PersonAnswers {
        /// Who.
        person: PersonId,
        /// How long after the phone rang.
        after: Duration,
    },
    /// `person ana stays silent`.
    PersonSilent {
        /// Who.
        person: PersonId,
    },
    /// `phone works`: the provider accepts calls.
    PhoneWorks,
    /// `phone fails`: the provider answers with errors.
    PhoneFails,
    /// `phone hangs`: the provider accepts connections and says nothing.
    PhoneHangs,
}

impl Act {
    /// Whether this is the fault: the score counts from it.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Swap | Self::Hold | Self::Flood { .. })
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmCaches => f.write_str("warm caches"),
            Self::Swap => f.write_str("fault swap"),
            Self::Hold => f.write_str("fault hold"),
            Self::Renew => f.write_str("renew"),
            Self::Flood { times } => write!(f, "flood {times}x"),
            Self::FloodEnds => f.write_str("flood ends"),
            Self::PassVisitorOn => f.write_str("pass visitor on"),
            Self::PersonAnswers { person, after } => {
                write!(f, "person {person} answers after {}ms", after.as_millis())
            }
            Self::PersonSilent { person } => write!(f, "person {person} stays silent"),
            Self::PhoneWorks => f.write_str("phone works"),
            Self::PhoneFails => f.write_str("phone fails"),
            Self::PhoneHangs => f.write_str("phone hangs"),
        }
    }
}

/// Something that a script waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Milestone {
    /// Everything that the script `learns` is in the journal: delegation and registration of domains, usual traffic.
    Learned,
    /// An incident names a surge with the networks that it comes from.
    SurgeNamed,
    /// An incident has limits that fight as its cause, with a traced request that shows it.
    ConflictNamed,
    /// A true alert is open.
    AlertOpen,
    /// An incident is open.
    IncidentOpen,
    /// An incident names the right cause.
    CauseFound,
    /// The first post is public.
    UpdatePublished,
    /// A page was delivered.
    HumanAsked,
    /// A human has it in hand.
    HumanAnswered,
    /// The incident says that its cause is gone.
    Mending,
    /// Every incident of the run is over.
    Resolved,
    /// The resolvers' cached answers from before the last change have run out. Only the world can tell.
    CachesExpired,
}

impl Milestone {
    /// Every milestone with the word for it.
    pub const WORDS: [(Milestone, &'static str); 12] = [
        (Milestone::Learned, "learned"),
        (Milestone::SurgeNamed, "surge-named"),
        (Milestone::ConflictNamed, "conflict-named"),
        (Milestone::AlertOpen, "alert-open"),
        (Milestone::IncidentOpen, "incident-open"),
        (Milestone::CauseFound, "cause-found"),
        (Milestone::UpdatePublished, "post-published"),
        (Milestone::HumanAsked, "human-asked"),
        (Milestone::HumanAnswered, "human-answered"),
        (Milestone::Mending, "mending"),
        (Milestone::Resolved, "resolved"),
        (Milestone::CachesExpired, "caches-expired"),
    ];

    /// The word for it in a script.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(milestone, _)| *milestone == self).map_or("", |(_, word)| word)
    }
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first line that cannot be read, with what was expected there.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::parse(text)
    }

    /// Whether the outage truly touches the thing.
    #[must_use]
    pub fn touches(&self, resource: &Resource) -> bool {
        let name = resource.to_string();
        self.touches.iter().any(|pattern| matches(pattern, &name))
    }
}

/// `*` stands for any run of characters, the empty one included.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|cut| rest.get(cut..).is_some_and(|tail| matches(after, tail)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, fits) in [
            ("host.*.acme.app*", "host.demo.acme.app:8443", true),
            ("host.*.acme.app*", "host.demo.acme.app", true),
            ("host.*.acme.app*", "host.hello.acme.io:8443", false),
            ("domain.acme.app", "domain.acme.app", true),
            ("domain.acme.app", "domain.acme.app.evil", false),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
