//! Errors that are text: `Result<_, String>` in a signature that other modules see. A caller cannot tell from text whose
//! fault an error is, or whether a retry helps.

use super::source::{File, is_test_only};
use syn::visit::{self, Visit};

/// Each non-private signature outside of tests with such a result.
pub(super) fn check(files: &[File]) -> Vec<String> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| is_product(&file.path)) {
        let mut reader = Signatures { found: Vec::new() };
        if let Some(parsed) = file.rust() {
            reader.visit_file(&parsed);
        }
        let found = reader.found.into_iter();
        faults.extend(found.map(|(name, line)| {
            format!(
                "{}:{line}: {name} has a String as its error: use an enum or struct with thiserror",
                file.path
            )
        }));
    }
    faults
}

/// Whether a file is part of the product, and not of its tests, drills or commands for developers.
fn is_product(path: &str) -> bool {
    path.starts_with("crates/")
        && !path.starts_with("crates/test/")
        && path.contains("/src/")
        && !path.ends_with("/tests.rs")
        && !path.contains("/tests/")
}

struct Signatures {
    /// Name and line.
    found: Vec<(String, usize)>,
}

impl Signatures {
    fn note(&mut self, name: &syn::Ident, has: bool) {
        if has {
            self.found.push((name.to_string(), name.span().start().line));
        }
    }

    fn signature(&mut self, signature: &syn::Signature) {
        let mut reader = StringErrors(false);
        reader.visit_signature(signature);
        self.note(&signature.ident, reader.0);
    }
}

fn is_private(visibility: &syn::Visibility) -> bool {
    matches!(visibility, syn::Visibility::Inherited)
}

impl<'ast> Visit<'ast> for Signatures {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test_only(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_private(&item.vis) && !is_test_only(&item.attrs) {
            self.signature(&item.sig);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if is_test_only(&item.attrs) {
            return;
        }
        for part in &item.items {
            match part {
                // A method of a trait is visible wherever the trait is.
                syn::ImplItem::Fn(method)
                    if (item.trait_.is_some() || !is_private(&method.vis))
                        && !is_test_only(&method.attrs) =>
                {
                    self.signature(&method.sig);
                }
                syn::ImplItem::Type(associated) => {
                    let names_an_error = associated.ident == "Err" || associated.ident == "Error";
                    self.note(&associated.ident, names_an_error && is_string(&associated.ty));
                }
                _ => {}
            }
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.signature(&item.sig);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        let mut reader = StringErrors(false);
        reader.visit_type(&item.ty);
        self.note(&item.ident, reader.0 && !is_private(&item.vis));
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let mut reader = StringErrors(false);
        reader.visit_type(&field.ty);
        if let Some(name) = &field.ident {
            self.note(name, reader.0 && !is_private(&field.vis));
        }
    }
}

/// Whether a type contains `Result<_, String>`.
struct StringErrors(bool);

impl<'ast> Visit<'ast> for StringErrors {
    fn visit_path_segment(&mut self, segment: &'ast syn::PathSegment) {
        if segment.ident == "Result"
            && let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments
            && let Some(syn::GenericArgument::Type(error)) = arguments.args.iter().nth(1)
        {
            self.0 |= is_string(error);
        }
        visit::visit_path_segment(self, segment);
    }
}

fn is_string(of: &syn::Type) -> bool {
    matches!(of, syn::Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == "String"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&[File { path: path.to_owned(), text: text.to_owned() }])
    }

    const PRODUCT: &str = "crates/io/edge/src/pool.rs";

    #[test]
    fn text_as_error_is_named_where_others_see_it() {
        for text in [
            "pub fn a() -> Result<(), String> {}",
            "pub(crate) async fn a() -> Result<u8, std::string::String> {}",
            "impl S { pub(super) fn a(&self) -> Option<Result<(), String>> {} }",
            "mod inner { pub fn a(b: impl Fn() -> Result<(), String>) {} }",
            "trait T { fn a() -> Result<(), String>; }",
            "impl T for S { fn a() -> Result<(), String> {} }",
            "impl FromStr for S { type Err = String; }",
            "pub struct S { pub a: Result<u8, String> }",
            "pub type A<T> = Result<T, String>;",
        ] {
            assert_eq!(found(PRODUCT, text).len(), 1, "{text}");
        }
        let text = "\npub fn a() -> Result<(), String> {}";
        let expected =
            "crates/io/edge/src/pool.rs:2: a has a String as its error: use an enum or struct with thiserror";
        assert_eq!(found(PRODUCT, text), [expected]);
    }

    #[test]
    fn private_functions_other_results_and_tests_are_not_named() {
        for text in [
            "fn a() -> Result<(), String> {}",
            "impl S { fn a() -> Result<(), String> {} }",
            "pub fn a() -> Result<String, Error> {}",
            "pub fn a() -> Result<(), Failure<String>> {}",
            "pub fn a() -> io::Result<String> {}",
            "pub fn a() { fn inner() -> Result<(), String> {} }",
            "#[cfg(test)] mod tests { pub fn a() -> Result<(), String> {} }",
            "#[cfg(test)] pub fn a() -> Result<(), String> {}",
            "impl Iterator for S { type Item = String; }",
        ] {
            assert_eq!(found(PRODUCT, text), Vec::<String>::new(), "{text}");
        }
        let text = "pub fn a() -> Result<(), String> {}";
        for path in [
            "crates/io/edge/src/pool/tests.rs",
            "crates/io/edge/tests/it/main.rs",
            "crates/test/sim/src/run.rs",
            "xtask/src/run.rs",
        ] {
            assert_eq!(found(path, text), Vec::<String>::new(), "{path}");
        }
    }
}
