//! The pages: subscribe, confirm, change, unsubscribe.

use super::call;
use super::form::{Fields, client, components, page};
use super::links::{manage_path, opened_confirm, opened_manage};
use crate::client::Client;
use crate::clock::now;
use crate::design::assets;
use crate::message_page::{MessageForm, MessagePage, accepts_html};
use crate::problem::Problem;
use crate::state::WebState;
use crate::subscriptions::{Subscriptions, SubscriptionsError};
use askama::Template;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::response::{Html, IntoResponse as _};
use engine::views::StatusPage;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use types::{ServiceId, Subscriber, time};

/// Lifetime of the link to the page that changes a subscription, after its confirmation.
const MANAGE_LIFETIME: Duration = Duration::from_secs(3_600);

/// Body of a request, or why it cannot be read.
type RequestBody = Result<Bytes, BytesRejection>;

/// Form with components: of a new subscription, or of one that is changed.
#[derive(Template)]
#[template(path = "subscription.html")]
struct SubscriptionPage<'a> {
    style: &'static str,
    site_name: &'a str,
    title: &'a str,
    action: &'a str,
    button: &'a str,
    /// Whether an address is asked for.
    is_new: bool,
    /// Components: id, title, whether it is selected.
    components: Vec<(&'a str, &'a str, bool)>,
    /// Address of the page that ends the subscription.
    unsubscribe: Option<String>,
    /// What was done just before.
    done: &'a str,
}

impl SubscriptionPage<'_> {
    fn response(&self) -> Response<Body> {
        let page = self.render().unwrap_or_else(|_| self.title.to_owned());
        (StatusCode::OK, Html(page)).into_response()
    }
}

fn checkboxes<'a>(page: &'a StatusPage, selected: &BTreeSet<ServiceId>) -> Vec<(&'a str, &'a str, bool)> {
    components(page).map(|(id, title)| (id.0.as_str(), title, selected.contains(id))).collect()
}

/// Shows the form.
pub(super) async fn subscribe_form(State(state): State<Arc<WebState>>) -> Response<Body> {
    let form = |page: &StatusPage| {
        page.subscriptions.then(|| {
            let page = SubscriptionPage {
                style: assets::STATUS_PAGE_CSS.path,
                site_name: state.name(),
                title: "Subscribe to updates",
                action: "/subscribe",
                button: "Subscribe",
                is_new: true,
                components: checkboxes(page, &BTreeSet::new()),
                unsubscribe: None,
                done: "",
            };
            page.response()
        })
    };
    match page(&state, form) {
        Ok(Some(form)) => form,
        Ok(None) => none_here().into_page(state.name()),
        Err(problem) => problem.into_page(state.name()),
    }
}

fn none_here() -> Problem {
    super::none("There are no subscriptions by e-mail here.")
}

/// Records a request. The response is the same for every address, so that it does not tell who is subscribed.
pub(super) async fn subscribe(
    State(state): State<Arc<WebState>>,
    peer: Option<Extension<Client>>,
    headers: HeaderMap,
    body: RequestBody,
) -> Response<Body> {
    let client = client(peer.map(|Extension(Client(ip))| ip), &headers);
    let done = async {
        let fields = Fields::read(&body.map_err(Problem::from)?);
        let components = page(&state, |page| page.subscriptions.then(|| fields.components(page)))?;
        let components = components.ok_or_else(none_here)?;
        let address = fields.address()?;
        call(&state, move |subscriptions| subscriptions.request(&address, &components, client)).await
    };
    if let Err(problem) = done.await {
        return problem.into_text_or_page(state.name(), &headers);
    }
    let lead = "A mail is on its way, if this address can be subscribed.";
    let detail = "It has a link that confirms the subscription; look for it in the spam folder too. The link is valid for \
                  24 hours. An address gets at most one such mail an hour.";
    said(&state, &headers, "Confirm by e-mail", lead, detail)
}

/// Shows the button that confirms.
pub(super) async fn confirm_form(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(problem) = opened_confirm(&state, &token) {
        return problem.into_text_or_page(state.name(), &headers);
    }
    let action = format!("/subscriptions/confirm/{token}");
    let form = Some(MessageForm { action: &action, button: "Confirm", token: None });
    let detail = "The button confirms that you want to get updates at your address.";
    MessagePage { detail, form, ..MessagePage::new(state.name(), "Confirm your subscription") }
        .response(StatusCode::OK)
}

