//! Parts that pages are made of: moments, durations, sizes, counts, badges, tables, empty states, forms, addresses.
//!
//! What people read has a unit and says how many; what is relative has its exact value beside it.

use engine::ExecutionStatus;
use interpreter::Timestamp;
use maud::{Markup, PreEscaped, html};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ask::Ask;
use crate::guard::KEY_FIELD;
use crate::story::Aftermath;

/// What stays as it is in a part of a path: an ARN stays readable.
const PART: &AsciiSet = &NON_ALPHANUMERIC.remove(b':').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A part of a path.
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, PART).to_string()
}

/// `/console/` and these parts.
pub fn path(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().map(|text| part(text)).collect();
    format!("/console/{}", parts.join("/"))
}

/// A name for a file to be saved: nothing that a file system or a header would mind.
pub fn file_name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// `3 min ago`, the exact moment on hover; a script keeps it current.
pub fn moment(at: Timestamp) -> Markup {
    let exact = asl::timestamp::format(at.0);
    html! { time datetime=(exact) title=(exact_words(at)) data-relative { (ago(engine::now().0 - at.0)) } }
}

/// The exact moment in words: `2026-11-21 21:28:00.123 UTC`.
pub fn exact_words(at: Timestamp) -> String {
    format!("{} UTC", asl::timestamp::format(at.0).trim_end_matches('Z').replace('T', " "))
}

pub fn ago(ms: i64) -> String {
    let seconds = ms.abs() / 1000;
    let words = match seconds {
        0 => return "now".to_owned(),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => plural((seconds / 86_400) as u64, "day", "days"),
    };
    if ms < 0 { format!("in {words}") } else { format!("{words} ago") }
}

/// `0 ms`, `42 ms`, `1.24 s`, `2 min 5 s`, `3 h 20 min`, `2 d 4 h`.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.2} s", ms as f64 / 1000.0),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..172_800_000 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// How long something has been going on; a script keeps it current.
pub fn running_since(at: Timestamp) -> Markup {
    html! {
        time datetime=(asl::timestamp::format(at.0)) title=(format!("since {}", exact_words(at))) data-since {
            (duration(engine::now().0 - at.0))
        }
    }
}

/// `12 bytes`, `3.4 KB`, `1.2 MB`.
pub fn bytes(count: usize) -> String {
    match count {
        0..1000 => plural(count as u64, "byte", "bytes"),
        1000..1_000_000 => format!("{:.1} KB", count as f64 / 1000.0),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1_000_000.0),
        _ => format!("{:.1} GB", count as f64 / 1_000_000_000.0),
    }
}

