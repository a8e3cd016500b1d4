//! The APIs of a data folder: which functions they call, and where they listen.
//!
//! They are remembered in a file, so that a start without a template serves what was deployed before, as it does
//! with functions, tables and state machines. The file is replaced as a whole, never edited in place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use aws_apigateway::{
    Action, Api, Cors, Integration, Kind, MappedResponse, Mapping, Method, Passthrough, Payload, Route,
};
use aws_cloudformation::{ApiKind, Integration as Planned, Plan, Position};
use serde::{Deserialize, Serialize};

use crate::files;

const FILE: &str = "apis.json";
/// The first format knew functions of REST APIs only; what it says is a part of what the second says.
const FORMAT: u32 = 2;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    apis: Vec<StoredApi>,
}

/// One API in one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredApi {
    id: String,
    pub name: String,
    stage: String,
    #[serde(default)]
    kind: Kind,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    #[serde(default)]
    cors: Option<Cors>,
    #[serde(default)]
    binary_media_types: Vec<String>,
    routes: Vec<StoredRoute>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredRoute {
    method: String,
    path: String,
    /// In the first format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    function_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    integration: Option<Integration>,
}

impl StoredApi {
    /// The API as the door serves it.
    pub fn to_api(&self) -> Result<Api, String> {
        let routes: Result<Vec<Route>, String> = self.routes.iter().map(StoredRoute::to_route).collect();
        let api = Api::of(self.kind, &self.id, &self.name, &self.stage, routes?).map_err(|error| error.to_string())?;
        let api = api.with_variables(self.variables.clone()).with_cors(self.cors.clone());
        Ok(api.with_binary_media_types(self.binary_media_types.clone()))
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
        let of_function = || self.function_arn.as_ref().map(|arn| Integration::function(arn, Payload::V1));
        let integration = self.integration.clone().or_else(of_function);
        let integration = integration.ok_or_else(|| format!("{} {} leads nowhere", self.method, self.path))?;
        Ok(Route { method, path: self.path.clone(), integration })
    }
}

/// The APIs of a plan, one for each stage.
pub fn of_plan(plan: &Plan) -> Vec<StoredApi> {
    let stages = plan.apis.iter().flat_map(|api| api.stages.iter().map(move |stage| (api, stage)));
    let apis = stages.map(|(api, stage)| StoredApi {
        id: api.id.clone(),
        name: if api.stages.len() > 1 { format!("{} ({})", api.name, stage.name) } else { api.name.clone() },
        stage: stage.name.clone(),
        kind: match api.kind {
            ApiKind::Rest => Kind::Rest,
            ApiKind::Http => Kind::Http,
            ApiKind::FunctionUrl => Kind::FunctionUrl,
        },
        variables: stage.variables.clone(),
        cors: api.cors.as_ref().map(cors),
        binary_media_types: api.binary_media_types.clone(),
        routes: api.routes.iter().filter_map(|route| route_of(route).ok()).collect(),
    });
    apis.collect()
}

/// What a plan asks of API Gateway and what is not served: where, of which API, and why.
pub fn refusals(plan: &Plan) -> Vec<(Position, String, String)> {
    let of_routes = plan.apis.iter().flat_map(|api| {
        api.routes.iter().filter_map(|route| {
            let why = route_of(route).err()?;
            Some((route.at, api.logical_id.clone(), format!("{} {}: {why}", route.method, route.path)))
        })
    });
    let of_apis = plan.apis.iter().filter_map(|api| {
        let stored = of_plan(plan).into_iter().find(|stored| stored.id == api.id)?;
        Some((api.at, api.logical_id.clone(), stored.to_api().err()?))
    });
    of_routes.chain(of_apis).collect()
}

fn cors(cors: &aws_cloudformation::Cors) -> Cors {
    Cors {
        allow_credentials: cors.allow_credentials,
        allow_headers: cors.allow_headers.clone(),
        allow_methods: cors.allow_methods.clone(),
        allow_origins: cors.allow_origins.clone(),
        expose_headers: cors.expose_headers.clone(),
        max_age_seconds: cors.max_age_seconds.map(i64::from),
    }
}

/// The route as it is kept; the error says what of it is not served.
fn route_of(route: &aws_cloudformation::Route) -> Result<StoredRoute, String> {
    let (method, path) = (route.method.clone(), route.path.clone());
    let integration = Some(integration(&route.integration)?);
    Ok(StoredRoute { method, path, function_arn: None, integration })
}