/// Confirms. Repeating it is harmless.
pub(super) async fn confirm(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let done = async {
        let id = opened_confirm(&state, &token)?;
        call(&state, move |subscriptions| subscriptions.confirm(id)).await?.ok_or_else(gone)
    };
    match done.await {
        Err(problem) => problem.into_text_or_page(state.name(), &headers),
        Ok(_) if !accepts_html(&headers) => "subscribed\n".into_response(),
        Ok(subscriber) => {
            let until = time::later(now(), MANAGE_LIFETIME);
            let action = manage_path(&state.settings().key, subscriber.id, until);
            managed(&state, &subscriber, &action, "You are subscribed.")
        }
    }
}

/// Shows what a subscriber gets.
pub(super) async fn manage_form(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    let found = async {
        let id = opened_manage(&state, &token)?;
        call(&state, move |subscriptions| subscriptions.subscriber(id)).await?.ok_or_else(gone)
    };
    match found.await {
        Err(problem) => problem.into_text_or_page(state.name(), &headers),
        Ok(subscriber) => managed(&state, &subscriber, &format!("/subscriptions/{token}"), ""),
    }
}

/// Changes what a subscriber gets.
pub(super) async fn manage(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: RequestBody,
) -> Response<Body> {
    let changed = async {
        let id = opened_manage(&state, &token)?;
        let fields = Fields::read(&body.map_err(Problem::from)?);
        let components = page(&state, |page| fields.components(page))?;
        let change = move |subscriptions: &dyn Subscriptions| {
            subscriptions.change(id, &components)?;
            subscriptions.subscriber(id)
        };
        call(&state, change).await?.ok_or_else(gone)
    };
    match changed.await {
        Err(problem) => problem.into_text_or_page(state.name(), &headers),
        Ok(subscriber) => managed(&state, &subscriber, &format!("/subscriptions/{token}"), "Saved."),
    }
}

fn managed(state: &WebState, subscriber: &Subscriber, action: &str, done: &str) -> Response<Body> {
    let shown = page(state, |page| {
        let page = SubscriptionPage {
            style: assets::STATUS_PAGE_CSS.path,
            site_name: state.name(),
            title: "Your subscription",
            action,
            button: "Save",
            is_new: false,
            components: checkboxes(page, &subscriber.components),
            unsubscribe: Some(format!("{action}/unsubscribe")),
            done,
        };
        page.response()
    });
    shown.unwrap_or_else(|problem| problem.into_page(state.name()))
}

/// Shows the button that ends a subscription.
pub(super) async fn unsubscribe_form(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response<Body> {
    if let Err(problem) = opened_manage(&state, &token) {
        return problem.into_text_or_page(state.name(), &headers);
    }
    // The value tells a button from a stray POST.
    let action = format!("/subscriptions/{token}/unsubscribe?by=button");
    let form = Some(MessageForm { action: &action, button: "Unsubscribe", token: None });
    let detail = "The button ends your subscription and deletes your address.";
    MessagePage { detail, form, ..MessagePage::new(state.name(), "Unsubscribe") }.response(StatusCode::OK)
}

/// Ends a subscription: by the button, or by the one click of a mail program (RFC 8058). Repeating it is harmless.
pub(super) async fn unsubscribe(
    State(state): State<Arc<WebState>>,
    Path(token): Path<String>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: RequestBody,
) -> Response<Body> {
    let ended = async {
        let id = opened_manage(&state, &token)?;
        let body = body.map_err(Problem::from)?;
        if uri.query() != Some("by=button") && !Fields::read(&body).ends(&headers, &body) {
            let why = SubscriptionsError::Invalid("the body is not List-Unsubscribe=One-Click".to_owned());
            return Err(why.into());
        }
        call(&state, move |subscriptions| subscriptions.remove(id)).await
    };
    match ended.await {
        Err(problem) => problem.into_text_or_page(state.name(), &headers),
        Ok(_) => {
            let detail = "You get no more updates. A mail that is on its way already may still arrive.";
            said(&state, &headers, "Unsubscribed", "Your address was deleted.", detail)
        }
    }
}

fn gone() -> Problem {
    let hint = "Subscribe again on the status page.";
    Problem::new(StatusCode::GONE, "This subscription has ended.", hint)
}

fn said(state: &WebState, headers: &HeaderMap, title: &str, lead: &str, detail: &str) -> Response<Body> {
    if !accepts_html(headers) {
        return format!("{lead} {detail}\n").into_response();
    }
    MessagePage { lead, detail, ..MessagePage::new(state.name(), title) }.response(StatusCode::OK)
}
