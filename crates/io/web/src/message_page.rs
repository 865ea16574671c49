//! Small page with a message and at most one button.

use crate::design::assets;
use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::{Html, IntoResponse as _};

/// Page with a few lines, and at most one button.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'a> {
    pub(crate) style: &'static str,
    pub(crate) site_name: &'a str,
    pub(crate) title: &'a str,
    pub(crate) lead: &'a str,
    pub(crate) detail: &'a str,
    pub(crate) hint: &'a str,
    pub(crate) form: Option<MessageForm<'a>>,
    /// Form token of a session, where the button is one of the console.
    pub(crate) session: &'a str,
}

/// The form of a message page.
pub(crate) struct MessageForm<'a> {
    pub(crate) action: &'a str,
    pub(crate) button: &'a str,
    /// Hidden token of the sign-in form.
    pub(crate) token: Option<&'a str>,
}

impl<'a> MessagePage<'a> {
    pub(crate) fn new(site_name: &'a str, title: &'a str) -> Self {
        Self {
            style: assets::STATUS_PAGE_CSS.path,
            site_name,
            title,
            lead: "",
            detail: "",
            hint: "",
            form: None,
            session: "",
        }
    }

    pub(crate) fn response(&self, status: StatusCode) -> Response<Body> {
        let page = self.render().unwrap_or_else(|_| self.title.to_owned());
        (status, Html(page)).into_response()
    }
}

/// Whether the client accepts an HTML page.
pub(crate) fn accepts_html(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter().map(HeaderValue::as_bytes);
    text::accept::names_media_type(fields, "text/html")
}
