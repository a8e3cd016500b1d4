//! A small client of a running Ithaca: Step Functions' own protocol over plain HTTP.

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::front;

pub struct Client {
    authority: String,
    connection: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects to `http://HOST:PORT`.
    pub async fn connect(endpoint: &str) -> Result<Client, String> {
        let authority = endpoint
            .strip_prefix("http://")
            .map(|rest| rest.trim_end_matches('/').to_owned())
            .filter(|authority| !authority.is_empty() && !authority.contains('/'))
            .ok_or_else(|| format!("the endpoint {endpoint} must have the form http://HOST:PORT"))?;
        let address = if authority.contains(':') { authority.clone() } else { format!("{authority}:80") };
        let stream = TcpStream::connect(&address).await.map_err(|error| {
            format!(
                "no Ithaca answers at {endpoint} ({error}). Start one with `ithaca up`, or name another with --endpoint"
            )
        })?;
        // Small requests must not wait for more; a socket that refuses the option works all the same.
        let _ = stream.set_nodelay(true);
        let (connection, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("{endpoint}: {error}"))?;
        tokio::spawn(driver);
        let mut client = Client { authority, connection };
        client.check_port(endpoint).await?;
        Ok(client)
    }

    /// Nothing that acts is sent to a port that is somebody else's. Ports of APIs refuse this question themselves, since
    /// what an API's function does is not known: it may book a trip.
    async fn check_port(&mut self, endpoint: &str) -> Result<(), String> {
        let request = Request::get("/healthz")
            .header(header::HOST, &self.authority)
            .header(front::FOR_MAIN_PORT, "1")
            .body(Full::default())
            .map_err(|error| error.to_string())?;
        let (status, body) = self.send(request).await?;
        match status {
            StatusCode::OK if body == front::ALIVE => Ok(()),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::FORBIDDEN => {
                Err(format!("{endpoint} answered {status}: {}", String::from_utf8_lossy(&body).trim()))
            }
            _ => Err(format!(
                "{endpoint} is not Ithaca's main port. Name it with --endpoint; `ithaca up` listens on 4566 unless --port says otherwise"
            )),
        }
    }

    /// Calls an operation of Step Functions.
    pub async fn call(&mut self, operation: &str, body: Value) -> Result<Value, String> {
        let request = Request::post("/")
            .header(header::HOST, &self.authority)
            .header(header::CONTENT_TYPE, aws_protocol::AWS_JSON_1_0)
            .header("x-amz-target", format!("{}{operation}", aws_states::TARGET_PREFIX))
            .body(Full::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        let (status, body) = self.send(request).await?;
        let answer: Value = serde_json::from_slice(&body)
            .map_err(|_| format!("{} is not an Ithaca: it answered {status}", self.authority))?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(format!(
            "{}: {}",
            answer["__type"].as_str().unwrap_or("error"),
            answer["message"].as_str().unwrap_or("no text")
        ))
    }

    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
        let answer = self.open(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    /// Sends a request and gives the answer while its body is still coming.
    pub async fn open(&mut self, request: Request<Full<Bytes>>) -> Result<http::Response<Incoming>, String> {
        self.connection.ready().await.map_err(|error| format!("{}: {error}", self.authority))?;
        self.connection.send_request(request).await.map_err(|error| format!("{}: {error}", self.authority))
    }

    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// All state machines, following the pages.
    pub async fn machines(&mut self) -> Result<Vec<Value>, String> {
        self.all("ListStateMachines", json!({}), "stateMachines", usize::MAX).await
    }

    /// The ARN of the machine of this name or ARN.
    pub async fn machine(&mut self, name: &str) -> Result<String, String> {
        if name.starts_with("arn:") {
            return Ok(name.to_owned());
        }
        let machines = self.machines().await?;
        let names: Vec<&str> = machines.iter().filter_map(|machine| machine["name"].as_str()).collect();
        let found = machines.iter().find(|machine| machine["name"] == name);
        found.and_then(|machine| machine["stateMachineArn"].as_str()).map(str::to_owned).ok_or_else(|| {
            match names.len() {
                0 => format!("there is no state machine {name}: none is deployed"),
                _ => format!("there is no state machine {name}; there are {}", names.join(", ")),
            }
        })
    }

    /// Entries of a list over as many pages as it takes, at most `limit`.
    pub async fn all(
        &mut self,
        operation: &str,
        mut body: Value,
        member: &str,
        limit: usize,
    ) -> Result<Vec<Value>, String> {
        const PAGE: usize = 1000;
        let mut entries = Vec::new();
        loop {
            body["maxResults"] = (limit - entries.len()).min(PAGE).into();
            let mut page = self.call(operation, body.clone()).await?;
            if let Value::Array(more) = page[member].take() {
                entries.extend(more);
            }
            match page["nextToken"].take() {
                Value::Null => return Ok(entries),
                _ if entries.len() >= limit => return Ok(entries),
                token => body["nextToken"] = token,
            }
        }
    }

    /// Executions of one machine, or the newest of all machines.
    pub async fn executions(
        &mut self,
        machine: Option<&str>,
        status: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Value>, String> {
        let arns = match machine {
            Some(name) => vec![self.machine(name).await?],
            None => {
                let machines = self.machines().await?;
                machines.iter().filter_map(|m| m["stateMachineArn"].as_str().map(str::to_owned)).collect()
            }
        };
        let mut executions = Vec::new();
        for arn in arns {
            let mut body = json!({ "stateMachineArn": arn });
            if let Some(status) = status {
                body["statusFilter"] = status.to_uppercase().into();
            }
            executions.extend(self.all("ListExecutions", body, "executions", limit).await?);
        }
        executions.sort_by(|a, b| b["startDate"].as_f64().total_cmp_or_equal(a["startDate"].as_f64()));
        executions.truncate(limit);
        Ok(executions)
    }

    /// The ARN of the execution that is meant: by ARN, by name or the beginning of it, or the newest.
    pub async fn execution(&mut self, name: Option<&str>) -> Result<String, String> {
        /// How far back a name is looked for.
        const SEARCHED: usize = 10_000;
        let name = match name {
            Some(arn) if arn.starts_with("arn:") => return Ok(arn.to_owned()),
            None => "",
            Some(name) => name,
        };
        let limit = if name.is_empty() { 1 } else { SEARCHED };
        let executions = self.executions(None, None, limit).await?;
        let named = |execution: &&Value| execution["name"].as_str().is_some_and(|it| it.starts_with(name));
        let mut found = executions.iter().filter(named);
        let exact = executions.iter().find(|execution| execution["name"] == name);
        match (exact.or_else(|| found.next()), found.next()) {
            (None, _) if name.is_empty() => Err("there are no executions yet".into()),
            (None, _) => Err(format!("there is no execution {name} among the newest {SEARCHED} of each state machine")),
            (Some(_), Some(_)) if exact.is_none() => {
                Err(format!("several executions begin with {name}: give more of the name"))
            }
            (Some(execution), _) => Ok(execution["executionArn"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

trait Compare {
    fn total_cmp_or_equal(self, other: Self) -> std::cmp::Ordering;
}

impl Compare for Option<f64> {
    fn total_cmp_or_equal(self, other: Option<f64>) -> std::cmp::Ordering {
        self.partial_cmp(&other).unwrap_or(std::cmp::Ordering::Equal)
    }
}
