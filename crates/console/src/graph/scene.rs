//! A picture with a place for everything: blocks laid out from the inside out, then put into one another.
//!
//! ```text
//! measure(node): a state needs room for its name, a Parallel or Map for its blocks side by side
//! lay_out(block): the layout of boxes of those sizes
//! paint: panels, lines and boxes in the order in which they must be drawn
//! ```
//!
//! The depth of nesting is limited by the parser of definitions, so recursion over blocks is safe.

use super::layout::{self, BENDS_MAX, Box, Exit, Graph, Lane, Layout, Link, Point, Rect};
use super::picture::{Block, END, Edge, EdgeKind, Node, Picture, Symbol};
use super::words;

pub const NAME_SIZE: f64 = 13.0;
pub const LABEL_SIZE: f64 = 11.0;
pub const LINE_HEIGHT: f64 = 16.0;
/// Room left of a name for the symbol.
pub const SYMBOL_ROOM: f64 = 34.0;
pub const HEADER: f64 = 36.0;

const NAME_LINES_MAX: usize = 2;
/// Wide enough for names like `CancelFlightReservation` in one line.
const NAME_ROOM_MAX: f64 = 200.0;
const NAME_ROOM_MIN: f64 = 84.0;
const RIGHT_OF_NAME: f64 = 14.0;
const RETRY_ROOM: f64 = 18.0;
const LABEL_ROOM_MAX: f64 = 180.0;
const LABEL_PADDING: f64 = 4.0;
const TERMINAL: f64 = 54.0;
const INNER_TERMINAL: f64 = 14.0;
const PADDING: f64 = 14.0;
const BETWEEN_BRANCHES: f64 = 12.0;
const MARGIN: f64 = 26.0;

pub struct Scene<'a> {
    pub width: f64,
    pub height: f64,
    /// In the order of painting.
    pub shapes: Vec<Shape<'a>>,
}

pub enum Shape<'a> {
    /// The ground of a branch.
    Panel(Rect),
    Line(Line<'a>),
    Node(Placed<'a>),
}

pub struct Line<'a> {
    pub edge: &'a Edge,
    pub from: &'a Node,
    pub to: &'a Node,
    pub points: Vec<Point>,
    pub label: Option<(Point, String)>,
    /// Inside a Parallel or Map.
    pub inner: bool,
}

pub struct Placed<'a> {
    pub node: &'a Node,
    pub rect: Rect,
    pub name: Vec<String>,
    /// Where else it leads, by lines that were left out.
    pub elsewhere: Vec<&'a str>,
    /// Inside a Parallel or Map.
    pub inner: bool,
}

