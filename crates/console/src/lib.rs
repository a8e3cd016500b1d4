//! What people look at: the pages of a running Ithaca, the drawing of a state machine, the story of an execution.
//!
//! ```text
//!  browser ──> front (sockets, Host) ──> Console::handle
//!                                          guard    who may ask: our own pages only
//!                                          route    a table: method, path -> a function in pages/
//!                                          pages/*  read (engine::Reader), act (engine::Handle), answer
//!                                          layout   the frame around a page; ui: its parts
//!                                          assets   hand-written CSS and ES modules, in the binary
//! ```
//!
//! Pages are rendered here and work without scripts; scripts make them live: a stream of server-sent events says that
//! something changed, and the page asks for the part anew. Reads, never decides: what is to happen goes through
//! `engine::Handle`, as every other client's wish.
//!
//! Knows neither sockets nor other doors. What a page shows of functions, tables and the like comes through traits that
//! the composition root implements.

mod answer;
mod around;
mod ask;
mod assets;
mod console;
mod execution;
pub mod graph;
pub mod guard;
mod layout;
mod live;
mod pages;
mod pulse;
mod route;
pub mod story;
mod ui;

pub use answer::Body;
pub use around::Around;
pub use console::{Console, PREFIX};
pub use pages::{
    Api, ApiRoute, Apis, Called, Fact, Function, Functions, Group, Health, Invoked, LogLine, Outbox, Sent, TableError,
    Tables,
};
