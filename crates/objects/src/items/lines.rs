//! Items of JSON Lines: one JSON value in each line. Lines of white space are no items.

use std::sync::Arc;

use super::Item;
use super::input::Input;
use super::json::checked;
use crate::Error;
use crate::limits::ITEM_BYTES_MAX;

pub(super) struct Lines {
    input: Input,
}

impl Lines {
    pub fn new(input: Input) -> Lines {
        Lines { input }
    }

    fn item(&mut self) -> Result<Option<Item>, Error> {
        while let Some(line) = line(&mut self.input)? {
            if !line.trim_ascii().is_empty() {
                let value = checked(&self.input, line)?;
                self.input.line += 1;
                return Ok(Some(Item { key: None, value, source: Arc::clone(&self.input.source) }));
            }
            self.input.line += 1;
        }
        Ok(None)
    }
}

impl Iterator for Lines {
    type Item = Result<Item, Error>;

    fn next(&mut self) -> Option<Result<Item, Error>> {
        self.item().transpose()
    }
}

/// The next line without its end. The input's own count of lines is left to the caller, who has messages about it.
fn line(input: &mut Input) -> Result<Option<Vec<u8>>, Error> {
    let mut line = Vec::new();
    let mut is_any = false;
    loop {
        let chunk = input.chunk()?;
        if chunk.is_empty() {
            return Ok(is_any.then_some(line));
        }
        is_any = true;
        let end = chunk.iter().position(|byte| *byte == b'\n');
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        line.extend_from_slice(piece);
        let taken = piece.len() + usize::from(end.is_some());
        input.take(taken);
        if line.len() > ITEM_BYTES_MAX {
            let reason = format!("line {} has more than the {ITEM_BYTES_MAX} bytes that an item may have", input.line);
            return Err(input.broken(reason));
        }
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}
