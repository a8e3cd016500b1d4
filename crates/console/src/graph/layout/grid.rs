//! Boxes and bends in rows: what the ordering, the columns and the lines work on.
//!
//! A *bend* is the place a line keeps free in a row it passes; the bends of one line are a *bus*. Lines with
//! one target and one family share a bus (each joins it where it comes from) unless they bear a label.
//!
//! ```text
//! row 1  [A]──┐          an exit to the side has its first bend in its own row,
//! row 2  [B]──┤ bus      an exit below in the next one;
//! row 3  [C]  │          a link that goes back has bends from its own row up to its target's,
//!             ▼          and enters from the side
//! row 4      [D]
//! ```

use std::collections::BTreeMap;

use super::rows::Ranked;
use super::{Exit, Graph, Lane, Link};

pub struct Grid<'a> {
    pub graph: &'a Graph,
    /// Boxes first (same index as in the graph), then bends.
    pub vertices: Vec<Vertex>,
    /// Vertices left to right.
    pub rows: Vec<Vec<usize>>,
    pub buses: Vec<Bus>,
    pub segments: Vec<Segment>,
    /// A box and a bend right of it in the same row, to be joined by a level line.
    pub sides: Vec<(usize, usize)>,
    pub links: Vec<Lineage>,
    /// Per box.
    spine_next: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
pub struct Vertex {
    pub row: usize,
    pub width: f64,
    pub band: Band,
    pub is_box: bool,
    /// Decides the first order; smaller is further left.
    pub first: f64,
}

/// What stands left of what in every row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Band {
    Spine,
    Forward,
    Compensation,
}

/// Bends `first_vertex ..`, one in each of the rows `top ..= bottom`.
#[derive(Clone, Debug)]
pub struct Bus {
    pub target: usize,
    pub top: usize,
    pub bottom: usize,
    pub back: bool,
    first_vertex: usize,
}

impl Bus {
    pub fn bend(&self, row: usize) -> Option<usize> {
        (self.top..=self.bottom).contains(&row).then(|| self.first_vertex + row - self.top)
    }
}

/// How a link runs through the grid.
#[derive(Clone, Copy, Debug)]
pub struct Lineage {
    pub back: bool,
    pub exit: Exit,
    pub bus: Option<usize>,
}

/// Two vertices of neighbouring rows that a line joins; the better the kind, the more it deserves to be upright.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    pub upper: usize,
    pub lower: usize,
    pub kind: SegmentKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SegmentKind {
    Spine,
    Bus,
    /// A catch that comes down on the right end of a compensation which also follows another one: keeping this
    /// upright makes the compensations step down to the right.
    Step,
    Chain,
    Loose,
    /// Leaves to the side if it can; never made upright.
    Free,
}

