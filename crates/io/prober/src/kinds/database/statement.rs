//! Statements without their literals: a statement is shown to people and stored, its values are not.
//!
//! A lexer, not a parser: it recognises what can hold a literal (strings, numbers, comments) and copies the rest. Text that
//! the database cut in the middle of a literal ends there, and so does text that can be read in two ways.

/// Longest text that is read, in bytes.
const INPUT_MAX: usize = 4_096;
/// Longest statement that is shown, in characters.
const SHOWN_MAX: usize = 400;

/// What a statement is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// PostgreSQL.
    Postgres,
    /// MariaDB and MySQL, whose settings (`sql_mode`) for the session that executes it are not known.
    Mysql,
}

/// The statement in one line: literals are `?`, comments are gone, lists of literals are one `?`.
pub(crate) fn without_literals(statement: &str, dialect: Dialect) -> String {
    let cut = statement.floor_char_boundary(INPUT_MAX);
    let whole = cut == statement.len();
    let mut lexer = Lexer { dialect, rest: &statement[..cut], out: String::new(), after_word: false, whole };
    while lexer.step() {}
    let short = text::truncate::chars(lexer.out.trim_end(), SHOWN_MAX);
    if lexer.whole || short.ends_with('…') { short } else { format!("{short}…") }
}

struct Lexer<'a> {
    dialect: Dialect,
    rest: &'a str,
    out: String,
    /// Whether nothing of the statement was left out.
    whole: bool,
    /// Whether the last character belongs to a word, so that a digit does not begin a number.
    after_word: bool,
}

impl<'a> Lexer<'a> {
    /// Consumes one token. Returns `false` at the end.
    fn step(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        let mysql = self.dialect == Dialect::Mysql;
        if first.is_whitespace() {
            self.skip(first.len_utf8());
            self.space();
        } else if self.line_comment_begins(first) {
            self.skip(self.rest.find('\n').unwrap_or(self.rest.len()));
            self.space();
        } else if mysql && (self.rest.starts_with("/*!") || self.rest.starts_with("/*M!")) {
            // A statement or a comment, as the version of the server says.
            self.give_up();
        } else if self.rest.starts_with("/*") {
            self.skip(comment_end(self.rest, !mysql));
            self.space();
        } else if mysql && matches!(first, '\'' | '"') {
            // sql_mode says whether a backslash escapes, and whether " quotes a name, which is then left out as well.
            let end = string_end(self.rest, first, false);
            self.drop_prefix();
            self.literal();
            if end == string_end(self.rest, first, true) { self.skip(end) } else { self.give_up() }
        } else if first == '\'' {
            let escapes = self.drop_prefix();
            self.skip(string_end(self.rest, first, escapes));
            self.literal();
        } else if first == '"' || mysql && first == '`' {
            self.copy(string_end(self.rest, first, false));
        } else if first == '$' && mysql && !self.after_word {
            // A name, or since MySQL 9 the quote of a function's text.
            self.give_up();
        } else if first == '$' && !self.after_word {
            self.dollar();
        } else if !self.after_word && number_begins(self.rest) {
            // A sign after an operator or a bracket belongs to the number; a minus between two operands does not matter.
            self.skip(number_end(self.rest));
            self.literal();
        } else {
            self.copy(first.len_utf8());
            self.after_word = first.is_alphanumeric() || first == '_' || first == '$';
            self.collapse(first);
        }
        true
    }

    /// Whether the rest of the line is a comment. In MySQL `5--3` is a difference.
    fn line_comment_begins(&self, first: char) -> bool {
        let after = self.rest.strip_prefix("--");
        match self.dialect {
            Dialect::Postgres => after.is_some(),
            Dialect::Mysql => {
                let ends = |c: char| c.is_whitespace() || c.is_control();
                first == '#' || after.is_some_and(|after| after.is_empty() || after.starts_with(ends))
            }
        }
    }

    /// Ends before text that can be read in two ways: one of them would show a literal.
    fn give_up(&mut self) {
        self.rest = "";
        self.whole = false;
    }

    /// Removes the `E`, `B`, `X`, `N` or `U&` before a string. Returns whether backslashes escape in it.
    fn drop_prefix(&mut self) -> bool {
        let bytes = self.out.as_bytes();
        let is_word =
            |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        let alone =
            |len: usize| bytes.len() >= len && (bytes.len() == len || !is_word(bytes.len() - len - 1));
        let length = match bytes {
            [.., b'U' | b'u', b'&'] if alone(2) => 2,
            [.., b'E' | b'e' | b'B' | b'b' | b'X' | b'x' | b'N' | b'n'] if alone(1) => 1,
            _ => 0,
        };
        let escapes = length == 1 && matches!(bytes.last(), Some(b'E' | b'e'));
        self.out.truncate(self.out.len() - length);
        escapes
    }

