//! Running a template: it reads the request, writes a text, and may set the answer's status and headers.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::syntax::{self, Expression, Part, Reference, Step};
use super::value::{call, is_equal, is_true, property, text, util};

/// Steps of one run, and the most it may write: AWS's limit of a request is 10 MB.
const STEPS_MAX: usize = 100_000;
const OUTPUT_BYTES_MAX: usize = 10 << 20;
/// AWS's limit of a `#foreach`.
const ITEMS_MAX: usize = 1_000;

pub struct Scope<'a> {
    body: &'a str,
    params: Value,
    variables: HashMap<String, Value>,
    steps: usize,
}

/// What a template of an answer sets by `$context.responseOverride`.
#[derive(Debug, Default, PartialEq)]
pub struct Overrides {
    pub status: Option<u16>,
    pub headers: Vec<(String, String)>,
}

impl<'a> Scope<'a> {
    pub fn new(body: &'a str, params: Value, context: Value, stage_variables: Value) -> Scope<'a> {
        let variables = [("context", context), ("stageVariables", stage_variables)];
        let variables = variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Scope { body, params, variables, steps: 0 }
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        match self.steps > STEPS_MAX {
            true => Err(format!("it takes over {STEPS_MAX} steps")),
            false => Ok(()),
        }
    }

    fn write(&mut self, parts: &[Part], out: &mut String) -> Result<(), String> {
        for part in parts {
            self.step()?;
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Show(reference) => out.push_str(&self.show(reference)?),
                Part::Set(target, value) => {
                    let value = self.value(value)?;
                    self.set(target, value)?;
                }
                Part::If(branches) => {
                    for (condition, body) in branches {
                        let holds = match condition {
                            Some(condition) => is_true(&self.value(condition)?),
                            None => true,
                        };
                        if holds {
                            self.write(body, out)?;
                            break;
                        }
                    }
                }
                Part::For { name, list, body } => self.repeat(name, list, body, out)?,
            }
            if out.len() > OUTPUT_BYTES_MAX {
                return Err(format!("it writes over {OUTPUT_BYTES_MAX} bytes"));
            }
        }
        Ok(())
    }

    fn repeat(&mut self, name: &str, list: &Expression, body: &[Part], out: &mut String) -> Result<(), String> {
        let items: Vec<Value> = match self.value(list)? {
            Value::Array(items) => items,
            Value::Object(map) => map.into_iter().map(|(_, value)| value).collect(),
            _ => Vec::new(),
        };
        let count = items.len().min(ITEMS_MAX);
        let before =
            [name, "foreach", "velocityCount"].map(|name| (name.to_owned(), self.variables.get(name).cloned()));
        for (index, item) in items.into_iter().take(ITEMS_MAX).enumerate() {
            let state = [
                ("index", index.into()),
                ("count", (index + 1).into()),
                ("hasNext", Value::Bool(index + 1 < count)),
                ("first", Value::Bool(index == 0)),
                ("last", Value::Bool(index + 1 == count)),
            ];
            let state: Map<String, Value> = state.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            self.variables.insert(name.to_owned(), item);
            self.variables.insert("velocityCount".to_owned(), (index + 1).into());
            self.variables.insert("foreach".to_owned(), state.into());
            self.write(body, out)?;
        }
        for (name, value) in before {
            match value {
                Some(value) => drop(self.variables.insert(name, value)),
                None => drop(self.variables.remove(&name)),
            }
        }
        Ok(())
    }

    /// As it is written where a reference stands. One that nobody has set stays as it is, as Velocity has it; what API
    /// Gateway gives and has not is nothing.
    fn show(&mut self, reference: &Reference) -> Result<String, String> {
        let is_given = matches!(reference.name.as_str(), "input" | "util" | "context" | "stageVariables");
        if !is_given && !self.variables.contains_key(&reference.name) {
            return Ok(if reference.is_quiet { String::new() } else { reference.source.clone() });
        }
        Ok(text(&self.find(reference)?))
    }

    fn find(&mut self, reference: &Reference) -> Result<Value, String> {
        self.step()?;
        let (mut value, steps) = match (reference.name.as_str(), reference.steps.as_slice()) {
            ("input", [first, rest @ ..]) => (self.input(first)?, rest),
            ("util", [Step::Call(name, arguments), rest @ ..]) => {
                let argument = self.value(&arguments[0])?;
                (util(name, &argument)?, rest)
            }
            ("input" | "util", _) => return Err(format!("{} is not served", reference.source)),
            (name, steps) => (self.variables.get(name).cloned().unwrap_or_default(), steps),
        };
        for step in steps {
            value = match step {
                Step::Property(name) => property(&value, name),
                Step::Call(name, arguments) => {
                    let arguments: Result<Vec<Value>, String> = arguments.iter().map(|a| self.value(a)).collect();
                    call(&value, name, &arguments?)?
                }
                Step::Index(index) => match self.value(index)? {
                    Value::String(name) => property(&value, &name),
                    index => index.as_u64().and_then(|at| value.get(at as usize)).cloned().unwrap_or_default(),
                },
            };
        }
        Ok(value)
    }