impl<'a> Grid<'a> {
    pub fn new(graph: &'a Graph, ranked: &Ranked) -> Grid<'a> {
        let exits = exits(graph, ranked);
        let plan = plan_buses(graph, ranked, &exits);
        let mut grid = Grid {
            graph,
            spine_next: spine_next(graph),
            vertices: box_vertices(graph, ranked),
            rows: Vec::new(),
            buses: Vec::new(),
            segments: Vec::new(),
            sides: Vec::new(),
            links: (0..graph.links.len())
                .map(|link| Lineage { back: ranked.back[link], exit: exits[link], bus: plan.bus_of[link] })
                .collect(),
        };
        for bus in plan.buses {
            grid.add_bus(bus);
        }
        grid.fill_rows();
        grid.connect();
        grid
    }

    pub fn row_of(&self, vertex: usize) -> usize {
        self.vertices[vertex].row
    }

    fn add_bus(&mut self, plan: PlannedBus) {
        let target = &self.graph.boxes[plan.target];
        let band = match (plan.spine, target.lane) {
            (true, _) => Band::Spine,
            (false, Lane::Forward) => Band::Forward,
            (false, Lane::Compensation) => Band::Compensation,
        };
        let first = self.vertices[plan.leader].first + 0.5;
        let first_vertex = self.vertices.len();
        for row in plan.top..=plan.bottom {
            self.vertices.push(Vertex { row, width: plan.width, band, is_box: false, first });
        }
        for vertex in first_vertex..self.vertices.len().saturating_sub(1) {
            let kind = if plan.spine { SegmentKind::Spine } else { SegmentKind::Bus };
            self.segments.push(Segment { upper: vertex, lower: vertex + 1, kind });
        }
        self.buses.push(Bus { target: plan.target, top: plan.top, bottom: plan.bottom, back: plan.back, first_vertex });
    }

    fn fill_rows(&mut self) {
        let count = 1 + self.vertices.iter().map(|vertex| vertex.row).max().unwrap_or(0);
        self.rows = vec![Vec::new(); count];
        for (index, vertex) in self.vertices.iter().enumerate() {
            self.rows[vertex.row].push(index);
        }
        for row in &mut self.rows {
            row.sort_by(|&a, &b| {
                let (a, b) = (&self.vertices[a], &self.vertices[b]);
                a.band.cmp(&b.band).then(a.first.total_cmp(&b.first))
            });
        }
    }

    fn connect(&mut self) {
        let chained = self.chained();
        for bus in 0..self.buses.len() {
            let bus = &self.buses[bus];
            let Some(last) = bus.bend(bus.bottom) else { continue };
            if bus.back {
                self.sides.extend(bus.bend(bus.top).map(|bend| (bus.target, bend)));
                continue;
            }
            let kind = match self.vertices[last].band {
                Band::Spine => SegmentKind::Spine,
                Band::Compensation if chained[bus.target] => SegmentKind::Step,
                _ => SegmentKind::Loose,
            };
            self.segments.push(Segment { upper: last, lower: bus.target, kind });
        }
        for index in 0..self.links.len() {
            self.connect_link(index);
        }
    }

    fn connect_link(&mut self, index: usize) {
        let Link { from, to, .. } = self.graph.links[index];
        let Lineage { back, exit, bus } = self.links[index];
        let row = self.row_of(from);
        let bend_at = |row| bus.and_then(|bus: usize| self.buses[bus].bend(row));
        match (back, exit, bend_at(row)) {
            (true, _, Some(bend)) | (false, Exit::Side, Some(bend)) => self.sides.push((from, bend)),
            _ => {
                let kind = match (self.on_spine(index), bend_at(row + 1), exit) {
                    (true, _, _) => SegmentKind::Spine,
                    (_, _, Exit::Side) => SegmentKind::Free,
                    (_, None, _) => SegmentKind::Chain,
                    (_, Some(_), _) => SegmentKind::Loose,
                };
                self.segments.push(Segment { upper: from, lower: bend_at(row + 1).unwrap_or(to), kind });
            }
        }
    }

    pub fn on_spine(&self, link: usize) -> bool {
        let Link { from, to, .. } = self.graph.links[link];
        self.spine_next[from] == Some(to) && self.links[link].exit == Exit::Below
    }

    /// Boxes that directly follow a box of the compensation lane.
    fn chained(&self) -> Vec<bool> {
        let mut chained = vec![false; self.graph.boxes.len()];
        for (link, lineage) in self.graph.links.iter().zip(&self.links) {
            let follows = !lineage.back && lineage.exit == Exit::Below && lineage.bus.is_none();
            chained[link.to] |= follows && self.graph.boxes[link.from].lane == Lane::Compensation;
        }
        chained
    }
}

/// Per link: whether it must be left out for the bends to be no more than this. The longest buses go first.
pub fn too_long(graph: &Graph, ranked: &Ranked, bends_max: usize) -> Vec<bool> {
    let plan = plan_buses(graph, ranked, &exits(graph, ranked));
    let mut shortest_first: Vec<usize> = (0..plan.buses.len()).collect();
    shortest_first.sort_by_key(|&bus| (!plan.buses[bus].spine, plan.buses[bus].bends()));
    let mut gone = vec![false; plan.buses.len()];
    let mut bends = 0;
    for bus in shortest_first {
        bends += plan.buses[bus].bends();
        gone[bus] = bends > bends_max;
    }
    plan.bus_of.iter().map(|bus| bus.is_some_and(|bus| gone[bus])).collect()
}

fn box_vertices(graph: &Graph, ranked: &Ranked) -> Vec<Vertex> {
    let mut vertices: Vec<Vertex> = graph
        .boxes
        .iter()
        .enumerate()
        .map(|(index, item)| Vertex {
            row: ranked.row[index],
            width: item.width,
            band: if item.lane == Lane::Forward { Band::Forward } else { Band::Compensation },
            is_box: true,
            first: ranked.visit[index] as f64,
        })
        .collect();
    for &index in &graph.spine {
        vertices[index].band = Band::Spine;
    }
    vertices
}

/// One link of each box leaves below: the spine's, or the only kind it has, or the first that goes on.
fn exits(graph: &Graph, ranked: &Ranked) -> Vec<Exit> {
    let next = spine_next(graph);
    let mut exits: Vec<Exit> = graph.links.iter().map(|link| link.exit).collect();
    let mut leaves_below = vec![false; graph.boxes.len()];
    for (index, link) in graph.links.iter().enumerate() {
        if next[link.from] == Some(link.to) && !leaves_below[link.from] {
            exits[index] = Exit::Below;
        }
        leaves_below[link.from] |= exits[index] == Exit::Below;
    }
    for (index, link) in graph.links.iter().enumerate() {
        let goes_on = !ranked.back[index] && graph.boxes[link.to].lane == graph.boxes[link.from].lane;
        if goes_on && !leaves_below[link.from] {
            exits[index] = Exit::Below;
            leaves_below[link.from] = true;
        }
    }
    exits
}

fn spine_next(graph: &Graph) -> Vec<Option<usize>> {
    let mut next = vec![None; graph.boxes.len()];
    for pair in graph.spine.windows(2) {
        next[pair[0]] = Some(pair[1]);
    }
    next
}

struct Plan {
    buses: Vec<PlannedBus>,
    /// Per link.
    bus_of: Vec<Option<usize>>,
}

struct PlannedBus {
    target: usize,
    /// The box whose link made it.
    leader: usize,
    top: usize,
    bottom: usize,
    back: bool,
    spine: bool,
    width: f64,
}

impl PlannedBus {
    fn bends(&self) -> usize {
        self.bottom + 1 - self.top
    }
}

/// Who may share: same target, same direction, same family; `alone` tells the others apart by their link.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Sharing {
    target: usize,
    back: bool,
    family: u8,
    alone: Option<usize>,
}

