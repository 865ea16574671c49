//! Paths that begin at the crate's root, at the parent or at the module itself.

use super::Module;
use crate::tidy::source::is_test_only;
use proc_macro2::{TokenStream, TokenTree};
use std::collections::BTreeMap;
use syn::visit::{self, Visit};

/// One path in the source.
pub(super) struct Reference {
    pub line: usize,
    /// As written.
    pub written: String,
    /// From the crate's root.
    pub target: Vec<String>,
}

/// The modules of one file: its own and those written inside it.
pub(super) fn modules(file: &syn::File, path: &[String], shown: &str) -> Vec<Module> {
    let mut reader = Reader { stack: vec![new(path.to_vec(), shown)], done: Vec::new() };
    reader.visit_file(file);
    reader.done.extend(reader.stack);
    reader.done
}

fn new(path: Vec<String>, shown: &str) -> Module {
    Module {
        path,
        file: shown.to_owned(),
        references: Vec::new(),
        imports: BTreeMap::new(),
        test_only: Vec::new(),
    }
}

struct Reader {
    /// The file's module and the inline modules around the current item.
    stack: Vec<Module>,
    done: Vec<Module>,
}

impl Reader {
    fn path(&self) -> Vec<String> {
        self.stack.last().map(|module| module.path.clone()).unwrap_or_default()
    }

    fn note(&mut self, written: &[String], line: usize) {
        let Some(target) = absolute(&self.path(), written) else { return };
        if let Some(module) = self.stack.last_mut() {
            module.references.push(Reference { line, written: written.join("::"), target });
        }
    }

    /// Every leaf of a `use` tree.
    fn tree(&mut self, before: &[String], tree: &syn::UseTree, line: usize) {
        let joined = |ident: &syn::Ident| {
            let mut path = before.to_vec();
            path.push(ident.to_string());
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.tree(&joined(&path.ident), &path.tree, line),
            syn::UseTree::Name(name) if name.ident == "self" => {
                self.import(before, before.last().cloned(), line)
            }
            syn::UseTree::Name(name) => self.import(&joined(&name.ident), Some(name.ident.to_string()), line),
            syn::UseTree::Rename(rename) => {
                self.import(&joined(&rename.ident), Some(rename.rename.to_string()), line);
            }
            syn::UseTree::Glob(_) => self.import(before, None, line),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(before, tree, line);
                }
            }
        }
    }

    fn import(&mut self, path: &[String], name: Option<String>, line: usize) {
        self.note(path, line);
        // A path without a beginning names a child here or another crate; the graph knows the children.
        let mut child = self.path();
        child.extend(path.iter().cloned());
        let target = absolute(&self.path(), path).unwrap_or(child);
        if let (Some(name), Some(module)) = (name, self.stack.last_mut()) {
            module.imports.insert(name, target);
        }
    }

    /// Paths inside a macro's arguments, which syn leaves as tokens.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if path.is_empty() || colons == 2 => {
                    if path.is_empty() {
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(ref punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => {
                    colons += 1;
                    continue;
                }
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) => {
                    self.note(&std::mem::take(&mut path), line);
                    path.push(ident.to_string());
                    line = ident.span().start().line;
                    colons = 0;
                    continue;
                }
                _ => {}
            }
            self.note(&std::mem::take(&mut path), line);
            colons = 0;
        }
        self.note(&path, line);
    }
}

/// The path from the crate's root; None where it begins elsewhere.
fn absolute(module: &[String], written: &[String]) -> Option<Vec<String>> {
    let mut at = module.to_vec();
    let mut rest = written;
    match rest.first()?.as_str() {
        "crate" => at.clear(),
        "self" | "super" => {}
        _ => return None,
    }
    while let Some((first, after)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => {
                at.pop();
            }
            _ => break,
        }
        rest = after;
    }
    at.extend(rest.iter().cloned());
    Some(at)
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let mut path = self.path();
        path.push(item.ident.to_string());
        if is_test_only(&item.attrs) {
            if let Some(module) = self.stack.last_mut() {
                module.test_only.push(path);
            }
        } else if item.content.is_some() {
            let shown = self.stack.last().map(|module| module.file.clone()).unwrap_or_default();
            self.stack.push(new(path, &shown));
            visit::visit_item_mod(self, item);
            self.done.extend(self.stack.pop());
        }
    }

    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes: &[syn::Attribute] = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !is_test_only(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree, item.use_token.span.start().line);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let written: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.note(&written, line);
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
    }
}
