//! Detection of programs that declare themselves as robots. It affects the class only, never a refusal.
//!
//! Robots lie, and some people use unusual programs. So nothing is blocked by this: under overload, programs that
//! declare themselves as robots, or declare nothing, wait behind first-time clients. Recognized clients and callers
//! with a token are not affected.

/// The longest part of `User-Agent` that is read.
const LOOKED_AT: usize = 256;

/// Default `User-Agent` prefixes of tools and libraries.
const TOOLS: [&[u8]; 19] = [
    b"aiohttp",
    b"apache-httpclient/",
    b"apachebench/",
    b"axios/",
    b"curl/",
    b"fasthttp",
    b"go-http-client/",
    b"guzzlehttp/",
    b"java/",
    b"libwww-perl/",
    b"node-fetch",
    b"php/",
    b"python-httpx/",
    b"python-requests/",
    b"python-urllib",
    b"python/",
    b"ruby",
    b"wget/",
    b"wrk/",
];

/// Whether `User-Agent` names a robot or a bare tool, or is missing.
pub(crate) fn is_bot(agent: Option<&[u8]>) -> bool {
    let Some(agent) = agent else { return true };
    let agent = &agent[..agent.len().min(LOOKED_AT)];
    if agent.is_empty() {
        return true;
    }
    // Every browser begins so, and robots that want to be treated like browsers.
    let tool = || TOOLS.iter().any(|tool| begins(agent, tool));
    if !agent.starts_with(b"Mozilla/") && tool() {
        return true;
    }
    agent.iter().enumerate().any(|(at, byte)| match byte | 0x20 {
        b'b' | b'c' | b'h' | b's' | b'+' => robot(agent, at),
        _ => false,
    })
}

/// Whether a robot's keyword begins here.
fn robot(agent: &[u8], at: usize) -> bool {
    let rest = &agent[at..];
    begins(rest, b"bot") && !letter(rest.get(3)) && !ends(&agent[..at], b"cu")
        || [b"crawl".as_slice(), b"headless", b"spider", b"scrapy", b"+http"]
            .iter()
            .any(|word| begins(rest, word))
}

fn begins(text: &[u8], with: &[u8]) -> bool {
    text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with))
}

/// A maker of telephones is called Cubot.
fn ends(text: &[u8], with: &[u8]) -> bool {
    text.len().checked_sub(with.len()).is_some_and(|at| text[at..].eq_ignore_ascii_case(with))
}

fn letter(byte: Option<&u8>) -> bool {
    byte.is_some_and(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_are_detected_by_user_agent() {
        for (bot, agent) in [
            (false, "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"),
            (
                false,
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
            ),
            (false, "Mozilla/5.0 (Linux; Android 8.0; CUBOT X18 Plus) AppleWebKit/537.36 Chrome/120.0"),
            (false, "okhttp/4.12.0"),
            (false, "AcmeTime/7.2 CFNetwork/1410 Darwin/22.6.0"),
            (false, "Dalvik/2.1.0 (Linux; U; Android 13)"),
            (false, "Talbott-Client/1.0"),
            (true, "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
            (true, "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"),
            (true, "Mozilla/5.0 AppleWebKit/537.36 HeadlessChrome/120.0"),
            (true, "FeedFetcher (+http://feeds.example)"),
            (true, "curl/8.5.0"),
            (true, "Go-http-client/1.1"),
            (true, "Baiduspider"),
            (true, ""),
        ] {
            assert_eq!(is_bot(Some(agent.as_bytes())), bot, "{agent}");
        }
        assert!(is_bot(None));
        assert!(!is_bot(Some(&[0xff; 400])));
    }
}
