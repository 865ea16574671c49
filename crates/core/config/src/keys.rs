//! The declaration of a table of keys: [`keys!`].

/// Declares the keys of a section or of a table, each once: reader, problems, hints, JSON Schema and reference page come
/// from here.
///
/// ```text
/// keys! {
///     /// A database with its replicas.
///     [database.NAME]
///     struct RawDatabase {
///         /// URL of the primary.
///         url: Option<At<SecretRef>> = SECRET, required, example r#""env:MAIN_DB_URL""#;
///         /// URLs of the replicas.
///         replicas: Vec<At<SecretRef>> = list(SECRET), otherwise "none", example r#"["env:REPLICA_URL"]"#;
///         /// Time between queries.
///         interval: Duration = INTERVAL, default Duration::from_secs(30), example r#""30s""#;
///         /// What its backup must be like.
///         backup: Option<Backup> = table::<Backup>(), otherwise "not checked", example r#"{ max_age = "12h" }"#;
///     }
///     unsupported {
///         users: "least-privilege checks of its users";
///     }
/// }
/// ```
///
/// * The documentation comments are the descriptions of the reference page. `[site]` is a section that exists once,
///   `[database.NAME]` one that exists per name, `[domain.DOMAIN]` one per registrable domain; without brackets it is a
///   table inside a section.
/// * Before `=` is the type as it is held: `Option<T>`, `Option<At<T>>` with the position, `Vec<T>`, `Vec<At<T>>`; `T` itself
///   with a `default`. After it is the type as it is written ([`Kind`](crate::kind::Kind), and [`Read`](crate::kind::Read)
///   for its value): a constant of `formats`, or `integer::<u32>(1, 100)`, `duration(MIN, MAX)`, `list(..)`, `map(..)`,
///   `table::<T>()`, or `made(function)` for a table with checks across its keys, or of which something else is made.
/// * `required`; or `default VALUE`, and `default VALUE => "in words"` for a value without a short form; or
///   `otherwise "in words"` for a default that is found later; or nothing. The example is as it is written in the file.
/// * `name as "key"` when the key is not an identifier of Rust.
/// * `for TYPE` instead of `struct NAME` reads into an existing type, such as one of `types::config`, whose fields are these
///   keys; `for TYPE {..} ..default` when it has more fields. A `struct` is declared here, with one more field, `written`:
///   which keys are there, valid or not, and where.
///
/// A new section is complete with its line in `raw::SECTIONS` and the line of `raw::read` that reads it. A key that nothing
/// uses is a warning of the compiler.
macro_rules! keys {
    // Sections.
    (
        $(#[doc = $about:literal])+
        [$section:ident $(. $own:ident)?]
        struct $name:ident { $($keys:tt)* }
        $(unsupported { $($unsupported:tt)* })?
    ) => {
        $crate::keys::keys!(@section $name, $section, ($($own)?), ($($about),+));
        $crate::keys::keys! {
            $(#[doc = $about])+ struct $name { $($keys)* } $(unsupported { $($unsupported)* })?
        }
    };
    (
        $(#[doc = $about:literal])+
        [$section:ident $(. $own:ident)?]
        for $name:ty { $($keys:tt)* }
        $(unsupported { $($unsupported:tt)* })?
    ) => {
        $crate::keys::keys!(@section $name, $section, ($($own)?), ($($about),+));
        $crate::keys::keys! { for $name { $($keys)* } $(unsupported { $($unsupported)* })? }
    };
    // Tables.
    (
        $(#[doc = $about:literal])+
        struct $name:ident { $($keys:tt)* }
        $(unsupported { $($unsupported:tt)* })?
    ) => {
        $crate::keys::keys!(@struct $name, ($($about),+) { $($keys)* });
        $crate::keys::keys!(
            @impl $name, table { written: table.written() } { $($keys)* } { $($($unsupported)*)? }
        );
    };
    (
        for $name:ty { $($keys:tt)* }
        $(..$rest:ident)?
        $(unsupported { $($unsupported:tt)* })?
    ) => {
        $crate::keys::keys!(@impl $name, table { $(..Default::$rest())? } { $($keys)* } { $($($unsupported)*)? });
    };

    // The parts of what is generated.
    (@section $name:ty, $section:ident, ($($own:ident)?), ($($about:literal),+)) => {
        impl $crate::kind::Sectional for $name {
            const SECTION: $crate::kind::Section = $crate::kind::Section {
                name: stringify!($section),
                own: $crate::keys::keys!(@own $($own)?),
                doc: concat!($($about),+).trim_ascii(),
                keys: <$name as $crate::kind::Keys>::KEYS,
            };
        }
    };
    (@own) => { None };
    (@own NAME) => { Some($crate::kind::OwnName::Name) };
    (@own DOMAIN) => { Some($crate::kind::OwnName::Domain) };
    (@struct $name:ident, ($($about:literal),+) {
        $(
            $(#[doc = $doc:literal])+
            $field:ident $(as $key:literal)? : $type:ty = $kind:expr
            $(, required $required:vis)? $(, default $default:expr $(=> $shown:literal)?)?
            $(, otherwise $words:literal)?, example $example:literal;
        )*
    }) => {
        $(#[doc = $about])+
        #[derive(Debug)]
        pub(crate) struct $name {
            $($(#[doc = $doc])+ pub(crate) $field: $type,)*
            /// Which keys are there, valid or not.
            #[allow(dead_code)] // not every table has checks across its keys
            pub(crate) written: $crate::kind::reader::Written,
        }
    };
    (@impl $name:ty, $table:ident { $($rest:tt)* } {
        $(
            $(#[doc = $doc:literal])+
            $field:ident $(as $key:literal)? : $type:ty = $kind:expr
            $(, required $required:vis)? $(, default $default:expr $(=> $shown:literal)?)?
            $(, otherwise $words:literal)?, example $example:literal;
        )*
    } { $($unsupported:ident: $what:literal;)* }) => {
        impl $crate::kind::Keys for $name {
            const KEYS: &'static [$crate::kind::Key] = &[
                $($crate::kind::Key {
                    name: $crate::keys::keys!(@name $field $($key)?),
                    kind: &$kind,
                    absent: $crate::keys::keys!(
                        @absent $kind $(, required $required)? $(, default $default $(=> $shown)?)?
                        $(, otherwise $words)?
                    ),
                    doc: concat!($($doc),+).trim_ascii(),
                    example: $example,
                },)*
                $($crate::kind::Key {
                    name: stringify!($unsupported),
                    kind: &$crate::kind::Unsupported,
                    absent: $crate::kind::Absent::Unsupported,
                    doc: $what,
                    example: "",
                },)*
            ];

            fn read(
                $table: &$crate::kind::reader::TableReader<'_>,
                context: &mut $crate::kind::Context<'_>,
            ) -> Self {
                Self {
                    $($field: $crate::keys::keys!(
                        @fill $type,
                        $table.read(context, $crate::keys::keys!(@name $field $($key)?), &$kind)
                        $(, $default)?
                    ),)*
                    $($rest)*
                }
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $key:literal) => { $key };
    (@absent $kind:expr, required $required:vis) => { $crate::kind::Absent::Required };
    (@absent $kind:expr, default $default:expr => $shown:literal) => { $crate::kind::Absent::Words($shown) };
    (@absent $kind:expr, default $default:expr) => {
        $crate::kind::Absent::Default(|| $crate::kind::Read::show(&$kind, &$default))
    };
    (@absent $kind:expr, otherwise $words:literal) => { $crate::kind::Absent::Words($words) };
    (@absent $kind:expr) => { $crate::kind::Absent::Words("") };
    (@fill $type:ty, $read:expr) => { <$type as $crate::kind::value::Slot<_>>::fill($read) };
    (@fill $type:ty, $read:expr, $default:expr) => {
        match $read {
            Some(at) => at.value,
            None => $default,
        }
    };
}
pub(crate) use keys;

#[cfg(test)]
mod tests {
    use crate::diagnostics::Diagnostics;
    use crate::formats::{INTERVAL, SECRET, THRESHOLD};
    use crate::kind::list::list;
    use crate::kind::reader::TableReader;
    use crate::kind::string::Text;
    use crate::kind::table::table;
    use crate::kind::value::At;
    use crate::kind::{Context, Keys, Sectional};
    use crate::parse::domain::Declared;
    use std::path::Path;
    use std::time::Duration;
    use toml::de::DeTable;
    use types::config::SecretRef;

    keys! {
        /// A database
        /// with its replicas.
        [database.NAME]
        struct RawDatabase {
            /// URL of the primary.
            url: Option<At<SecretRef>> = SECRET, required, example r#""env:URL""#;
            /// URLs of the replicas.
            replicas: Vec<SecretRef> = list(SECRET), otherwise "none", example r#"["env:URL"]"#;
            /// Time between queries.
            interval: Duration = INTERVAL, default Duration::from_secs(30), example r#""30s""#;
            /// What its backup must be like.
            backup as "for": Option<Backup> = table::<Backup>(), otherwise "not checked", example "{ copies = 2 }";
        }
        unsupported {
            users: "checks of its users";
        }
    }

    #[derive(Debug, Default, PartialEq)]
    pub(crate) struct Backup {
        copies: u32,
        is_new: bool,
        name: String,
    }

    keys! {
        for Backup {
            /// Copies.
            copies: u32 = THRESHOLD, default 1, example "2";
            /// Its name.
            name: String = Text, default "main".to_owned(), example r#""main""#;
        } ..default
    }

    fn read(text: &str) -> (RawDatabase, String) {
        let document = DeTable::parse(text).unwrap();
        let mut diagnostics = Diagnostics::default();
        let mut context = Context {
            diagnostics: &mut diagnostics,
            folder: Path::new("/"),
            declared: Declared::default(),
            sections: &[RawDatabase::SECTION],
        };
        let path = "database.main".to_owned();
        let (read, _) = TableReader::read_all(&mut context, path, 0..0, Some(document.get_ref()));
        let problems: Vec<String> = diagnostics.finish(text, "a").0.iter().map(ToString::to_string).collect();
        (read, problems.join("\n"))
    }

    #[test]
    fn declaration_reads_values_and_defaults() {
        let (read, problems) = read("url = \"env:A\"\nreplicas = [\"env:B\"]\nfor = { copies = 3 }\n");
        assert_eq!(problems, "");
        assert_eq!(read.url, Some(At { value: SecretRef::Env("A".to_owned()), place: 6..13 }));
        assert_eq!(read.replicas, [SecretRef::Env("B".to_owned())]);
        assert_eq!(read.interval, Duration::from_secs(30));
        assert_eq!(read.backup, Some(Backup { copies: 3, is_new: false, name: "main".to_owned() }));
        assert!(read.written.has("for") && !read.written.has("interval"));
    }

    #[test]
    fn declaration_reports_every_problem() {
        let (_, problems) = read("repliacs = []\ninterval = \"1ms\"\nusers = {}\nfor = { copies = 0 }\n");
        insta::assert_snapshot!(problems, @r#"
        a:1:1: unknown key `repliacs` in database.main (did you mean `replicas`?)
        a:2:12: `interval` must be a duration from 50ms to 7d, not 1ms (for example: interval = "30s")
        a:3:1: `users` (checks of its users) is not supported by this version (remove it for now; no key is ignored silently)
        a:4:18: `copies` must be an integer from 1 to 100, not 0 (for example: copies = 2)
        "#);
    }

    #[test]
    fn declaration_describes_its_keys() {
        let section = RawDatabase::SECTION;
        assert_eq!((section.name, section.doc), ("database", "A database with its replicas."));
        let names: Vec<&str> = RawDatabase::KEYS.iter().chain(Backup::KEYS).map(|key| key.name).collect();
        assert_eq!(names, ["url", "replicas", "interval", "for", "users", "copies", "name"]);
        let key = |name: &str| RawDatabase::KEYS.iter().find(|key| key.name == name).unwrap();
        assert!(key("url").is_required() && !key("users").is_supported());
        assert_eq!((key("interval").default(), key("for").default()), ("30s".into(), "not checked".into()));
    }
}
