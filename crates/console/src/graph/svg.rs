//! The drawing as SVG: one file that needs nothing else.
//!
//! No script, no font, no outside resource, no references by id (several drawings may stand in one page). It
//! brings its own card, light or dark as the reader's system says; colours are spelled out in both rather than
//! kept in CSS variables, which many renderers outside browsers do not know. Every class stands under
//! `.ithaca-graph`. Each state is a `<g data-state="NAME">`, so a page can find it.

use std::fmt::Write;

use super::layout::{Lane, Point, Rect};
use super::overlay::{Mark, Status};
use super::picture::{EdgeKind, Node, Picture, Symbol};
use super::scene::{HEADER, LABEL_SIZE, LINE_HEIGHT, Line, NAME_SIZE, Placed, SYMBOL_ROOM, Scene, Shape};
use super::words::{self, escape};

const CORNER: f64 = 7.0;
/// How far lines are rounded where they turn.
const TURN: f64 = 7.0;
const ARROW_LENGTH: f64 = 8.0;
const ARROW_HALF: f64 = 4.2;
const LEGEND: f64 = 34.0;
/// How far the second sheet of a Map looks out.
const SHEET: f64 = 4.0;

/// Where a drawing stands.
pub enum Place<'a> {
    /// In a file of its own, with its style, card and legend.
    File,
    /// In a page that has the style ([`stylesheet`]) and may change marks: each state has room for every mark, lines
    /// name their ends, and a state leads to the address that this gives for its name.
    Page(&'a dyn Fn(&str) -> String),
}

pub fn svg(picture: &Picture, place: &Place<'_>) -> String {
    match place {
        Place::File => file(picture),
        Place::Page(link) => in_page(picture, *link),
    }
}

fn in_page(picture: &Picture, link: &dyn Fn(&str) -> String) -> String {
    let scene = Scene::of(picture);
    let mut out = String::new();
    let marked = if picture.marked { " marked" } else { "" };
    let _ = writeln!(
        out,
        "<svg class=\"ithaca-graph{marked}\" role=\"group\" aria-label=\"{}\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
         height=\"{h}\">",
        escape(&picture.description),
        w = number(scene.width),
        h = number(scene.height)
    );
    // What a page needs to paint another mark: the sign of each status.
    out.push_str("<defs>");
    for status in Status::ALL {
        let _ = write!(out, "<path data-sign=\"{}\" d=\"{}\"/>", status.class(), sign(status));
    }
    out.push_str("</defs>\n<g class=\"scene\">\n");
    paint(&scene, Some(link), &mut out);
    out.push_str("</g></svg>\n");
    out
}

fn file(picture: &Picture) -> String {
    let scene = Scene::of(picture);
    let legend = Legend::of(picture);
    let width = scene.width.max(legend.width);
    let height = scene.height + if legend.entries.is_empty() { 0.0 } else { LEGEND };
    let mut out = String::new();
    let marked = if picture.marked { " marked" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"ithaca-graph{marked}\" role=\"img\" viewBox=\"0 0 {w} {h}\" \
         width=\"{w}\" height=\"{h}\">",
        w = number(width),
        h = number(height)
    );
    let _ = writeln!(out, "<title>{}</title>", escape(&picture.title));
    let _ = writeln!(out, "<desc>{}</desc>", escape(&picture.description));
    let _ = writeln!(out, "<style>{}</style>", style());
    let card = Rect { x: 0.5, y: 0.5, width: width - 1.0, height: height - 1.0 };
    let _ = writeln!(out, "{}", rect("card", card, 12.0));
    let shift = (width - scene.width) / 2.0;
    let _ = writeln!(out, "<g transform=\"translate({} 0)\">", number(shift));
    paint(&scene, None, &mut out);
    out.push_str("</g>\n");
    legend.write(scene.height, width, &mut out);
    out.push_str("</svg>\n");
    out
}

type Link<'a> = Option<&'a dyn Fn(&str) -> String>;

