//! The lines, and with them the heights: level and upright pieces only, never through a box.
//!
//! Upright pieces stand where the columns reserved them: in bends, or above and below their own box. Level
//! pieces lie in the *channel* between two rows, each on a track of its own where they would overlap, or in a
//! row, from a box's right border to a bend with no box in between. So no line can touch a foreign box.
//!
//! ```text
//! row       [A]──┐ side exit      [B]
//! channel    │   │        ┌────────┘  track 0
//!            │   └────────┼──┐        track 1
//!            │ label      │ label     label band
//! row       [C]           ▼  ▼
//! ```

use std::collections::BTreeMap;

use super::grid::{Bus, Grid};
use super::order::positions;
use super::{Exit, Layout, Point, Rect, Route};

/// Lines meet a level border at least this far from its corners.
pub(super) const PORT_INSET: f64 = 20.0;
const PORT_GAP: f64 = 14.0;
const SIDE_PORT_GAP: f64 = 9.0;
const ABOVE_TRACKS: f64 = 11.0;
const TRACK: f64 = 10.0;
const LABEL: f64 = 19.0;
/// Room for the arrow head.
const BELOW_TRACKS: f64 = 18.0;
/// Level pieces closer than this end to end count as overlapping.
const CLEARANCE: f64 = 8.0;
/// Labels side by side keep this distance.
const BETWEEN_LABELS: f64 = 8.0;
/// Less than this is no step worth drawing.
const HAIR: f64 = 0.05;

pub fn route(grid: &Grid, x: &[f64]) -> Layout {
    let ways = ways(grid, x);
    let ports = Ports::new(grid, x, &ways);
    let channels = channels(grid, x, &ways, &ports);
    let shelves = Shelves::new(grid, &channels);
    let boxes = boxes(grid, x, &shelves);
    let sketch = Sketch { grid, x, ways: &ways, ports: &ports, channels: &channels, shelves: &shelves, boxes: &boxes };
    let routes = (0..grid.links.len()).map(|link| sketch.route(link)).collect();
    at_origin(grid, Layout { boxes, routes, width: 0.0, height: shelves.height })
}

/// How a link leaves its box and comes to its target.
#[derive(Clone, Copy)]
struct Way {
    leave: Leave,
    /// Only links that go back can arrive from the side.
    arrive: Arrive,
    /// The bus it runs on, and the first row in which it does.
    bus: Option<(usize, usize)>,
}

#[derive(Clone, Copy, PartialEq)]
enum Leave {
    Side,
    Below,
    /// Downwards first, then up again: a link that goes back and finds its side blocked.
    Under,
}

#[derive(Clone, Copy, PartialEq)]
enum Arrive {
    Top,
    Side,
    /// From below, over the target's upper border: a link that goes back and finds the target's side blocked.
    Over,
}

fn ways(grid: &Grid, x: &[f64]) -> Vec<Way> {
    let position = positions(grid);
    let clear = |item: usize, bend: usize| {
        let beyond_border = x[bend] > x[item] + grid.vertices[item].width / 2.0;
        let between = grid.rows[grid.row_of(item)].get(position[item] + 1..position[bend]);
        beyond_border && between.is_some_and(|between| !between.iter().any(|&v| grid.vertices[v].is_box))
    };
    let way = |link: usize| {
        let lineage = grid.links[link];
        let from = grid.graph.links[link].from;
        let row = grid.row_of(from);
        let Some(index) = lineage.bus else {
            return Way { leave: Leave::Below, arrive: Arrive::Top, bus: None };
        };
        let bus: &Bus = &grid.buses[index];
        let wants_side = lineage.back || lineage.exit == Exit::Side;
        let side = wants_side && bus.bend(row).is_some_and(|bend| clear(from, bend));
        if lineage.back {
            let enters = bus.top == 0 || bus.bend(bus.top).is_some_and(|bend| clear(bus.target, bend));
            return Way {
                leave: if side { Leave::Side } else { Leave::Under },
                arrive: if enters { Arrive::Side } else { Arrive::Over },
                bus: Some((index, row)),
            };
        }
        let first = if side { row } else { row + 1 };
        Way {
            leave: if side { Leave::Side } else { Leave::Below },
            arrive: Arrive::Top,
            bus: (first <= bus.bottom).then_some((index, first)),
        }
    };
    (0..grid.links.len()).map(way).collect()
}

