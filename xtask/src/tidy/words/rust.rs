//! Banned words in Rust: declared names by syn, literals and docs by tokens, comments by the gaps between tokens.

use super::{Hits, text};
use proc_macro2::{Span, TokenStream, TokenTree};
use std::ops::Range;
use std::str::FromStr;
use syn::visit::{self, Visit};

pub(super) fn check(source: &str, hits: &mut Hits<'_>) {
    let Ok(tokens) = TokenStream::from_str(source) else {
        return hits.text(1, source);
    };
    let mut covered = Vec::new();
    literals(tokens.clone(), &mut covered, hits);
    comments(source, covered, hits);
    if let Ok(file) = syn::parse2::<syn::File>(tokens) {
        Declarations { hits }.visit_file(&file);
    }
}

/// Checks every literal, and collects which bytes are tokens.
fn literals(tokens: TokenStream, covered: &mut Vec<Range<usize>>, hits: &mut Hits<'_>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                covered.push(group.span_open().byte_range());
                literals(group.stream(), covered, hits);
                covered.push(group.span_close().byte_range());
            }
            TokenTree::Literal(literal) => {
                covered.push(literal.span().byte_range());
                let line = literal.span().start().line;
                if let Ok(syn::Lit::Str(value)) = syn::parse_str(&literal.to_string()) {
                    text::literal(&value.value(), line, hits);
                }
            }
            other => covered.push(other.span().byte_range()),
        }
    }
}

/// Checks what is between tokens: comments that are no docs.
fn comments(source: &str, mut covered: Vec<Range<usize>>, hits: &mut Hits<'_>) {
    covered.sort_by_key(|range| range.start);
    covered.push(source.len()..source.len());
    let mut end = 0;
    let mut line = 1;
    let lines = |range: Range<usize>| source.get(range).unwrap_or_default().matches('\n').count();
    for range in covered {
        if range.start > end {
            let gap = source.get(end..range.start).unwrap_or_default();
            if gap.contains("//") || gap.contains("/*") {
                hits.text(line, gap);
            }
            line += lines(end..range.start);
        }
        if range.end > end {
            line += lines(end.max(range.start)..range.end);
            end = range.end;
        }
    }
}

/// Every declared name.
struct Declarations<'a, 'b> {
    hits: &'a mut Hits<'b>,
}

fn line(span: Span) -> usize {
    span.start().line
}

impl Declarations<'_, '_> {
    fn name(&mut self, ident: &syn::Ident) {
        self.hits.name(line(ident.span()), &ident.to_string());
    }

    fn type_name(&mut self, ident: &syn::Ident) {
        self.hits.type_name(line(ident.span()), &ident.to_string());
    }
}

impl<'ast> Visit<'ast> for Declarations<'_, '_> {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.type_name(&item.ident);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.type_name(&item.ident);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.type_name(&item.ident);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.type_name(&item.ident);
        visit::visit_item_type(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.type_name(&variant.ident);
        visit::visit_variant(self, variant);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if let Some(ident) = &field.ident {
            self.hits.key(line(ident.span()), &ident.to_string());
        }
        visit::visit_field(self, field);
    }

    fn visit_signature(&mut self, signature: &'ast syn::Signature) {
        self.name(&signature.ident);
        visit::visit_signature(self, signature);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        // A module of its own file is named by the file.
        if item.content.is_some() {
            self.name(&item.ident);
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.name(&item.ident);
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.name(&item.ident);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.name(&item.ident);
        visit::visit_item_static(self, item);
    }

    fn visit_field_pat(&mut self, field: &'ast syn::FieldPat) {
        // `Struct { field, .. }` uses a field; only `field: name` declares a name.
        if field.colon_token.is_some() {
            visit::visit_field_pat(self, field);
        }
    }

    fn visit_pat_ident(&mut self, pattern: &'ast syn::PatIdent) {
        self.name(&pattern.ident);
        visit::visit_pat_ident(self, pattern);
    }
}