/// Taken lines lie over the others of their block, and a block's lines under its boxes.
fn paint(scene: &Scene, link: Link<'_>, out: &mut String) {
    let mut lines: Vec<&Line> = Vec::new();
    let flush = |lines: &mut Vec<&Line>, out: &mut String| {
        lines.sort_by_key(|line| line.edge.taken);
        lines.iter().for_each(|line| write_line(line, link.is_some(), out));
        lines.iter().for_each(|line| write_label(line, out));
        lines.clear();
    };
    for shape in &scene.shapes {
        match shape {
            Shape::Line(line) => lines.push(line),
            Shape::Panel(panel) => {
                flush(&mut lines, out);
                let _ = writeln!(out, "{}", rect("panel", *panel, CORNER));
            }
            Shape::Node(node) => {
                flush(&mut lines, out);
                write_node(node, link, out);
            }
        }
    }
    flush(&mut lines, out);
}

fn write_line(line: &Line, with_ends: bool, out: &mut String) {
    let kind = match line.edge.kind {
        EdgeKind::Next => "next",
        EdgeKind::Choice => "choice",
        EdgeKind::Catch => "catch",
    };
    let taken = if line.edge.taken { " taken" } else { "" };
    let label = line.edge.label().map(|label| format!(": {label}")).unwrap_or_default();
    let title = format!("{} → {}{label}", line.from.name, line.to.name);
    let _ = writeln!(
        out,
        "<g class=\"edge {kind}{taken}\"{}><title>{}</title><path class=\"line\" d=\"{}\"/>{}</g>",
        if with_ends { ends(line) } else { String::new() },
        escape(&title),
        path(&line.points),
        arrow(&line.points)
    );
}

/// By what a page finds the line: names of states, or none for Start and End.
fn ends(line: &Line) -> String {
    let name = |node: &Node| match node.symbol {
        Symbol::Start | Symbol::End => String::new(),
        _ => escape(&node.name),
    };
    format!(" data-from=\"{}\" data-to=\"{}\"", name(line.from), name(line.to))
}

fn write_label(line: &Line, out: &mut String) {
    let Some((at, text)) = &line.label else { return };
    let width = words::width(text, LABEL_SIZE) + 6.0;
    let ground = Rect { x: at.x - width / 2.0, y: at.y - 8.0, width, height: 16.0 };
    let place = if line.inner { "inner " } else { "" };
    let kind = if line.edge.kind == EdgeKind::Catch { "catch" } else { "choice" };
    let full = line.edge.label().unwrap_or_default();
    let _ = writeln!(
        out,
        "<g class=\"label {place}{kind}\"><title>{}</title>{}<text x=\"{}\" y=\"{}\">{}</text></g>",
        escape(&full),
        rect("ground", ground, 4.0),
        number(at.x),
        number(at.y + 4.0),
        escape(text)
    );
}

/// Straight pieces with rounded turns; the last piece ends inside the arrow head.
fn path(points: &[Point]) -> String {
    let mut d = String::new();
    let Some(first) = points.first() else { return d };
    let _ = write!(d, "M{} {}", number(first.x), number(first.y));
    for window in points.windows(3) {
        let [before, turn, after] = [window[0], window[1], window[2]];
        let round = TURN.min(length(before, turn) / 2.0).min(length(turn, after) / 2.0);
        let (start, end) = (towards(turn, before, round), towards(turn, after, round));
        let _ = write!(
            d,
            "L{} {}Q{} {} {} {}",
            number(start.x),
            number(start.y),
            number(turn.x),
            number(turn.y),
            number(end.x),
            number(end.y)
        );
    }
    if let [.., before, last] = points {
        let end = towards(*last, *before, ARROW_LENGTH - 2.0);
        let _ = write!(d, "L{} {}", number(end.x), number(end.y));
    }
    d
}

fn arrow(points: &[Point]) -> String {
    let [.., before, tip] = points else { return String::new() };
    let base = towards(*tip, *before, ARROW_LENGTH);
    let far = length(*before, *tip).max(f64::EPSILON);
    let (across_x, across_y) = ((tip.y - before.y) / far * ARROW_HALF, (before.x - tip.x) / far * ARROW_HALF);
    format!(
        "<path class=\"head\" d=\"M{} {}L{} {}L{} {}Z\"/>",
        number(tip.x),
        number(tip.y),
        number(base.x + across_x),
        number(base.y + across_y),
        number(base.x - across_x),
        number(base.y - across_y)
    )
}

