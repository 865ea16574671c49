//! The dependency graph as SVG, left to right, with the failing path highlighted. The summary is its text alternative.

use super::graph_layout::{Arrangement, Position, arrange};
use crate::design::Icon;
use crate::wording::resource::label;
use askama::filters::HtmlSafe;
use engine::views::{Edge, Node, NodeState};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use text::escape;
use types::{Kind, Resource};

/// Maximum number of nodes. Healthy ones are left out first.
const NODES_MAX: usize = 48;
/// Maximum length of a name, in characters; longer ones are shortened.
const NAME_MAX: usize = 26;
const NODE_HEIGHT: f64 = 42.0;
const COLUMN_GAP: f64 = 64.0;
const MARGIN: f64 = 6.0;
/// Width in pixels above which a drawing may be scaled down.
const SHRINK_ABOVE: f64 = 960.0;

/// Drawing of the graph.
#[derive(Clone, Debug)]
pub struct GraphDrawing {
    html: String,
    /// Number of healthy nodes that are left out.
    pub omitted: usize,
}

impl fmt::Display for GraphDrawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for GraphDrawing {}

impl GraphDrawing {
    /// Draws the graph; `summary` is its text alternative.
    #[must_use]
    pub fn new(nodes: &[Node], edges: &[Edge], summary: &str) -> Self {
        let shown = shown(nodes, edges);
        let index: BTreeMap<&Resource, usize> =
            shown.iter().enumerate().map(|(at, node)| (&node.resource, at)).collect();
        let both_shown = |edge: &&Edge| index.contains_key(&edge.above) && index.contains_key(&edge.below);
        let drawn: Vec<(&Edge, (usize, usize))> =
            without_redundant(edges.iter().filter(both_shown).collect())
                .into_iter()
                .filter_map(|edge| Some((edge, (*index.get(&edge.above)?, *index.get(&edge.below)?))))
                .collect();
        let pairs: Vec<(usize, usize)> = drawn.iter().map(|(_, pair)| *pair).collect();
        let kinds: Vec<usize> = shown.iter().map(|node| layer(node.resource.kind)).collect();
        let arranged = arrange(&kinds, &pairs);
        let columns = Columns::new(&shown, &arranged);
        let mut html = String::with_capacity(512 + shown.len() * 400);
        let (width, height) = (columns.width(), arranged.height + NODE_HEIGHT + 2.0 * MARGIN);
        let label = escape::html(summary);
        // The style sheet scales a wide drawing down a little, so that causes at the right are visible without
        // scrolling.
        let class = if width > SHRINK_ABOVE { "graph wide" } else { "graph" };
        let _ = write!(
            html,
            "<svg class=\"{class}\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             role=\"img\" aria-label=\"{label}\">{ARROWS}"
        );
        // Hot edges last, so that they are on top.
        for hot in [false, true] {
            for ((edge, _), route) in
                drawn.iter().zip(&arranged.routes).filter(|((edge, _), _)| edge.hot == hot)
            {
                let class = if edge.hot { "edge hot" } else { "edge" };
                let _ = write!(html, "<path class=\"{class}\" d=\"{}\"/>", columns.line(route));
            }
        }
        for (node, position) in shown.iter().zip(&arranged.nodes) {
            columns.draw(&mut html, node, *position);
        }
        html.push_str("</svg>");
        Self {
            html,
            omitted: nodes
                .iter()
                .filter(|node| node.state == NodeState::Well)
                .count()
                .saturating_sub(shown.iter().filter(|node| node.state == NodeState::Well).count()),
        }
    }
}

const ARROWS: &str = "<defs><marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" markerHeight=\"7\" orient=\"auto\">\
     <path class=\"tip\" d=\"M0 .6 7.4 4 0 7.4z\"/></marker>\
     <marker id=\"arrow-hot\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"5\" markerHeight=\"5\" orient=\"auto\">\
     <path class=\"tip hot\" d=\"M0 .6 7.4 4 0 7.4z\"/></marker></defs>";

/// Nodes that are drawn: services, and every node with an edge. Of a large graph only what is not healthy.
fn shown<'a>(nodes: &'a [Node], edges: &[Edge]) -> Vec<&'a Node> {
    let joined: BTreeSet<&Resource> = edges.iter().flat_map(|edge| [&edge.above, &edge.below]).collect();
    let mut shown: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.resource.kind == Kind::Service || joined.contains(&node.resource))
        .collect();
    if shown.len() > NODES_MAX {
        let hot: BTreeSet<&Resource> =
            edges.iter().filter(|edge| edge.hot).flat_map(|edge| [&edge.above, &edge.below]).collect();
        let is_healthy = |node: &Node| {
            matches!(node.state, NodeState::Well | NodeState::Unknown) && !hot.contains(&node.resource)
        };
        shown.retain(|node| node.resource.kind == Kind::Service || !is_healthy(node));
        // Causes first: they always fit.
        shown.sort_by_key(|node| node.state != NodeState::Cause);
        shown.truncate(NODES_MAX);
    }
    shown
}

