//! The tables of what is served, for help texts and documentation.

use serde::Serialize;

use crate::intrinsics;
use crate::properties::Treatment;
use crate::resources::{self, Type};

/// A resource type that a template may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupportedType {
    pub name: &'static str,
    pub summary: &'static str,
    /// Whether something comes of it; if not, it is accepted and its properties do not matter.
    pub created: bool,
    pub served: Vec<&'static str>,
    /// Properties without effect, each with the reason.
    pub ignored: Vec<(&'static str, &'static str)>,
    /// Properties that are errors, each with what to do instead.
    pub unsupported: Vec<(&'static str, &'static str)>,
    /// What `Fn::GetAtt` gives.
    pub attributes: Vec<&'static str>,
}

/// An intrinsic function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct SupportedFunction {
    pub name: &'static str,
    /// The form of its argument.
    pub form: &'static str,
}

pub fn supported_types() -> Vec<SupportedType> {
    resources::all().map(supported).collect()
}

pub fn supported_functions() -> Vec<SupportedFunction> {
    intrinsics::served().map(|(name, form)| SupportedFunction { name, form }).collect()
}

fn supported(kind: &Type) -> SupportedType {
    let mut out = SupportedType {
        name: kind.name,
        summary: kind.summary,
        created: kind.created,
        served: Vec::new(),
        ignored: Vec::new(),
        unsupported: Vec::new(),
        attributes: kind.attributes.iter().map(|a| a.name).collect(),
    };
    for property in kind.properties {
        match property.treatment {
            Treatment::Served => out.served.push(property.name),
            Treatment::Ignored(why) => out.ignored.push((property.name, why)),
            Treatment::Unsupported(instead) => out.unsupported.push((property.name, instead)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_type_has_one_row() {
        let mut seen = BTreeSet::new();
        let twice: Vec<&str> = resources::all().map(|kind| kind.name).filter(|name| !seen.insert(*name)).collect();
        assert_eq!(twice, [""; 0]);
    }
}