fn integration(planned: &Planned) -> Result<Integration, String> {
    let timeout_ms = |planned: &Option<u32>| planned.map(u64::from);
    match planned {
        Planned::Function { arn, payload_format, timeout_ms: planned, .. } => {
            let payload = if *payload_format == "2.0" { Payload::V2 } else { Payload::V1 };
            Ok(Integration::Function { arn: arn.clone(), payload, timeout_ms: timeout_ms(planned) })
        }
        Planned::Subtype { subtype, parameters, timeout_ms: planned } => {
            let action = Action::of_subtype(subtype).ok_or_else(|| {
                format!("IntegrationSubtype {subtype} is not supported; served are those of StepFunctions")
            })?;
            let given = parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            match aws_apigateway::service_fault(action, given) {
                Some(fault) => Err(fault),
                None => {
                    let (parameters, timeout_ms) = (parameters.clone(), timeout_ms(planned));
                    Ok(Integration::Service { action, parameters, timeout_ms })
                }
            }
        }
        Planned::Action { service, operation, mapping: planned, timeout_ms: timeout } => {
            let (service, operation) = (service.clone(), operation.clone());
            Ok(Integration::Mapped { service, operation, mapping: mapping(planned)?, timeout_ms: timeout_ms(timeout) })
        }
        Planned::Mock(planned) => Ok(Integration::Mock(mapping(planned)?)),
    }
}

fn mapping(planned: &aws_cloudformation::Mapping) -> Result<Mapping, String> {
    let response = |planned: &aws_cloudformation::MappedResponse| MappedResponse {
        status: planned.status,
        pattern: planned.pattern.clone(),
        headers: planned.headers.clone(),
        templates: planned.templates.clone(),
    };
    let mapping = Mapping {
        requests: planned.requests.clone(),
        passthrough: match planned.passthrough.as_str() {
            "NEVER" => Passthrough::Never,
            "WHEN_NO_TEMPLATES" => Passthrough::WhenNoTemplates,
            _ => Passthrough::WhenNoMatch,
        },
        responses: planned.responses.iter().map(response).collect(),
    };
    match aws_apigateway::mapping_fault(&mapping) {
        Some(fault) => Err(fault),
        None => Ok(mapping),
    }
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
        Ok(stored) if (1..=FORMAT).contains(&stored.format) => Ok(stored.apis),
        Ok(stored) => Err(format!("{} has the format {}, this version knows {FORMAT}", path.display(), stored.format)),
        Err(error) => {
            Err(format!("{} is damaged: {error}. Deploy the template again to write it anew", path.display()))
        }
    }
}

/// Remembers the APIs; they are on the disk when this returns.
pub fn save(data: &Path, apis: Vec<StoredApi>) -> Result<(), String> {
    let text = serde_json::to_vec_pretty(&Stored { format: FORMAT, apis }).map_err(|error| error.to_string())?;
    files::replace(&data.join(FILE), &text, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let data = std::env::temp_dir().join(format!("ithaca-apis-{}", std::process::id()));
        fs::create_dir_all(&data).unwrap();
        assert_eq!(load(&data), Ok(Vec::new()));
        let route = |method: &str| StoredRoute {
            method: method.into(),
            path: "/".into(),
            function_arn: None,
            integration: Some(Integration::function("arn", Payload::V1)),
        };
        let api = StoredApi {
            id: "a".into(),
            name: "n".into(),
            stage: "Prod".into(),
            kind: Kind::Http,
            variables: BTreeMap::from([("v".into(), "1".into())]),
            cors: Some(Cors::default()),
            binary_media_types: vec!["*/*".into()],
            routes: vec![route("ANY")],
        };
        save(&data, vec![api.clone()]).unwrap();
        assert_eq!(load(&data), Ok(vec![api]));
        fs::write(data.join(FILE), "{").unwrap();
        assert!(load(&data).unwrap_err().contains("is damaged"));
        assert!(route("NO WAY").to_route().is_err());
        // The first format.
        let route = r#"{ "method": "ANY", "path": "/", "function_arn": "arn" }"#;
        let first =
            format!(r#"{{ "format": 1, "apis": [{{ "id": "a", "name": "n", "stage": "s", "routes": [{route}] }}] }}"#);
        fs::write(data.join(FILE), first).unwrap();
        let api = load(&data).unwrap()[0].to_api().unwrap();
        assert_eq!(api.routes()[0].integration, Integration::function("arn", Payload::V1));
        assert_eq!(api.kind(), Kind::Rest);
        fs::remove_dir_all(&data).unwrap();
    }
}