/// Where lines meet borders.
struct Ports {
    /// Per link, for those that leave below.
    below: Vec<f64>,
    /// Per link, for those that arrive on top.
    top: Vec<f64>,
    /// Per link, for those that leave to the side: how far below the box's middle.
    side_out: Vec<f64>,
    /// Per bus, for those that arrive from the side.
    side_in: Vec<f64>,
}

/// Those that share one port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    Bus(usize),
    Link(usize),
}

impl Ports {
    fn new(grid: &Grid, x: &[f64], ways: &[Way]) -> Ports {
        let count = ways.len();
        let mut ports = Ports {
            below: vec![0.0; count],
            top: vec![0.0; count],
            side_out: vec![0.0; count],
            side_in: vec![0.0; grid.buses.len()],
        };
        ports.set_below(grid, x, ways);
        ports.set_top(grid, x, ways);
        ports.set_sides(grid, x, ways);
        ports
    }

    fn set_below(&mut self, grid: &Grid, x: &[f64], ways: &[Way]) {
        for (item, links) in
            group(ways.len(), |link| (ways[link].leave != Leave::Side).then(|| (grid.graph.links[link].from, link)))
        {
            let wishes = links.iter().map(|&link| match (grid.links[link].exit, ways[link].bus) {
                (Exit::Below, _) if !grid.links[link].back => Wish { at: x[item], weight: MAIN },
                (_, Some((bus, row))) => Wish { at: x[grid.buses[bus].bend(row).unwrap_or(item)], weight: 1.0 },
                (_, None) => Wish { at: x[grid.graph.links[link].to], weight: 1.0 },
            });
            for (link, at) in links.iter().zip(self.spread(grid, x, item, wishes.collect())) {
                self.below[*link] = at;
            }
        }
    }

    fn set_top(&mut self, grid: &Grid, x: &[f64], ways: &[Way]) {
        for (item, links) in
            group(ways.len(), |link| (ways[link].arrive != Arrive::Side).then(|| (grid.graph.links[link].to, link)))
        {
            let mut lines: BTreeMap<Line, Wish> = BTreeMap::new();
            for &link in &links {
                let (line, at) = match ways[link].bus {
                    Some((bus, _)) => (Line::Bus(bus), x[last_bend(&grid.buses[bus])]),
                    None => (Line::Link(link), self.below[link]),
                };
                let weight = if grid.on_spine(link) { MAIN } else { 1.0 };
                let wish = lines.entry(line).or_insert(Wish { at, weight });
                wish.weight = wish.weight.max(weight);
            }
            let at = self.spread(grid, x, item, lines.values().copied().collect());
            let at: BTreeMap<Line, f64> = lines.keys().copied().zip(at).collect();
            for link in links {
                let line = ways[link].bus.map_or(Line::Link(link), |(bus, _)| Line::Bus(bus));
                self.top[link] = at[&line];
            }
        }
    }

    /// Places on a level border for lines that wish to meet it there, in the order of the wishes.
    fn spread(&self, grid: &Grid, x: &[f64], item: usize, wishes: Vec<Wish>) -> Vec<f64> {
        let place = &grid.graph.boxes[item];
        if place.single_port {
            return vec![x[item]; wishes.len()];
        }
        let half = (place.width / 2.0 - PORT_INSET).max(0.0);
        let mut order: Vec<usize> = (0..wishes.len()).collect();
        order.sort_by(|&a, &b| wishes[a].at.total_cmp(&wishes[b].at));
        let sorted: Vec<Wish> = order.iter().map(|&index| wishes[index]).collect();
        let placed = separate(&sorted, PORT_GAP, x[item] - half, x[item] + half);
        let mut at = vec![0.0; wishes.len()];
        for (index, place) in order.into_iter().zip(placed) {
            at[index] = place;
        }
        at
    }

