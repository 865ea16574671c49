//! Log on standard error, written by a thread of its own. A pipe that is not read, or a stopped terminal, loses lines
//! instead of blocking the threads that log, such as those of the edge.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the writer.
const QUEUE_MAX: usize = 4096;
/// Longest wait for pending lines at the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval at which a full queue is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(5);

enum Entry {
    Line(Vec<u8>),
    /// A request to confirm that every line before it is written.
    Flush(SyncSender<()>),
}

/// Queue of lines. Sending never blocks.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<Entry>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Starts the writer.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn to(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(QUEUE_MAX);
        let log = Self { lines, dropped: Arc::default() };
        let dropped = Arc::clone(&log.dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(to, &waiting, &dropped))?;
        Ok(log)
    }

    /// Waits until everything is written, for at most one second.
    pub(crate) fn flush_all(&self) {
        let by = Instant::now() + FLUSH_TIMEOUT;
        let (confirm, written) = sync_channel(1);
        let mut end = Entry::Flush(confirm);
        while let Err(TrySendError::Full(back)) = self.lines.try_send(end) {
            if Instant::now() >= by {
                return;
            }
            end = back;
            std::thread::sleep(RETRY_EVERY);
        }
        let _ = written.recv_timeout(by.saturating_duration_since(Instant::now()));
    }
}

fn write(mut to: impl Write, waiting: &Receiver<Entry>, dropped: &AtomicU64) {
    while let Ok(entry) = waiting.recv() {
        match entry {
            // A failed write of the log cannot be logged.
            Entry::Line(line) => drop(to.write_all(&line)),
            Entry::Flush(confirm) => drop((to.flush(), confirm.try_send(()))),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ =
                writeln!(to, "mainstay: {lost} lines were dropped here because standard error was not read");
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}

impl Write for &Log {
    /// One event is one write.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.lines.try_send(Entry::Line(bytes.to_vec())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;
    use std::sync::mpsc::{Sender, channel};

    /// Blocks until a signal arrives.
    struct Blocked(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Blocked {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn blocked_reader_delays_no_thread_and_learns_number_of_lost_lines() {
        let (go, going): (Sender<()>, _) = channel();
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let log = Log::to(Blocked(going, Arc::clone(&written))).unwrap();
        // The writer holds at most one line.
        let more = 10;
        for n in 0..QUEUE_MAX + 1 + more {
            (&log).write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        let lost = log.dropped.load(Ordering::Relaxed) as usize;
        assert!((more..=more + 1).contains(&lost), "{lost}");
        drop(go);
        log.flush_all();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\nmainstay: "), "{}", &text[..80]);
        assert!(text.contains(&format!("{lost} lines were dropped")) && text.ends_with('\n'));
        assert_eq!(text.lines().count(), QUEUE_MAX + 1 + more - lost + 1);
    }
}
