//! Versions and aliases: names for revisions that stay.
//!
//! ```text
//!  machine ── current revision            StartExecution(machine)
//!     ├── version 1 ── revision 0         StartExecution(machine:1)
//!     ├── version 2 ── revision 3 <──┐
//!     └── alias PROD ── 1: 90 %, 2: 10 %  StartExecution(machine:PROD)
//! ```
//!
//! A version says which revision was published and when; nothing of it ever changes and its number is used once, also
//! if it is deleted. An alias sends each start to one of at most two versions, by weight. Both are part of the machine's
//! row, so a change of them is one write like any other.

use std::sync::Arc;

use interpreter::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Machine, Machines, Revision};
use crate::error::{ChangeError, Error};
use crate::keys::{Qualifier, split_machine_arn};
use crate::limits::{ALIASES_MAX, VERSIONS_MAX};

/// A revision that was published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// From 1 on.
    pub number: u32,
    pub revision: u32,
    pub created_at: Timestamp,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    pub name: Arc<str>,
    pub description: String,
    /// One or two. INVARIANT: the weights sum up to 100, and each version is there.
    pub routes: Vec<Route>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A version's share of the starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub version: u32,
    /// Of 100.
    pub weight: u8,
}

/// What a caller gives to create an alias. The routes have been validated, but for whether their versions exist.
#[derive(Clone, Debug)]
pub struct NewAlias {
    pub name: String,
    pub description: String,
    pub routes: Vec<Route>,
}

#[derive(Clone, Debug, Default)]
pub struct AliasUpdate {
    pub description: Option<String>,
    pub routes: Option<Vec<Route>>,
}

/// What an ARN, plain or qualified, leads to.
#[derive(Clone, Debug)]
pub struct Target {
    pub machine: Arc<Machine>,
    pub revision: Arc<Revision>,
    /// The version that was named, or that the alias has led to.
    pub version: Option<u32>,
    pub alias: Option<Arc<str>>,
}

impl Alias {
    /// The version for a start that has drawn this number.
    pub fn version(&self, draw: u64) -> u32 {
        let mut draw = draw % 100;
        for route in &self.routes {
            match draw.checked_sub(u64::from(route.weight)) {
                Some(rest) => draw = rest,
                None => return route.version,
            }
        }
        unreachable!("INVARIANT: the weights of an alias sum up to 100")
    }

    pub fn leads_to(&self, version: u32) -> bool {
        self.routes.iter().any(|route| route.version == version)
    }
}

impl Machine {
    pub fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().find(|version| version.number == number)
    }

    /// The version of the current revision: the one that is there, or a new one.
    pub(super) fn publish(&mut self, description: String, now: Timestamp) -> Result<Version, ChangeError> {
        let revision = self.revision.number;
        if let Some(there) = self.versions.iter().rev().find(|version| version.revision == revision) {
            return Ok(there.clone());
        }
        if self.versions.len() >= VERSIONS_MAX {
            return Err(ChangeError::TooManyVersions);
        }
        self.last_version += 1;
        let version = Version { number: self.last_version, revision, created_at: now, description };
        self.versions.push(version.clone());
        Ok(version)
    }

    fn check_routes(&self, routes: &[Route]) -> Result<(), ChangeError> {
        match routes.iter().all(|route| self.version(route.version).is_some()) {
            true => Ok(()),
            false => Err(ChangeError::VersionDoesNotExist),
        }
    }
}

impl Machines {
    /// What this ARN leads to; an alias leads where the draw, any number, falls. None if there is no such machine,
    /// version or alias.
    pub fn target(&self, arn: &str, draw: u64) -> Result<Option<Target>, Error> {
        let (machine_arn, qualifier) = split_machine_arn(arn);
        let Some(machine) = self.get(machine_arn)? else { return Ok(None) };
        let (number, alias) = match qualifier {
            None => {
                let revision = machine.revision.clone();
                return Ok(Some(Target { machine, revision, version: None, alias: None }));
            }
            Some(Qualifier::Version(number)) => (number, None),
            Some(Qualifier::Alias(name)) => match machine.aliases.get(name) {
                Some(alias) => (alias.version(draw), Some(alias.name.clone())),
                None => return Ok(None),
            },
        };
        let Some(version) = machine.version(number) else { return Ok(None) };
        let revision = self.revision(machine.number, version.revision)?;
        Ok(Some(Target { machine, revision, version: Some(number), alias }))
    }

