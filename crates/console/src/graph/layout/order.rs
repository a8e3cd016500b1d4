//! Left to right within each row, with few crossings.
//!
//! Barycentre sweeps, down and up in turn; the best order seen wins. The bands never mix. What is counted:
//! crossings between neighbouring rows, and what stands between a box and the bend it wants to reach sideways.

use super::grid::Grid;

/// Barycentres settle within a few sweeps; more of them only cost time.
const SWEEPS: usize = 12;
/// A bend to the right of its box, but just.
const BESIDE: f64 = 0.25;
/// In crossings: a line that cannot leave to the side makes two turns more and crosses others there.
const BOX_IN_THE_WAY: usize = 3;

pub fn untangle(grid: &mut Grid) {
    let links = Links::new(grid);
    let mut position = positions(grid);
    let mut best = (cost(grid, &links, &position), grid.rows.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        let count = grid.rows.len();
        match sweep % 2 {
            0 => (1..count).for_each(|row| arrange(grid, row, &mut position, &links.up, &links.beside)),
            _ => (0..count - 1).rev().for_each(|row| arrange(grid, row, &mut position, &links.down, &links.beside)),
        }
        let now = cost(grid, &links, &position);
        if now < best.0 {
            best = (now, grid.rows.clone());
        }
    }
    grid.rows = best.1;
}

/// Per vertex: its neighbours in the row above and below, and the boxes its bend is reached from.
struct Links {
    up: Vec<Vec<usize>>,
    down: Vec<Vec<usize>>,
    beside: Vec<Vec<usize>>,
}

impl Links {
    fn new(grid: &Grid) -> Links {
        let empty = vec![Vec::new(); grid.vertices.len()];
        let mut links = Links { up: empty.clone(), down: empty.clone(), beside: empty };
        for segment in &grid.segments {
            links.up[segment.lower].push(segment.upper);
            links.down[segment.upper].push(segment.lower);
        }
        for &(item, bend) in &grid.sides {
            links.beside[bend].push(item);
        }
        links
    }
}

fn arrange(grid: &mut Grid, row: usize, position: &mut [usize], neighbours: &[Vec<usize>], beside: &[Vec<usize>]) {
    let mean = |of: &[usize]| of.iter().map(|&v| position[v] as f64).sum::<f64>() / of.len() as f64;
    let own = |vertex: usize| match neighbours[vertex].as_slice() {
        [] => position[vertex] as f64,
        some => mean(some),
    };
    let wish = |vertex: usize| match (neighbours[vertex].as_slice(), beside[vertex].as_slice()) {
        ([], [first, ..]) => own(*first) + BESIDE,
        _ => own(vertex),
    };
    let vertices = &grid.vertices;
    let mut keyed: Vec<(f64, usize)> = grid.rows[row].iter().map(|&vertex| (wish(vertex), vertex)).collect();
    keyed.sort_by(|a, b| vertices[a.1].band.cmp(&vertices[b.1].band).then(a.0.total_cmp(&b.0)));
    for (at, (_, vertex)) in keyed.into_iter().enumerate() {
        grid.rows[row][at] = vertex;
        position[vertex] = at;
    }
}

pub fn positions(grid: &Grid) -> Vec<usize> {
    let mut position = vec![0; grid.vertices.len()];
    for row in &grid.rows {
        for (at, &vertex) in row.iter().enumerate() {
            position[vertex] = at;
        }
    }
    position
}

fn cost(grid: &Grid, links: &Links, position: &[usize]) -> usize {
    let crossings: usize = grid.rows.iter().map(|row| crossings_below(row, &links.down, position)).sum();
    let blocked: usize = grid.sides.iter().map(|&(item, bend)| obstacles(grid, links, position, item, bend)).sum();
    crossings + blocked
}

/// How many pairs of lines cross on the way to the next row: inversions, counted with a Fenwick tree.
fn crossings_below(row: &[usize], down: &[Vec<usize>], position: &[usize]) -> usize {
    let mut ends: Vec<usize> = Vec::new();
    for &vertex in row {
        let mut own: Vec<usize> = down[vertex].iter().map(|&lower| position[lower]).collect();
        own.sort_unstable();
        ends.extend(own);
    }
    let size = ends.iter().max().map_or(0, |max| max + 1);
    let mut tree = vec![0usize; size + 1];
    let mut inversions = 0;
    for (seen, &end) in ends.iter().enumerate() {
        let mut not_right_of_it = 0;
        let mut at = end + 1;
        while at > 0 {
            not_right_of_it += tree[at];
            at &= at - 1;
        }
        inversions += seen - not_right_of_it;
        at = end + 1;
        while at <= size {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    inversions
}

/// What a level line from a box to its bend meets on its way: lines that pass, and boxes, which are worse. Other
/// bends of the same box are no obstacle: their lines turn away before.
fn obstacles(grid: &Grid, links: &Links, position: &[usize], item: usize, bend: usize) -> usize {
    let row = &grid.rows[grid.row_of(item)];
    let obstacle = |&vertex: &usize| match grid.vertices[vertex].is_box {
        true => BOX_IN_THE_WAY,
        false => usize::from(!links.beside[vertex].contains(&item)),
    };
    let between = |from: usize, to: usize| row[from + 1..to].iter().map(obstacle).sum::<usize>();
    let (from, to) = (position[item], position[bend]);
    if from < to { between(from, to) } else { BOX_IN_THE_WAY + between(to, from) }
}
