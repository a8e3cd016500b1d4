//! Where everything stands: a layered layout, top to bottom, on a plain model of boxes and links.
//!
//! One pipeline serves every machine; the two-lane picture of a saga falls out of it:
//!
//! ```text
//! rows     which row a box stands in: below everything that leads to it; links that go back are set apart
//! grid     links longer than one row get bends, a reserved column point per row; links that end in the
//!          same box share them, so ten catches of one compensation are one line
//! order    left to right within a row: the spine first, then the forward lane, then the compensation lane;
//!          within a lane few crossings (barycentres)
//! columns  x: chains of boxes and bends become straight columns, packed to the left
//! route    y and the lines: level and upright pieces with their own tracks between the rows
//! ```
//!
//! A Parallel or Map is no concern of it: links never leave their block, so a block is laid out alone and is
//! then a large box of the block around it. That is why no library for nested clusters is needed here; the one
//! we measured (dagre) also took minutes for 400 states with catches, and it cannot keep the spine straight.
//!
//! Equal graphs give equal layouts: nothing iterates over a hash table, nothing is random.
//! It does not know what a state is, and it measures no text: sizes come with the boxes.

mod columns;
mod grid;
mod order;
mod route;
mod rows;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    Forward,
    Compensation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// From the middle of the lower border: what comes next.
    Below,
    /// From the right border if the way is free: an alternative, an error.
    Side,
}

/// What is laid out: one block of a state machine.
///
/// `boxes[0]` is where it begins.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub boxes: Vec<Box>,
    pub links: Vec<Link>,
    /// The boxes of the happy path in order: the straight column on the left.
    pub spine: Vec<usize>,
    /// Stands alone in the last row.
    pub last: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
pub struct Box {
    pub width: f64,
    pub height: f64,
    pub lane: Lane,
    /// All lines come in and go out in the middle (a circle has no room for more).
    pub single_port: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Link {
    pub from: usize,
    pub to: usize,
    pub exit: Exit,
    /// Links with one target and one family may share a line.
    pub family: u8,
    /// How much room its label needs; a labelled link never shares a line.
    pub label_width: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub x: f64,
    pub y: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Rect {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    pub fn middle(&self) -> Point {
        Point { x: self.x + self.width / 2.0, y: self.y + self.height / 2.0 }
    }
}

/// All coordinates are zero or more, the picture's corner is (0, 0).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    pub width: f64,
    pub height: f64,
    pub boxes: Vec<Rect>,
    pub routes: Vec<Route>,
}

/// A line of level and upright pieces from border to border; without any points if it was left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route {
    pub points: Vec<Point>,
    /// The middle of the label, on the line.
    pub label: Option<Point>,
}

/// Bends cost time and memory; a machine whose lines need more than this has thousands of states that lead far
/// away, and nobody can read it anyway. 1,000 states in a chain with one common handler need 1,000 bends, 500
/// steps with a compensation each need 250,000.
pub const BENDS_MAX: usize = 300_000;

/// If the lines need more than so many bends, the longest are left out.
pub fn lay_out(graph: &Graph, bends_max: usize) -> Layout {
    let too_long = grid::too_long(graph, &rows::assign(graph), bends_max);
    if !too_long.contains(&true) {
        return lay_out_all(graph);
    }
    let mut short = graph.clone();
    let mut link = 0..;
    short.links.retain(|_| link.next().is_some_and(|link: usize| !too_long[link]));
    let mut layout = lay_out_all(&short);
    let mut routes = layout.routes.into_iter();
    layout.routes = too_long.iter().map(|&out| if out { None } else { routes.next() }.unwrap_or_default()).collect();
    layout
}

fn lay_out_all(graph: &Graph) -> Layout {
    let ranked = rows::assign(graph);
    let mut grid = grid::Grid::new(graph, &ranked);
    order::untangle(&mut grid);
    let x = columns::place(&grid);
    route::route(&grid, &x)
}