/// Removes edges that a path of two others, equally hot, already shows. Reachability stays the same.
fn without_redundant(mut edges: Vec<&Edge>) -> Vec<&Edge> {
    let mut left: BTreeMap<(&Resource, &Resource), bool> =
        edges.iter().map(|edge| ((&edge.above, &edge.below), edge.hot)).collect();
    let mut below: BTreeMap<&Resource, Vec<&Resource>> = BTreeMap::new();
    for edge in &edges {
        below.entry(&edge.above).or_default().push(&edge.below);
    }
    edges.retain(|edge| {
        let (from, to) = (&edge.above, &edge.below);
        let is_left = |pair| left.get(&pair).is_some_and(|hot| *hot || !edge.hot);
        let redundant = below.get(from).into_iter().flatten().any(|middle| {
            *middle != from && *middle != to && is_left((from, *middle)) && is_left((*middle, to))
        });
        if redundant {
            left.remove(&(from, to));
        }
        !redundant
    });
    edges
}

/// Left edges and widths of the columns.
struct Columns {
    lefts: Vec<f64>,
    widths: Vec<f64>,
}

impl Columns {
    fn new(nodes: &[&Node], arranged: &Arrangement) -> Self {
        let mut widths = vec![0.0_f64; arranged.columns];
        for (node, position) in nodes.iter().zip(&arranged.nodes) {
            let letters = short(name(node)).chars().count().max(caption(node).chars().count()) as f64;
            if let Some(width) = widths.get_mut(position.column) {
                *width = width.max(letters * 8.3 + 54.0);
            }
        }
        let lefts = widths.iter().scan(MARGIN, |left, width| {
            let here = *left;
            *left += width + COLUMN_GAP;
            Some(here)
        });
        Self { lefts: lefts.collect(), widths }
    }

    fn left(&self, column: usize) -> f64 {
        self.lefts.get(column).copied().unwrap_or_default()
    }

    fn right(&self, column: usize) -> f64 {
        self.left(column) + self.widths.get(column).copied().unwrap_or_default()
    }

    fn width(&self) -> f64 {
        self.right(self.widths.len().saturating_sub(1)) + MARGIN
    }

    /// Returns the path from the right side of the first node to the left side of the last, horizontal within columns.
    fn line(&self, route: &[Position]) -> String {
        let mut line = String::new();
        let middle = |position: &Position| MARGIN + NODE_HEIGHT / 2.0 + position.height;
        for (step, pair) in route.windows(2).enumerate() {
            let [from, to] = pair else { continue };
            let (x1, x2) = if from.column < to.column {
                (self.right(from.column), self.left(to.column))
            } else {
                (self.left(from.column), self.right(to.column))
            };
            let (y1, y2, bend) = (middle(from), middle(to), (x2 - x1) / 2.0);
            let begin = if step == 0 { 'M' } else { 'L' };
            let _ = write!(
                line,
                "{begin}{x1:.0} {y1:.1}C{:.0} {y1:.1} {:.0} {y2:.1} {x2:.0} {y2:.1}",
                x1 + bend,
                x2 - bend
            );
        }
        line
    }

    fn draw(&self, html: &mut String, node: &Node, position: Position) {
        let icon = Icon::from(node.state);
        let (x, y) = (self.left(position.column), MARGIN + position.height);
        let width = self.widths.get(position.column).copied().unwrap_or_default();
        let class = match node.state {
            NodeState::Cause => "node cause",
            NodeState::Failing => "node failing",
            NodeState::Warned => "node warned",
            NodeState::Well => "node well",
            NodeState::Unknown => "node unknown",
        };
        let (label, short, caption) =
            (escape::html(&label(node)), escape::html(&short(name(node))), caption(node));
        let (shape, sign, colour) = (icon.shape(), icon.sign(), icon.class());
        let _ = write!(
            html,
            "<g class=\"{class}\" transform=\"translate({x:.0} {y:.1})\"><title>{label}: {state}</title>\
             <rect width=\"{width:.0}\" height=\"{NODE_HEIGHT}\" rx=\"7\"/>\
             <g class=\"icon {colour}\" transform=\"translate(10 12) scale(.9)\">{shape}<path class=\"sign\" d=\"{sign}\"/></g>\
             <text class=\"caption\" x=\"36\" y=\"16\">{caption}</text><text x=\"36\" y=\"32\">{short}</text></g>",
            state = state_text(node.state),
        );
    }
}

/// Layer of a kind: services at the left, their dependencies to the right.
fn layer(kind: Kind) -> usize {
    match kind {
        Kind::Service | Kind::Mainstay => 0,
        Kind::Host | Kind::Probe => 1,
        Kind::Pool
        | Kind::Database
        | Kind::Tls
        | Kind::Address
        | Kind::Location
        | Kind::Dns
        | Kind::Heartbeat
        | Kind::Source => 2,
        Kind::Domain => 3,
    }
}