    /// Publishes the current revision, if it is the one that the caller means. Published once, it stays that version.
    pub fn publish(
        &self,
        arn: &str,
        revision_id: Option<&str>,
        description: String,
        now: Timestamp,
    ) -> Result<Version, ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        let current = there.revision.id();
        if revision_id.is_some_and(|meant| meant != current) {
            return Err(ChangeError::OtherRevision { current });
        }
        let mut machine = Machine::clone(&there);
        let version = machine.publish(description, now)?;
        if machine.last_version != there.last_version {
            self.write(machine, false)?;
        }
        Ok(version)
    }

    /// Takes a version away, unless an alias leads to it. Executions that it has started go on.
    pub fn delete_version(&self, arn: &str, number: u32) -> Result<(), ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        if there.version(number).is_none() {
            return Err(ChangeError::VersionDoesNotExist);
        }
        let leading = there.aliases.values().filter(|alias| alias.leads_to(number));
        let aliases: Vec<String> = leading.map(|alias| alias.name.to_string()).collect();
        if !aliases.is_empty() {
            return Err(ChangeError::VersionInUse { aliases });
        }
        let mut machine = Machine::clone(&there);
        machine.versions.retain(|version| version.number != number);
        self.write(machine, false)?;
        Ok(())
    }

    /// Idempotent: the same alias again is the one that is there.
    pub fn create_alias(&self, arn: &str, new: NewAlias, now: Timestamp) -> Result<Alias, ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        if let Some(alias) = there.aliases.get(new.name.as_str()) {
            let is_same = alias.description == new.description && alias.routes == new.routes;
            return if is_same { Ok(alias.clone()) } else { Err(ChangeError::AliasExists) };
        }
        there.check_routes(&new.routes)?;
        if there.aliases.len() >= ALIASES_MAX {
            return Err(ChangeError::TooManyAliases);
        }
        let name: Arc<str> = new.name.into();
        let alias = Alias { name, description: new.description, routes: new.routes, created_at: now, updated_at: now };
        self.put_alias(&there, alias)
    }

    /// Starts that were sent on before stay with their version.
    pub fn update_alias(
        &self,
        arn: &str,
        name: &str,
        update: AliasUpdate,
        now: Timestamp,
    ) -> Result<Alias, ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        let mut alias = there.aliases.get(name).cloned().ok_or(ChangeError::AliasDoesNotExist)?;
        if let Some(routes) = update.routes {
            there.check_routes(&routes)?;
            alias.routes = routes;
        }
        if let Some(description) = update.description {
            alias.description = description;
        }
        alias.updated_at = now;
        self.put_alias(&there, alias)
    }

    pub fn delete_alias(&self, arn: &str, name: &str) -> Result<(), ChangeError> {
        let _writing = self.lock();
        let there = self.changeable(arn)?;
        let mut machine = Machine::clone(&there);
        machine.aliases.remove(name).ok_or(ChangeError::AliasDoesNotExist)?;
        self.write(machine, false)?;
        Ok(())
    }

    fn put_alias(&self, there: &Machine, alias: Alias) -> Result<Alias, ChangeError> {
        let mut machine = Machine::clone(there);
        machine.aliases.insert(alias.name.clone(), alias.clone());
        self.write(machine, false)?;
        Ok(alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        let check = |weights: &[u8], expected: &[(u32, usize)]| {
            let routes = weights.iter().zip(1..).map(|(weight, version)| Route { version, weight: *weight }).collect();
            let at = Timestamp(0);
            let alias = Alias { name: "a".into(), description: "".into(), routes, created_at: at, updated_at: at };
            let drawn: Vec<u32> = (0..1000).map(|draw| alias.version(draw)).collect();
            for (version, count) in expected {
                assert_eq!(drawn.iter().filter(|drawn| *drawn == version).count(), *count, "{weights:?}");
            }
        };
        check(&[100], &[(1, 1000)]);
        check(&[90, 10], &[(1, 900), (2, 100)]);
        check(&[0, 100], &[(1, 0), (2, 1000)]);
        check(&[100, 0], &[(1, 1000), (2, 0)]);
    }
}
