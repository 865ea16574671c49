//! Sizes: functions are named when too long, files are warned about.

use super::allow::Allowed;
use super::source::File;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// From `fn` to the closing brace.
pub(super) const FUNCTION_LINES_MAX: usize = 70;
pub(super) const FILE_LINES_WARNED: usize = 400;

/// Functions that are too long and not allowed, and long files.
pub(super) fn check(files: &[File], allowed: &mut Allowed) -> (Vec<String>, Vec<String>) {
    let mut functions = Vec::new();
    let mut long_files = Vec::new();
    for file in files.iter().filter(|file| file.extension() == "rs") {
        for (name, line, lines) in long_functions(file) {
            if !allowed.function(&file.path, &name) {
                functions.push((lines, format!("{}:{line}: {name} has {lines} lines", file.path)));
            }
        }
        let lines = file.text.lines().count();
        if lines > FILE_LINES_WARNED {
            long_files.push((lines, format!("{}: {lines} lines", file.path)));
        }
    }
    (longest_first(functions), longest_first(long_files))
}

fn longest_first(mut list: Vec<(usize, String)>) -> Vec<String> {
    list.sort_by_key(|(lines, _)| usize::MAX - lines);
    list.into_iter().map(|(_, text)| text).collect()
}

/// Name, first line and number of lines of each function that is too long.
fn long_functions(file: &File) -> Vec<(String, usize, usize)> {
    let mut reader = Functions { owner: Vec::new(), long: Vec::new() };
    if let Some(parsed) = file.rust() {
        reader.visit_file(&parsed);
    }
    reader.long
}

struct Functions {
    owner: Vec<String>,
    long: Vec<(String, usize, usize)>,
}

impl Functions {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let owner = self.owner.last().map(|owner| format!("{owner}::")).unwrap_or_default();
            self.long.push((format!("{owner}{}", signature.ident), first, lines));
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let name = match item.self_ty.as_ref() {
            syn::Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        self.owner.push(name.unwrap_or_default());
        visit::visit_item_impl(self, item);
        self.owner.pop();
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn function_over_the_limit_is_named_unless_allowed() {
        let body = |lines: usize| "    let _ = 1;\n".repeat(lines);
        let text = format!(
            "struct S;\nimpl S {{\n/// Docs do not count.\nfn long() {{\n{}}}\n}}\nfn fits() {{\n{}}}\nfn other() {{\n{}}}\n",
            body(69),
            body(68),
            body(69)
        );
        let file = File { path: "a.rs".to_owned(), text };
        let mut allowed =
            Allowed::parse("[[function]]\npath = \"a.rs\"\nname = \"other\"\nreason = \"a table\"\n")
                .unwrap();
        let (functions, files) = check(&[file], &mut allowed);
        assert_eq!(functions, ["a.rs:4: S::long has 71 lines"]);
        assert_eq!(files, Vec::<String>::new());
    }

    #[test]
    fn long_file_is_warned_about() {
        let file = File { path: "a.rs".to_owned(), text: "// line\n".repeat(401) };
        assert_eq!(check(&[file], &mut Allowed::parse("").unwrap()).1, ["a.rs: 401 lines"]);
    }
}