fn caption(node: &Node) -> &'static str {
    match node.resource.kind {
        Kind::Service => "service",
        Kind::Probe => "probe",
        Kind::Host => "host",
        Kind::Pool => "servers",
        Kind::Database => "database",
        Kind::Tls => "certificate",
        Kind::Address => "address",
        Kind::Heartbeat => "heartbeat",
        Kind::Source => "source",
        Kind::Location => "location",
        Kind::Dns => "name servers",
        Kind::Domain => "registration",
        Kind::Mainstay => "mainstay",
    }
}

/// Name without the kind.
fn name(node: &Node) -> &str {
    node.title.as_deref().unwrap_or(&node.resource.name)
}

/// Text of a state.
#[must_use]
pub fn state_text(state: NodeState) -> &'static str {
    match state {
        NodeState::Well => "healthy",
        NodeState::Unknown => "no data",
        NodeState::Warned => "warning",
        NodeState::Failing => "failing because of a dependency",
        NodeState::Cause => "cause",
    }
}

/// Shortens a name in the middle: both ends identify it.
fn short(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= NAME_MAX {
        return name.to_owned();
    }
    let (front, back) = (&letters[..NAME_MAX / 2 - 1], &letters[letters.len() - NAME_MAX / 2..]);
    front.iter().chain(&['…']).chain(back).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(resource: &str, state: NodeState) -> Node {
        let resource: Resource = resource.parse().unwrap();
        Node { resource, title: None, state }
    }

    fn edge(above: &str, below: &str, hot: bool) -> Edge {
        Edge { above: above.parse().unwrap(), below: below.parse().unwrap(), hot }
    }

    #[test]
    fn drawing_fits_its_view_box() {
        let nodes: Vec<Node> = (0..8).map(|n| node(&format!("service.s{n}"), NodeState::Well)).collect();
        let edges: Vec<Edge> = (0..7).map(|n| edge(&format!("service.s{n}"), "service.s7", n == 3)).collect();
        let html = GraphDrawing::new(&nodes, &edges, "all \"well\"").html;
        assert!(html.contains("aria-label=\"all &quot;well&quot;\""));
        let number = |text: &str| text.split(['"', ' ', ')']).next().unwrap().parse::<f64>().unwrap();
        let height = number(html.split("height=\"").nth(1).unwrap());
        let lowest = html
            .split("class=\"node")
            .skip(1)
            .map(|part| number(part.split("translate(").nth(1).unwrap().split(' ').nth(1).unwrap()));
        assert!(lowest.fold(0.0, f64::max) + NODE_HEIGHT <= height);
        assert_eq!(html.matches("edge hot").count(), 1);
    }

    #[test]
    fn large_graph_omits_healthy_nodes_and_counts_them() {
        let mut nodes = vec![node("service.a", NodeState::Failing)];
        let mut edges = Vec::new();
        for n in 0..100 {
            let state = if n == 42 { NodeState::Cause } else { NodeState::Well };
            nodes.push(node(&format!("host.h{n}.acme.com"), state));
            edges.push(edge("service.a", &format!("host.h{n}.acme.com"), n == 42));
        }
        let drawing = GraphDrawing::new(&nodes, &edges, "");
        assert_eq!(drawing.omitted, 99);
        assert_eq!(drawing.html.matches("<g class=\"node").count(), 2);
    }

    #[test]
    fn redundant_edge_is_omitted_unless_only_it_is_hot() {
        let edges = [
            edge("host.a.app", "dns.a.app", true),
            edge("host.a.app", "tls.a.app", true),
            edge("tls.a.app", "dns.a.app", true),
            edge("host.b.app", "dns.a.app", true),
            edge("host.b.app", "tls.b.app", false),
            edge("tls.b.app", "dns.a.app", false),
            // A cycle keeps every edge that leads out of it.
            edge("service.x", "service.y", false),
            edge("service.y", "service.x", false),
            edge("service.x", "host.a.app", false),
            edge("service.y", "host.a.app", false),
        ];
        let drawn: Vec<String> = without_redundant(edges.iter().collect())
            .iter()
            .map(|edge| format!("{}>{}", edge.above, edge.below))
            .collect();
        let wanted = [
            "host.a.app>tls.a.app",
            "tls.a.app>dns.a.app",
            "host.b.app>dns.a.app",
            "host.b.app>tls.b.app",
            "tls.b.app>dns.a.app",
            "service.x>service.y",
            "service.y>service.x",
            "service.y>host.a.app",
        ];
        assert_eq!(drawn, wanted);
    }

    #[test]
    fn long_name_keeps_both_ends() {
        assert_eq!(short("a-very-long-tenant-name.customers.acme.app"), "a-very-long-…mers.acme.app");
        assert_eq!(short("acme.app"), "acme.app");
    }
}
