//! The rules of a sound drawing.

use crate::graph::layout::{Point, Rect};
use crate::graph::picture::Node;
use crate::graph::scene::{Line, Placed, Scene, Shape};

/// Tolerance for sums of floating-point numbers.
const HAIR: f64 = 0.2;

pub fn assert_sound(name: &str, scene: &Scene) {
    let (nodes, lines) = (nodes(scene), lines(scene));
    let page = Rect { x: 0.0, y: 0.0, width: scene.width, height: scene.height };
    for (at, node) in nodes.iter().enumerate() {
        assert!(contains(&page, &node.rect), "{name}: {} lies outside", node.node.name);
        for other in &nodes[at + 1..] {
            let nested = holds(node, other) || holds(other, node);
            let overlap = overlaps(&node.rect, &other.rect);
            assert!(nested || !overlap, "{name}: {} overlaps {}", node.node.name, other.node.name);
        }
    }
    for line in &lines {
        assert_line(name, line, &nodes);
    }
    assert_no_shared_way(name, &lines);
    assert_labels(name, &lines, &nodes);
}

fn assert_line(name: &str, line: &Line, nodes: &[&Placed]) {
    let what = format!("{name}: {} -> {} {:?}", line.from.name, line.to.name, line.points);
    let (from, to) = (place_of(line.from, nodes), place_of(line.to, nodes));
    let (Some(first), Some(last)) = (line.points.first(), line.points.last()) else { panic!("{what}: no points") };
    assert!(on_border(from, *first) && on_border(to, *last), "{what}: from border {from:?} to border {to:?}");
    for piece in line.points.windows(2) {
        assert!(piece[0].x == piece[1].x || piece[0].y == piece[1].y || slant(piece) < HAIR, "{what}: slanted");
        let piece = around(piece);
        for node in nodes {
            let inside_it = contains(&node.rect, from) && contains(&node.rect, to) && !node.node.blocks.is_empty();
            let own = std::ptr::eq(node.node, line.from) || std::ptr::eq(node.node, line.to);
            assert!(
                own && !crosses(&node.rect, &piece) || inside_it || !crosses(&node.rect, &piece),
                "{what}: runs through {}",
                node.node.name
            );
        }
    }
}

/// Two lines may run over each other only where they come from one box or lead to one.
fn assert_no_shared_way(name: &str, lines: &[&Line]) {
    for (at, a) in lines.iter().enumerate() {
        for b in &lines[at + 1..] {
            if std::ptr::eq(a.to, b.to) || std::ptr::eq(a.from, b.from) {
                continue;
            }
            let shared = pieces(a).any(|p| pieces(b).any(|q| runs_along(&p, &q)));
            let ends = [&a.from.name, &a.to.name, &b.from.name, &b.to.name];
            assert!(!shared, "{name}: lines run over each other: {ends:?}\n{:?}\n{:?}", a.points, b.points);
        }
    }
}

fn assert_labels(name: &str, lines: &[&Line], nodes: &[&Placed]) {
    let ground = |line: &&Line| {
        let (at, text) = line.label.as_ref()?;
        let width = crate::graph::words::width(text, crate::graph::scene::LABEL_SIZE);
        Some((Rect { x: at.x - width / 2.0, y: at.y - 8.0, width, height: 16.0 }, text.clone()))
    };
    let labels: Vec<(Rect, String)> = lines.iter().filter_map(ground).collect();
    for (at, (rect, text)) in labels.iter().enumerate() {
        let other = labels[at + 1..].iter().find(|(other, _)| overlaps(rect, other));
        assert!(other.is_none(), "{name}: label {text} overlaps {other:?}");
        let node = nodes.iter().find(|node| node.node.blocks.is_empty() && overlaps(rect, &node.rect));
        assert!(node.is_none(), "{name}: label {text} lies on {}", node.map_or("", |node| &node.node.name));
    }
}

