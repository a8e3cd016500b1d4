//! The picture as a Graphviz digraph.
//!
//! A Parallel or Map is a cluster, its branches clusters in it. Graphviz draws no line to a cluster: such a line
//! goes to the first node inside and is cut at the border (`lhead`), and comes from the last one (`ltail`).

use std::fmt::Write;

use super::layout::Lane;
use super::picture::{Block, END, Edge, EdgeKind, Node, Picture, START, Symbol};

pub fn dot(picture: &Picture) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "digraph {} {{", quoted(&picture.title));
    out.push_str("    compound=true; rankdir=TB; fontname=\"sans-serif\";\n");
    out.push_str("    node [shape=box, style=\"rounded,filled\", fillcolor=\"#f3f7ff\", color=\"#6f94d2\", ");
    out.push_str("fontname=\"sans-serif\"];\n");
    out.push_str("    edge [color=\"#8c959f\", fontname=\"sans-serif\", fontsize=11];\n");
    write_block(&picture.root, "s", 1, &mut out);
    out.push_str("}\n");
    out
}

fn write_block(block: &Block, prefix: &str, depth: usize, out: &mut String) {
    let ends = has_end(block);
    for (index, node) in block.nodes.iter().enumerate() {
        if index != END || ends {
            write_node(node, &format!("{prefix}{index}"), depth, out);
        }
    }
    for edge in &block.edges {
        write_edge(block, edge, prefix, depth, out);
    }
}

fn has_end(block: &Block) -> bool {
    block.edges.iter().any(|edge| edge.to == END)
}

fn write_node(node: &Node, id: &str, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    let label = quoted(&node.name);
    if node.blocks.is_empty() {
        let style = match (node.symbol, node.lane) {
            (Symbol::Start | Symbol::End, _) => ", shape=circle, fillcolor=\"#ffd43b\", color=\"#d9a400\"",
            (Symbol::Choice, _) => ", shape=diamond, style=filled",
            (_, Lane::Compensation) => ", fillcolor=\"#fff5ea\", color=\"#dd9a56\"",
            _ => "",
        };
        let _ = writeln!(out, "{indent}{id} [label={label}{style}];");
        return;
    }
    let _ = writeln!(out, "{indent}subgraph cluster_{id} {{\n{indent}    label={label}; color=\"#6f94d2\";");
    for (branch, block) in node.blocks.iter().enumerate() {
        let _ =
            writeln!(out, "{indent}    subgraph cluster_{id}_{branch} {{\n{indent}        label=\"\"; style=dashed;");
        write_block(block, &format!("{id}_{branch}_"), depth + 2, out);
        let _ = writeln!(out, "{indent}    }}");
    }
    let _ = writeln!(out, "{indent}}}");
}

fn write_edge(block: &Block, edge: &Edge, prefix: &str, depth: usize, out: &mut String) {
    let (from, to) = (format!("{prefix}{}", edge.from), format!("{prefix}{}", edge.to));
    let mut attributes: Vec<String> = Vec::new();
    attributes.extend(edge.label().map(|label| format!("label={}", quoted(&label))));
    if edge.kind == EdgeKind::Catch {
        attributes.push("style=dashed".to_owned());
        attributes.push("color=\"#d4630d\"".to_owned());
    }
    let tail = last_inside(&block.nodes[edge.from], &from);
    let head = first_inside(&block.nodes[edge.to], &to);
    attributes.extend((tail != from).then(|| format!("ltail=cluster_{from}")));
    attributes.extend((head != to).then(|| format!("lhead=cluster_{to}")));
    let attributes = if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
    let _ = writeln!(out, "{}{tail} -> {head}{attributes};", "    ".repeat(depth));
}

/// The beginning of a block is a plain node, so no search is needed.
fn first_inside(node: &Node, id: &str) -> String {
    if node.blocks.is_empty() { id.to_owned() } else { format!("{id}_0_{START}") }
}

fn last_inside(node: &Node, id: &str) -> String {
    match node.blocks.first() {
        None => id.to_owned(),
        Some(block) if has_end(block) => format!("{id}_0_{END}"),
        Some(_) => format!("{id}_0_{START}"),
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
