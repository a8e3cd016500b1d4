//! What a page function gives back, and how it becomes an HTTP answer.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header};
use maud::{Markup, html};
use tokio::sync::mpsc;

use crate::layout::{self, Page};
use crate::pages::Section;
use crate::ui;

/// The body of an answer: whole, or one piece after another for as long as somebody listens.
pub enum Body {
    Whole(Bytes),
    Stream(mpsc::Receiver<Bytes>),
}

pub enum Answer {
    Page(Page),
    /// A piece of a page, for a script that puts it in place.
    Part(Markup),
    /// A file to look at or to save.
    File {
        content_type: &'static str,
        name: Option<String>,
        body: String,
    },
    /// After an action: what to look at now.
    SeeOther(String),
    /// Server-sent events.
    Events(mpsc::Receiver<Bytes>),
}

pub type Outcome = Result<Answer, Trouble>;

/// Why there is no such page, or why an action was refused: what happened and what to do next.
#[derive(Debug)]
pub struct Trouble {
    pub status: StatusCode,
    pub title: String,
    pub text: String,
    /// Where to go from here: address and words.
    pub next: Option<(String, String)>,
    is_plain: bool,
}

impl Trouble {
    pub fn new(status: StatusCode, title: impl Into<String>, text: impl Into<String>) -> Trouble {
        Trouble { status, title: title.into(), text: text.into(), next: None, is_plain: false }
    }

    /// The caller's words are not what is needed.
    pub fn bad(title: impl Into<String>, text: impl Into<String>) -> Trouble {
        Trouble::new(StatusCode::BAD_REQUEST, title, text)
    }

    /// What was asked for cannot be done now.
    pub fn refused(title: impl Into<String>, text: impl Into<String>) -> Trouble {
        Trouble::new(StatusCode::CONFLICT, title, text)
    }

    pub fn not_found(title: impl Into<String>, text: impl Into<String>) -> Trouble {
        Trouble::new(StatusCode::NOT_FOUND, title, text)
    }

    pub fn next(mut self, address: impl Into<String>, words: impl Into<String>) -> Trouble {
        self.next = Some((address.into(), words.into()));
        self
    }

    pub(crate) fn no_page(path: &str) -> Trouble {
        Trouble::not_found("There is no such page", format!("Nothing is at {path}."))
            .next("/console", "Go to the overview")
    }

    pub(crate) fn other_method(method: &Method) -> Trouble {
        let text = format!("This address does not take {method}.");
        Trouble::new(StatusCode::METHOD_NOT_ALLOWED, "That cannot be done here", text)
            .next("/console", "Go to the overview")
    }

    /// As a piece of a page, for a script that asked for one.
    pub(crate) fn plainly(mut self) -> Trouble {
        self.is_plain = true;
        self
    }

    pub fn markup(&self) -> Markup {
        html! {
            div.trouble role="alert" {
                h1 { (self.title) }
                p { (self.text) }
                @if let Some((address, words)) = &self.next {
                    p { a.button href=(address) { (words) } }
                }
            }
        }
    }

    pub(crate) fn response(&self) -> Response<Body> {
        if self.is_plain {
            return whole(self.status, "text/html; charset=utf-8", self.markup().into_string());
        }
        let page = Page::new(Section::None, self.title.clone(), self.markup());
        layout::response(&page.status(self.status))
    }
}

impl From<engine::Error> for Trouble {
    fn from(error: engine::Error) -> Trouble {
        let status = match error {
            engine::Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Trouble::new(status, "The store could not be read", error.to_string()).next("", "Try again")
    }
}

impl Answer {
    pub fn file(content_type: &'static str, body: String) -> Answer {
        Answer::File { content_type, name: None, body }
    }

    pub(crate) fn response(self) -> Response<Body> {
        match self {
            Answer::Page(page) => layout::response(&page),
            Answer::Part(markup) => whole(StatusCode::OK, "text/html; charset=utf-8", markup.into_string()),
            Answer::File { content_type, name, body } => {
                let mut response = whole(StatusCode::OK, content_type, body);
                if let Some(name) = name {
                    let disposition = format!("attachment; filename=\"{}\"", ui::file_name(&name));
                    let value = disposition.parse().expect("a file name of plain characters is a header value");
                    response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
                }
                response
            }
            Answer::SeeOther(address) => {
                let mut response = whole(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", String::new());
                let value = address.parse().expect("INVARIANT: addresses are percent-encoded");
                response.headers_mut().insert(header::LOCATION, value);
                response
            }
            Answer::Events(receiver) => Response::builder()
                .header(header::CONTENT_TYPE, "text/event-stream")
                .header(header::CACHE_CONTROL, "no-store")
                .body(Body::Stream(receiver))
                .expect("fixed headers make a valid answer"),
        }
    }
}

pub(crate) fn whole(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Body::Whole(body.into()))
        .expect("fixed headers make a valid answer")
}