/// How often an upright piece of one line crosses a level piece of another with another target.
pub fn crossings(scene: &Scene) -> usize {
    let lines = lines(scene);
    let crossing = |a: &Line, b: &Line| pieces(a).map(|p| pieces(b).filter(|q| cross(&p, q)).count()).sum::<usize>();
    let pairs = lines.iter().enumerate().flat_map(|(at, a)| lines[at + 1..].iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| !std::ptr::eq(a.to, b.to)).map(|(a, b)| crossing(a, b)).sum()
}

fn nodes<'a, 'b>(scene: &'b Scene<'a>) -> Vec<&'b Placed<'a>> {
    let node = |shape: &'b Shape<'a>| if let Shape::Node(placed) = shape { Some(placed) } else { None };
    scene.shapes.iter().filter_map(node).collect()
}

fn lines<'a, 'b>(scene: &'b Scene<'a>) -> Vec<&'b Line<'a>> {
    let line = |shape: &'b Shape<'a>| if let Shape::Line(line) = shape { Some(line) } else { None };
    scene.shapes.iter().filter_map(line).collect()
}

fn place_of<'b>(node: &Node, nodes: &'b [&Placed]) -> &'b Rect {
    nodes.iter().find(|placed| std::ptr::eq(placed.node, node)).map(|placed| &placed.rect).expect("an end is drawn")
}

fn holds(outer: &Placed, inner: &Placed) -> bool {
    !outer.node.blocks.is_empty() && contains(&outer.rect, &inner.rect)
}

fn contains(outer: &Rect, inner: &Rect) -> bool {
    outer.x < inner.x && outer.y < inner.y && inner.right() < outer.right() && inner.bottom() < outer.bottom()
}

fn overlaps(a: &Rect, b: &Rect) -> bool {
    a.x < b.right() - HAIR && b.x < a.right() - HAIR && a.y < b.bottom() - HAIR && b.y < a.bottom() - HAIR
}

fn crosses(rect: &Rect, piece: &Rect) -> bool {
    piece.x < rect.right() - HAIR
        && rect.x + HAIR < piece.right()
        && piece.y < rect.bottom() - HAIR
        && rect.y + HAIR < piece.bottom()
}

fn on_border(rect: &Rect, point: Point) -> bool {
    let on_side = (point.x - rect.right()).abs() < HAIR && rect.y < point.y && point.y < rect.bottom();
    let on_edge = [rect.y, rect.bottom()].iter().any(|y| (point.y - y).abs() < HAIR);
    on_side || (on_edge && rect.x < point.x && point.x < rect.right())
}

fn slant(piece: &[Point]) -> f64 {
    (piece[0].x - piece[1].x).abs().min((piece[0].y - piece[1].y).abs())
}

fn around(piece: &[Point]) -> Rect {
    let (a, b) = (piece[0], piece[1]);
    Rect { x: a.x.min(b.x), y: a.y.min(b.y), width: (a.x - b.x).abs(), height: (a.y - b.y).abs() }
}

fn pieces(line: &Line) -> impl Iterator<Item = Rect> {
    line.points.windows(2).map(around)
}

/// On one straight line, for more than a touch.
fn runs_along(a: &Rect, b: &Rect) -> bool {
    let common = |a: f64, a_end: f64, b: f64, b_end: f64| a_end.min(b_end) - a.max(b);
    let (wide, high) = (common(a.x, a.right(), b.x, b.right()), common(a.y, a.bottom(), b.y, b.bottom()));
    let level = a.height < HAIR && b.height < HAIR && high.abs() < 1.0 && wide > 1.0;
    let upright = a.width < HAIR && b.width < HAIR && wide.abs() < 1.0 && high > 1.0;
    level || upright
}

fn cross(a: &Rect, b: &Rect) -> bool {
    let within = |level: &Rect, upright: &Rect| {
        level.x < upright.x && upright.x < level.right() && upright.y < level.y && level.y < upright.bottom()
    };
    (a.height < HAIR && b.width < HAIR && within(a, b)) || (b.height < HAIR && a.width < HAIR && within(b, a))
}
