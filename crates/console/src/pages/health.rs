//! Health and settings: is it well, how full is what is bounded, and how was it started.

use interpreter::Timestamp;
use maud::{Markup, html};

use super::Section;
use crate::answer::{Answer, Outcome};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// What the composition root knows of the process and its parts.
pub trait Health: Send + Sync {
    /// Why it is not ready; none if it is.
    fn trouble(&self) -> Option<String>;

    fn groups(&self) -> Vec<Group>;
}

/// Facts that belong together.
pub struct Group {
    pub title: &'static str,
    pub facts: Vec<(&'static str, Fact)>,
}

pub enum Fact {
    Text(String),
    Count(u64),
    Bytes(u64),
    Moment(Timestamp),
    /// A latency.
    Micros(u64),
    /// So many, of so many that there may be.
    Share {
        used: u64,
        of: u64,
    },
    /// So many bytes free, of so many.
    Free {
        free: u64,
        of: u64,
    },
}

/// Above this share of what is bounded somebody should look.
const TIGHT: f64 = 0.8;

pub fn page(ask: &Ask) -> Outcome {
    let part = health(ask);
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let body = html! {
        h1 { "Health" }
        (ui::live("health", "/console/health", &part))
        (ui::section("programs", "For programs", None, html! {
            dl {
                dt { a href="/metrics" { "/metrics" } } dd { "figures for Prometheus; docs/grafana.json is a dashboard of them" }
                dt { a href="/healthz" { "/healthz" } } dd { "200 while Ithaca lives" }
                dt { a href="/readyz" { "/readyz" } } dd { "200 when it is ready, else 503 with the reason" }
            }
            (ui::twin(&format!("curl {}/metrics", ask.console.endpoint)))
        }))
    };
    Ok(Answer::Page(Page::new(Section::Health, "Health", body).stream("/console/ticks")))
}

fn health(ask: &Ask) -> Markup {
    let health = &ask.console.around.health;
    html! {
        section.story data-health {
            @match health.trouble() {
                None => p.good { "All is well: requests are served." },
                Some(why) => p.bad { "Not ready: " (why) },
            }
        }
        div.columns {
            @for group in health.groups() {
                (ui::section(&id_of(group.title), group.title, None, html! {
                    dl { @for (name, fact) in &group.facts { dt { (name) } dd data-fact=(name) { (shown(fact)) } } }
                }))
            }
        }
    }
}

fn id_of(title: &str) -> String {
    title.to_lowercase().replace(' ', "-")
}

fn shown(fact: &Fact) -> Markup {
    match fact {
        Fact::Text(text) => html! { (text) },
        Fact::Count(count) => html! { (ui::number(*count)) },
        Fact::Bytes(bytes) => html! { (ui::bytes(*bytes as usize)) },
        Fact::Moment(at) => ui::moment(*at),
        Fact::Micros(micros) => html! { (latency(*micros)) },
        Fact::Share { used, of } => share(*used, *of, html! { (ui::number(*used)) " of " (ui::number(*of)) }),
        Fact::Free { free, of } => share(
            of.saturating_sub(*free),
            *of,
            html! { (ui::bytes(of.saturating_sub(*free) as usize)) " of " (ui::bytes(*of as usize)) " used, " (ui::bytes(*free as usize)) " free" },
        ),
    }
}

fn share(used: u64, of: u64, words: Markup) -> Markup {
    let is_tight = of > 0 && used as f64 / of as f64 > TIGHT;
    html! {
        (words) " "
        meter min="0" max=(of) value=(used) high=((of as f64 * TIGHT) as u64) aria-label="share in use" {}
        @if is_tight { " " (ui::pill("caught", "nearly full")) }
    }
}

fn latency(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        _ => format!("{:.1} ms", micros as f64 / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts() {
        let check = |fact: Fact, expect: &str| {
            let text = shown(&fact).into_string();
            assert!(text.contains(expect), "{text}");
        };
        check(Fact::Micros(999), "999 µs");
        check(Fact::Micros(1500), "1.5 ms");
        check(Fact::Share { used: 9, of: 10 }, "nearly full");
        check(Fact::Free { free: 1_000_000, of: 4_000_000 }, "3.0 MB of 4.0 MB used, 1.0 MB free");
        assert!(!shown(&Fact::Share { used: 1, of: 10 }).into_string().contains("nearly"));
        assert!(!shown(&Fact::Share { used: 0, of: 0 }).into_string().contains("nearly"));
    }
}
