//! The end of what a job wrote.

use axum::body::Body;
use http_body_util::BodyExt as _;
use std::time::Duration;
use text::tail::Tail;
use tokio::time::timeout;
use types::heartbeat::OUTPUT_MAX;

/// Bytes that are read; the end of them is kept. A job that sends more has its ping recorded all the same.
const READ_MAX: usize = 16 << 20;
/// Longest wait for all of it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The last [`OUTPUT_MAX`] bytes of a body, as far as they arrive in time. The ping counts even when its body does not.
pub(super) async fn end_of(mut body: Body) -> String {
    let mut end = Tail::new(OUTPUT_MAX);
    let reading = async {
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            let Some(data) = frame.data_ref() else { continue };
            read += data.len();
            end.add(data);
            if read > READ_MAX {
                break;
            }
        }
    };
    let _ = timeout(TIMEOUT, reading).await;
    end.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn last_bytes_are_kept() {
        let text = "a".repeat(1 << 20) + "no space left\n";
        let end = end_of(Body::from(text)).await;
        assert_eq!(end.len(), OUTPUT_MAX);
        assert!(end.ends_with("no space left\n"));
        assert_eq!(end_of(Body::empty()).await, "");
        assert_eq!(end_of(Body::from(&b"\xffx"[..])).await, "\u{fffd}x");
    }
}
