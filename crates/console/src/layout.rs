//! The frame around every page: head, navigation, the place for the content.

use http::{Response, StatusCode};
use maud::{DOCTYPE, Markup, html};

use crate::answer::{Body, whole};
use crate::assets;
use crate::pages::{SECTIONS, Section};

pub struct Page {
    section: Section,
    title: String,
    /// The way here: address and words.
    crumbs: Vec<(String, String)>,
    scripts: Vec<&'static str>,
    /// The stream that says when the live parts have changed.
    stream: Option<String>,
    status: StatusCode,
    body: Markup,
}

impl Page {
    pub fn new(section: Section, title: impl Into<String>, body: Markup) -> Page {
        Page {
            section,
            title: title.into(),
            crumbs: Vec::new(),
            scripts: Vec::new(),
            stream: None,
            status: StatusCode::OK,
            body,
        }
    }

    pub fn crumb(mut self, address: impl Into<String>, words: impl Into<String>) -> Page {
        self.crumbs.push((address.into(), words.into()));
        self
    }

    /// A module of `assets/` that this page needs besides `console.js`.
    pub fn script(mut self, name: &'static str) -> Page {
        self.scripts.push(name);
        self
    }

    /// Something else than OK: a form that was sent and is shown again with what is wrong.
    pub fn status(mut self, status: StatusCode) -> Page {
        self.status = status;
        self
    }

    /// Live parts (see [`crate::ui::live`]) are asked for anew when this stream says so.
    pub fn stream(mut self, address: impl Into<String>) -> Page {
        self.stream = Some(address.into());
        self
    }
}

pub fn response(page: &Page) -> Response<Body> {
    whole(page.status, "text/html; charset=utf-8", document(page).into_string())
}

fn document(page: &Page) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Ithaca" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href=(assets::address("console.css"));
                link rel="stylesheet" href=(assets::address("graph.css"));
                // Before anything is painted: a chosen theme must not flash.
                script src=(assets::address("theme.js")) {}
                script type="module" src=(assets::address("console.js")) {}
                @for script in &page.scripts {
                    script type="module" src=(assets::address(script)) {}
                }
            }
            body data-stream=[page.stream.as_deref()] {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/console" {
                        svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" {
                            path d="M12 3v13M12 5l7 9h-7M12 7l-5 7h5" {}
                            path d="M3 17.5c2 2.4 4.500 2.400 6 .8c1.600 1.600 4.400 1.600 6 0c1.500 1.600 4 1.600 6-.8" {}
                        }
                        span { "Ithaca" }
                    }
                    nav aria-label="Main" {
                        ul {
                            @for (section, address, words) in SECTIONS {
                                li {
                                    a href=(address) aria-current=[(*section == page.section).then_some("page")] { (words) }
                                }
                            }
                        }
                    }
                    span #stream.stream role="status" {}
                    button #theme.quiet type="button" hidden title="Light, dark, or as the system says" { "Theme" }
                }
                main #main tabindex="-1" {
                    @if !page.crumbs.is_empty() {
                        nav.crumbs aria-label="Breadcrumb" {
                            ol {
                                @for (address, words) in &page.crumbs {
                                    li { a href=(address) { (words) } }
                                }
                            }
                        }
                    }
                    (page.body)
                }
                footer {
                    "Ithaca " (env!("CARGO_PKG_VERSION")) " · every saga gets home"
                }
            }
        }
    }
}

/// A sail, as an address of its own: an icon that needs no request.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Cpath d='M12 2v15M12 4l8 11h-8zM11 7l-6 8h6z' fill='%230b6e8a' stroke='%230b6e8a'/%3E%3Cpath d='M2 19c3 3 6 3 8 1 2 2 4 2 6 0 2 1 4 1 6-1' fill='none' stroke='%230b6e8a' stroke-width='2'/%3E%3C/svg%3E";