impl<'a> Scene<'a> {
    pub fn of(picture: &'a Picture) -> Scene<'a> {
        Scene::within(picture, BENDS_MAX)
    }

    /// Of each block's lines the longest are left out if together they would bend more often than this.
    pub fn within(picture: &'a Picture, bends_max: usize) -> Scene<'a> {
        let arranged = Arranged::of(&picture.root, false, bends_max);
        let mut scene = Scene {
            width: arranged.layout.width + 2.0 * MARGIN,
            height: arranged.layout.height + 2.0 * MARGIN,
            shapes: Vec::new(),
        };
        arranged.paint(Point { x: MARGIN, y: MARGIN }, &mut scene.shapes);
        scene
    }
}

/// A block laid out, its corner at (0, 0), with the blocks inside its nodes.
struct Arranged<'a> {
    block: &'a Block,
    inner: bool,
    layout: Layout,
    /// Which box of the layout a node is, if it is drawn.
    box_of: Vec<Option<usize>>,
    /// Which edges are the layout's links, in order.
    drawn: Vec<usize>,
    inside: Vec<Vec<Arranged<'a>>>,
}

impl<'a> Arranged<'a> {
    fn of(block: &'a Block, inner: bool, bends_max: usize) -> Arranged<'a> {
        let arrange = |node: &'a Node| node.blocks.iter().map(|block| Arranged::of(block, true, bends_max)).collect();
        let inside: Vec<Vec<Arranged>> = block.nodes.iter().map(arrange).collect();
        let mut graph = Graph::default();
        let box_of = add_boxes(block, &sizes(block, &inside, inner), &mut graph);
        let drawn = add_links(block, &box_of, &mut graph);
        graph.spine = block.spine.iter().filter_map(|&node| box_of[node]).collect();
        graph.last = box_of[END];
        Arranged { block, inner, layout: layout::lay_out(&graph, bends_max), box_of, drawn, inside }
    }

    fn paint(&self, corner: Point, shapes: &mut Vec<Shape<'a>>) {
        for (route, &edge) in self.layout.routes.iter().zip(&self.drawn) {
            let edge = &self.block.edges[edge];
            if route.points.is_empty() {
                continue;
            }
            shapes.push(Shape::Line(Line {
                edge,
                from: &self.block.nodes[edge.from],
                to: &self.block.nodes[edge.to],
                points: route.points.iter().map(|&point| moved(point, corner)).collect(),
                label: route.label.and_then(|at| Some((moved(at, corner), label(edge)?))),
                inner: self.inner,
            }));
        }
        for ((index, node), elsewhere) in self.block.nodes.iter().enumerate().zip(self.elsewhere()) {
            let Some(place) = self.box_of[index].map(|at| self.layout.boxes[at]) else { continue };
            let rect = Rect { x: place.x + corner.x, y: place.y + corner.y, ..place };
            let name = if node.blocks.is_empty() { wrapped(node) } else { vec![header(node, rect.width)] };
            shapes.push(Shape::Node(Placed { node, rect, name, elsewhere, inner: self.inner }));
            self.paint_inside(index, rect, shapes);
        }
    }

    /// Per node.
    fn elsewhere(&self) -> Vec<Vec<&'a str>> {
        let mut elsewhere = vec![Vec::new(); self.block.nodes.len()];
        for (_, &edge) in self.layout.routes.iter().zip(&self.drawn).filter(|(route, _)| route.points.is_empty()) {
            let edge = &self.block.edges[edge];
            elsewhere[edge.from].push(self.block.nodes[edge.to].name.as_str());
        }
        elsewhere
    }