fn length(a: Point, b: Point) -> f64 {
    (a.x - b.x).hypot(a.y - b.y)
}

fn towards(from: Point, to: Point, distance: f64) -> Point {
    let far = length(from, to).max(f64::EPSILON);
    Point { x: from.x + (to.x - from.x) / far * distance, y: from.y + (to.y - from.y) / far * distance }
}

fn write_node(placed: &Placed, link: Link<'_>, out: &mut String) {
    match (placed.node.symbol, link) {
        (Symbol::Start | Symbol::End, _) => write_terminal(placed, out),
        (_, None) => write_state(placed, false, out),
        (_, Some(link)) => {
            let _ = write!(out, "<a href=\"{}\">", escape(&link(&placed.node.name)));
            write_state(placed, true, out);
            out.push_str("</a>");
        }
    }
}

fn write_terminal(placed: &Placed, out: &mut String) {
    let middle = placed.rect.middle();
    let (x, y, r) = (number(middle.x), number(middle.y), number(placed.rect.width / 2.0));
    let name = escape(&placed.node.name);
    let text = match placed.inner {
        true => String::new(),
        false => format!("<text x=\"{x}\" y=\"{}\">{name}</text>", number(middle.y + 4.5)),
    };
    let _ =
        writeln!(out, "<g class=\"terminal\"><title>{name}</title><circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\"/>{text}</g>");
}

fn write_state(placed: &Placed, is_live: bool, out: &mut String) {
    let node = placed.node;
    let is_container = !node.blocks.is_empty();
    let name = escape(&node.name);
    let status = node.mark.map_or("none", |mark| mark.status.class());
    let _ = write!(
        out,
        "<g class=\"state {}{}{} {status}\" data-state=\"{name}\" data-status=\"{status}\"><title>{}</title>",
        shape_class(node.symbol),
        if node.lane == Lane::Compensation { " compensation" } else { "" },
        if is_container { " container" } else { "" },
        escape(&title(node)),
    );
    if node.symbol == Symbol::Map {
        // One sheet behind another: it runs for each item.
        let (width, height) = (placed.rect.width - SHEET, placed.rect.height - SHEET);
        let behind = Rect { x: placed.rect.x + SHEET, y: placed.rect.y + SHEET, width, height };
        out.push_str(&rect("sheet", behind, CORNER));
        out.push_str(&rect("body", Rect { width, height, ..placed.rect }, CORNER));
    } else {
        out.push_str(&rect("body", placed.rect, CORNER));
    }
    let middle_y = if is_container { placed.rect.y + HEADER / 2.0 } else { placed.rect.middle().y };
    let symbol = Point { x: placed.rect.x + 11.0, y: middle_y - 8.0 };
    let _ = write!(
        out,
        "<path class=\"symbol\" transform=\"translate({} {})\" d=\"{}\"/>",
        number(symbol.x),
        number(symbol.y),
        symbol_path(node.symbol)
    );
    write_name(placed, middle_y, out);
    write_corner_marks(placed, middle_y, is_live, out);
    write_elsewhere(placed, middle_y, out);
    out.push_str("</g>\n");
}

fn title(node: &Node) -> String {
    let mut lines = vec![node.name.clone()];
    lines.extend(node.mark.map(|mark| match mark.attempts {
        0 | 1 => mark.status.words().to_owned(),
        attempts => format!("{}, {attempts} attempts", mark.status.words()),
    }));
    lines.extend(node.facts.iter().cloned());
    lines.join("\n")
}

fn write_name(placed: &Placed, middle_y: f64, out: &mut String) {
    let x = number(placed.rect.x + SYMBOL_ROOM);
    let first = middle_y - LINE_HEIGHT * (placed.name.len().saturating_sub(1)) as f64 / 2.0 + 4.5;
    for (at, line) in placed.name.iter().enumerate() {
        let y = number(first + LINE_HEIGHT * at as f64);
        let _ = write!(out, "<text class=\"name\" x=\"{x}\" y=\"{y}\">{}</text>", escape(line));
    }
}

