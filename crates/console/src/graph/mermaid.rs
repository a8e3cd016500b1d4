//! The picture as a Mermaid `flowchart`, for Markdown pages that render it.
//!
//! Ids are counted (`s3`, inside it `s3_0_2`), names are only ever quoted text: no name can end a line or become
//! syntax. Mermaid lays out by itself, so lanes are told by colour alone; it refuses more than 500 lines unless its
//! page allows more, which the text itself cannot.

use std::fmt::Write;

use super::layout::Lane;
use super::picture::{Block, END, Edge, EdgeKind, Node, Picture, Symbol};

pub fn mermaid(picture: &Picture) -> String {
    let mut out = String::from("flowchart TD\n");
    write_block(&picture.root, "s", 1, &mut out);
    out.push_str("    classDef terminal fill:#ffd43b,stroke:#d9a400,color:#3d2f00\n");
    out.push_str("    classDef compensation fill:#fff5ea,stroke:#dd9a56,color:#1f2328\n");
    out
}

fn write_block(block: &Block, prefix: &str, depth: usize, out: &mut String) {
    let ends = block.edges.iter().any(|edge| edge.to == END);
    for (index, node) in block.nodes.iter().enumerate() {
        if index != END || ends {
            write_node(node, &format!("{prefix}{index}"), depth, out);
        }
    }
    for edge in &block.edges {
        write_edge(edge, prefix, depth, out);
    }
}

fn write_node(node: &Node, id: &str, depth: usize, out: &mut String) {
    let indent = "    ".repeat(depth);
    let name = quoted(&node.name);
    if node.blocks.is_empty() {
        let (open, close) = brackets(node.symbol);
        let class = match (node.symbol, node.lane) {
            (Symbol::Start | Symbol::End, _) => ":::terminal",
            (_, Lane::Compensation) => ":::compensation",
            _ => "",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{indent}{id}{open}{name}{close}{class}");
        return;
    }
    let _ = writeln!(out, "{indent}subgraph {id}[{name}]");
    for (branch, block) in node.blocks.iter().enumerate() {
        if node.blocks.len() == 1 {
            write_block(block, &format!("{id}_{branch}_"), depth + 1, out);
            continue;
        }
        let _ = writeln!(out, "{indent}    subgraph {id}_{branch}[\" \"]");
        write_block(block, &format!("{id}_{branch}_"), depth + 2, out);
        let _ = writeln!(out, "{indent}    end");
    }
    let _ = writeln!(out, "{indent}end");
}

fn brackets(symbol: Symbol) -> (&'static str, &'static str) {
    match symbol {
        Symbol::Start | Symbol::End => ("((", "))"),
        Symbol::Choice => ("{", "}"),
        Symbol::Succeed | Symbol::Fail => ("([", "])"),
        _ => ("[", "]"),
    }
}

fn write_edge(edge: &Edge, prefix: &str, depth: usize, out: &mut String) {
    let arrow = if edge.kind == EdgeKind::Catch { "-.->" } else { "-->" };
    let label = edge.label().map(|label| format!("|{}|", quoted(&label))).unwrap_or_default();
    let _ = writeln!(out, "{}{prefix}{} {arrow}{label} {prefix}{}", "    ".repeat(depth), edge.from, edge.to);
}

/// Everything that could mean something to Mermaid or to HTML becomes one of Mermaid's `#…;` entities.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '#' | '&' | '<' | '>' | '`' | '\\' | ';' => {
                let _ = write!(quoted, "#{};", c as u32);
            }
            c if c.is_control() => quoted.push(' '),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
