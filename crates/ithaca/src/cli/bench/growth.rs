//! How cost grows with work: each series doubles one thing, up to AWS's limit where there is one.
//!
//! Measured on the engine inside this process, so that what grows is the engine's and nothing hides it. Throughput and
//! processor time are of a unit of the work: they stay level when cost grows in line with work.

use std::sync::Arc;

use serde_json::{Value, json};

use super::figures::quantile;
use super::load::{Load, run};
use super::local::{Local, is_engine_thread};
use super::server::Scratch;
use super::shape::{INPUT, Saga, Shape, Tasks, in_a_row};
use super::usage::cpu_seconds_of_threads;

pub struct Series {
    pub title: &'static str,
    /// What doubles.
    pub work: &'static str,
    /// What the throughput counts.
    pub unit: &'static str,
    /// A saga of twice the work may take twice as long; otherwise the work lies around it and should not be felt.
    pub is_in_saga: bool,
    pub points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub work: f64,
    pub per_second: f64,
    pub p50_ms: f64,
    /// Processor time of the engine for one unit; a busy machine changes it little.
    pub cpu_us: f64,
}

impl Series {
    pub fn to_json(&self) -> Value {
        let points: Vec<Value> = self
            .points
            .iter()
            .map(|it| json!({ "work": it.work, "perSecond": it.per_second, "p50Ms": it.p50_ms, "cpuUs": it.cpu_us }))
            .collect();
        json!({ "title": self.title, "work": self.work, "unit": self.unit, "points": points })
    }
}

/// Sagas at the same time where the work lies around them.
const IN_FLIGHT: usize = 64;

/// Starts at the same time, to fill a store.
const STARTERS: usize = 256;

/// What a history of so many rounds of a loop has beside its four events each: the start, Succeed and the end.
const EVENTS_PER_ROUND: usize = 4;
const EVENTS_AROUND: usize = 4;

/// Up to near the 25,000 events of a history.
const ROUNDS: [usize; 7] = [97, 195, 390, 780, 1560, 3120, 6240];

/// Up to near the 256 KiB of a payload, which the results of the tasks are added to.
const PAYLOAD_KIB: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 250];

const MAP_ITEMS: [usize; 7] = [10, 100, 625, 1250, 2500, 5000, 10_000];

/// Executions in the store, and executions that wait.
const STORED: [usize; 8] = [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000];

/// All series. `told` hears of each point as it comes.
pub async fn all(seconds: f64, scratch: &Scratch, told: &dyn Fn(&str)) -> Result<Vec<Series>, String> {
    let bench = Bench { seconds, scratch, told };
    Ok(vec![
        bench.around("Executions in the store", "executions that have ended", &in_a_row(1)).await?,
        bench.around("Executions that wait", "executions in a Wait state", &wait()).await?,
        bench.history().await?,
        bench.payload().await?,
        bench.map().await?,
    ])
}

struct Bench<'b> {
    seconds: f64,
    scratch: &'b Scratch,
    told: &'b dyn Fn(&str),
}

