//! What HTTP clients accept: `Accept-Encoding` and `Accept` with their weights (RFC 9110 sections 12.4.2 and 12.5).
//!
//! The values of all fields of a request are given, because a list may be spread over several of them (section 5.3).

/// Whether a client accepts a content coding. One that is named counts by its own weight, also beside `*`.
#[must_use]
pub fn accepts_coding<'a>(fields: impl IntoIterator<Item = &'a [u8]>, coding: &str) -> bool {
    let (mut named, mut any) = (None, None);
    for (name, weight) in members(fields) {
        let slot = match name {
            "*" => &mut any,
            _ if is_coding(name, coding) => &mut named,
            _ => continue,
        };
        // Named twice: a refusal counts, because every client reads what has no coding.
        *slot = Some(slot.unwrap_or(true) && weight > 0.0);
    }
    named.or(any).unwrap_or(false)
}

/// Whether a client names a media type and does not refuse it. A range (`*/*`) does not count: programs send it that read anything
/// and prefer nothing.
#[must_use]
pub fn names_media_type<'a>(fields: impl IntoIterator<Item = &'a [u8]>, media_type: &str) -> bool {
    members(fields).any(|(name, weight)| name.eq_ignore_ascii_case(media_type) && weight > 0.0)
}

/// `x-gzip` is another name of `gzip` (section 8.4.1.3).
fn is_coding(name: &str, coding: &str) -> bool {
    name.eq_ignore_ascii_case(coding) || coding == "gzip" && name.eq_ignore_ascii_case("x-gzip")
}

/// Members of the list with their weights. One that is not text is left out.
fn members<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> impl Iterator<Item = (&'a str, f32)> {
    let texts = fields.into_iter().filter_map(|field| std::str::from_utf8(field).ok());
    texts.flat_map(|text| text.split(',')).map(|member| {
        let mut params = member.split(';').map(str::trim);
        let name = params.next().unwrap_or_default();
        (name, params.find_map(weight).unwrap_or(1.0))
    })
}

/// The weight of a parameter `q`. One that is not a number refuses: what has no coding is always right.
fn weight(param: &str) -> Option<f32> {
    let (name, value) = param.split_once('=')?;
    name.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields<'a>(texts: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        texts.iter().map(|text| text.as_bytes())
    }

    #[test]
    fn coding_is_accepted_by_its_weight_or_that_of_any() {
        for (accepted, coding, expected) in [
            (&["gzip, deflate, br"][..], "br", true),
            (&["gzip, deflate, br"], "gzip", true),
            (&["GZIP"], "gzip", true),
            (&["x-gzip"], "gzip", true),
            (&["gzip;q=0"], "gzip", false),
            (&["gzip; q=0.000, br"], "gzip", false),
            (&["gzip ; Q = 0"], "gzip", false),
            (&["gzip;q=0.001"], "gzip", true),
            (&["gzip;q=many"], "gzip", false),
            (&["gzip;q=nan"], "gzip", false),
            (&["gzip;q"], "gzip", true),
            (&["gzip, gzip;q=0"], "gzip", false),
            (&["*"], "gzip", true),
            (&["*;q=0"], "gzip", false),
            (&["*;q=0, gzip"], "gzip", true),
            (&["gzip;q=0, *"], "gzip", false),
            (&["gzip;q=0, *"], "br", true),
            (&["identity", "gzip"], "gzip", true),
            (&["br", "gzip;q=0"], "gzip", false),
            (&["not-gzip, gzip2, brotli"], "gzip", false),
            (&["brotli"], "br", false),
            (&["identity"], "gzip", false),
            (&[""], "gzip", false),
            (&[], "gzip", false),
        ] {
            assert_eq!(accepts_coding(fields(accepted), coding), expected, "{accepted:?} / {coding}");
        }
        assert!(accepts_coding([&b"\xff"[..], b"gzip"], "gzip"));
    }

    #[test]
    fn media_type_is_named_unless_it_is_refused() {
        for (accepted, expected) in [
            (&["text/html,application/xhtml+xml,*/*;q=0.8"][..], true),
            (&["TEXT/HTML"], true),
            (&["text/html;level=1;q=0.4"], true),
            (&["application/json", "text/html"], true),
            (&["text/html;q=0"], false),
            (&["text/html;level=1;q=0.0, */*"], false),
            (&["text/html-fragment"], false),
            (&["application/json;profile=\"text/html\""], false),
            (&["*/*"], false),
            (&["text/*"], false),
            (&[""], false),
            (&[], false),
        ] {
            assert_eq!(names_media_type(fields(accepted), "text/html"), expected, "{accepted:?}");
        }
    }
}
