//! Input beside output, for every function.

use proptest::prelude::*;
use std::borrow::Cow;
use text::wrap::LongWord;
use text::{escape, hex, list, number, trace_id, truncate, wrap};

#[test]
fn names_are_joined_in_english() {
    for (names, and, or, and_more, commas) in [
        (&[][..], "", "", "", ""),
        (&["a"], "a", "a", "a", "a"),
        (&["a", "b"], "a and b", "a or b", "a and b", "a, b"),
        (&["a", "b", "c"], "a, b and c", "a, b or c", "a, b and c", "a, b, c"),
        (&["a", "b", "c", "d"], "a, b, c and d", "a, b, c or d", "a, b and 2 more", "a, b and 2 more"),
    ] {
        assert_eq!(list::and(names), and);
        assert_eq!(list::or(names), or);
        assert_eq!(list::and_more(names, 3), and_more);
        assert_eq!(list::commas_or_more(names, 3), commas);
    }
    assert_eq!(list::and_more(["a", "b", "c"], 0), "a and 2 more", "one name at least");
    assert_eq!(list::and([1, 2]), "1 and 2");
}

#[test]
fn digits_are_grouped_by_three() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (12_345_678, "12,345,678"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(number::grouped(number), text);
    }
}

#[test]
fn lines_are_broken_at_spaces_and_indented() {
    use LongWord::{Cut, Whole};
    for (text, first, next, width, long, lines) in [
        ("", "", "", 10, Whole, &[""][..]),
        ("", "! ", "  ", 10, Whole, &["! "]),
        ("one two three", "", "", 7, Whole, &["one two", "three"]),
        ("one two three", "- ", "  ", 9, Whole, &["- one two", "  three"]),
        ("a abcdefghij b", "", "", 5, Whole, &["a", "abcdefghij", "b"]),
        ("a abcdefghij b", "", "", 5, Cut, &["a", "abcde", "fghij", "b"]),
        ("abcdefghij", "> ", "  ", 6, Cut, &["> abcd", "  efgh", "  ij"]),
        ("éé éé", "", "", 5, Cut, &["éé éé"]),
        ("ab", "four", "four", 4, Cut, &["foura", "fourb"]),
    ] {
        assert_eq!(wrap::wrapped(text, first, next, width, long), lines, "{text:?}");
    }
}

#[test]
fn long_text_ends_with_an_ellipsis() {
    for (text, max, chars, bytes) in [
        ("", 0, "", ""),
        ("abc", 3, "abc", "abc"),
        ("abcd", 3, "ab…", "…"),
        ("äöü", 3, "äöü", "…"),
        ("ab cdefg", 6, "ab cd…", "ab…"),
        ("abc", 1, "…", ""),
        ("abc", 0, "", ""),
    ] {
        assert_eq!(truncate::chars(text, max), chars, "{text:?} {max}");
        assert_eq!(truncate::bytes(text, max), bytes, "{text:?} {max}");
    }
}

#[test]
fn hidden_characters_are_written_as_numbers() {
    for (text, safe) in [
        ("ns1.acme.com", "ns1.acme.com"),
        ("Mün\u{301}chen 🚀 عمان שלום", "Mün\u{301}chen 🚀 عمان שלום"),
        ("a\u{1b}[2J\u{7}b", "a\\u{1b}[2J\\u{7}b"),
        ("gnp.\u{202e}exe\u{202c}", "gnp.\\u{202e}exe\\u{202c}"),
        ("two\nlines\r\t", "two\\u{a}lines\\u{d}\\u{9}"),
        ("c1 \u{9b}31m", "c1 \\u{9b}31m"),
        ("\u{fffe}\u{ffff}\u{1fffe}", "\\u{fffe}\\u{ffff}\\u{1fffe}"),
        ("zero\u{200b}width\u{feff}", "zero\\u{200b}width\\u{feff}"),
        ("tag\u{e0041}", "tag\\u{e0041}"),
    ] {
        assert_eq!(escape::hidden(text), safe, "{text:?}");
        assert_eq!(escape::hidden(safe), safe, "twice is the same");
        assert_eq!(escape::has_hidden(text), text != safe);
        assert_eq!(escape::replace_hidden(text).chars().count(), text.chars().count());
        assert!(!escape::has_hidden(&escape::replace_hidden(text)));
    }
    assert_eq!(escape::hidden_in_lines("one\n\ttwo\u{1b}[31m\r\n"), "one\n\ttwo\\u{1b}[31m\\u{d}\n");
    assert!(matches!(escape::hidden("plain"), Cow::Borrowed(_)));
}