fn write_corner_marks(placed: &Placed, middle_y: f64, is_live: bool, out: &mut String) {
    let node = placed.node;
    let right = placed.rect.right();
    if node.retried {
        let at = (number(right - 21.0), number(middle_y - 6.0));
        let _ = write!(out, "<path class=\"retry\" transform=\"translate({} {})\" d=\"{RETRY}\"/>", at.0, at.1);
    }
    if let Some(remark) = node.note.as_ref().or(node.remark.as_ref()) {
        let x = right - if node.retried { 28.0 } else { 12.0 };
        let y = middle_y + 4.0;
        let _ = write!(out, "<text class=\"remark\" x=\"{}\" y=\"{}\">{}</text>", number(x), number(y), escape(remark));
    }
    match node.mark {
        // Hidden by the style of the page until there is a status.
        None if is_live => write_mark(placed.rect, Mark { status: Status::InProgress, attempts: 0 }, true, out),
        None => {}
        Some(mark) => write_mark(placed.rect, mark, is_live, out),
    }
}

fn write_mark(rect: Rect, mark: Mark, is_live: bool, out: &mut String) {
    let (x, y) = (rect.right() - 2.0, rect.y + 2.0);
    let _ = write!(
        out,
        "<circle class=\"badge\" cx=\"{}\" cy=\"{}\" r=\"9\"/><path class=\"sign\" transform=\"translate({} {})\" d=\"{}\"/>",
        number(x),
        number(y),
        number(x - 8.0),
        number(y - 8.0),
        sign(mark.status)
    );
    if mark.attempts > 1 || is_live {
        let text = format!("{} attempts", mark.attempts);
        let room = if is_live { "88 attempts" } else { text.as_str() };
        let width = words::width(room, LABEL_SIZE) + 10.0;
        let few = if mark.attempts > 1 { "" } else { " few" };
        let pill = Rect { x: rect.right() - 12.0 - width, y: rect.bottom() - 8.0, width, height: 16.0 };
        let _ = write!(
            out,
            "{}<text class=\"attempts-text{few}\" x=\"{}\" y=\"{}\">{text}</text>",
            self::rect(&format!("attempts{few}"), pill, 8.0),
            number(pill.x + width / 2.0),
            number(pill.y + 12.0)
        );
    }
}

/// Lines that were left out are told in words, so that the drawing does not lie.
fn write_elsewhere(placed: &Placed, middle_y: f64, out: &mut String) {
    if placed.elsewhere.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "<g class=\"elsewhere\"><title>Leads on to {}</title><text x=\"{}\" y=\"{}\">→ {}</text></g>",
        escape(&placed.elsewhere.join(", ")),
        number(placed.rect.right() + 4.0),
        number(middle_y + 4.0),
        placed.elsewhere.len()
    );
}

/// What the colours mean, for those that occur.
struct Legend {
    entries: Vec<(&'static str, &'static str)>,
    width: f64,
}

const LEGEND_TEXT: f64 = 11.0;

impl Legend {
    fn of(picture: &Picture) -> Legend {
        let mut entries: Vec<(&str, &str)> = Vec::new();
        if picture.marked {
            entries.extend(picture.statuses().into_iter().map(|status| (status.class(), status.words())));
            entries.push(("none", "Not entered"));
        }
        let width = entries.iter().map(|(_, words)| Legend::room(words)).sum::<f64>() + 40.0;
        Legend { entries, width }
    }

    fn room(words: &str) -> f64 {
        words::width(words, LEGEND_TEXT) + 34.0
    }

    fn write(&self, top: f64, width: f64, out: &mut String) {
        let mut x = (width - self.width) / 2.0 + 26.0;
        for (class, words) in &self.entries {
            let dot = Rect { x, y: top + 4.0, width: 14.0, height: 14.0 };
            let _ = writeln!(
                out,
                "<g class=\"state {class}\">{}<text class=\"legend\" x=\"{}\" y=\"{}\">{words}</text></g>",
                rect("body", dot, 4.0),
                number(x + 20.0),
                number(top + 15.0)
            );
            x += Legend::room(words);
        }
    }
}

fn rect(class: &str, rect: Rect, round: f64) -> String {
    format!(
        "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\"/>",
        number(rect.x),
        number(rect.y),
        number(rect.width),
        number(rect.height),
        number(round)
    )
}