    /// Down the right border: what goes up (the inner line first), then what goes down or comes in (the outer
    /// line first); so they do not cross each other.
    fn set_sides(&mut self, grid: &Grid, x: &[f64], ways: &[Way]) {
        let mut sides: BTreeMap<usize, Vec<(bool, f64, Line)>> = BTreeMap::new();
        for (link, way) in ways.iter().enumerate() {
            let Some((index, row)) = way.bus else { continue };
            let bus = &grid.buses[index];
            if way.leave == Leave::Side {
                let at = bus.bend(row).map_or(0.0, |bend| x[bend]);
                let key = if grid.links[link].back { (false, at) } else { (true, -at) };
                sides.entry(grid.graph.links[link].from).or_default().push((key.0, key.1, Line::Link(link)));
            }
            if way.arrive == Arrive::Side {
                let at = bus.bend(bus.top).map_or(0.0, |bend| x[bend]);
                let entry = (true, -at, Line::Bus(index));
                let list = sides.entry(bus.target).or_default();
                if !list.contains(&entry) {
                    list.push(entry);
                }
            }
        }
        for (item, mut lines) in sides {
            lines.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            let gap = SIDE_PORT_GAP.min((grid.graph.boxes[item].height - 14.0).max(0.0) / lines.len() as f64);
            for (at, (.., line)) in lines.iter().enumerate() {
                let offset = (at as f64 - (lines.len() - 1) as f64 / 2.0) * gap;
                match *line {
                    Line::Link(link) => self.side_out[link] = offset,
                    Line::Bus(bus) => self.side_in[bus] = offset,
                }
            }
        }
    }
}

/// The bend next to the target.
fn last_bend(bus: &Bus) -> usize {
    let row = if bus.back { bus.top } else { bus.bottom };
    bus.bend(row).expect("a bus has a bend in its first and last row")
}

fn group(count: usize, key: impl Fn(usize) -> Option<(usize, usize)>) -> BTreeMap<usize, Vec<usize>> {
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (item, link) in (0..count).filter_map(key) {
        groups.entry(item).or_default().push(link);
    }
    groups
}

#[derive(Clone, Copy)]
struct Wish {
    at: f64,
    weight: f64,
}

/// The weight of a line that should stay upright whatever the others wish.
const MAIN: f64 = 1000.0;

/// Places as near as can be to the wishes (least squares), in their order, `gap` apart, within `low ..= high`.
///
/// Without the gaps this is an isotonic regression, solved by merging neighbours that violate the order.
fn separate(wishes: &[Wish], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let steps = wishes.len().saturating_sub(1) as f64;
    let gap = if steps > 0.0 { gap.min((high - low) / steps) } else { gap };
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (index, wish) in wishes.iter().enumerate() {
        let mut pool = (wish.at - index as f64 * gap, wish.weight, 1);
        while let Some(&(at, weight, count)) = pools.last() {
            if at <= pool.0 {
                break;
            }
            pools.pop();
            let sum = weight + pool.1;
            pool = ((at * weight + pool.0 * pool.1) / sum, sum, count + pool.2);
        }
        pools.push(pool);
    }
    let level = pools.iter().flat_map(|&(at, _, count)| std::iter::repeat_n(at, count));
    level.enumerate().map(|(index, at)| at.min(high - steps * gap).max(low) + index as f64 * gap).collect()
}

/// What lies between a row and the next.
#[derive(Default)]
struct Channel {
    /// The track of each line's level piece.
    tracks: BTreeMap<Piece, usize>,
    track_count: usize,
    /// Per labelled link: where on the line, and in which row of labels.
    labels: BTreeMap<usize, (f64, usize)>,
    label_rows: usize,
}

impl Channel {
    fn height(&self) -> f64 {
        ABOVE_TRACKS + self.track_count as f64 * TRACK + self.label_rows as f64 * LABEL + BELOW_TRACKS
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// From a box to the first bend, or to the target in the next row.
    Link(usize),
    /// From one bend to the next, or to the target in the next row.
    Bus(usize),
    /// Over the border of a target that stands in the row below.
    Over(usize),
}

struct Level {
    piece: Piece,
    from: f64,
    to: f64,
    shape: Shape,
}

/// Where the upright pieces at both ends point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    BothUp,
    Down,
    BothDown,
}

