//! How wide words are, how they are broken, shortened and escaped.
//!
//! A drawing is made without a browser, so widths are estimates for the usual sans-serif fonts, rather too
//! wide than too narrow. It knows nothing of scripts that join or stack letters; a wrong guess costs some air.

/// Of one line, in the unit of `size`.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(em).sum::<f64>() * size
}

fn em(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' => 0.33,
        'f' | 'r' | 't' | ' ' | '(' | ')' | '[' | ']' | '/' | '"' | '-' => 0.44,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 1.0,
        'A'..='Z' | '&' | '+' | '=' | '<' | '>' | '~' => 0.76,
        '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{fffd}' | '\u{1f000}'.. => 1.05,
        _ => 0.64,
    }
}

/// At most so many lines of at most so much room; what does not fit ends in an ellipsis.
pub fn wrap(text: &str, size: f64, room: f64, lines_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() && lines.len() < lines_max {
        let last = lines.len() + 1 == lines_max;
        let cut = if last { rest.len() } else { break_at(rest, size, room) };
        lines.push(shorten(rest[..cut].trim_end(), size, room));
        rest = rest[cut..].trim_start();
    }
    lines
}

/// Where the first line ends: after the last fitting word, or else wherever it is full.
fn break_at(text: &str, size: f64, room: f64) -> usize {
    let mut used = 0.0;
    let mut good = None;
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        if at > 0 && begins_word(before, c) {
            good = Some(at);
        }
        used += em(c) * size;
        if used > room {
            return good.unwrap_or(at.max(c.len_utf8()));
        }
        before = Some(c);
    }
    text.len()
}

fn begins_word(before: Option<char>, c: char) -> bool {
    let Some(before) = before else { return false };
    matches!(before, ' ' | '_' | '-' | '.' | ':' | '/') || (before.is_lowercase() && c.is_uppercase())
}

pub fn shorten(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut used = em('…') * size;
    let fits = |&c: &char| {
        used += em(c) * size;
        used <= room
    };
    let kept: String = text.chars().take_while(fits).collect();
    format!("{}…", kept.trim_end())
}

/// Keeps the end: that is where `$.order.items.status == "SENT"` and `CloudFormation.NameAlreadyExists` differ.
pub fn shorten_front(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut used = em('…') * size;
    let fits = |&(_, c): &(usize, char)| {
        used += em(c) * size;
        used <= room
    };
    let start = text.char_indices().rev().take_while(fits).last().map_or(text.len(), |(at, _)| at);
    let kept = text[start..].trim_start();
    // A dot in the first half is the better place to begin.
    let whole = kept.find('.').filter(|&dot| dot < kept.len() / 2).map_or(kept, |dot| &kept[dot + 1..]);
    format!("…{whole}")
}

/// For XML text and attribute values. Characters that XML 1.0 forbids become U+FFFD.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\t' | '\n' | '\r' => escaped.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}
