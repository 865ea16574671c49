//! Layout of the dependency graph in columns: each node is right of everything that depends on it.
//!
//! The three steps of Sugiyama for small graphs: columns by longest path, order within a column by the mean of the
//! neighbours, heights by least squares. Deterministic: the same graph always has the same layout.

/// Distance between the centres of two nodes in a column.
pub const ROW: f64 = 52.0;
/// Distance between an edge that passes through a column and its neighbours.
const BEND: f64 = 26.0;
/// Number of iterations that improve order and heights.
const SWEEPS: usize = 24;

/// Position: a column, and the height of the centre within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Column, counted from the left.
    pub column: usize,
    /// Height of the centre; the smallest is 0.
    pub height: f64,
}

/// Layout of a graph.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrangement {
    /// Position of every node.
    pub nodes: Vec<Position>,
    /// Positions that every edge passes through, including both ends, from left to right.
    pub routes: Vec<Vec<Position>>,
    /// Number of columns.
    pub columns: usize,
    /// The largest height.
    pub height: f64,
}

/// Arranges one node per entry of `kinds`. The kind is the layer of a node: no node is left of one of a smaller kind,
/// so that hosts are below hosts. Edges with unknown nodes, and edges from a node to itself, get an empty route.
#[must_use]
pub fn arrange(kinds: &[usize], edges: &[(usize, usize)]) -> Arrangement {
    let count = kinds.len();
    let forward = without_cycles(count, edges);
    let columns = columns(kinds, &forward);
    let mut layout = Layout::new(&columns, &forward);
    layout.order();
    layout.balance();
    layout.arrangement(count, edges)
}

/// Returns the edges without cycles: an edge that would close a cycle is reversed.
fn without_cycles(count: usize, edges: &[(usize, usize)]) -> Vec<Option<(usize, usize)>> {
    let mut beneath = vec![Vec::new(); count];
    for (position, &(above, below)) in edges.iter().enumerate() {
        if above < count && below < count && above != below {
            beneath[above].push((position, below));
        }
    }
    let mut forward: Vec<Option<(usize, usize)>> = vec![None; edges.len()];
    // 0: not visited, 1: on the current path, 2: done.
    let mut seen = vec![0_u8; count];
    for start in 0..count {
        let mut path = vec![(start, 0)];
        if seen[start] != 0 {
            continue;
        }
        seen[start] = 1;
        while let Some((node, next)) = path.pop() {
            let Some(&(position, below)) = beneath[node].get(next) else {
                seen[node] = 2;
                continue;
            };
            path.push((node, next + 1));
            forward[position] = Some(if seen[below] == 1 { (below, node) } else { (node, below) });
            if seen[below] == 0 {
                seen[below] = 1;
                path.push((below, 0));
            }
        }
    }
    forward
}

