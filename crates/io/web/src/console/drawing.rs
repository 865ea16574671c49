//! The dependency graph as SVG, left to right, only the failing path hot. Its sentence is its text alternative.

use super::layers::{Arrangement, Place, arrange};
use crate::look::Icon;
use askama::filters::HtmlSafe;
use engine::views::{Edge, Node, NodeState};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use text::escape;
use types::{Kind, Resource};

/// More nodes than this are not drawn: what is well steps back first.
const NODES_MAX: usize = 48;
/// Longest name that is drawn whole, in characters.
const NAME_MAX: usize = 26;
const NODE_HEIGHT: f64 = 42.0;
const COLUMN_GAP: f64 = 64.0;
const MARGIN: f64 = 6.0;
/// The width of a drawing, in pixels, that is never made smaller.
const SHRINKS_ABOVE: f64 = 960.0;

/// The drawing.
#[derive(Clone, Debug)]
pub struct Drawing {
    html: String,
    /// How many nodes that are well were left out.
    pub left_out: usize,
}

impl fmt::Display for Drawing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.html)
    }
}

impl HtmlSafe for Drawing {}

impl Drawing {
    /// Draws the graph; `summary` is what it says, for those who cannot see it.
    #[must_use]
    pub fn new(nodes: &[Node], edges: &[Edge], summary: &str) -> Self {
        let shown = shown(nodes, edges);
        let index: BTreeMap<&Resource, usize> =
            shown.iter().enumerate().map(|(at, node)| (&node.resource, at)).collect();
        let both_shown = |edge: &&Edge| index.contains_key(&edge.above) && index.contains_key(&edge.below);
        let drawn: Vec<(&Edge, (usize, usize))> =
            without_shortcuts(edges.iter().filter(both_shown).collect())
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
        // The style sheet lets a wide one shrink a little, so that causes at the right are seen without scrolling.
        let class = if width > SHRINKS_ABOVE { "graph wide" } else { "graph" };
        let _ = write!(
            html,
            "<svg class=\"{class}\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             role=\"img\" aria-label=\"{label}\">{ARROWS}"
        );
        // Hot edges last, so that nothing cool crosses over them.
        for hot in [false, true] {
            for ((edge, _), route) in
                drawn.iter().zip(&arranged.routes).filter(|((edge, _), _)| edge.hot == hot)
            {
                let class = if edge.hot { "edge hot" } else { "edge" };
                let _ = write!(html, "<path class=\"{class}\" d=\"{}\"/>", columns.line(route));
            }
        }
        for (node, place) in shown.iter().zip(&arranged.nodes) {
            columns.draw(&mut html, node, *place);
        }
        html.push_str("</svg>");
        Self {
            html,
            left_out: nodes
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

/// Services, and whatever stands in an edge; of a large graph only what is not well.
fn shown<'a>(nodes: &'a [Node], edges: &[Edge]) -> Vec<&'a Node> {
    let joined: BTreeSet<&Resource> = edges.iter().flat_map(|edge| [&edge.above, &edge.below]).collect();
    let mut shown: Vec<&Node> = nodes
        .iter()
        .filter(|node| node.resource.kind == Kind::Service || joined.contains(&node.resource))
        .collect();
    if shown.len() > NODES_MAX {
        let hot: BTreeSet<&Resource> =
            edges.iter().filter(|edge| edge.hot).flat_map(|edge| [&edge.above, &edge.below]).collect();
        let calm = |node: &Node| {
            matches!(node.state, NodeState::Well | NodeState::Unknown) && !hot.contains(&node.resource)
        };
        shown.retain(|node| node.resource.kind == Kind::Service || !calm(node));
        // Whatever does not fit, what is to blame does.
        shown.sort_by_key(|node| node.state != NodeState::Cause);
        shown.truncate(NODES_MAX);
    }
    shown
}

/// The edges without those that two others, as hot as they, tell already by way of something in between: everything can
/// still be reached from where it could be.
fn without_shortcuts(mut edges: Vec<&Edge>) -> Vec<&Edge> {
    let mut left: BTreeMap<(&Resource, &Resource), bool> =
        edges.iter().map(|edge| ((&edge.above, &edge.below), edge.hot)).collect();
    let mut below: BTreeMap<&Resource, Vec<&Resource>> = BTreeMap::new();
    for edge in &edges {
        below.entry(&edge.above).or_default().push(&edge.below);
    }
    edges.retain(|edge| {
        let (from, to) = (&edge.above, &edge.below);
        let is_left = |pair| left.get(&pair).is_some_and(|hot| *hot || !edge.hot);
        let told = below.get(from).into_iter().flatten().any(|middle| {
            *middle != from && *middle != to && is_left((from, *middle)) && is_left((*middle, to))
        });
        if told {
            left.remove(&(from, to));
        }
        !told
    });
    edges
}

/// Where the columns are, and how wide.
struct Columns {
    lefts: Vec<f64>,
    widths: Vec<f64>,
}

impl Columns {
    fn new(nodes: &[&Node], arranged: &Arrangement) -> Self {
        let mut widths = vec![0.0_f64; arranged.columns];
        for (node, place) in nodes.iter().zip(&arranged.nodes) {
            let letters = short(name(node)).chars().count().max(caption(node).chars().count()) as f64;
            if let Some(width) = widths.get_mut(place.column) {
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

    /// From the right side of the first place to the left side of the last, level through the columns in between.
    fn line(&self, route: &[Place]) -> String {
        let mut line = String::new();
        let middle = |place: &Place| MARGIN + NODE_HEIGHT / 2.0 + place.height;
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

    fn draw(&self, html: &mut String, node: &Node, place: Place) {
        let icon = Icon::from(node.state);
        let (x, y) = (self.left(place.column), MARGIN + place.height);
        let width = self.widths.get(place.column).copied().unwrap_or_default();
        let class = match node.state {
            NodeState::Cause => "node cause",
            NodeState::Failing => "node failing",
            NodeState::Warned => "node warned",
            NodeState::Well => "node well",
            NodeState::Unknown => "node unknown",
        };
        let (told, short, caption) =
            (escape::html(&node.label), escape::html(&short(name(node))), caption(node));
        let (shape, sign, colour) = (icon.shape(), icon.sign(), icon.class());
        let _ = write!(
            html,
            "<g class=\"{class}\" transform=\"translate({x:.0} {y:.1})\"><title>{told}: {state}</title>\
             <rect width=\"{width:.0}\" height=\"{NODE_HEIGHT}\" rx=\"7\"/>\
             <g class=\"icon {colour}\" transform=\"translate(10 12) scale(.9)\">{shape}<path class=\"sign\" d=\"{sign}\"/></g>\
             <text class=\"caption\" x=\"36\" y=\"16\">{caption}</text><text x=\"36\" y=\"32\">{short}</text></g>",
            state = state_word(node.state),
        );
    }
}

/// What people rely on stands left, what it all rests on stands right.
fn layer(kind: Kind) -> usize {
    match kind {
        Kind::Service | Kind::Mainstay => 0,
        Kind::Host | Kind::Probe => 1,
        Kind::Pool | Kind::Tls | Kind::Address | Kind::Dns => 2,
        Kind::Domain => 3,
    }
}

fn caption(node: &Node) -> &'static str {
    match node.resource.kind {
        Kind::Service => "service",
        Kind::Probe => "probe",
        Kind::Host => "host",
        Kind::Pool => "servers",
        Kind::Tls => "certificate",
        Kind::Address => "address",
        Kind::Dns => "name servers",
        Kind::Domain => "registration",
        Kind::Mainstay => "mainstay",
    }
}

fn name(node: &Node) -> &str {
    if node.resource.kind == Kind::Service { &node.label } else { &node.resource.name }
}

/// The word for how a node is.
#[must_use]
pub fn state_word(state: NodeState) -> &'static str {
    match state {
        NodeState::Well => "well",
        NodeState::Unknown => "not looked at yet",
        NodeState::Warned => "warned of",
        NodeState::Failing => "fails because of something beneath it",
        NodeState::Cause => "the cause",
    }
}

/// Names keep both ends: the front tells which, the back tells whose.
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
        Node { label: resource.name.clone(), resource, state }
    }

