//! Twilio: phone calls and SMS.
//!
//! Twilio has no idempotency keys: a request without a response may have called. It is repeated after a minute, not within
//! seconds, because a page that comes twice is better than none, and a phone that rings three times is not.
//!
//! | module | content |
//! |---|---|
//! | `message` | what is spoken and written |
//! | `refusal` | error codes: whose fault, whether a retry helps, what to do |

mod message;
mod refusal;

use super::endpoint::{ChannelError, Endpoint};
use super::{AcknowledgeLink, Capabilities, Outgoing};
use crate::http::HttpClient;
use crate::response;
use secrecy::ExposeSecret as _;
use std::time::Duration;
use types::config::{Channel, ChannelKind, Medium};
use types::notification::{Delivered, Undelivered};

/// Ringing time in seconds. A mailbox of an operator usually answers after 25 to 30.
const RING_SECS: &str = "25";

/// Maximum duration of a call in seconds.
const CALL_SECS_MAX: &str = "180";

/// How long Twilio tries to deliver an SMS, in seconds. By default it is ten hours: a page in the morning about the night.
const VALIDITY_SECS: &str = "300";

/// Delay after a request without a response.
const IN_DOUBT_DELAY: Duration = Duration::from_secs(60);

/// A channel to Twilio.
#[derive(Debug)]
pub(crate) struct Twilio {
    endpoint: Endpoint,
    account: String,
    from: String,
    medium: Medium,
    has_callbacks: bool,
}

impl Twilio {
    pub(super) fn new(channel: &Channel) -> Result<Self, ChannelError> {
        let ChannelKind::Twilio { url, account, from, medium, has_callbacks } = &channel.kind else {
            return Err(ChannelError::NotHttp);
        };
        let resource = match medium {
            Medium::Call => "Calls",
            Medium::Sms => "Messages",
        };
        let url = format!("{url}/2010-04-01/Accounts/{account}/{resource}.json");
        Ok(Self {
            endpoint: Endpoint::new(&url, channel)?,
            account: account.clone(),
            from: from.clone(),
            medium: *medium,
            has_callbacks: *has_callbacks,
        })
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let (acknowledge_link, message_bytes_max) = match self.medium {
            Medium::Call => (AcknowledgeLink::None, None),
            Medium::Sms => (AcknowledgeLink::Short, Some(message::SMS_CHARS_MAX)),
        };
        Capabilities { acknowledge_link, callbacks: self.has_callbacks, message_bytes_max }
    }

    pub(super) async fn send(
        &self,
        http: &HttpClient,
        outgoing: &Outgoing<'_>,
    ) -> Result<Delivered, Undelivered> {
        let token = self.endpoint.secret.as_ref().map(|secret| secret.expose_secret());
        let request = self.endpoint.post(http).basic_auth(&self.account, token).form(&self.form(outgoing));
        let response = match HttpClient::attempt(request).await {
            Ok(response) => response,
            Err(none) if none.may_have_arrived => {
                let why = format!("{}: Twilio may have taken it", none.undelivered.why);
                return Err(Undelivered { why, retriable: true, retry_after: Some(IN_DOUBT_DELAY) });
            }
            Err(none) => return Err(none.undelivered),
        };
        let secrets: Vec<&str> = token.into_iter().chain([self.account.as_str()]).collect();
        match response::result(&response, &secrets, outgoing.now, None) {
            Ok(_) => Ok(Delivered { receipt: response::text_field(&response.body, "sid", &secrets) }),
            Err(undelivered) => Err(refusal::explained(&response.body, undelivered, &secrets)),
        }
    }

    /// The parameters of the request.
    fn form(&self, outgoing: &Outgoing<'_>) -> Vec<(&'static str, String)> {
        let Outgoing { notification, links, .. } = outgoing;
        let mut form = vec![("To", notification.contact.address.clone())];
        let is_service = self.from.starts_with("MG");
        form.push((if is_service { "MessagingServiceSid" } else { "From" }, self.from.clone()));
        let status = links.callbacks.map(|callbacks| format!("{callbacks}/status"));
        match self.medium {
            Medium::Call => {
                form.push(("Twiml", message::twiml(notification, links)));
                form.push(("Timeout", RING_SECS.to_owned()));
                form.push(("TimeLimit", CALL_SECS_MAX.to_owned()));
                if let Some(status) = &status {
                    // Asynchronous, so that nobody listens to silence until it is decided.
                    form.push(("MachineDetection", "Enable".to_owned()));
                    form.push(("AsyncAmd", "true".to_owned()));
                    form.push(("AsyncAmdStatusCallback", status.clone()));
                }
            }
            Medium::Sms => {
                form.push(("Body", message::sms(notification, links)));
                form.push(("ValidityPeriod", VALIDITY_SECS.to_owned()));
            }
        }
        form.extend(status.map(|status| ("StatusCallback", status)));
        form
    }
}