    /// `$$text$$`, `$tag$text$tag$`, or the parameter `$1`.
    fn dollar(&mut self) {
        let tag_end = self.rest[1..].find(|c: char| !(c.is_alphanumeric() || c == '_')).map(|at| at + 1);
        let digit = self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        match tag_end {
            Some(end) if !digit && self.rest[end..].starts_with('$') => {
                let tag = &self.rest[..=end];
                let body = &self.rest[tag.len()..];
                self.skip(body.find(tag).map_or(self.rest.len(), |at| at + 2 * tag.len()));
                self.literal();
            }
            _ if digit => {
                self.copy(tag_end.unwrap_or(self.rest.len()));
                self.after_word = true;
            }
            _ => {
                self.copy(1);
                self.after_word = false;
            }
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }

    fn copy(&mut self, bytes: usize) {
        let (token, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.out.push_str(token);
        self.rest = rest;
        self.after_word = false;
    }

    fn space(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with(' ') {
            self.out.push(' ');
        }
        self.after_word = false;
    }

    /// Adds a `?`; one for a list of literals.
    fn literal(&mut self) {
        self.after_word = false;
        let before = self.out.trim_end_matches([' ', '-', '+']);
        if let Some(list) = before.strip_suffix(',')
            && list.trim_end().ends_with('?')
        {
            let keep = list.trim_end().len();
            self.out.truncate(keep);
            return;
        }
        if before.ends_with('?') {
            // Two strings in a row are one string.
            let keep = before.len();
            self.out.truncate(keep);
            return;
        }
        self.out.push('?');
    }

    /// `(?), (?)` of a long VALUES list is one `(?)`.
    fn collapse(&mut self, last: char) {
        if last != ')' {
            return;
        }
        for repeated in ["(?), (?)", "(?),(?)", "(?) , (?)"] {
            if self.out.ends_with(repeated) {
                let keep = self.out.len() - repeated.len() + "(?)".len();
                self.out.truncate(keep);
            }
        }
    }
}

/// Length of a comment, in which others may be.
fn comment_end(text: &str, nest: bool) -> usize {
    let (bytes, mut depth, mut at) = (text.as_bytes(), 0_usize, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" if nest || depth == 0 => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of a string or quoted name that begins with `quote`.
fn string_end(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            match chars.peek() {
                Some((_, next)) if *next == quote => {
                    chars.next();
                }
                _ => return at + quote.len_utf8(),
            }
        }
    }
    text.len()
}

fn number_begins(text: &str) -> bool {
    let mut chars = text.chars();
    match chars.next() {
        Some('.') => chars.next().is_some_and(|c| c.is_ascii_digit()),
        first => first.is_some_and(|c| c.is_ascii_digit()),
    }
}

/// Length of a number: digits, point, exponent with its sign, hexadecimal digits, underscores.
fn number_end(text: &str) -> usize {
    let mut before = '0';
    let hex = text.starts_with("0x") || text.starts_with("0X");
    for (at, c) in text.char_indices() {
        let sign = matches!(c, '+' | '-') && matches!(before, 'e' | 'E') && !hex;
        if !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign) {
            return at;
        }
        before = c;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn literals_are_removed_and_the_rest_stays() {
        for (statement, expected) in [
            ("select * from users where id = 4711", "select * from users where id = ?"),
            ("SELECT 'it''s secret', name FROM t1", "SELECT ?, name FROM t1"),
            (r"select E'a\'b secret' from t", "select ? from t"),
            (r"select 'C:\' || x from t", r"select ? || x from t"),
            ("select U&'\\0061' , b'101', X'1F', N'x'", "select ?"),
            ("do $$ begin secret(); end $$ language plpgsql", "do ? language plpgsql"),
            ("select $fn$ a $$ b $fn$, $1", "select ?, $1"),
            (
                "select \"Weird 1 Name\", t.col2 from \"s\".t2",
                "select \"Weird 1 Name\", t.col2 from \"s\".t2",
            ),
            ("select 1 -- secret 'x\nfrom t", "select ? from t"),
            ("select /* a /* nested secret */ b */ 1.5e-3, .5, 0x1F, 1_000", "select ?"),
            ("where a in (1, 2,3 ,'x')", "where a in (?)"),
            ("insert into t values (1,'a'),(2,'b'), (3, 'c')", "insert into t values (?)"),
            ("where a = -5 and b - 3 > c", "where a = -? and b - ? > c"),
            ("alter role x password 'secret", "alter role x password ?"),
            ("select\n\t a,\n  b", "select a, b"),
            ("select $1, $2 from t where a[1] = b1", "select $1, $2 from t where a[?] = b1"),
            ("select 'a'\n 'secret'", "select ?"),
            ("select 5 - 3", "select ?"),
            ("select date '2026-01-01' + interval '1 day'", "select date ? + interval ?"),
            ("copy t from stdin; ", "copy t from stdin;"),
            ("", ""),
        ] {
            assert_eq!(without_literals(statement, Dialect::Postgres), expected, "{statement}");
        }
    }

    #[test]
    fn literals_of_mysql_are_removed() {
        for (statement, expected) in [
            ("select * from `Weird 1 ` where id = 4711", "select * from `Weird 1 ` where id = ?"),
            (r#"SELECT 'it''s secret', "se""cret", n'x', x'1F'"#, "SELECT ?"),
            (r"update t set a = 'a\\', b = 'b' where c = 1", r"update t set a = ?, b = ? where c = ?"),
            // With a backslash that escapes `secret` is inside, without it is outside.
            (r"select 'a\'secret', b from t", "select ?…"),
            (r"select 'a\', 'secret' from t", "select ?…"),
            ("select 1 # secret 'x\nfrom t", "select ? from t"),
            ("select 1 -- secret 'x\nfrom t", "select ? from t"),
            ("select 5--3, a from t", "select ?, a from t"),
            ("select a--'two\nsecret lines' from t", "select a--? from t"),
            ("select /* a /* secret */ b, c from t", "select b, c from t"),
            ("SELECT /*!40001 SQL_NO_CACHE */ * FROM `t`", "SELECT…"),
            ("select /*+ MAX_EXECUTION_TIME(1000) */ a$b, @x from t", "select a$b, @x from t"),
            (
                "create function f() language javascript as $$ 'secret' $$",
                "create function f() language javascript as…",
            ),
            ("alter user 'm'@'%' identified by 'secret'", "alter user ?@? identified by ?"),
            ("insert into t values (1,'a'),(2,'b'), (3, 'c')", "insert into t values (?)"),
            ("select _utf8mb4'secret' collate x", "select _utf8mb4? collate x"),
        ] {
            assert_eq!(without_literals(statement, Dialect::Mysql), expected, "{statement}");
        }
    }

    #[test]
    fn long_statement_is_cut() {
        let long = format!("select {} from t", "column_name, ".repeat(1_000));
        let shown = without_literals(&long, Dialect::Postgres);
        assert!(shown.chars().count() <= SHOWN_MAX + 1 && shown.ends_with('…'), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_ends_and_stays_one_short_line(text in ".{0,600}") {
            for dialect in [Dialect::Postgres, Dialect::Mysql] {
                let shown = without_literals(&text, dialect);
                prop_assert!(shown.chars().count() <= SHOWN_MAX + 1);
            }
        }

        /// Whatever the server's sql_mode is: the text is quoted by its rules, and does not survive.
        #[test]
        fn no_text_quoted_for_mysql_survives(
            texts in prop::collection::vec("[a-z\\\\'\"`#/*$ -]{0,12}", 1..4),
            quote in prop::sample::select(vec!['\'', '"']),
            escapes in any::<bool>(),
        ) {
            let mut statement = String::from("select a");
            for text in texts {
                let marked = format!("QQQ{text}QQQ").replace(quote, &format!("{quote}{quote}"));
                let marked = if escapes { marked.replace('\\', "\\\\") } else { marked };
                statement.push_str(&format!(", {quote}{marked}{quote}"));
            }
            let shown = without_literals(&statement, Dialect::Mysql);
            prop_assert!(!shown.contains("QQQ"), "{statement}: {shown}");
        }

        #[test]
        fn no_quoted_text_survives(secret in "[a-z0-9 \\\\$/*\"#-]{1,40}", before in "[a-z ,=(]{0,20} ") {
            let marked = format!("QQQ{secret}");
            let statement = format!("{before}'{marked}' and more");
            let shown = without_literals(&statement, Dialect::Postgres);
            prop_assert!(!shown.contains("QQQ"), "{shown}");
            prop_assert!(shown.ends_with("? and more"), "{shown}");
        }
    }
}
