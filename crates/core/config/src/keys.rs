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
/// * After `=` is the type as it is written ([`Kind`](crate::kind::Kind), and [`Read`](crate::kind::Read) for its value):
///   a constant of `formats`, or `integer::<u32>(1, 100)`, `duration(MIN, MAX)`, `list(..)`, `map(..)`, `table::<T>()`,
///   `made(function)` with checks across the keys of a table. Before it is the type as it is held: `Option<T>`, `Option<At<T>>` with the position,
///   `Vec<T>`, `Vec<At<T>>`; `T` itself with a `default`.
/// * `required`, or `default VALUE` (`default VALUE => "in words"` for a value that has no short form), or
///   `otherwise "in words"` for a default that is found later; nothing when there is nothing to say. The example is as it
///   is written in the file.
/// * `name as "key"` when the key is not an identifier of Rust.
/// * `for TYPE` instead of `struct NAME` reads into an existing type, such as one of `types::config`, whose fields are
///   these keys; `for TYPE {..} ..default` when it has more fields. A `struct` is declared here, with one more field, `written`:
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
            pub(crate) written: $crate::kind::table::Written,
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
                $table: &$crate::kind::table::TableReader<'_>,
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
