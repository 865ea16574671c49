//! Mails to subscribers: subject, text, HTML, message ids.

use crate::template::Templates;
use std::collections::{BTreeMap, BTreeSet};
use text::{escape, list};
use types::config::StatusPage;
use types::subscription::{EarlierUpdate, UpdateSubject};
use types::time::formatted;
use types::{Config, PublicUpdate, ServiceId, SubscriberId, UpdateId};

/// Components that a text names before it counts the rest.
const NAMES_MAX: usize = 6;

/// What messages say about the status page.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its title.
    pub title: String,
    /// Its URL, without a trailing slash.
    pub url: String,
    /// Its timezone.
    pub timezone: jiff::tz::TimeZone,
    /// Titles of its services.
    pub services: BTreeMap<ServiceId, String>,
}

impl Page {
    /// The status page of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let StatusPage { title, .. } = &config.status_page;
        let public = config.services.values().filter(|service| service.public);
        Self {
            title: escape::replace_unsafe(title),
            url: config.site.url.clone(),
            timezone: config.site.timezone.clone(),
            services: public
                .map(|service| (service.id.clone(), escape::replace_unsafe(&service.title)))
                .collect(),
        }
    }

    /// Components of a subscription in words.
    #[must_use]
    pub fn components<'a>(&self, components: impl IntoIterator<Item = &'a ServiceId>) -> String {
        let titles: Vec<&str> = components
            .into_iter()
            .map(|id| self.services.get(id).map_or(id.0.as_str(), String::as_str))
            .collect();
        if titles.is_empty() { "all components".to_owned() } else { list::and_more(titles, NAMES_MAX) }
    }
}

/// Links of one subscriber.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Confirms the subscription.
    pub confirm: String,
    /// Changes it.
    pub manage: String,
    /// Ends it, by one click too.
    pub unsubscribe: String,
}

/// A mail to one subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its subject: one line.
    pub subject: String,
    /// Its text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
    /// Local part of its message id: the same for every attempt.
    pub id: String,
    /// Local part of the message id that all mails about the same incident or maintenance refer to.
    pub thread: Option<String>,
    /// The link that ends the subscription; only where there is one.
    pub unsubscribe: Option<String>,
}

/// The mail about an update.
#[must_use]
pub fn update(
    templates: &Templates,
    page: &Page,
    update: &PublicUpdate,
    missed: &[&EarlierUpdate],
    (subscriber, links): (SubscriberId, &Links),
) -> Mail {
    let mut values = common(page, links);
    values.extend([
        ("status", update.status.title()),
        ("title", update.title.clone()),
        ("body", update.body.trim().to_owned()),
        ("at", formatted(update.at, &page.timezone, "%-d %b %Y, %H:%M")),
        ("affected", affected(update).unwrap_or_default()),
        ("earlier", earlier(page, missed).unwrap_or_default()),
        ("url", details_url(page, update)),
    ]);
    let id = format!("{}.{subscriber}", update.id);
    let thread = Some(format!("{}.{subscriber}", update.about));
    mail(templates, "update", &values, id, thread, Some(links.unsubscribe.clone()))
}

/// The affected services of an update, each with its state; `None` without any.
pub(crate) fn affected(update: &PublicUpdate) -> Option<String> {
    let titles = update.affected.iter().map(|(_, title, state)| match state {
        Some(state) => format!("{title} ({})", state.title()),
        None => title.clone(),
    });
    let titles: Vec<String> = titles.collect();
    (!titles.is_empty()).then(|| format!("Affected: {}", list::and_more(titles, NAMES_MAX)))
}

/// The mail with the link that confirms a subscription. `request` distinguishes it from earlier ones.
#[must_use]
pub fn confirmation<'a>(
    templates: &Templates,
    page: &Page,
    components: impl IntoIterator<Item = &'a ServiceId>,
    request: &str,
    links: &Links,
) -> Mail {
    let mut values = common(page, links);
    values.extend([("components", page.components(components)), ("confirm_url", links.confirm.clone())]);
    mail(templates, "confirm", &values, format!("confirm-{request}"), None, None)
}

/// The mail to an address that is subscribed already.
#[must_use]
pub fn subscribed<'a>(
    templates: &Templates,
    page: &Page,
    components: impl IntoIterator<Item = &'a ServiceId>,
    request: &str,
    links: &Links,
) -> Mail {
    let mut values = common(page, links);
    values.insert("components", page.components(components));
    let unsubscribe = Some(links.unsubscribe.clone());
    mail(templates, "subscribed", &values, format!("subscribed-{request}"), None, unsubscribe)
}

/// The earlier updates about the same that a subscriber may not have got, newest first. `missed` are updates about
/// anything.
#[must_use]
pub fn missed<'a>(update: &'a PublicUpdate, missed: &BTreeSet<UpdateId>) -> Vec<&'a EarlierUpdate> {
    update.earlier.iter().filter(|earlier| missed.contains(&earlier.id)).collect()
}

/// Text with earlier updates; `None` without any.
pub(crate) fn earlier(page: &Page, missed: &[&EarlierUpdate]) -> Option<String> {
    let text = |update: &&EarlierUpdate| {
        let at = formatted(update.at, &page.timezone, "%-d %b %Y, %H:%M");
        format!("\n\n{}, {at}:\n{}", update.status.title(), update.body.trim())
    };
    let texts: String = missed.iter().map(text).collect();
    (!missed.is_empty()).then(|| format!("Earlier, in case you have not got it:{texts}"))
}

