//! URLs of databases hold passwords: no error, log or result shows a part of them, whether the login succeeds or fails.

use crate::config;
use crate::rounds::{facts, monitor, round, secret};
use prober::{DatabaseMonitor, DatabaseTarget};
use std::io;
use std::sync::{Arc, Mutex};
use testbed::mariadb::Mariadb;
use testbed::postgres::Postgres;
use tracing_subscriber::fmt::MakeWriter;

/// The password of the servers as it is, and as it is written in a URL.
const RIGHT: [&str; 2] = ["p@ss/word", "p%40ss%2Fword"];
const WRONG: &str = "hunter2";

/// Collects a log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn assert_no_secret(shown: &str) {
    for secret in RIGHT.into_iter().chain([WRONG]) {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[tokio::test]
async fn password_is_in_no_log_and_no_result() {
    let log = Log::default();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    let _here = tracing::subscriber::set_default(subscriber);
    tracing::info!("the log is read");
    let (mariadb, postgres) = (Mariadb::start(&[]), Postgres::start(&[]).await);
    let right = [mariadb.url(), postgres.url()];
    let wrong = right.clone().map(|url| url.replace(RIGHT[1], WRONG));
    let unreachable =
        ["mysql", "postgres", "redis", "rediss"].map(|kind| format!("{kind}://m:{WRONG}@127.0.0.1:1"));
    let seen = round(&mut monitor(&right)).await;
    assert!(facts(&seen, 0).uptime.as_secs() < 600 && facts(&seen, 1).uptime.as_secs() < 600);
    let mut shown = format!("{seen:?}{}", serde_json::to_string(&seen).unwrap());
    for urls in [&wrong[..], &unreachable] {
        let seen = round(&mut monitor(urls)).await;
        shown += &format!("{seen:?}{}", serde_json::to_string(&seen).unwrap());
    }
    assert_no_secret(&shown);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("the log is read"), "{log}");
    assert_no_secret(&log);
}

#[test]
fn password_is_in_no_error_about_a_url() {
    let urls = [
        "oracle://m:hunter2@db1",
        "hunter2",
        "mysql://m:1/hunter2@db1",
        "mysql://m:1?hunter2@db1",
        "mysql://m:1#hunter2@db1",
        "mysql://:hunter2@db1",
        "mysql://m:hunter2@",
        "mysql://m:hunter2@db1:port",
        "mariadb://m:hunter2@db1?password=hunter2",
        "mysql://m:hunter2@db1?ssl-mode=hunter2",
        "postgres://m:1?hunter2@db1",
        "postgres://m:hunter2@db1?hunter2=1",
        "postgres://m:hunter2@db1,db2",
        "redis://m:1/hunter2@db1",
        "redis://:hunter2@",
    ];
    for url in urls {
        let target =
            DatabaseTarget { name: "main".to_owned(), urls: secret(&[url.to_owned()]), backups: None };
        let error = DatabaseMonitor::new(&config::bare(), &target, Arc::new(types::Time::now)).err();
        let error = error.unwrap_or_else(|| panic!("{url} is accepted"));
        assert_no_secret(&format!("{error} {error:?} {target:?}"));
    }
}