fn channels(grid: &Grid, x: &[f64], ways: &[Way], ports: &Ports) -> Vec<Channel> {
    let mut levels: Vec<BTreeMap<Piece, Level>> = grid.rows.iter().map(|_| BTreeMap::new()).collect();
    let mut add = |channel: usize, piece: Piece, from: f64, to: f64, shape: Shape| {
        if (from - to).abs() > HAIR {
            levels[channel].insert(piece, Level { piece, from, to, shape });
        }
    };
    for (link, way) in ways.iter().enumerate() {
        let row = grid.row_of(grid.graph.links[link].from);
        let first = way.bus.map_or(ports.top[link], |(bus, row)| x[grid.buses[bus].bend(row).unwrap_or_default()]);
        match way.leave {
            Leave::Side => {}
            Leave::Below => add(row, Piece::Link(link), ports.below[link], first, Shape::Down),
            Leave::Under => add(row, Piece::Link(link), ports.below[link], first, Shape::BothUp),
        }
        let Some((index, first_row)) = way.bus else { continue };
        let bus = &grid.buses[index];
        let end = if way.arrive == Arrive::Top { Some(ports.top[link]) } else { None };
        for (channel, from, to) in bus_steps(bus, x, first_row, end) {
            add(channel, Piece::Bus(index), from, to, Shape::Down);
        }
        if way.arrive == Arrive::Over {
            add(bus.top - 1, Piece::Over(index), x[last_bend(bus)], ports.top[link], Shape::BothDown);
        }
    }
    let mut channels: Vec<Channel> =
        levels.into_iter().map(|level| with_tracks(level.into_values().collect())).collect();
    place_labels(grid, x, ways, ports, &mut channels);
    channels
}

/// Per channel that a link passes on its bus: the x above and the x below.
fn bus_steps(bus: &Bus, x: &[f64], row: usize, end: Option<f64>) -> Vec<(usize, f64, f64)> {
    let at = |row: usize| bus.bend(row).map(|bend| x[bend]);
    let rows = if bus.back { bus.top..row } else { row..bus.bottom + 1 };
    rows.filter_map(|row| Some((row, at(row)?, at(row + 1).or(end)?))).collect()
}

/// Greedy tracks from the top: each line below every earlier one that it overlaps.
fn with_tracks(mut levels: Vec<Level>) -> Channel {
    let inner_first = |level: &Level| if level.to > level.from { -level.from } else { level.from };
    // Lines to the right nest when the rightmost starts highest, lines to the left when the leftmost does.
    levels.sort_by(|a, b| {
        a.shape.cmp(&b.shape).then(inner_first(a).total_cmp(&inner_first(b))).then(a.piece.cmp(&b.piece))
    });
    let mut channel = Channel::default();
    let mut tracks: Vec<Vec<(f64, f64)>> = Vec::new();
    for index in without_shared_uprights(&levels) {
        let level = &levels[index];
        let (left, right) = (level.from.min(level.to) - CLEARANCE, level.from.max(level.to) + CLEARANCE);
        let overlaps = |track: &Vec<(f64, f64)>| track.iter().any(|&(l, r)| l < right && left < r);
        let track = tracks.iter().rposition(overlaps).map_or(0, |track| track + 1);
        if track == tracks.len() {
            tracks.push(Vec::new());
        }
        tracks[track].push((left, right));
        channel.tracks.insert(level.piece, track);
    }
    channel.track_count = tracks.len();
    channel
}

/// Nearly this order, but a line that comes down at some x turns away above every line that goes down there;
/// else the two would run over each other. A circle of such wishes cannot be granted and is cut.
fn without_shared_uprights(levels: &[Level]) -> Vec<usize> {
    let mut coming: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (index, level) in levels.iter().enumerate().filter(|(_, level)| level.shape == Shape::Down) {
        coming.entry(level.from.round() as i64).or_default().push(index);
    }
    let above = |index: usize| -> Vec<usize> {
        let at = levels[index].to.round() as i64;
        let goes_down = levels[index].shape == Shape::Down;
        let found = coming.range(at - 1..=at + 1).filter(|_| goes_down);
        found.flat_map(|(_, found)| found.iter().copied()).collect()
    };
    let mut seen = vec![false; levels.len()];
    let mut order = Vec::with_capacity(levels.len());
    for first in 0..levels.len() {
        let mut stack = vec![(first, false)];
        while let Some((index, after_those_above)) = stack.pop() {
            if after_those_above {
                order.push(index);
            } else if !std::mem::replace(&mut seen[index], true) {
                stack.push((index, true));
                stack.extend(above(index).into_iter().filter(|&other| !seen[other]).map(|other| (other, false)));
            }
        }
    }
    order
}

/// The first that the line passes.
fn label_channel(grid: &Grid, link: usize) -> usize {
    let row = grid.row_of(grid.graph.links[link].from);
    if grid.links[link].back { row.saturating_sub(1) } else { row }
}

