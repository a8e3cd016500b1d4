//! The objects that were there when a case was recorded, for ItemReaders, and where results go.

use engine::{ReadItems, WriteResults};
use interpreter::{Failure, Payload};

use crate::case::{Case, S3Object};

pub struct Objects {
    #[allow(dead_code)]
    there: Vec<S3Object>,
}

impl Objects {
    pub fn new(case: &Case) -> Objects {
        Objects { there: case.s3_objects.clone() }
    }

    pub fn read(&self, order: &ReadItems) -> Result<Vec<Payload>, Failure> {
        let cause = format!("There are no objects here: {} cannot be carried out.", order.resource);
        Err(Failure::new("States.ItemReaderFailed", cause))
    }

    pub fn written(&self, order: &WriteResults) -> Result<Payload, Failure> {
        let resource = order.writer.resource.as_deref().unwrap_or("a ResultWriter");
        Err(Failure::new("States.ResultWriterFailed", format!("There are no objects here: {resource}.")))
    }
}