/// Tenths are enough, and the same on every machine.
fn number(value: f64) -> String {
    let tenths = (value * 10.0).round() as i64;
    match tenths % 10 {
        0 => format!("{}", tenths / 10),
        _ => {
            let sign = if tenths < 0 { "-" } else { "" };
            format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
        }
    }
}

fn shape_class(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Start | Symbol::End => "terminal",
        Symbol::Function | Symbol::Service | Symbol::Callback | Symbol::Activity => "task",
        Symbol::Pass => "pass",
        Symbol::Choice => "choice",
        Symbol::Wait => "wait",
        Symbol::Succeed => "succeed",
        Symbol::Fail => "fail",
        Symbol::Parallel => "parallel",
        Symbol::Map => "map",
    }
}

/// Strokes in a square of 16 by 16.
fn symbol_path(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Start | Symbol::End => "",
        Symbol::Function => "M4 2.5h2.2L12 13.5h1.5M7.6 6.2L3 13.5",
        Symbol::Service => "M8 1.8L13.6 5v6L8 14.2L2.4 11V5ZM2.4 5L8 8.2L13.6 5M8 8.2v6",
        Symbol::Callback => "M4 2h8M4 14h8M5 2v2.5L8 8L5 11.5V14M11 2v2.5L8 8l3 3.5V14",
        Symbol::Activity => "M8 7.5a2.8 2.8 0 1 0 0-5.6a2.8 2.8 0 1 0 0 5.6M2.5 14.2c.6-6 10.4-6 11 0",
        Symbol::Pass => "M2 8h11.5M9 3.5L13.5 8L9 12.5",
        Symbol::Choice => "M8 1.5L14.5 8L8 14.5L1.5 8Z",
        Symbol::Wait => "M8 14.2a6.2 6.2 0 1 0 0-12.4a6.2 6.2 0 1 0 0 12.4M8 4.6V8l2.6 1.8",
        Symbol::Succeed => "M8 14.2a6.2 6.2 0 1 0 0-12.4a6.2 6.2 0 1 0 0 12.4M5.2 8.2l2 2L10.9 6",
        Symbol::Fail => "M8 14.2a6.2 6.2 0 1 0 0-12.4a6.2 6.2 0 1 0 0 12.4M5.8 5.8l4.4 4.4M10.2 5.8L5.8 10.2",
        Symbol::Parallel => "M8 1.5v4M3 14.5v-5.5q0-3.5 5-3.5t5 3.5v5.5M8 5.5v9",
        Symbol::Map => "M2 5.5h8.5V14H2ZM4.5 5.5V3.2H13v8.5h-2.5",
    }
}

const RETRY: &str = "M10.4 4.2A4.8 4.8 0 1 0 10.8 7M10.8 1.6V4.6H7.8";

/// Strokes in a square of 16 by 16, white on the badge: colour is never the only sign.
fn sign(status: Status) -> &'static str {
    match status {
        Status::InProgress => "M6 4.6L11.2 8L6 11.4Z",
        Status::Waiting => "M6 5v6M10 5v6",
        Status::Succeeded => "M4.6 8.2l2.4 2.4L11.4 5.6",
        Status::Caught => "M8 4.2v4.8M8 11.4v.4",
        Status::Compensated => "M5 6.6h4.2a2.4 2.4 0 0 1 0 4.8H6.4M7 4.4L4.8 6.6L7 8.8",
        Status::Failed => "M5.4 5.4l5.2 5.2M10.6 5.4L5.4 10.6",
        Status::Cancelled => "M4.8 8h6.4",
    }
}

struct Palette {
    card: &'static str,
    card_border: &'static str,
    panel: &'static str,
    panel_border: &'static str,
    container: &'static str,
    text: &'static str,
    quiet: &'static str,
    line: &'static str,
    line_taken: &'static str,
    catch: &'static str,
    catch_text: &'static str,
    catch_taken: &'static str,
    terminal: Tone,
    terminal_text: &'static str,
    forward: Tone,
    compensation: Tone,
    not_entered: Tone,
    statuses: [(Status, Tone); 7],
}

struct Tone {
    fill: &'static str,
    border: &'static str,
}

