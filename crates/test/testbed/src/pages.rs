//! Pages as a browser loads them: HTML with 60 resources that take 2 to 200 ms and have 1 to 100 kB.
//!
//! | path | is |
//! |---|---|
//! | `/page/N` | the page of that number: the same each time, on every machine |
//! | `/part/MS/BYTES/NAME` | a resource: `MS` milliseconds, `BYTES` bytes, of the type that `NAME` ends with |

use bytes::Bytes;
use std::fmt::Write as _;
use std::time::Duration;

/// Resources of a page.
pub const PARTS: usize = 60;
/// Longest delay and largest size of a part, whatever its path says.
const DELAY_MAX: u64 = 10_000;
const BYTES_MAX: usize = 1_000_000;
const DELAYS_MS: [u64; 8] = [2, 5, 10, 20, 40, 80, 120, 200];
const BYTES: [usize; 6] = [1_000, 2_000, 6_000, 15_000, 40_000, 100_000];

/// The page of this number.
#[must_use]
pub fn html(n: u64) -> String {
    let mut random = fastrand::Rng::with_seed(n);
    let mut html = format!("<!doctype html>\n<meta charset=\"utf-8\">\n<title>Page {n}</title>\n");
    for part in 0..PARTS {
        let (ms, bytes) = (DELAYS_MS[random.usize(..DELAYS_MS.len())], BYTES[random.usize(..BYTES.len())]);
        let path = format!("/part/{ms}/{bytes}/{n}-{part}");
        let _ = match part % 4 {
            0 => writeln!(html, "<link rel=\"stylesheet\" href=\"{path}.css\">"),
            1 => writeln!(html, "<script defer src=\"{path}.js\"></script>"),
            _ => writeln!(html, "<img alt=\"\" src=\"{path}.svg\">"),
        };
    }
    html
}

/// A resource of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How long it takes.
    pub delay: Duration,
    /// Its media type.
    pub media_type: &'static str,
    /// Valid content of that type.
    pub body: Bytes,
}

/// The resource of this path; `None` for other paths.
#[must_use]
pub fn part(path: &str) -> Option<Part> {
    let mut words = path.strip_prefix("/part/")?.split('/');
    let (ms, bytes, name) =
        (words.next()?.parse::<u64>().ok()?, words.next()?.parse::<usize>().ok()?, words.next()?);
    let (media_type, before, after) = match name.rsplit_once('.')?.1 {
        "css" => ("text/css", "/*", "*/"),
        "js" => ("text/javascript", "/*", "*/"),
        "svg" => (
            "image/svg+xml",
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><!--",
            "--></svg>",
        ),
        _ => ("text/plain", "", ""),
    };
    let filler = bytes.min(BYTES_MAX).saturating_sub(before.len() + after.len());
    let mut body = Vec::with_capacity(before.len() + filler + after.len());
    body.extend_from_slice(before.as_bytes());
    body.resize(before.len() + filler, b'x');
    body.extend_from_slice(after.as_bytes());
    Some(Part { delay: Duration::from_millis(ms.min(DELAY_MAX)), media_type, body: body.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_the_same_each_time_and_names_its_parts() {
        let page = html(7);
        assert_eq!(page, html(7));
        assert_ne!(page, html(8));
        let parts: Vec<&str> = page.split('"').filter(|word| word.starts_with("/part/")).collect();
        assert_eq!(parts.len(), PARTS);
        for path in parts {
            let part = part(path).unwrap();
            assert!((2..=200).contains(&part.delay.as_millis()), "{path}");
            assert!((1_000..=100_000).contains(&part.body.len()), "{path}");
        }
    }

    #[test]
    fn part_reads_its_path() {
        let found = part("/part/40/1000/7-3.css").unwrap();
        assert_eq!((found.delay.as_millis(), found.media_type, found.body.len()), (40, "text/css", 1_000));
        assert_eq!(part("/part/40/1000/7-3"), None);
        assert_eq!(part("/part/-1/1000/a.css"), None);
        assert_eq!(part("/other"), None);
        assert_eq!(
            part("/part/99999999/99999999/a.js").map(|p| (p.delay.as_secs(), p.body.len())),
            Some((10, BYTES_MAX))
        );
    }
}
