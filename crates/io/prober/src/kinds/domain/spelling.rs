//! Canonical spelling of status codes and names. Pure.

/// A status code as EPP spells it in RDAP (RFC 8056): lower case with spaces. `clientHold` becomes `client hold`, and
/// `ok` becomes `active`.
pub(crate) fn status(text: &str) -> String {
    let text = text.trim();
    let camel = text.contains(|c: char| c.is_ascii_lowercase()) && !text.contains(char::is_whitespace);
    let mut spaced = String::with_capacity(text.len() + 4);
    for c in text.chars().filter(|c| !c.is_control()).take(80) {
        if camel && c.is_ascii_uppercase() && !spaced.is_empty() && !spaced.ends_with(' ') {
            spaced.push(' ');
        }
        spaced.push(if matches!(c, '_' | '-') { ' ' } else { c.to_ascii_lowercase() });
    }
    let spaced = spaced.split_whitespace().collect::<Vec<_>>().join(" ");
    if spaced == "ok" { "active".to_owned() } else { spaced }
}

/// A host name in lower case without the trailing dot.
pub(crate) fn bare_name(text: &str) -> String {
    text.trim().trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_spelt_as_rdap_spells_them() {
        for (text, spelt) in [
            ("clientHold", "client hold"),
            ("autoRenewPeriod", "auto renew period"),
            ("client transfer prohibited", "client transfer prohibited"),
            ("Client Hold", "client hold"),
            ("CLIENT_HOLD", "client hold"),
            ("pendingDelete", "pending delete"),
            ("ok", "active"),
            ("OK", "active"),
            ("ACTIVE", "active"),
            (" redemption  period ", "redemption period"),
        ] {
            assert_eq!(status(text), spelt, "{text:?}");
        }
        assert_eq!(bare_name("NS1.Example.COM."), "ns1.example.com");
    }
}