fn place_labels(grid: &Grid, x: &[f64], ways: &[Way], ports: &Ports, channels: &mut [Channel]) {
    let mut wanted: Vec<Vec<(f64, f64, usize)>> = channels.iter().map(|_| Vec::new()).collect();
    for (link, way) in ways.iter().enumerate() {
        let Some(width) = grid.graph.links[link].label_width else { continue };
        let row = grid.row_of(grid.graph.links[link].from);
        let bend = |row: usize| way.bus.and_then(|(bus, _)| grid.buses[bus].bend(row)).map(|bend| x[bend]);
        let at = match grid.links[link].back {
            true => bend(row).unwrap_or(ports.below[link]),
            false => bend(row + 1).unwrap_or(ports.top[link]),
        };
        wanted[label_channel(grid, link)].push((at, width, link));
    }
    for (channel, mut labels) in channels.iter_mut().zip(wanted) {
        labels.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
        // Per row of labels, how far it is filled.
        let mut filled: Vec<f64> = Vec::new();
        for (at, width, link) in labels {
            let left = at - width / 2.0;
            let row = filled.iter().position(|&right| right + BETWEEN_LABELS <= left).unwrap_or(filled.len());
            if row == filled.len() {
                filled.push(0.0);
            }
            filled[row] = at + width / 2.0;
            channel.labels.insert(link, (at, row));
        }
        channel.label_rows = filled.len();
    }
}

/// The heights of rows and channels.
struct Shelves {
    row_top: Vec<f64>,
    row_height: Vec<f64>,
    height: f64,
}

impl Shelves {
    fn new(grid: &Grid, channels: &[Channel]) -> Shelves {
        let mut shelves = Shelves { row_top: Vec::new(), row_height: Vec::new(), height: 0.0 };
        for (row, vertices) in grid.rows.iter().enumerate() {
            let heights = vertices.iter().filter_map(|&vertex| grid.graph.boxes.get(vertex)).map(|item| item.height);
            let height = heights.fold(0.0, f64::max);
            shelves.row_top.push(shelves.height);
            shelves.row_height.push(height);
            shelves.height += height;
            // A channel below the last row exists only if a line needs it (a link back to the same row).
            let last = row + 1 == grid.rows.len();
            if !last || channels[row].track_count > 0 {
                shelves.height += channels[row].height();
            }
        }
        shelves
    }

    fn row_bottom(&self, row: usize) -> f64 {
        self.row_top[row] + self.row_height[row]
    }

    fn row_middle(&self, row: usize) -> f64 {
        self.row_top[row] + self.row_height[row] / 2.0
    }
}

fn boxes(grid: &Grid, x: &[f64], shelves: &Shelves) -> Vec<Rect> {
    let place = |(index, item): (usize, &super::Box)| Rect {
        x: x[index] - item.width / 2.0,
        y: shelves.row_middle(grid.row_of(index)) - item.height / 2.0,
        width: item.width,
        height: item.height,
    };
    grid.graph.boxes.iter().enumerate().map(place).collect()
}

struct Sketch<'a> {
    grid: &'a Grid<'a>,
    x: &'a [f64],
    ways: &'a [Way],
    ports: &'a Ports,
    channels: &'a [Channel],
    shelves: &'a Shelves,
    boxes: &'a [Rect],
}

