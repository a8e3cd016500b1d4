//! What a template may ask for that is neither in it nor beside it: objects of S3, and the Parameter Store.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where that is looked up. Implementers change nothing.
pub trait World: Send + Sync {
    /// Are there objects to ask for?
    fn has_objects(&self) -> bool;
    /// The file that holds an object of S3; `None` if there is none.
    fn object(&self, bucket: &str, key: &str) -> Option<PathBuf>;
    /// The file that holds the object at an address (`https://s3.REGION.amazonaws.com/BUCKET/KEY` and its like).
    fn object_at(&self, url: &str) -> Option<PathBuf>;
    /// A parameter of the Parameter Store, of its newest version or of another.
    fn parameter(&self, name: &str, version: Option<u64>) -> Option<Value>;
}

/// What a parameter of the Parameter Store holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    /// A `SecureString`, which a template may not show.
    pub is_secret: bool,
}

/// Cheap to clone. By default nothing is there.
#[derive(Clone, Default)]
pub struct Outside(Option<Arc<dyn World>>);

impl Outside {
    pub fn new(world: impl World + 'static) -> Outside {
        Outside(Some(Arc::new(world)))
    }

    /// Is there a world at all? Without one, nothing can be said of what is in it.
    pub(crate) fn is_known(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn has_objects(&self) -> bool {
        self.0.as_ref().is_some_and(|world| world.has_objects())
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        self.0.as_ref()?.object(bucket, key)
    }

    pub(crate) fn object_at(&self, url: &str) -> Option<PathBuf> {
        self.0.as_ref()?.object_at(url)
    }

    pub(crate) fn parameter(&self, name: &str, version: Option<u64>) -> Option<Value> {
        self.0.as_ref()?.parameter(name, version)
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_known() { "Outside(known)" } else { "Outside(nothing)" })
    }
}
