//! `[source.NAME]` as written: other systems that report to this one.

use crate::diagnostics::Diagnostics;
use crate::formats::SECRET;
use crate::keys::keys;
use crate::kind::string::NameOf;
use crate::kind::table::table;
use crate::kind::value::At;
use crate::suggest::shown;
use types::ServiceId;
use types::config::{ChangeSource, SecretRef, Source};

keys! {
    /// Another system that reports to this one: a deploy pipeline, a code host.
    [source.NAME]
    struct RawSource {
        /// Lets it report changes: to `/api/v1/changes`, to `/v2/change/enqueue` in the format of PagerDuty, or to
        /// `/api/v1/sources/NAME/github` and `/gitlab` as a webhook for deployments.
        changes: Option<RawChangeSource> = table::<RawChangeSource>(), otherwise "none",
            example r#"{ secret = "env:DEPLOY_TOKEN" }"#;
    }
    unsupported {
        alertmanager: "alerts of Prometheus";
        grafana: "alerts of Grafana";
        pagerduty: "alerts in the format of PagerDuty";
        webhook: "alerts as JSON";
        service_label: "the label of alerts that names a service";
    }
}

keys! {
    /// How a source reports changes.
    struct RawChangeSource {
        /// Token that it sends, or key with which it signs: the name of an environment variable or a file, never the secret
        /// itself.
        secret: Option<At<SecretRef>> = SECRET, required, example r#""env:DEPLOY_TOKEN""#;
        /// The service that its changes concern, if it is always the same.
        service: Option<At<String>> = NameOf("service"), otherwise "by the names in its reports", example r#""api""#;
    }
}

impl RawSource {
    /// Checks that it reports something.
    pub(crate) fn check(self, diagnostics: &mut Diagnostics) -> Self {
        if !self.written.has("changes") {
            diagnostics.missing(
                self.written.place.clone(),
                format!("{} reports nothing", shown(&self.written.path)),
                "add changes = { secret = \"env:DEPLOY_TOKEN\" }",
            );
        }
        self
    }

    /// The source; `None` when it is invalid, which was reported already.
    pub(crate) fn resolve(self) -> Option<Source> {
        let RawChangeSource { secret, service, .. } = self.changes?;
        let service = service.map(|at| ServiceId(at.value));
        Some(Source { changes: ChangeSource { secret: secret?.value, service } })
    }
}