impl Bench<'_> {
    /// The travel saga, while there are more and more other executions.
    async fn around(&self, title: &'static str, work: &'static str, other: &str) -> Result<Series, String> {
        let local = self.open()?;
        let travel = local.create("travel", saga().definition())?;
        let filler = local.create("other", other.to_owned())?;
        let mut points = Vec::new();
        let mut others = 0;
        for goal in STORED {
            // Those that need no time have ended when they have started: one commit holds both.
            local.door().start_all(&filler, INPUT, goal - others, STARTERS).await?;
            others = goal;
            let sagas = self.point(&local, &travel, INPUT, IN_FLIGHT, others as f64, 1.0).await?;
            (self.told)(&format!("{title}: {others}"));
            points.push(sagas);
        }
        Ok(Series { title, work, unit: "sagas", is_in_saga: false, points })
    }

    async fn history(&self) -> Result<Series, String> {
        let local = self.open()?;
        let machine = local.create("loop", rounds())?;
        let mut points = Vec::new();
        for rounds in ROUNDS {
            let events = (EVENTS_PER_ROUND * rounds + EVENTS_AROUND) as f64;
            let input = json!({ "n": 0, "to": rounds }).to_string();
            points.push(self.point(&local, &machine, &input, 1, events, events).await?);
            (self.told)(&format!("history: {events} events"));
        }
        let (title, work) = ("Length of the history", "events of an execution");
        Ok(Series { title, work, unit: "events", is_in_saga: true, points })
    }

    async fn payload(&self) -> Result<Series, String> {
        let local = self.open()?;
        let machine = local.create("travel", saga().definition())?;
        let mut points = Vec::new();
        for kib in PAYLOAD_KIB {
            let input = json!({ "text": "x".repeat(kib * 1024) }).to_string();
            points.push(self.point(&local, &machine, &input, IN_FLIGHT, kib as f64, kib as f64).await?);
            (self.told)(&format!("payload: {kib} KiB"));
        }
        let (title, work) = ("Size of the payload", "KiB of the saga's input");
        Ok(Series { title, work, unit: "KiB of input", is_in_saga: true, points })
    }

    async fn map(&self) -> Result<Series, String> {
        let local = self.open()?;
        let machine = local.create("map", map())?;
        let mut points = Vec::new();
        for items in MAP_ITEMS {
            let input = json!({ "items": (0..items).collect::<Vec<_>>() }).to_string();
            points.push(self.point(&local, &machine, &input, 1, items as f64, items as f64).await?);
            (self.told)(&format!("map: {items} items"));
        }
        let (title, work) = ("Items of a distributed Map", "items, an execution each");
        Ok(Series { title, work, unit: "items", is_in_saga: true, points })
    }

    fn open(&self) -> Result<Local, String> {
        Local::open(&self.scratch.fresh("data")?)
    }

    async fn point(
        &self,
        local: &Local,
        machine: &str,
        input: &str,
        in_flight: usize,
        work: f64,
        units_per_saga: f64,
    ) -> Result<Point, String> {
        let load = Load {
            machine_arn: machine.to_owned(),
            input: Arc::from(input),
            expected: "SUCCEEDED",
            in_flight,
            seconds: self.seconds,
        };
        let ended = run(&local.door(), &load, || cpu_seconds_of_threads(is_engine_thread)).await?;
        if ended.unexpected > 0 {
            return Err(format!("{} executions of {machine} did not succeed", ended.unexpected));
        }
        let units = ended.latencies_ms.len() as f64 * units_per_saga;
        Ok(Point {
            work,
            per_second: units / ended.window.as_secs_f64(),
            p50_ms: quantile(&ended.latencies_ms, 0.5),
            cpu_us: (ended.after - ended.before) * 1e6 / units,
        })
    }
}

fn saga() -> Saga {
    Saga { shape: Shape::Travel, tasks: Tasks::Local }
}

fn wait() -> String {
    json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": 86_400, "End": true } } }).to_string()
}

/// A loop of a Pass and a Choice, as often as the input says.
fn rounds() -> String {
    let add = json!({ "n.$": "States.MathAdd($.n, 1)", "to.$": "$.to" });
    let more = json!([{ "Variable": "$.n", "NumericLessThanPath": "$.to", "Next": "Add" }]);
    json!({
        "StartAt": "Add",
        "States": {
            "Add": { "Type": "Pass", "Parameters": add, "Next": "More" },
            "More": { "Type": "Choice", "Choices": more, "Default": "Done" },
            "Done": { "Type": "Succeed" },
        },
    })
    .to_string()
}

fn map() -> String {
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Item",
        "States": { "Item": { "Type": "Pass", "End": true } },
    });
    let map = json!({ "Type": "Map", "ItemsPath": "$.items", "ItemProcessor": processor, "End": true });
    json!({ "StartAt": "Map", "States": { "Map": map } }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_valid() {
        for definition in [wait(), rounds(), map(), in_a_row(1)] {
            let parsed = asl::parse(&definition);
            assert!(parsed.is_ok(), "{definition}: {:?}", parsed.err());
        }
    }
}