    fn paint_inside(&self, index: usize, rect: Rect, shapes: &mut Vec<Shape<'a>>) {
        let blocks = &self.inside[index];
        if blocks.is_empty() {
            return;
        }
        let (width, height) = room_inside(blocks);
        let mut x = rect.x + (rect.width - width) / 2.0;
        let y = rect.y + HEADER;
        for block in blocks {
            let own = block.layout.width + 2.0 * PADDING;
            shapes.push(Shape::Panel(Rect { x, y, width: own, height }));
            block.paint(Point { x: x + PADDING, y: y + PADDING }, shapes);
            x += own + BETWEEN_BRANCHES;
        }
    }
}

/// Per node its box; an end that nothing leads to has none.
fn add_boxes(block: &Block, sizes: &[(f64, f64)], graph: &mut Graph) -> Vec<Option<usize>> {
    let ends = block.edges.iter().any(|edge| edge.to == END);
    let mut box_of = vec![None; block.nodes.len()];
    for (index, (node, &(width, height))) in block.nodes.iter().zip(sizes).enumerate() {
        if index != END || ends {
            box_of[index] = Some(graph.boxes.len());
            let single_port = matches!(node.symbol, Symbol::Start | Symbol::End);
            graph.boxes.push(Box { width, height, lane: node.lane, single_port });
        }
    }
    box_of
}

/// Which edges became links, in order.
fn add_links(block: &Block, box_of: &[Option<usize>], graph: &mut Graph) -> Vec<usize> {
    let mut drawn = Vec::new();
    for (index, edge) in block.edges.iter().enumerate() {
        let (Some(from), Some(to)) = (box_of[edge.from], box_of[edge.to]) else { continue };
        drawn.push(index);
        graph.links.push(Link {
            from,
            to,
            exit: if edge.kind == EdgeKind::Next { Exit::Below } else { Exit::Side },
            family: if edge.kind == EdgeKind::Catch { 1 } else { 0 },
            label_width: label(edge).map(|text| words::width(&text, LABEL_SIZE) + 2.0 * LABEL_PADDING),
        });
    }
    drawn
}

fn moved(point: Point, by: Point) -> Point {
    Point { x: point.x + by.x, y: point.y + by.y }
}

/// Width and height of each node; the plain states of a lane are equally wide, which makes lanes look like lanes.
fn sizes(block: &Block, inside: &[Vec<Arranged>], inner: bool) -> Vec<(f64, f64)> {
    let room = |lane: Lane| {
        let of_lane = block.nodes.iter().filter(|node| node.lane == lane && is_plain(node));
        of_lane.map(room_for_name).fold(NAME_ROOM_MIN, f64::max)
    };
    let (forward, compensation) = (room(Lane::Forward), room(Lane::Compensation));
    let size = |(node, inside): (&Node, &Vec<Arranged>)| match node.symbol {
        Symbol::Start | Symbol::End if inner => (INNER_TERMINAL, INNER_TERMINAL),
        Symbol::Start | Symbol::End => (TERMINAL, TERMINAL),
        _ if !node.blocks.is_empty() => container(node, inside),
        _ => {
            let room = if node.lane == Lane::Forward { forward } else { compensation };
            (room + SYMBOL_ROOM + RIGHT_OF_NAME, 28.0 + LINE_HEIGHT * wrapped(node).len() as f64)
        }
    };
    block.nodes.iter().zip(inside).map(size).collect()
}

fn is_plain(node: &Node) -> bool {
    node.blocks.is_empty() && !matches!(node.symbol, Symbol::Start | Symbol::End)
}

fn wrapped(node: &Node) -> Vec<String> {
    words::wrap(&node.name, NAME_SIZE, NAME_ROOM_MAX, NAME_LINES_MAX)
}

fn room_for_name(node: &Node) -> f64 {
    let name = wrapped(node).iter().map(|line| words::width(line, NAME_SIZE)).fold(0.0, f64::max);
    name + if node.retried { RETRY_ROOM } else { 0.0 }
}

fn container(node: &Node, inside: &[Arranged]) -> (f64, f64) {
    let (width, height) = room_inside(inside);
    let remark = node.remark.as_deref().map_or(0.0, |remark| words::width(remark, LABEL_SIZE) + 16.0);
    let name = words::width(&node.name, NAME_SIZE).min(NAME_ROOM_MAX);
    let header = SYMBOL_ROOM + name + RETRY_ROOM + remark + RIGHT_OF_NAME;
    ((width + 2.0 * PADDING).max(header), HEADER + height + PADDING)
}

fn header(node: &Node, width: f64) -> String {
    let remark = node.remark.as_deref().map_or(0.0, |remark| words::width(remark, LABEL_SIZE) + 16.0);
    words::shorten(&node.name, NAME_SIZE, width - SYMBOL_ROOM - RETRY_ROOM - RIGHT_OF_NAME - remark)
}

fn room_inside(blocks: &[Arranged]) -> (f64, f64) {
    let between = BETWEEN_BRANCHES * blocks.len().saturating_sub(1) as f64;
    let width: f64 = blocks.iter().map(|block| block.layout.width + 2.0 * PADDING).sum();
    let height = blocks.iter().map(|block| block.layout.height).fold(0.0, f64::max);
    (width + between, height + 2.0 * PADDING)
}

/// What is written at a line. That a Catch takes every error goes without saying.
fn label(edge: &Edge) -> Option<String> {
    let says_nothing = edge.kind == EdgeKind::Catch && edge.labels.iter().any(|name| name == "States.ALL");
    let first = edge.labels.first().filter(|_| !says_nothing)?;
    let more = match edge.labels.len() - 1 {
        0 => String::new(),
        more => format!(" +{more}"),
    };
    let room = LABEL_ROOM_MAX - words::width(&more, LABEL_SIZE);
    Some(words::shorten_front(first, LABEL_SIZE, room) + &more)
}