fn plan_buses(graph: &Graph, ranked: &Ranked, exits: &[Exit]) -> Plan {
    let next = spine_next(graph);
    let mut plan = Plan { buses: Vec::new(), bus_of: vec![None; graph.links.len()] };
    let mut known: BTreeMap<Sharing, usize> = BTreeMap::new();
    for (index, link) in graph.links.iter().enumerate() {
        let Some((top, bottom)) = bend_rows(link, ranked, ranked.back[index], exits[index]) else { continue };
        let spine = next[link.from] == Some(link.to) && exits[index] == Exit::Below;
        let alone = (spine || link.label_width.is_some()).then_some(index);
        let back = ranked.back[index];
        let bus = *known.entry(Sharing { target: link.to, back, family: link.family, alone }).or_insert_with(|| {
            let width = if spine { 0.0 } else { link.label_width.unwrap_or(0.0) };
            plan.buses.push(PlannedBus { target: link.to, leader: link.from, top, bottom, back, spine, width });
            plan.buses.len() - 1
        });
        plan.bus_of[index] = Some(bus);
        plan.buses[bus].top = plan.buses[bus].top.min(top);
        plan.buses[bus].bottom = plan.buses[bus].bottom.max(bottom);
    }
    plan
}

/// The rows in which a link needs a place of its own, if any.
fn bend_rows(link: &Link, ranked: &Ranked, back: bool, exit: Exit) -> Option<(usize, usize)> {
    let (from, to) = (ranked.row[link.from], ranked.row[link.to]);
    let (top, end) = match (back, exit) {
        (true, _) => (to, from + 1),
        (false, Exit::Side) => (from, to),
        (false, Exit::Below) => (from + 1, to),
    };
    (top < end).then(|| (top, end - 1))
}
