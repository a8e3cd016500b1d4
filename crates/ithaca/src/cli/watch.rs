//! `ithaca up --watch`: the template, the definitions and the code are looked at again and again, and deployed when they are other
//! files than before.
//!
//! Looking is asking the system for the times and lengths of the files, nothing is read: that works on every file system
//! and in every container, and a look at a thousand files takes some milliseconds. A look that takes longer is taken more rarely.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aws_cloudformation::{Code, Plan};
use tokio::sync::mpsc;

use super::reading::Reading;
use crate::deploy::{Prepared, Request, prepare};
use crate::files;

/// How long a look waits for the one before, at least.
const PAUSE: Duration = Duration::from_millis(100);

/// A look takes a twentieth of a core at most.
const PAUSE_PER_LOOK: u32 = 20;

/// Not the author's own: what tools make of it, and what they fetch. A change of what is fetched is a change of the lock file beside it.
const NOT_ENTERED: [&str; 7] = ["node_modules", "target", ".git", ".ithaca", ".venv", "__pycache__", ".aws-sam"];

/// Files have changed.
pub struct Changed {
    /// When that was seen.
    pub since: Instant,
    /// What is to be deployed now; or what is wrong with it, as text for a person.
    pub read: Result<Vec<Ready>, String>,
}

/// A stack that can be deployed.
pub struct Ready {
    pub plan: Plan,
    pub request: Request,
    pub prepared: Prepared,
}

pub struct Watch {
    reading: Reading,
    /// What is looked at.
    paths: Vec<PathBuf>,
    seen: u64,
    pause: Duration,
}

impl Watch {
    /// Watches what these were read from, as it is now.
    pub fn new(reading: Reading, stacks: &[Ready]) -> Watch {
        let paths = paths(&reading, &mut stacks.iter().map(|ready| &ready.plan));
        let seen = look(&paths);
        Watch { reading, paths, seen, pause: PAUSE }
    }

    /// Looks from now on, beside everything else, until nobody waits for changes any more.
    pub fn start(mut self) -> mpsc::Receiver<Changed> {
        let (tell, changes) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let changed = self.next().await;
                if tell.send(changed).await.is_err() {
                    break;
                }
            }
        });
        changes
    }

    async fn next(&mut self) -> Changed {
        let (since, seen) = loop {
            tokio::time::sleep(self.pause).await;
            let (paths, since) = (self.paths.clone(), Instant::now());
            let seen = tokio::task::spawn_blocking(move || look(&paths)).await.unwrap_or(self.seen);
            self.pause = PAUSE.max(since.elapsed() * PAUSE_PER_LOOK);
            if seen != self.seen {
                break (since, seen);
            }
        };
        self.seen = seen;
        let reading = self.reading.clone();
        let read = tokio::task::spawn_blocking(move || reading.read().map(|stacks| looked_at(&reading, stacks))).await;
        let read = match read.unwrap_or_else(|error| Err(error.to_string())) {
            Ok((stacks, paths, seen)) => {
                // What changes from here on, while things are built, is another change. What cannot be built is watched too.
                if paths != self.paths {
                    (self.paths, self.seen) = (paths, seen);
                }
                let built = tokio::task::spawn_blocking(move || {
                    let ready = |(plan, request): (Plan, Request)| {
                        let prepared = prepare(&plan, &|_| {})?;
                        Ok(Ready { plan, request, prepared })
                    };
                    stacks.into_iter().map(ready).collect::<Result<Vec<Ready>, String>>()
                });
                built.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(why) => Err(why),
        };
        Changed { since, read }
    }
}

/// Stacks, what is to be watched of them, and what that is like now.
fn looked_at(reading: &Reading, stacks: Vec<(Plan, Request)>) -> (Vec<(Plan, Request)>, Vec<PathBuf>, u64) {
    let paths = paths(reading, &mut stacks.iter().map(|(plan, _)| plan));
    let seen = look(&paths);
    (stacks, paths, seen)
}

/// The template, the definitions, the code. Of a CDK app that is what it has synthesized.
fn paths(reading: &Reading, plans: &mut dyn Iterator<Item = &Plan>) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for plan in plans.flat_map(Plan::all) {
        paths.push(plan.template.clone());
        paths.extend(plan.state_machines.iter().map(|machine| machine.definition.file.clone()));
        paths.extend(plan.layers.iter().map(|layer| layer.content.clone()));
        paths.extend(plan.functions.iter().filter_map(|function| match &function.code {
            Code::Path(path) => Some(path.clone()),
            Code::Inline(_) => None,
        }));
    }
    // A manifest, where there is one, names the template.
    paths.extend(Some(reading.path.join("cdk.out/manifest.json")).filter(|manifest| manifest.is_file()));
    paths.sort();
    paths.dedup();
    let inner = |path: &PathBuf| !paths.iter().any(|other| other != path && path.starts_with(other));
    paths.iter().filter(|path| inner(path)).cloned().collect()
}

fn look(paths: &[PathBuf]) -> u64 {
    let enters = |folder: &Path| {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !NOT_ENTERED.contains(&name) || paths.iter().any(|path| path == folder)
    };
    let mut hasher = DefaultHasher::new();
    paths.iter().for_each(|path| files::fingerprint(path, &enters).hash(&mut hasher));
    hasher.finish()
}