    fn input(&mut self, step: &Step) -> Result<Value, String> {
        match step {
            Step::Property(name) if name == "body" => Ok(self.body.into()),
            Step::Call(name, arguments) if name == "params" && arguments.is_empty() => Ok(self.params.clone()),
            Step::Call(name, arguments) if name == "params" => {
                let wanted = text(&self.value(&arguments[0])?);
                // Path, then query, then header, as AWS looks.
                let found = ["path", "querystring", "header"].iter().find_map(|place| self.params[place].get(&wanted));
                let by_case = || {
                    let headers = self.params["header"].as_object()?;
                    headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(&wanted)).map(|(_, value)| value)
                };
                Ok(found.or_else(by_case).cloned().unwrap_or_default())
            }
            Step::Call(name, arguments) if matches!(name.as_str(), "json" | "path") => {
                let path = text(&self.value(&arguments[0])?);
                let found = self.at(&path)?;
                match (name.as_str(), found) {
                    ("path", found) => Ok(found.unwrap_or_default()),
                    (_, Some(found)) => Ok(found.to_string().into()),
                    (_, None) => Ok("\"\"".into()),
                }
            }
            _ => Err("of $input there are body, json(), path() and params()".to_owned()),
        }
    }

    /// What is at a path of the body. An empty body is an empty object.
    fn at(&self, path: &str) -> Result<Option<Value>, String> {
        let body = if self.body.trim().is_empty() { "{}" } else { self.body };
        // What is not JSON is a text.
        let whole = serde_json::from_str(body).unwrap_or_else(|_| self.body.into());
        Ok(crate::json_path::find(&whole, path)?.cloned())
    }

    fn set(&mut self, target: &Reference, value: Value) -> Result<(), String> {
        let names: Option<Vec<&str>> = target
            .steps
            .iter()
            .map(|step| match step {
                Step::Property(name) => Some(name.as_str()),
                Step::Index(Expression::Text(name)) => Some(name.as_str()),
                _ => None,
            })
            .collect();
        let names = names.ok_or_else(|| format!("#set({}) is not served", target.source))?;
        match (target.name.as_str(), names.as_slice()) {
            ("input" | "util" | "stageVariables", _) => return Err(format!("#set({}) is not served", target.source)),
            ("context", [place, ..]) if *place != "responseOverride" => {
                return Err(format!("#set({}) is not served", target.source));
            }
            _ => {}
        }
        let mut place = self.variables.entry(target.name.clone()).or_default();
        for name in names {
            if !place.is_object() {
                *place = Value::Object(Map::new());
            }
            place = &mut place[name];
        }
        *place = value;
        Ok(())
    }

    fn value(&mut self, expression: &Expression) -> Result<Value, String> {
        self.step()?;
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::True(flag) => (*flag).into(),
            Expression::Number(number) => (*number).into(),
            Expression::Text(text) => text.as_str().into(),
            Expression::Mixed(parts) => {
                let mut out = String::new();
                self.write(parts, &mut out)?;
                out.into()
            }
            Expression::Reference(reference) => self.find(reference)?,
            Expression::List(items) => items.iter().map(|item| self.value(item)).collect::<Result<Vec<_>, _>>()?.into(),
            Expression::Map(entries) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(text(&self.value(key)?), self.value(value)?);
                }
                map.into()
            }
            Expression::Not(inner) => (!is_true(&self.value(inner)?)).into(),
            Expression::Binary("&&", left, right) => {
                (is_true(&self.value(left)?) && is_true(&self.value(right)?)).into()
            }
            Expression::Binary("||", left, right) => {
                (is_true(&self.value(left)?) || is_true(&self.value(right)?)).into()
            }
            Expression::Binary(operator, left, right) => binary(operator, &self.value(left)?, &self.value(right)?)?,
        })
    }
}

fn binary(operator: &str, left: &Value, right: &Value) -> Result<Value, String> {
    match operator {
        "==" => return Ok(is_equal(left, right).into()),
        "!=" => return Ok((!is_equal(left, right)).into()),
        _ => {}
    }
    let (Some(a), Some(b)) = (left.as_i64(), right.as_i64()) else {
        return Err(format!("{operator} is served between whole numbers only"));
    };
    let number = match operator {
        "<" => return Ok((a < b).into()),
        ">" => return Ok((a > b).into()),
        "<=" => return Ok((a <= b).into()),
        ">=" => return Ok((a >= b).into()),
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" => a.checked_div(b),
        _ => a.checked_rem(b),
    };
    number.map(Value::from).ok_or_else(|| format!("{a} {operator} {b} is no number"))
}

/// The text that a template makes.
pub fn run(template: &str, mut scope: Scope<'_>) -> Result<(String, Overrides), String> {
    let parts = syntax::parse(template)?;
    let mut out = String::new();
    scope.write(&parts, &mut out)?;
    let said = scope.variables.remove("context").unwrap_or_default();
    let said = &said["responseOverride"];
    let status = text(&said["status"]).parse().ok();
    let headers = said["header"].as_object().into_iter().flatten().map(|(name, value)| (name.clone(), text(value)));
    Ok((out, Overrides { status, headers: headers.collect() }))
}