impl Sketch<'_> {
    fn route(&self, link: usize) -> Route {
        let way = &self.ways[link];
        let mut points = Vec::new();
        self.leave(link, way, &mut points);
        self.follow(link, way, &mut points);
        self.arrive(link, way, &mut points);
        Route { points: without_needless(points), label: self.label(link) }
    }

    fn leave(&self, link: usize, way: &Way, points: &mut Vec<Point>) {
        let from = &self.boxes[self.grid.graph.links[link].from];
        let row = self.grid.row_of(self.grid.graph.links[link].from);
        match way.leave {
            Leave::Side => {
                let y = from.middle().y + self.ports.side_out[link];
                points.push(Point { x: from.right(), y });
                points.extend(self.bend_x(way, row).map(|x| Point { x, y }));
            }
            Leave::Below | Leave::Under => {
                let x = self.ports.below[link];
                points.push(Point { x, y: from.bottom() });
                let to = way.bus.and_then(|(_, row)| self.bend_x(way, row)).unwrap_or(self.ports.top[link]);
                self.level(row, Piece::Link(link), x, to, points);
            }
        }
    }

    fn follow(&self, link: usize, way: &Way, points: &mut Vec<Point>) {
        let Some((index, row)) = way.bus else { return };
        let bus = &self.grid.buses[index];
        let end = (way.arrive == Arrive::Top).then_some(self.ports.top[link]);
        let steps = bus_steps(bus, self.x, row, end);
        if bus.back {
            for &(channel, above, below) in steps.iter().rev() {
                self.level(channel, Piece::Bus(index), below, above, points);
            }
        } else {
            for &(channel, above, below) in &steps {
                self.level(channel, Piece::Bus(index), above, below, points);
            }
        }
    }

    fn arrive(&self, link: usize, way: &Way, points: &mut Vec<Point>) {
        let to = &self.boxes[self.grid.graph.links[link].to];
        let top = Point { x: self.ports.top[link], y: to.y };
        match (way.arrive, way.bus) {
            (Arrive::Top, _) | (Arrive::Over, None) | (Arrive::Side, None) => points.push(top),
            (Arrive::Side, Some((bus, _))) => {
                let y = to.middle().y + self.ports.side_in[bus];
                points.push(Point { x: self.x[last_bend(&self.grid.buses[bus])], y });
                points.push(Point { x: to.right(), y });
            }
            (Arrive::Over, Some((index, _))) => {
                let bus = &self.grid.buses[index];
                self.level(bus.top - 1, Piece::Over(index), self.x[last_bend(bus)], top.x, points);
                points.push(top);
            }
        }
    }

    fn bend_x(&self, way: &Way, row: usize) -> Option<f64> {
        way.bus.and_then(|(bus, _)| self.grid.buses[bus].bend(row)).map(|bend| self.x[bend])
    }

    fn level(&self, channel: usize, piece: Piece, from: f64, to: f64, points: &mut Vec<Point>) {
        let Some(&track) = self.channels[channel].tracks.get(&piece) else { return };
        let y = self.shelves.row_bottom(channel) + ABOVE_TRACKS + (track as f64 + 0.5) * TRACK;
        points.push(Point { x: from, y });
        points.push(Point { x: to, y });
    }

    fn label(&self, link: usize) -> Option<Point> {
        let row = label_channel(self.grid, link);
        let channel = &self.channels[row];
        let &(x, label_row) = channel.labels.get(&link)?;
        let above = ABOVE_TRACKS + channel.track_count as f64 * TRACK;
        Some(Point { x, y: self.shelves.row_bottom(row) + above + (label_row as f64 + 0.5) * LABEL })
    }
}

/// Drops points that repeat their neighbour or lie on a straight piece.
fn without_needless(points: Vec<Point>) -> Vec<Point> {
    let mut kept: Vec<Point> = Vec::with_capacity(points.len());
    for point in points {
        if kept.last().is_some_and(|last| same(last.x, point.x) && same(last.y, point.y)) {
            continue;
        }
        if let [.., before, last] = kept.as_slice() {
            let upright = same(before.x, last.x) && same(last.x, point.x);
            let level = same(before.y, last.y) && same(last.y, point.y);
            if upright || level {
                kept.pop();
            }
        }
        kept.push(point);
    }
    kept
}

fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= HAIR
}

/// Moves everything so that the leftmost thing stands at 0.
fn at_origin(grid: &Grid, mut layout: Layout) -> Layout {
    let (mut left, mut right) = (f64::MAX, f64::MIN);
    let mut span = |from: f64, to: f64| {
        left = left.min(from);
        right = right.max(to);
    };
    for place in &layout.boxes {
        span(place.x, place.right());
    }
    for (link, route) in grid.graph.links.iter().zip(&layout.routes) {
        route.points.iter().for_each(|point| span(point.x, point.x));
        let half = link.label_width.unwrap_or(0.0) / 2.0;
        route.label.iter().for_each(|label| span(label.x - half, label.x + half));
    }
    if layout.boxes.is_empty() {
        return layout;
    }
    layout.width = right - left;
    layout.boxes.iter_mut().for_each(|place| place.x -= left);
    for route in &mut layout.routes {
        route.points.iter_mut().chain(route.label.iter_mut()).for_each(|point| point.x -= left);
    }
    layout
}