#[test]
fn unsafe_characters_are_replaced_and_marks_of_scripts_stay() {
    for (text, safe) in [
        ("Вход 🚀 日本語\n\tnext", "Вход 🚀 日本語\n\tnext"),
        ("a\u{7}b\u{1b}[31m", "a\u{fffd}b\u{fffd}[31m"),
        ("gnp.\u{202e}exe", "gnp.\u{fffd}exe"),
        ("\u{fffe}\u{ffff}\u{85}", "\u{fffd}\u{fffd}\u{fffd}"),
        ("שלום\u{200f}!", "שלום\u{200f}!"),
    ] {
        assert_eq!(escape::replace_unsafe(text), safe);
    }
}

#[test]
fn html_is_escaped() {
    assert_eq!(escape::html("<a href=\"x\">&amp;</a>"), "&lt;a href=&quot;x&quot;&gt;&amp;amp;&lt;/a&gt;");
}

#[test]
fn hexadecimal_digits_are_read_exactly() {
    assert_eq!(hex::encode(&[0, 0x1f, 0xff]), "001fff");
    for (text, bytes) in [
        ("001fff", Some([0, 0x1f, 0xff])),
        ("001FFF", Some([0, 0x1f, 0xff])),
        ("", None),
        ("001ff", None),
        ("001ffff", None),
        ("+01fff", None),
        ("gggggg", None),
        ("ééé", None),
    ] {
        assert_eq!(hex::decode::<3>(text), bytes, "{text:?}");
    }
}

#[test]
fn trace_id_is_read_as_the_standard_writes_it_or_as_people_copy_it() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for (given, strict, canonical) in [
        (ID, true, true),
        (&ID.to_uppercase(), false, true),
        (" 4bf92f35-77b3-4da6-a3ce-929d0e0e4736\n", false, true),
        (&ID[1..], false, false),
        (&format!("{ID}0"), false, false),
        ("", false, false),
        (&"g".repeat(32), false, false),
        ("../../../../../../../../etc/passw", false, false),
    ] {
        let id = u128::from_str_radix(ID, 16).unwrap();
        assert_eq!(trace_id::parse(given.as_bytes()), strict.then_some(id), "{given:?}");
        assert_eq!(trace_id::canonical(given), canonical.then(|| ID.to_owned()), "{given:?}");
    }
    assert_eq!(trace_id::parse("0".repeat(32).as_bytes()), None, "zero is no id");
}

proptest! {
    #[test]
    fn wrapping_loses_no_letter_and_keeps_the_width(text in "\\PC{0,200}", width in 4usize..40) {
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let lines = wrap::wrapped(&text, "", "  ", width, LongWord::Cut);
        prop_assert!(lines.iter().all(|line| line.chars().count() <= width));
        prop_assert_eq!(bare(&lines.concat()), bare(&text));
    }

    #[test]
    fn truncated_text_has_the_length(text in "\\PC{0,60}", max in 0usize..70) {
        prop_assert!(truncate::bytes(&text, max).len() <= max);
        prop_assert!(truncate::chars(&text, max).chars().count() <= max);
    }

    #[test]
    fn encoded_bytes_decode_to_themselves(bytes in any::<[u8; 8]>()) {
        prop_assert_eq!(hex::decode(&hex::encode(&bytes)), Some(bytes));
    }
}
