//! What is said on standard error, written by a thread of its own. A pipe that nobody reads, or a terminal that stands still,
//! costs lines; it would else hold up whoever says something, the threads of the edge among them.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the writer.
const WAITING: usize = 4096;
/// How long an ending process waits for what is still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often room for the last word is looked for.
const LOOK: Duration = Duration::from_millis(5);

enum Word {
    Line(Vec<u8>),
    /// Everything before it was written.
    End(SyncSender<()>),
}

/// Where lines go. Never waits.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    lines: SyncSender<Word>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Writes to `to` from now on.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub(crate) fn to(to: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(WAITING);
        let log = Self { lines, dropped: Arc::default() };
        let dropped = Arc::clone(&log.dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write(to, &waiting, &dropped))?;
        Ok(log)
    }

    /// Waits until everything is written, for a second at most.
    pub(crate) fn settle(&self) {
        let by = Instant::now() + LAST_WORDS;
        let (told, written) = sync_channel(1);
        let mut end = Word::End(told);
        while let Err(TrySendError::Full(back)) = self.lines.try_send(end) {
            if Instant::now() >= by {
                return;
            }
            end = back;
            std::thread::sleep(LOOK);
        }
        let _ = written.recv_timeout(by.saturating_duration_since(Instant::now()));
    }
}

fn write(mut to: impl Write, waiting: &Receiver<Word>, dropped: &AtomicU64) {
    while let Ok(word) = waiting.recv() {
        match word {
            // Where it cannot be written there is nobody to be told.
            Word::Line(line) => drop(to.write_all(&line)),
            Word::End(told) => drop((to.flush(), told.try_send(()))),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(to, "mainstay: {lost} lines were dropped here: nobody read them");
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
        if self.lines.try_send(Word::Line(bytes.to_vec())).is_err() {
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

    /// Stands still until it is told to go on.
    struct Still(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Still {
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
    fn a_reader_who_stands_still_holds_nobody_up_and_is_told_what_it_missed() {
        let (go, going): (Sender<()>, _) = channel();
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let log = Log::to(Still(going, Arc::clone(&written))).unwrap();
        // One is in the writer's hand at most.
        let more = 10;
        for n in 0..WAITING + 1 + more {
            (&log).write_all(format!("{n}\n").as_bytes()).unwrap();
        }
        let lost = log.dropped.load(Ordering::Relaxed) as usize;
        assert!((more..=more + 1).contains(&lost), "{lost}");
        drop(go);
        log.settle();
        let text = String::from_utf8(written.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("0\nmainstay: "), "{}", &text[..80]);
        assert!(text.contains(&format!("{lost} lines were dropped")) && text.ends_with('\n'));
        assert_eq!(text.lines().count(), WAITING + 1 + more - lost + 1);
    }
}