const LIGHT: Palette = Palette {
    card: "#ffffff",
    card_border: "#d8dee4",
    panel: "#f6f8fa",
    panel_border: "#d8dee4",
    container: "#ffffff",
    text: "#1f2328",
    quiet: "#656d76",
    line: "#8c959f",
    line_taken: "#1f2328",
    catch: "#e3a36b",
    catch_text: "#9a4d0b",
    catch_taken: "#d4630d",
    terminal: Tone { fill: "#ffd43b", border: "#d9a400" },
    terminal_text: "#3d2f00",
    forward: Tone { fill: "#f3f7ff", border: "#6f94d2" },
    compensation: Tone { fill: "#fff5ea", border: "#dd9a56" },
    not_entered: Tone { fill: "#ffffff", border: "#9aa4ae" },
    statuses: [
        (Status::InProgress, Tone { fill: "#cfe4ff", border: "#1668d6" }),
        (Status::Waiting, Tone { fill: "#d3f1f7", border: "#0b7f96" }),
        (Status::Succeeded, Tone { fill: "#ccf0d4", border: "#1f8a3d" }),
        (Status::Caught, Tone { fill: "#ffdcb8", border: "#d4630d" }),
        (Status::Compensated, Tone { fill: "#e6dcfb", border: "#7a4fc9" }),
        (Status::Failed, Tone { fill: "#ffd1cc", border: "#cf2a1e" }),
        (Status::Cancelled, Tone { fill: "#dfe3e8", border: "#6b747d" }),
    ],
};

const DARK: Palette = Palette {
    card: "#0d1117",
    card_border: "#30363d",
    panel: "#151b23",
    panel_border: "#30363d",
    container: "#0d1117",
    text: "#e6edf3",
    quiet: "#9198a1",
    line: "#768390",
    line_taken: "#f0f3f6",
    catch: "#a5682f",
    catch_text: "#f0b27a",
    catch_taken: "#f5923e",
    terminal: Tone { fill: "#f2c21a", border: "#ffdf70" },
    terminal_text: "#2b2100",
    forward: Tone { fill: "#16233a", border: "#5580c4" },
    compensation: Tone { fill: "#2e2013", border: "#b97a3c" },
    not_entered: Tone { fill: "#0d1117", border: "#656d76" },
    statuses: [
        (Status::InProgress, Tone { fill: "#12305c", border: "#4c9bff" }),
        (Status::Waiting, Tone { fill: "#0b3640", border: "#36b3cc" }),
        (Status::Succeeded, Tone { fill: "#113a1f", border: "#3fb950" }),
        (Status::Caught, Tone { fill: "#4a2a0c", border: "#f5923e" }),
        (Status::Compensated, Tone { fill: "#2f2150", border: "#a889ec" }),
        (Status::Failed, Tone { fill: "#4e1714", border: "#ff6a5e" }),
        (Status::Cancelled, Tone { fill: "#2a3038", border: "#8b949e" }),
    ],
};

/// The style of drawings in pages: light or dark as the page says by `data-theme`, or else as the reader's system does.
pub fn stylesheet() -> String {
    let mut css = shapes();
    palette(&LIGHT, "", &mut css);
    palette(&DARK, ":root[data-theme=dark] ", &mut css);
    css.push_str("@media (prefers-color-scheme:dark){");
    palette(&DARK, ":root:not([data-theme=light]) ", &mut css);
    css.push('}');
    css
}

fn style() -> String {
    let mut css = shapes();
    palette(&LIGHT, "", &mut css);
    css.push_str("@media (prefers-color-scheme:dark){");
    palette(&DARK, "", &mut css);
    css.push('}');
    // `"` needs no escape inside an element, and the palette holds neither `<` nor `&`.
    css
}

