//! Where each vertex stands from left to right: straight columns, packed to the left.
//!
//! After Brandes and Köpf ("Fast and Simple Horizontal Coordinate Assignment", 2001), one alignment of their
//! four: vertices are joined into upright columns, the most deserving segments first, never two that cross;
//! columns are then pushed as far left as their neighbours allow, and at last each moves right towards what it
//! is linked to if there is room. The spine is the first column, so it is straight and stands left.

use std::collections::BTreeMap;

use super::grid::{Band, Grid, Segment, SegmentKind};
use super::order::positions;
use super::route::PORT_INSET;

const BETWEEN_BOXES: f64 = 36.0;
const BETWEEN_BOX_AND_LINE: f64 = 22.0;
const BETWEEN_LINES: f64 = 14.0;
/// What the compensation lane keeps from the forward lane in addition.
const BETWEEN_LANES: f64 = 20.0;
const RELAXATIONS: usize = 3;

/// The middle of each vertex; the spine's is 0.
pub fn place(grid: &Grid) -> Vec<f64> {
    let columns = Columns::new(grid);
    let apart = columns.apart(grid);
    let order = left_to_right(columns.count, &apart);
    let mut x = pack(&columns, &apart, &order);
    for _ in 0..RELAXATIONS {
        relax(grid, &columns, &apart, &order, &mut x);
    }
    (0..grid.vertices.len()).map(|vertex| x[columns.of[vertex]] + columns.offset[vertex]).collect()
}

struct Columns {
    count: usize,
    /// Per vertex: its column, and how far right of the column's line its middle stands.
    of: Vec<usize>,
    offset: Vec<f64>,
    spine: Option<usize>,
}

/// Column `right` keeps at least `distance` from column `left`.
struct Apart {
    left: usize,
    right: usize,
    distance: f64,
}

impl Columns {
    fn new(grid: &Grid) -> Columns {
        let above = align(grid);
        let mut columns =
            Columns { count: 0, of: vec![0; grid.vertices.len()], offset: vec![0.0; grid.vertices.len()], spine: None };
        for &vertex in grid.rows.iter().flatten() {
            match above[vertex] {
                Some(segment) => {
                    columns.of[vertex] = columns.of[segment.upper];
                    columns.offset[vertex] = columns.offset[segment.upper] - landing(grid, &segment);
                }
                None => {
                    columns.of[vertex] = columns.count;
                    columns.count += 1;
                }
            }
            if grid.vertices[vertex].band == Band::Spine {
                columns.spine = columns.spine.or(Some(columns.of[vertex]));
            }
        }
        columns
    }

    fn apart(&self, grid: &Grid) -> Vec<Apart> {
        let mut apart = Vec::new();
        for pair in grid.rows.iter().flat_map(|row| row.windows(2)) {
            let (a, b) = (pair[0], pair[1]);
            let distance = self.offset[a] - self.offset[b] + distance(grid, a, b);
            apart.push(Apart { left: self.of[a], right: self.of[b], distance });
        }
        apart
    }
}

/// How far right of its target's middle an upright segment lands.
fn landing(grid: &Grid, segment: &Segment) -> f64 {
    match segment.kind {
        SegmentKind::Step => (grid.vertices[segment.lower].width / 2.0 - PORT_INSET).max(0.0),
        _ => 0.0,
    }
}

fn distance(grid: &Grid, a: usize, b: usize) -> f64 {
    let (a, b) = (&grid.vertices[a], &grid.vertices[b]);
    let gap = match (a.is_box, b.is_box) {
        (true, true) => BETWEEN_BOXES,
        (false, false) => BETWEEN_LINES,
        _ => BETWEEN_BOX_AND_LINE,
    };
    let lanes = if b.band == Band::Compensation && a.band != Band::Compensation { BETWEEN_LANES } else { 0.0 };
    (a.width + b.width) / 2.0 + gap + lanes
}

/// Per vertex the segment that joins it to the vertex above it in its column.
fn align(grid: &Grid) -> Vec<Option<Segment>> {
    let position = positions(grid);
    let mut above: Vec<Option<Segment>> = vec![None; grid.vertices.len()];
    let mut taken_below = vec![false; grid.vertices.len()];
    // Per row, by the position of the upper end, the position of the lower end.
    let mut accepted: Vec<BTreeMap<usize, usize>> = vec![BTreeMap::new(); grid.rows.len()];
    for segment in by_merit(grid, &position) {
        let row = &mut accepted[grid.row_of(segment.upper)];
        let (upper, lower) = (position[segment.upper], position[segment.lower]);
        let crosses = row.range(..upper).next_back().is_some_and(|(_, &other)| other > lower)
            || row.range(upper + 1..).next().is_some_and(|(_, &other)| other < lower);
        if crosses || above[segment.lower].is_some() || taken_below[segment.upper] {
            continue;
        }
        row.insert(upper, lower);
        above[segment.lower] = Some(segment);
        taken_below[segment.upper] = true;
    }
    above
}

