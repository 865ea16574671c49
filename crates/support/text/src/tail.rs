//! The last bytes of a stream, such as the output of a program, whose errors are at its end.

/// Keeps the last bytes of what is added.
#[derive(Debug)]
pub struct Tail {
    max: usize,
    kept: Vec<u8>,
}

impl Tail {
    /// Keeps at most `max` bytes.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self { max, kept: Vec::new() }
    }

    /// Adds bytes.
    pub fn add(&mut self, new: &[u8]) {
        self.kept.extend_from_slice(&new[new.len().saturating_sub(self.max)..]);
        let beyond = self.kept.len().saturating_sub(self.max);
        self.kept.drain(..beyond);
    }

    /// What is kept as text. Bytes that are none are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_bytes_are_kept() {
        for (parts, text) in [
            (&[][..], ""),
            (&["abc"], "abc"),
            (&["abc", "defg"], "cdefg"),
            (&["abcdefghij"], "fghij"),
            (&["abcd", "", "efghij"], "fghij"),
        ] {
            let mut tail = Tail::new(5);
            parts.iter().for_each(|part| tail.add(part.as_bytes()));
            assert_eq!(tail.text(), text, "{parts:?}");
        }
        let mut tail = Tail::new(5);
        tail.add(b"\xffx");
        assert_eq!(tail.text(), "\u{fffd}x");
    }
}
