//! E-mail to people of the team: subject, text and link.

use super::{AcknowledgeLink, Capabilities, Outgoing, permanent};
use crate::smtp::{Smtp, letter};
use std::time::Duration;
use subscribers::Answer;
use tokio::time::timeout;
use types::notification::{Delivered, Undelivered};

/// Timeout of an attempt, as for all channels.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A channel to an SMTP server.
#[derive(Debug)]
pub(crate) struct Mail {
    smtp: Smtp,
}

impl Mail {
    pub(super) const CAPABILITIES: Capabilities =
        Capabilities { acknowledge_link: AcknowledgeLink::Full, callbacks: false, message_bytes_max: None };

    pub(super) fn new(smtp: Smtp) -> Self {
        Self { smtp }
    }

    pub(super) async fn send(&self, outgoing: &Outgoing<'_>) -> Result<Delivered, Undelivered> {
        let notification = outgoing.notification;
        let link = match outgoing.links.acknowledge {
            Some(link) => format!("Acknowledge: {link}"),
            None => outgoing.links.status_page.to_owned(),
        };
        let text = format!("{}\n\n{link}\n", notification.body);
        let (title, key) = (&notification.title, &notification.key.0);
        let to = &notification.contact.address;
        let (to, message) = letter::to_person(&self.smtp.from, to, (title, text), key, outgoing.now)
            .map_err(|why| permanent(&why.to_string()))?;
        let retriable = |why: String| Undelivered { why, retriable: true, retry_after: None };
        match timeout(TIMEOUT, self.smtp.send(&to, &message, std::future::ready(true))).await {
            Ok(Some(Answer::Accepted)) => Ok(Delivered { receipt: None }),
            Ok(Some(Answer::Refused(code))) => {
                Err(permanent(&format!("the SMTP server refuses the address ({code})")))
            }
            Ok(Some(Answer::Later(code))) => {
                Err(retriable(format!("the SMTP server refuses the mail for now ({code})")))
            }
            // A page that arrives twice is better than one that does not arrive.
            Ok(Some(Answer::Unavailable(why) | Answer::InDoubt(why))) => Err(retriable(why)),
            Ok(None) | Err(_) => Err(retriable("no reply of the SMTP server within 10 s".to_owned())),
        }
    }
}
