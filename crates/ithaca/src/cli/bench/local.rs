//! The engine inside this process: SQLite in the scratch folder, tasks that are functions of this program.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asl::definition::Resource;
use engine::{Completion, Config, Created, Engine, NewMachine, Task, TaskRunner};
use interpreter::{Failure, Payload};
use store::{Figures, Folder, Options, Sqlite, Store};

use super::load::Door;
use super::shape::{ANSWER, ERROR, FAILING, ROLE, machine_arn};

/// The names of the engine's threads: what they use is the engine's, and what others use is the generator's.
const ENGINE_THREADS: [&str; 3] = ["shard-", "express", "store-writer"];

pub struct Local {
    /// Taken at the end.
    engine: Option<Engine>,
    store: Arc<Sqlite>,
    pub started_in: Duration,
}

impl Local {
    pub fn open(data: &Path) -> Result<Local, String> {
        let began = Instant::now();
        let folder = Folder::lock(data).map_err(|error| error.to_string())?;
        let store = Arc::new(Sqlite::open(&folder, Options::default()).map_err(|error| error.to_string())?);
        let engine = Engine::open(store.clone(), Arc::new(Handlers), &Config::default());
        let engine = engine.map_err(|error| error.to_string())?;
        Ok(Local { engine: Some(engine), store, started_in: began.elapsed() })
    }

    pub fn door(&self) -> Door {
        Door::Engine(self.engine().handle(), self.engine().reader())
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open until it is dropped")
    }

    pub fn figures(&self) -> Figures {
        self.store.figures()
    }

    /// Makes a machine; its ARN.
    pub fn create(&self, name: &str, definition: String) -> Result<String, String> {
        let arn = machine_arn(name);
        let new = NewMachine {
            arn: arn.as_str().into(),
            name: name.into(),
            role_arn: ROLE.into(),
            definition,
            tags: Default::default(),
            settings: Default::default(),
        };
        match self.engine().handle().machines().create(new, engine::now()) {
            Ok(Created::New(_)) => Ok(arn),
            Ok(_) => Err(format!("there is a machine {name} already")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            engine.shut_down(Duration::ZERO);
        }
    }
}

pub fn is_engine_thread(name: &str) -> bool {
    ENGINE_THREADS.iter().any(|begin| name.starts_with(begin))
}

/// The tasks, done where they are handed over: in the shard's thread.
struct Handlers;

impl TaskRunner for Handlers {
    fn run(&self, task: Task, completion: Completion) {
        let fails = matches!(&task.resource, Resource::Function { arn } if arn.ends_with(FAILING));
        match (fails, Payload::parse(ANSWER)) {
            (false, Ok(answer)) => completion.succeed(answer),
            (true, _) => completion.fail(Failure::new(ERROR, "no seat is left")),
            (false, Err(error)) => completion.fail(Failure::new("States.Runtime", error.to_string())),
        }
    }
}