/// Returns the column of every node: the longest path to it, right of every node of a smaller kind.
fn columns(kinds: &[usize], forward: &[Option<(usize, usize)>]) -> Vec<usize> {
    let mut columns = vec![0; kinds.len()];
    let mut layers: Vec<usize> = kinds.to_vec();
    layers.sort_unstable();
    layers.dedup();
    let mut first = 0;
    for layer in layers {
        for (column, _) in columns.iter_mut().zip(kinds).filter(|(_, kind)| **kind == layer) {
            *column = first;
        }
        // At most one round per node, because there are no cycles.
        for _ in kinds {
            let mut moved = false;
            for &(above, below) in forward.iter().flatten() {
                if kinds[below] == layer && kinds[above] <= layer && columns[below] <= columns[above] {
                    columns[below] = columns[above] + 1;
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        let last =
            columns.iter().zip(kinds).filter(|(_, kind)| **kind == layer).map(|(column, _)| *column).max();
        first = last.unwrap_or(first) + 1;
    }
    // An edge from a larger kind to a smaller one leads to the left; only the drawing handles it.
    columns
}

/// Nodes, plus a point for every column that an edge passes through.
struct Layout {
    column_of: Vec<usize>,
    left: Vec<Vec<usize>>,
    right: Vec<Vec<usize>>,
    /// Points of every edge, from left to right.
    paths: Vec<Vec<usize>>,
    /// Points of every column, from top to bottom.
    columns: Vec<Vec<usize>>,
    heights: Vec<f64>,
    nodes: usize,
}

impl Layout {
    fn new(columns: &[usize], forward: &[Option<(usize, usize)>]) -> Self {
        let nodes = columns.len();
        let mut column_of = columns.to_vec();
        let mut paths = Vec::with_capacity(forward.len());
        for edge in forward {
            let mut path = Vec::new();
            if let &Some((one, other)) = edge {
                let (above, below) = if columns[one] <= columns[other] { (one, other) } else { (other, one) };
                path.push(above);
                for column in columns[above] + 1..columns[below] {
                    path.push(column_of.len());
                    column_of.push(column);
                }
                path.push(below);
            }
            paths.push(path);
        }
        let points = column_of.len();
        let (mut left, mut right) = (vec![Vec::new(); points], vec![Vec::new(); points]);
        for pair in paths.iter().flat_map(|path| path.windows(2)) {
            right[pair[0]].push(pair[1]);
            left[pair[1]].push(pair[0]);
        }
        let mut by_column = vec![Vec::new(); column_of.iter().max().map_or(0, |last| last + 1)];
        for (point, &column) in column_of.iter().enumerate() {
            by_column[column].push(point);
        }
        Self { column_of, left, right, paths, columns: by_column, heights: vec![0.0; points], nodes }
    }

    /// Orders the points of each column with few crossings: the best of all iterations.
    fn order(&mut self) {
        let mut best = (self.crossings(), self.columns.clone());
        for sweep in 0..SWEEPS {
            let to_the_right = sweep % 2 == 0;
            let count = self.columns.len();
            for step in 1..count {
                let column = if to_the_right { step } else { count - 1 - step };
                let beside = if to_the_right { column - 1 } else { column + 1 };
                let ranks = self.ranks(beside);
                let neighbours = if to_the_right { &self.left } else { &self.right };
                let here = self.ranks(column);
                self.columns[column].sort_by(|&a, &b| {
                    let target = |point: usize| {
                        mean(neighbours[point].iter().map(|&other| ranks[other])).unwrap_or(here[point])
                    };
                    target(a).total_cmp(&target(b))
                });
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.columns.clone());
            }
        }
        self.columns = best.1;
    }

    /// Returns the rank of every point of a column.
    fn ranks(&self, column: usize) -> Vec<f64> {
        let mut ranks = vec![0.0; self.column_of.len()];
        for (position, &point) in self.columns[column].iter().enumerate() {
            ranks[point] = position as f64;
        }
        ranks
    }

    fn crossings(&self) -> usize {
        let mut crossings = 0;
        for column in 0..self.columns.len().saturating_sub(1) {
            let ranks = self.ranks(column + 1);
            let pairs: Vec<(usize, f64)> = self.columns[column]
                .iter()
                .enumerate()
                .flat_map(|(position, &point)| self.right[point].iter().map(move |&other| (position, other)))
                .map(|(position, other)| (position, ranks[other]))
                .collect();
            for (at, one) in pairs.iter().enumerate() {
                crossings += pairs[..at].iter().filter(|other| other.0 < one.0 && other.1 > one.1).count();
            }
        }
        crossings
    }

    /// Sets the height of every point near its neighbours, in the order of its column.
    fn balance(&mut self) {
        for sweep in 0..SWEEPS {
            for step in 0..self.columns.len() {
                let column = if sweep % 2 == 0 { step } else { self.columns.len() - 1 - step };
                let points = self.columns[column].clone();
                let targets: Vec<f64> = points
                    .iter()
                    .map(|&point| {
                        let beside = self.left[point].iter().chain(&self.right[point]);
                        mean(beside.map(|&other| self.heights[other])).unwrap_or(self.heights[point])
                    })
                    .collect();
                let gaps: Vec<f64> = points.windows(2).map(|pair| self.gap(pair[0], pair[1])).collect();
                for (point, height) in points.iter().zip(spread(&targets, &gaps)) {
                    self.heights[*point] = height;
                }
            }
        }
        let top = self.heights.iter().copied().fold(f64::INFINITY, f64::min);
        for height in &mut self.heights {
            *height = ((*height - top) * 10.0).round() / 10.0;
        }
    }

    fn gap(&self, one: usize, other: usize) -> f64 {
        if one < self.nodes && other < self.nodes { ROW } else { BEND.max(ROW * 0.7) }
    }

    fn arrangement(&self, count: usize, edges: &[(usize, usize)]) -> Arrangement {
        let position = |point: usize| Position { column: self.column_of[point], height: self.heights[point] };
        let routes = edges.iter().zip(&self.paths).map(|(edge, path)| {
            let mut route: Vec<Position> = path.iter().map(|&point| position(point)).collect();
            if path.first() != Some(&edge.0) {
                route.reverse();
            }
            route
        });
        Arrangement {
            nodes: (0..count).map(position).collect(),
            routes: routes.collect(),
            columns: self.columns.len(),
            height: self.heights.iter().copied().fold(0.0, f64::max),
        }
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u32), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// Returns the heights nearest to the targets (least squares) that keep the order and the gaps between neighbours.
fn spread(targets: &[f64], gaps: &[f64]) -> Vec<f64> {
    let mut offsets = Vec::with_capacity(targets.len());
    let mut offset = 0.0;
    for position in 0..targets.len() {
        if position > 0 {
            offset += gaps.get(position - 1).copied().unwrap_or(ROW);
        }
        offsets.push(offset);
    }
    // Pool adjacent violators: without the offsets the heights only have to be non-decreasing.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (target, offset) in targets.iter().zip(&offsets) {
        let mut pool = (target - offset, 1);
        while let Some(&(height, count)) = pools.last()
            && height > pool.0
        {
            pool =
                ((height * count as f64 + pool.0 * pool.1 as f64) / (count + pool.1) as f64, count + pool.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let heights = pools.iter().flat_map(|&(height, count)| std::iter::repeat_n(height, count));
    heights.zip(&offsets).map(|(height, offset)| height + offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn chain_is_a_straight_line() {
        let arranged = arrange(&[0; 3], &[(0, 1), (1, 2)]);
        assert_eq!(arranged.columns, 3);
        assert_eq!(arranged.height, 0.0);
        assert_eq!(
            arranged.routes[1],
            [Position { column: 1, height: 0.0 }, Position { column: 2, height: 0.0 }]
        );
    }

    #[test]
    fn long_edge_passes_through_every_column_and_cycle_is_reversed() {
        let arranged = arrange(&[0; 3], &[(0, 1), (1, 2), (0, 2), (2, 0), (1, 1), (0, 9)]);
        assert_eq!(arranged.routes[2].len(), 3);
        let back: Vec<usize> = arranged.routes[3].iter().map(|position| position.column).collect();
        assert_eq!(back, [2, 1, 0]);
        assert!(arranged.routes[4].is_empty() && arranged.routes[5].is_empty());
    }

    #[test]
    fn kinds_have_their_own_columns() {
        // service 0 depends on service 1 and host 2, service 1 on host 3; an edge leads from a host back to a service.
        let arranged = arrange(&[0, 0, 1, 1], &[(0, 1), (0, 2), (1, 3), (2, 1)]);
        let columns: Vec<usize> = arranged.nodes.iter().map(|position| position.column).collect();
        assert_eq!(columns, [0, 1, 2, 2]);
        let back: Vec<usize> = arranged.routes[3].iter().map(|position| position.column).collect();
        assert_eq!(back, [2, 1]);
    }

    #[test]
    fn crossings_are_removed() {
        let arranged = arrange(&[0; 4], &[(0, 3), (1, 2)]);
        let height = |node: usize| arranged.nodes[node].height;
        assert_eq!(height(0) < height(1), height(3) < height(2));
    }

    #[test]
    fn heights_keep_the_gaps() {
        assert_eq!(spread(&[0.0, 0.0, 0.0], &[10.0, 10.0]), [-10.0, 0.0, 10.0]);
        assert_eq!(spread(&[0.0, 100.0], &[10.0]), [0.0, 100.0]);
        assert!(spread(&[], &[]).is_empty());
    }

    proptest! {
        #[test]
        fn nodes_never_overlap(kinds in prop::collection::vec(0usize..4, 1..24), edges in prop::collection::vec((0usize..24, 0usize..24), 0..60)) {
            let count = kinds.len();
            let arranged = arrange(&kinds, &edges);
            prop_assert_eq!(arranged.nodes.len(), count);
            for (one, a) in arranged.nodes.iter().enumerate() {
                prop_assert!(kinds.iter().zip(&arranged.nodes).all(|(kind, b)| *kind >= kinds[one] || b.column < a.column));
                prop_assert!(a.height >= 0.0 && a.height <= arranged.height && a.column < arranged.columns);
                for b in &arranged.nodes[..one] {
                    prop_assert!(a.column != b.column || (a.height - b.height).abs() > ROW * 0.95);
                }
            }
            for (edge, route) in edges.iter().zip(&arranged.routes) {
                let drawn = edge.0 < count && edge.1 < count && edge.0 != edge.1;
                prop_assert_eq!(route.len() >= 2, drawn);
            }
        }
    }
}
