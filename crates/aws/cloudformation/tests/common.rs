//! What the tests share: a template in memory, files in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aws_cloudformation::{Diagnostic, Options, Plan, Source, plan};

/// A definition file that substitutes one name, of four lines.
pub const SAGA: &str = "{\n  \"StartAt\": \"Pay\",\n  \"States\": { \"Pay\": { \"Type\": \"Task\",\n    \"Resource\": \"${Pay}\", \"End\": true } } }\n";

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str() {
        Some("app/saga.asl.json") => Ok(SAGA.into()),
        Some("app/saga.asl.yaml") => Ok(b"StartAt: Pay\nStates:\n  Pay:\n    Type: Task\n    Resource: ${Pay}\n    End: true\n".into()),
        Some("app/broken.yaml") => Ok(b"StartAt: [\n".into()),
        Some("app/latin1.json") => Ok(b"{\n \"Comment\": \"\xe9\" }".into()),
        Some("app/huge.json") => Ok(vec![b' '; (1 << 20) + 1]),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

pub fn plan_with(text: &str, parameters: &[(&str, &str)]) -> Result<Plan, Vec<Diagnostic>> {
    let parameters: BTreeMap<String, String> = parameters.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    let options = Options { parameters, ..Options::default() };
    plan(Source { path: Path::new("app/template.yaml"), text: text.as_bytes() }, &options, &read)
}

pub fn plan_of(text: &str) -> Plan {
    plan_with(text, &[]).unwrap_or_else(|errors| panic!("{}\n{text}", shown(&errors).join("\n")))
}

/// Each error as `line:column [resource:] message`.
pub fn shown(diagnostics: &[Diagnostic]) -> Vec<String> {
    let resource = |d: &Diagnostic| d.resource.as_ref().map_or(String::new(), |r| format!("{r}: "));
    diagnostics.iter().map(|d| format!("{} {}{}", d.at, resource(d), d.message)).collect()
}

/// A template whose errors must be exactly these, in order; each is a prefix of `line:column [resource:] message`.
pub fn check_errors(text: &str, expect: &[&str]) {
    let errors = match plan_with(text, &[]) {
        Ok(plan) => panic!("no errors, but a plan of {:?}\n{text}", plan.order),
        Err(errors) => errors,
    };
    assert!(errors.iter().all(|e| !e.help.is_empty()), "an error does not say how to mend it: {errors:?}");
    let found = shown(&errors);
    let same = found.len() == expect.len() && found.iter().zip(expect).all(|(f, e)| f.starts_with(e));
    assert!(same, "found {found:#?}\nwanted {expect:#?}\nin\n{text}");
}