/// The best kind first; of one kind those that come from the middle of all that come.
fn by_merit(grid: &Grid, position: &[usize]) -> Vec<Segment> {
    let mut uppers: Vec<Vec<usize>> = vec![Vec::new(); grid.vertices.len()];
    for segment in &grid.segments {
        uppers[segment.lower].push(position[segment.upper]);
    }
    for list in &mut uppers {
        list.sort_unstable();
    }
    let off_median = |segment: &Segment| {
        let list = &uppers[segment.lower];
        let at = list.partition_point(|&p| p < position[segment.upper]);
        (2 * at + 1).abs_diff(list.len())
    };
    let mut segments: Vec<(SegmentKind, usize, usize, usize, Segment)> = grid
        .segments
        .iter()
        .filter(|segment| segment.kind != SegmentKind::Free)
        .map(|s| (s.kind, off_median(s), position[s.lower], position[s.upper], *s))
        .collect();
    segments.sort_by_key(|&(kind, off, lower, upper, _)| (kind, off, lower, upper));
    segments.into_iter().map(|(.., segment)| segment).collect()
}

/// Columns so that every column comes after all that stand left of it.
///
/// Segments within columns never cross, so "stands left of" has no circles; should that ever break, the
/// columns in the circle come last in the order of their numbers, and `pack` still ends.
fn left_to_right(count: usize, apart: &[Apart]) -> Vec<usize> {
    let mut rights: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waiting = vec![0usize; count];
    for pair in apart.iter().filter(|pair| pair.left != pair.right) {
        rights[pair.left].push(pair.right);
        waiting[pair.right] += 1;
    }
    let mut ready: Vec<usize> = (0..count).rev().filter(|&column| waiting[column] == 0).collect();
    let mut order = Vec::with_capacity(count);
    while let Some(column) = ready.pop() {
        order.push(column);
        for &right in &rights[column] {
            waiting[right] -= 1;
            if waiting[right] == 0 {
                ready.push(right);
            }
        }
    }
    debug_assert_eq!(order.len(), count, "columns stand left of each other in a circle");
    order.extend((0..count).filter(|&column| waiting[column] > 0));
    order
}

fn pack(columns: &Columns, apart: &[Apart], order: &[usize]) -> Vec<f64> {
    let mut to_right: Vec<Vec<(usize, f64)>> = vec![Vec::new(); columns.count];
    for pair in apart {
        to_right[pair.left].push((pair.right, pair.distance));
    }
    let mut x = vec![0.0f64; columns.count];
    for &column in order {
        for &(right, distance) in &to_right[column] {
            x[right] = x[right].max(x[column] + distance);
        }
    }
    x
}

/// Moves each column right towards the median of what it is linked to, as far as its right neighbours allow.
fn relax(grid: &Grid, columns: &Columns, apart: &[Apart], order: &[usize], x: &mut [f64]) {
    let mut room: Vec<Vec<(usize, f64)>> = vec![Vec::new(); columns.count];
    for pair in apart {
        room[pair.left].push((pair.right, pair.distance));
    }
    let mut pulls: Vec<Vec<(usize, f64)>> = vec![Vec::new(); columns.count];
    for segment in &grid.segments {
        let (a, b) = (columns.of[segment.upper], columns.of[segment.lower]);
        if a != b {
            let shift = columns.offset[segment.lower] - columns.offset[segment.upper];
            pulls[a].push((b, shift));
            pulls[b].push((a, -shift));
        }
    }
    for &column in order.iter().rev().filter(|&&column| Some(column) != columns.spine) {
        let mut wishes: Vec<f64> = pulls[column].iter().map(|&(other, shift)| x[other] + shift).collect();
        wishes.sort_by(f64::total_cmp);
        let Some(&wish) = wishes.get(wishes.len().saturating_sub(1) / 2) else { continue };
        let limit = room[column].iter().map(|&(right, distance)| x[right] - distance).fold(f64::MAX, f64::min);
        x[column] = x[column].max(wish.min(limit));
    }
}