fn shapes() -> String {
    let mut css = String::new();
    let fonts =
        "-apple-system,BlinkMacSystemFont,\"Segoe UI\",Roboto,\"Helvetica Neue\",Arial,\"Noto Sans\",sans-serif";
    let _ = write!(css, ".ithaca-graph text{{font-family:{fonts};font-size:{LABEL_SIZE}px}}");
    let _ = write!(css, ".ithaca-graph .name{{font-size:{NAME_SIZE}px;font-weight:600}}");
    css.push_str(
        ".ithaca-graph .terminal text{font-size:13px;font-weight:600;text-anchor:middle}\
         .ithaca-graph .label text,.ithaca-graph .attempts-text{text-anchor:middle}\
         .ithaca-graph .remark{text-anchor:end}\
         .ithaca-graph .line,.ithaca-graph .symbol,.ithaca-graph .retry,.ithaca-graph .sign{fill:none;\
         stroke-linecap:round;stroke-linejoin:round}\
         .ithaca-graph .line{stroke-width:1.6}.ithaca-graph .taken .line{stroke-width:2.4}\
         .ithaca-graph .symbol,.ithaca-graph .retry{stroke-width:1.4}.ithaca-graph .sign{stroke-width:1.8}\
         .ithaca-graph .body,.ithaca-graph .sheet,.ithaca-graph circle{stroke-width:1.4}\
         .ithaca-graph .in-progress .body,.ithaca-graph .waiting .body{stroke-width:2.2}\
         .ithaca-graph.marked .none .body{stroke-dasharray:5 4}",
    );
    css
}

fn palette(p: &Palette, under: &str, css: &mut String) {
    let mut rule = |selector: &str, declarations: String| {
        let selectors: Vec<String> = selector.split(',').map(|part| format!("{under}.ithaca-graph{part}")).collect();
        let _ = write!(css, "{}{{{declarations}}}", selectors.join(","));
    };
    let both = |tone: &Tone| format!("fill:{};stroke:{}", tone.fill, tone.border);
    rule(" .card", format!("fill:{};stroke:{}", p.card, p.card_border));
    rule(" .panel", format!("fill:{};stroke:{}", p.panel, p.panel_border));
    rule(" text", format!("fill:{}", p.text));
    rule(" .remark, .legend", format!("fill:{}", p.quiet));
    rule(" .line", format!("stroke:{}", p.line));
    rule(" .head", format!("fill:{}", p.line));
    rule(" .catch .line", format!("stroke:{}", p.catch));
    rule(" .catch .head", format!("fill:{}", p.catch));
    rule(" .taken .line", format!("stroke:{}", p.line_taken));
    rule(" .taken .head", format!("fill:{}", p.line_taken));
    rule(" .catch.taken .line", format!("stroke:{}", p.catch_taken));
    rule(" .catch.taken .head", format!("fill:{}", p.catch_taken));
    rule(" .ground", format!("fill:{}", p.card));
    rule(" .inner .ground", format!("fill:{}", p.panel));
    rule(" .label text", format!("fill:{}", p.quiet));
    rule(" .label.catch text", format!("fill:{}", p.catch_text));
    rule(" .terminal circle", both(&p.terminal));
    rule(" .terminal text", format!("fill:{}", p.terminal_text));
    rule(" .body, .sheet", both(&p.forward));
    rule(" .symbol", format!("stroke:{}", p.forward.border));
    rule(" .compensation .body, .compensation .sheet", both(&p.compensation));
    rule(" .compensation .symbol", format!("stroke:{}", p.compensation.border));
    rule(" .container .body, .container .sheet", format!("fill:{}", p.container));
    rule(" .retry", format!("stroke:{}", p.quiet));
    for (class, like) in [("succeed", Status::Succeeded), ("fail", Status::Failed)] {
        for (_, tone) in p.statuses.iter().filter(|(status, _)| *status == like) {
            rule(&format!(" .{class} .symbol"), format!("stroke:{}", tone.border));
        }
    }
    rule(".marked .none .body,.marked .none .sheet", both(&p.not_entered));
    rule(".marked .none .symbol", format!("stroke:{}", p.not_entered.border));
    for (status, tone) in &p.statuses {
        let class = status.class();
        rule(&format!(" .{class} .body"), both(tone));
        rule(&format!(" .{class} .sheet"), both(tone));
        rule(&format!(" .container.{class} .body"), format!("fill:{};stroke:{}", p.container, tone.border));
        rule(&format!(" .{class} .symbol"), format!("stroke:{}", tone.border));
        rule(&format!(" .{class} .badge"), format!("fill:{};stroke:{}", tone.border, p.card));
        rule(&format!(" .{class} .attempts"), format!("fill:{};stroke:{}", tone.border, p.card));
    }
    rule(" .sign", format!("stroke:{}", p.card));
    rule(" .attempts-text", format!("fill:{}", p.card));
}
