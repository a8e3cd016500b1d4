//! The APIs of a data folder: which functions they call, and where they listen.
//!
//! They are remembered in a file, so that a start without a template serves what was deployed before, as it does
//! with functions, tables and state machines. The file is replaced as a whole, never edited in place.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use aws_apigateway::{Api, Method, Route};
use aws_cloudformation::Plan;
use serde::{Deserialize, Serialize};

const FILE: &str = "apis.json";
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    apis: Vec<StoredApi>,
}

/// One API in one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredApi {
    id: String,
    pub name: String,
    stage: String,
    routes: Vec<StoredRoute>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredRoute {
    method: String,
    path: String,
    function_arn: String,
}

impl StoredApi {
    /// The API as the door serves it.
    pub fn to_api(&self) -> Result<Api, String> {
        let routes: Result<Vec<Route>, String> = self.routes.iter().map(StoredRoute::to_route).collect();
        Api::new(&self.id, &self.name, &self.stage, routes?).map_err(|error| error.to_string())
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Whether both are the same API in the same stage, however they answer.
    pub fn is_same(&self, other: &StoredApi) -> bool {
        self.id == other.id && self.stage == other.stage
    }
}

impl StoredRoute {
    fn to_route(&self) -> Result<Route, String> {
        let method = match self.method.as_str() {
            "ANY" => Method::Any,
            name => Method::Only(name.parse().map_err(|_| format!("{name} {} is not an HTTP method", self.path))?),
        };
        Ok(Route { method, path: self.path.clone(), function_arn: self.function_arn.clone() })
    }
}

/// The APIs of a plan, one for each stage.
pub fn of_plan(plan: &Plan) -> Vec<StoredApi> {
    let stages = plan.apis.iter().flat_map(|api| api.stages.iter().map(move |stage| (api, stage)));
    let apis = stages.map(|(api, stage)| StoredApi {
        id: api.id.clone(),
        name: if api.stages.len() > 1 { format!("{} ({})", api.name, stage.name) } else { api.name.clone() },
        stage: stage.name.clone(),
        routes: api
            .routes
            .iter()
            .map(|route| StoredRoute {
                method: route.method.clone(),
                path: route.path.clone(),
                function_arn: route.function_arn.clone(),
            })
            .collect(),
    });
    apis.collect()
}

/// What a plan asks of API Gateway and what is not served yet, as errors with their place.
pub fn refusals(plan: &Plan) -> Vec<String> {
    let mut refusals = Vec::new();
    for api in &plan.apis {
        let place = format!("{}:{}:{}: error: {}", plan.template.display(), api.at.line, api.at.column, api.logical_id);
        if api.stages.iter().any(|stage| !stage.variables.is_empty()) {
            refusals.push(format!(
                "{place}: stage variables are not served yet\n  help: give the functions environment variables instead"
            ));
        }
        if !api.binary_media_types.is_empty() {
            refusals.push(format!("{place}: BinaryMediaTypes are not served yet\n  help: leave them out: a body that is not UTF-8 reaches the function in base64 anyway"));
        }
    }
    refusals
}

/// Reads what was deployed into this data folder before.
pub fn load(data: &Path) -> Result<Vec<StoredApi>, String> {
    let path = data.join(FILE);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    match serde_json::from_slice::<Stored>(&text) {
        Ok(stored) if stored.format == FORMAT => Ok(stored.apis),
        Ok(stored) => Err(format!("{} has the format {}, this version knows {FORMAT}", path.display(), stored.format)),
        Err(error) => {
            Err(format!("{} is damaged: {error}. Deploy the template again to write it anew", path.display()))
        }
    }
}

/// Remembers the APIs; they are on the disk when this returns.
pub fn save(data: &Path, apis: Vec<StoredApi>) -> Result<(), String> {
    let (path, fresh) = (data.join(FILE), data.join(format!("{FILE}.new")));
    let text = serde_json::to_vec_pretty(&Stored { format: FORMAT, apis }).map_err(|error| error.to_string())?;
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&fresh)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(data)?.sync_all()
    };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let data = std::env::temp_dir().join(format!("ithaca-apis-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        assert_eq!(load(&data), Ok(Vec::new()));
        let route = |method: &str| StoredRoute { method: method.into(), path: "/".into(), function_arn: "arn".into() };
        let api = StoredApi { id: "a".into(), name: "n".into(), stage: "Prod".into(), routes: vec![route("ANY")] };
        save(&data, vec![api.clone()]).unwrap();
        assert_eq!(load(&data), Ok(vec![api]));
        fs::write(data.join(FILE), "{").unwrap();
        assert!(load(&data).unwrap_err().contains("is damaged"));
        assert!(route("NO WAY").to_route().is_err());
        fs::remove_dir_all(&data).unwrap();
    }
}