/// `25,000`
pub fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 execution`, `2,000 executions`.
pub fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// `all` of them, or more than were counted.
pub fn at_least(count: u64, is_more: bool) -> String {
    if is_more { format!("{}+", number(count)) } else { number(count) }
}

/// The class and the words of a status.
pub fn status_words(status: ExecutionStatus) -> (&'static str, &'static str) {
    match status {
        ExecutionStatus::Running => ("in-progress", "Running"),
        ExecutionStatus::Succeeded => ("succeeded", "Succeeded"),
        ExecutionStatus::Failed => ("failed", "Failed"),
        ExecutionStatus::TimedOut => ("failed", "Timed out"),
        ExecutionStatus::Aborted => ("cancelled", "Stopped"),
    }
}

/// A pill: a class of the statuses of the drawing, and words.
pub fn pill(class: &str, words: &str) -> Markup {
    html! { span class={ "pill " (class) } { (words) } }
}

pub fn status(status: ExecutionStatus) -> Markup {
    let (class, words) = status_words(status);
    html! { span class={ "pill " (class) } data-execution-status=(status.name()) { (words) } }
}

/// What a bad end has left.
pub fn aftermath(aftermath: Option<Aftermath>) -> Markup {
    match aftermath {
        Some(Aftermath::Compensated) => html! { " " (pill("compensated", "Compensated")) },
        Some(Aftermath::LeftOver) => html! { " " (pill("caught", "Left over")) },
        None => html! {},
    }
}

/// Nothing to list: says so, and what to do next.
pub fn empty(title: &str, next: Markup) -> Markup {
    html! { div.empty { p.strong { (title) } div { (next) } } }
}

/// A list that can be wider than a phone: it scrolls, and the keyboard reaches it.
pub fn table(label: &str, head: &[&str], rows: Markup) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table {
                thead { tr { @for title in head { th scope="col" { (title) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// A heading and what it heads. The count is part of the heading.
pub fn section(id: &str, title: &str, count: Option<String>, body: Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) @if let Some(count) = count { span.count { (count) } } }
            (body)
        }
    }
}

/// A part of a page that is asked for anew when the page's stream says that something changed.
pub fn live(name: &str, address: &str, body: &Markup) -> Markup {
    let between = if address.contains('?') { '&' } else { '?' };
    html! { div data-part=(name) data-source={ (address) (between) "part=" (name) } { (body) } }
}

/// A live part that is also read out when it changes, to those who cannot see it.
pub fn announced(name: &str, address: &str, body: &Markup) -> Markup {
    html! { div aria-live="polite" { (live(name, address, body)) } }
}

/// A form that acts. `inside` is what stands before its button.
pub fn form(ask: &Ask, address: &str, inside: Markup) -> Markup {
    html! {
        form method="post" action=(address) {
            input type="hidden" name=(KEY_FIELD) value=(ask.console.key.text());
            (inside)
        }
    }
}

/// A button that copies a text; hidden where there is no script to do it.
pub fn copy(words: &str, text: &str) -> Markup {
    html! { button.quiet type="button" hidden data-copy=(text) { (words) } }
}

/// A command for the terminal, with a button that copies it.
pub fn command(text: &str) -> Markup {
    html! { div.command { code { (text) } (copy("Copy", text)) } }
}

/// The command that does what a page or a form does.
pub fn twin(text: &str) -> Markup {
    html! { details.twin { summary { "The same from a terminal" } (command(text)) } }
}

/// The same, where an argument is what stands in the field of this id: a script keeps it so while somebody writes.
pub fn following(field: &str, command_of: impl Fn(&str) -> String, now: &str) -> Markup {
    let now = command_of(&quoted(now));
    html! {
        details.twin {
            summary { "The same from a terminal" }
            div.command data-follows=(field) data-pattern=(command_of(HOLE)) { code { (now) } (copy("Copy", &now)) }
        }
    }
}

/// Where the argument goes in a pattern. No name of ours has such a character.
const HOLE: &str = "\u{fffc}";

/// A figure that stands for itself, in a list of `cards`.
pub fn card(class: &str, words: &str, figure: &str) -> Markup {
    html! { li class={ "card " (class) } { span.label { (words) } strong { (figure) } } }
}

/// As an argument of a shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,+".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Text of more bytes is cut on a page; the whole can be had as a file.
pub const SHOWN_BYTES_MAX: usize = 8 * 1024;

/// JSON, indented where it is not too large for that, and where the whole of it is.
pub fn json(text: &str, whole: Option<&str>) -> Markup {
    let shown = indented(text);
    let (shown, is_cut) = match shown.len() > SHOWN_BYTES_MAX {
        true => (&shown[..floor_char(&shown, SHOWN_BYTES_MAX)], true),
        false => (&shown[..], false),
    };
    html! {
        pre.json tabindex="0" { code { (shown) @if is_cut { "…" } } }
        @if is_cut {
            p.quiet { "This is the beginning. " @if let Some(address) = whole { a href=(address) { "All " (bytes(text.len())) } } }
        }
    }
}

pub fn indented(text: &str) -> String {
    if text.len() > SHOWN_BYTES_MAX * 4 {
        return text.to_owned();
    }
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    value.and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| text.to_owned())
}

/// A text on one line, cut.
pub fn shorten(text: &str, chars_max: usize) -> String {
    let line = text.replace(['\n', '\r'], " ");
    match line.char_indices().nth(chars_max) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

pub fn floor_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The last part of an ARN: the name of what it names.
pub fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// The state machine that executions belong to; those of a Map Run are counted under `MACHINE/LABEL`.
pub fn machine_of(machine_arn: &str) -> &str {
    machine_arn.split('/').next().unwrap_or(machine_arn)
}

/// A drawing, as it is.
pub fn svg(text: String) -> Markup {
    PreEscaped(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let check = |given: String, expect: &str| assert_eq!(given, expect);
        check(number(0), "0");
        check(number(999), "999");
        check(number(25_000), "25,000");
        check(number(1_234_567), "1,234,567");
        check(plural(1, "execution", "executions"), "1 execution");
        check(at_least(10_000, true), "10,000+");
        check(duration(42), "42 ms");
        check(duration(1240), "1.24 s");
        check(duration(125_000), "2 min 5 s");
        check(duration(12_000_000), "3 h 20 min");
        check(duration(-5), "0 ms");
        check(ago(400), "now");
        check(ago(61_000), "1 min ago");
        check(ago(-5000), "in 5 s");
        check(ago(2 * 86_400_000), "2 days ago");
        check(bytes(1), "1 byte");
        check(bytes(3400), "3.4 KB");
        check(shorten("a\nbc", 2), "a …");
        check(quoted("trip-7"), "trip-7");
        check(quoted("it's"), r"'it'\''s'");
        check(path(&["machines", "arn:aws:a/b c"]), "/console/machines/arn:aws:a%2Fb%20c");
        check(file_name("a/b:c.svg"), "a_b_c.svg");
    }
}
