//! The key spaces: one table, from which every implementation builds its storage.
//!
//! What the rows mean is decided above. The store only needs to know how a space is written, because that
//! decides how many pages a batch dirties.

/// A key space. Keys of different spaces never meet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Space {
    Machines,
    Definitions,
    Executions,
    Names,
    Listing,
    Records,
    Tags,
    Tokens,
    Activities,
    MapRuns,
    Meta,
}

/// How the rows of a space lie in the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Sorted by key: small rows, often overwritten, read and scanned by key.
    Rows,
    /// In the order of arrival, with an index on the key: large rows, written once. A batch of many
    /// executions fills a few pages at the end instead of dirtying one page for each execution.
    Log,
}

struct Entry {
    space: Space,
    name: &'static str,
    layout: Layout,
}

const TABLE: [Entry; Space::COUNT] = [
    row(Space::Machines, "machines"),
    row(Space::Definitions, "definitions"),
    row(Space::Executions, "executions"),
    row(Space::Names, "names"),
    row(Space::Listing, "listing"),
    Entry { space: Space::Records, name: "records", layout: Layout::Log },
    row(Space::Tags, "tags"),
    row(Space::Tokens, "tokens"),
    row(Space::Activities, "activities"),
    row(Space::MapRuns, "map_runs"),
    row(Space::Meta, "meta"),
];

const fn row(space: Space, name: &'static str) -> Entry {
    Entry { space, name, layout: Layout::Rows }
}

impl Space {
    pub(crate) const COUNT: usize = Space::Meta as usize + 1;

    /// Every space, in the order of the enum.
    pub fn all() -> impl Iterator<Item = Space> {
        TABLE.iter().map(|entry| entry.space)
    }

    /// The name of its table in a database.
    pub fn name(self) -> &'static str {
        TABLE[self.index()].name
    }

    pub fn layout(self) -> Layout {
        TABLE[self.index()].layout
    }

    /// Its place in arrays with one element per space.
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

// INVARIANT: the table is in the order of the enum, so that a space is its own index. Checked by the compiler.
const _: () = {
    let mut index = 0;
    while index < TABLE.len() {
        assert!(TABLE[index].space as usize == index, "the table of spaces is not in the order of the enum");
        index += 1;
    }
};
