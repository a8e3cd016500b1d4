//! What the tests share: a template in memory, files in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aws_cloudformation::{Diagnostic, Options, Plan, Source, plan};

/// A definition file that substitutes one name, of four lines.
pub const SAGA: &str = "{\n  \"StartAt\": \"Pay\",\n  \"States\": { \"Pay\": { \"Type\": \"Task\",\n    \"Resource\": \"${Pay}\", \"End\": true } } }\n";

/// A document that is included, with a function of the template in it.
pub const API: &str = "paths:
  /trips:
    get:
      x-amazon-apigateway-integration:
        type: aws_proxy
        httpMethod: POST
        uri: { Fn::Sub: 'arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations' }
";

pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str() {
        Some("app/saga.asl.json") => Ok(SAGA.into()),
        Some("app/saga.asl.yaml") => {
            Ok(b"StartAt: Pay\nStates:\n  Pay:\n    Type: Task\n    Resource: ${Pay}\n    End: true\n".into())
        }
        Some("app/api.yaml") => Ok(API.into()),
        Some("app/inner.yaml") => Ok(b"Parameters: { Names: { Type: CommaDelimitedList } }\nResources:\n  A:\n    Type: AWS::StepFunctions::Activity\n    Properties: { Name: !Sub ['${AWS::StackName}-${n}', { n: !Select [0, !Ref Names] }] }\nOutputs: { First: { Value: !Ref A } }\n".into()),
        Some("app/strange.yaml") => Ok(b"Resources:\n  Odd: { Type: Custom::Odd }\n".into()),
        Some("app/circle.yaml") => Ok(b"Resources:\n  A:\n    Type: AWS::CloudFormation::Stack\n    Properties: { TemplateURL: circle.yaml }\n".into()),
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

/// One error: its line, what stands at its place, and how `[resource:] message` begins.
pub type Row<'a> = (u32, &'a str, &'a str);

/// A template whose errors must be exactly these, in order.
pub fn check_errors(text: &str, expect: &[Row<'_>]) {
    let errors = match plan_with(text, &[]) {
        Ok(plan) => panic!("no errors, but a plan of {:?}\n{text}", plan.resources),
        Err(errors) => errors,
    };
    assert!(errors.iter().all(|e| !e.help.is_empty()), "an error does not say how to mend it: {errors:?}");
    let same = |(error, (line, place, message)): (&Diagnostic, &Row<'_>)| {
        let told = error.resource.as_ref().map_or(error.message.clone(), |r| format!("{r}: {}", error.message));
        error.at.line == *line && text_at(text, error).starts_with(place) && told.starts_with(message)
    };
    let same = errors.len() == expect.len() && errors.iter().zip(expect).all(same);
    assert!(same, "found {:#?}\nwanted {expect:#?}\nin\n{text}", shown(&errors));
}

/// The rest of the line at an error's place; empty for one in another file than the template.
fn text_at(text: &str, error: &Diagnostic) -> String {
    let line = text.lines().nth(error.at.line as usize - 1).filter(|_| error.file.ends_with("template.yaml"));
    line.map_or(String::new(), |line| line.chars().skip(error.at.column as usize - 1).collect())
}

/// The logical ids of a plan's resources, in their order.
pub fn ids(plan: &Plan) -> Vec<&str> {
    plan.resources.iter().map(|resource| resource.logical_id.as_str()).collect()
}
