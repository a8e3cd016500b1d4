//! A state machine as a drawing: SVG, Mermaid, DOT.
//!
//! ```text
//! asl::Definition + Overlay -> describe -> Picture -> scene (layout, from the inside out) -> svg
//!                                             └-> mermaid, dot (their tools lay out)
//! ```
//!
//! The flow goes from top to bottom, the happy path straight down on the left, compensations step down on the
//! right, errors lead there. Equal definitions and overlays give the same bytes. Nothing here does IO.

mod describe;
mod dot;
mod layout;
mod mermaid;
mod overlay;
mod picture;
mod scene;
mod svg;
#[cfg(test)]
mod tests;
mod words;

use asl::Definition;

pub use overlay::{Mark, Overlay, Status};
use picture::Picture;
pub use svg::stylesheet;

/// A machine, with what an execution has done to it if the overlay says something.
pub struct Drawing {
    picture: Picture,
}

pub fn draw(definition: &Definition, overlay: &Overlay) -> Drawing {
    Drawing { picture: describe::picture(definition, overlay) }
}

impl Drawing {
    /// A whole SVG document; it may also stand inside a page as it is.
    pub fn svg(&self) -> String {
        svg::svg(&self.picture, &svg::Place::File)
    }

    /// An `<svg>` for a page that has [`stylesheet`] and changes marks while the execution goes on. `link` gives the
    /// address that a state leads to.
    pub fn svg_in_page(&self, link: &dyn Fn(&str) -> String) -> String {
        svg::svg(&self.picture, &svg::Place::Page(link))
    }
}

/// A `flowchart`, for Markdown that renders Mermaid.
pub fn mermaid(definition: &Definition) -> String {
    mermaid::mermaid(&describe::picture(definition, &Overlay::default()))
}

/// For Graphviz.
pub fn dot(definition: &Definition) -> String {
    dot::dot(&describe::picture(definition, &Overlay::default()))
}