/// Where the status page shows what an update is about.
pub(crate) fn details_url(page: &Page, update: &PublicUpdate) -> String {
    match update.about {
        UpdateSubject::Incident(incident) => format!("{}/incidents/{incident}", page.url),
        UpdateSubject::Maintenance(maintenance) => format!("{}/#{maintenance}", page.url),
    }
}

fn common(page: &Page, links: &Links) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("page_title", page.title.clone()),
        ("page_url", page.url.clone()),
        ("manage_url", links.manage.clone()),
        ("unsubscribe_url", links.unsubscribe.clone()),
    ])
}

fn mail(
    templates: &Templates,
    name: &str,
    values: &BTreeMap<&str, String>,
    id: String,
    thread: Option<String>,
    unsubscribe: Option<String>,
) -> Mail {
    Mail {
        subject: templates.fill(&format!("{name}.subject.txt"), values),
        text: templates.fill(&format!("{name}.txt"), values),
        html: templates.fill(&format!("{name}.html"), values),
        id,
        thread,
        unsubscribe,
    }
}

#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use types::IncidentId;
    use types::event::{ServiceState, UpdateStatus};
    use types::subscription::SubjectStatus;

    pub(crate) fn earlier() -> EarlierUpdate {
        EarlierUpdate {
            id: UpdateId(11),
            at: "2026-12-02T11:50:00Z".parse().unwrap(),
            status: SubjectStatus::Incident(UpdateStatus::Investigating),
            body: "Sign-in is slow, <b>some</b> requests fail.".to_owned(),
        }
    }

    pub(crate) fn update() -> PublicUpdate {
        PublicUpdate {
            id: UpdateId(12),
            about: UpdateSubject::Incident(IncidentId(7)),
            at: "2026-12-02T12:00:00Z".parse().unwrap(),
            status: SubjectStatus::Incident(UpdateStatus::Investigating),
            title: "Sign-in & API are failing".to_owned(),
            body: "Visitors cannot sign in.\nNext update by 12:30 UTC.".to_owned(),
            affected: vec![
                ("auth".into(), "Sign-in".to_owned(), Some(ServiceState::MajorOutage)),
                ("api".into(), "API".to_owned(), Some(ServiceState::Degraded)),
            ],
            concerned: ["auth".into(), "api".into()].into(),
            earlier: Vec::new(),
        }
    }

    pub(crate) fn page() -> Page {
        Page {
            title: "Acme status".to_owned(),
            url: "https://status.acme.net".to_owned(),
            timezone: jiff::tz::TimeZone::UTC,
            services: [("auth".into(), "Sign-in".to_owned()), ("api".into(), "API".to_owned())].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::{earlier, page, update};
    use super::*;

    fn links() -> Links {
        let link = |path: &str| format!("https://status.acme.net/subscriptions/{path}");
        Links { confirm: link("confirm/C"), manage: link("M"), unsubscribe: link("M/unsubscribe") }
    }

    #[test]
    fn mail_about_an_update() {
        let to = (SubscriberId(3), &links());
        let mail = super::update(&Templates::default(), &page(), &update(), &[], to);
        insta::assert_snapshot!(format!("{}\n\n{}\n{}", mail.subject, mail.text, mail.html));
        assert_eq!((mail.id.as_str(), mail.thread.as_deref()), ("update-12.3", Some("incident-7.3")));
    }

    #[test]
    fn mail_has_the_words_of_an_earlier_update_that_may_be_missing() {
        let other = EarlierUpdate { id: UpdateId(10), body: "It arrived.".to_owned(), ..earlier() };
        let update = PublicUpdate { earlier: vec![earlier(), other], ..update() };
        let missed = missed(&update, &[UpdateId(3), UpdateId(11)].into());
        assert_eq!(missed, [&earlier()]);
        let mail =
            super::update(&Templates::default(), &page(), &update, &missed, (SubscriberId(3), &links()));
        let part = "\nEarlier, in case you have not got it:\n\nInvestigating, 2 Dec 2026, 11:50 UTC:\nSign-in is slow, <b>some</b>";
        assert!(mail.text.contains(part), "{}", mail.text);
        assert!(
            mail.html.contains("11:50 UTC:<br>\nSign-in is slow, &lt;b&gt;some&lt;/b&gt;"),
            "{}",
            mail.html
        );
        assert!(!mail.text.contains("It arrived.") && mail.id == "update-12.3");
    }

    #[test]
    fn mails_about_a_subscription() {
        let templates = Templates::default();
        let confirm = confirmation(&templates, &page(), &["auth".into()], "3", &links());
        let subscribed = subscribed(&templates, &page(), &[], "3", &links());
        insta::assert_snapshot!(format!(
            "{}\n\n{}\n\n{}\n\n{}",
            confirm.subject, confirm.text, subscribed.subject, subscribed.text
        ));
        assert!(confirm.html.contains("href=\"https://status.acme.net/subscriptions/confirm/C\""));
        assert_eq!(confirm.unsubscribe, None, "nothing is subscribed yet");
    }
}