    fn edge(above: &str, below: &str, hot: bool) -> Edge {
        Edge { above: above.parse().unwrap(), below: below.parse().unwrap(), hot }
    }

    #[test]
    fn the_whole_drawing_lies_inside_its_box() {
        let nodes: Vec<Node> = (0..8).map(|n| node(&format!("service.s{n}"), NodeState::Well)).collect();
        let edges: Vec<Edge> = (0..7).map(|n| edge(&format!("service.s{n}"), "service.s7", n == 3)).collect();
        let html = Drawing::new(&nodes, &edges, "all \"well\"").html;
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
    fn a_large_graph_shows_what_is_not_well_and_says_what_it_left_out() {
        let mut nodes = vec![node("service.a", NodeState::Failing)];
        let mut edges = Vec::new();
        for n in 0..100 {
            let state = if n == 42 { NodeState::Cause } else { NodeState::Well };
            nodes.push(node(&format!("host.h{n}.acme.com"), state));
            edges.push(edge("service.a", &format!("host.h{n}.acme.com"), n == 42));
        }
        let drawing = Drawing::new(&nodes, &edges, "");
        assert_eq!(drawing.left_out, 99);
        assert_eq!(drawing.html.matches("<g class=\"node").count(), 2);
    }

    #[test]
    fn shortcuts_are_not_drawn_unless_they_alone_are_hot() {
        let edges = [
            edge("host.a.app", "dns.a.app", true),
            edge("host.a.app", "tls.a.app", true),
            edge("tls.a.app", "dns.a.app", true),
            edge("host.b.app", "dns.a.app", true),
            edge("host.b.app", "tls.b.app", false),
            edge("tls.b.app", "dns.a.app", false),
            // A circle keeps whatever leads out of it.
            edge("service.x", "service.y", false),
            edge("service.y", "service.x", false),
            edge("service.x", "host.a.app", false),
            edge("service.y", "host.a.app", false),
        ];
        let told: Vec<String> = without_shortcuts(edges.iter().collect())
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
        assert_eq!(told, wanted);
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("a-very-long-tenant-name.customers.acme.app"), "a-very-long-…mers.acme.app");
        assert_eq!(short("acme.app"), "acme.app");
    }
}
