//! Payload templates: the JSON of `Parameters`, `ResultSelector`, `ItemSelector` and `Assign`, in which the value of a member
//! named `name.$` is a path or a call of an intrinsic function.
//!
//! Parsed once into a tree in which everything without expressions is one literal, so that evaluating such a part
//! is a clone. Members named `.$` are found at every depth, inside arrays too.
//!
//! A template that only places parts of its data, named by members, is also kept as pieces of text: [`Template::splice`].

use serde_json::{Map, Value};

use crate::compact;
use crate::diagnostic::{Diagnostic, Severity};
use crate::intrinsic::Call;
use crate::path::{MissKind, Path, Work};
use crate::scope::{EvalError, Scope};

/// A parsed payload template.
#[derive(Clone, Debug)]
pub struct Template {
    root: Box<Node>,
    /// What it is made of as text, if that is simple.
    pieces: Option<Box<[Piece]>>,
}

/// What stands in a spliced text one after the other.
#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    /// A part of the data, by the names that lead to it.
    Data(Vec<Box<str>>),
}

/// What is spliced costs less than a byte's worth of [`Work`] for each of its bytes: below this nothing can take too much.
const SPLICED_BYTES_MAX: usize = 1_000_000;

impl Template {
    /// `pointer` is the JSON pointer of `value` in the definition. None when there was an error.
    pub fn parse(value: &Value, pointer: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Template> {
        let errors_before = errors(diagnostics);
        let root = Node::parse(value, pointer, diagnostics);
        (errors(diagnostics) == errors_before).then(|| Template { pieces: Piece::all(&root), root: Box::new(root) })
    }

    /// What [`Template::evaluate`] gives, as text, made of the text of the data without reading it, which must be
    /// [compact](crate::compact). `None` where that is not simple, or an error: evaluating tells then.
    pub fn splice(&self, compact: &str) -> Option<String> {
        let pieces = self.pieces.as_ref()?.iter();
        let is_sought = |piece: &&Piece| matches!(piece, Piece::Data(names) if !names.is_empty());
        // Each is sought from the beginning; many in a long text are found sooner in its values.
        if pieces.clone().filter(is_sought).count().saturating_mul(compact.len()) > SPLICED_BYTES_MAX {
            return None;
        }
        let texts = pieces.map(|piece| match piece {
            Piece::Text(text) => Some(&**text),
            Piece::Data(names) => compact::find(compact, names),
        });
        let texts: Vec<&str> = texts.collect::<Option<_>>()?;
        let is_much = texts.iter().map(|text| text.len()).sum::<usize>() > SPLICED_BYTES_MAX;
        (!is_much).then(|| texts.concat())
    }

    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        self.root.evaluate(scope, &Work::new())
    }

    pub(crate) fn paths<'t>(&'t self, each: &mut impl FnMut(&'t Path)) {
        self.root.paths(each);
    }
}

impl Piece {
    fn all(root: &Node) -> Option<Box<[Piece]>> {
        let mut pieces = vec![Piece::Text(String::new())];
        Piece::of(root, &mut pieces)?;
        Some(pieces.into())
    }

    fn of(node: &Node, pieces: &mut Vec<Piece>) -> Option<()> {
        match node {
            Node::Literal(value) => Piece::text(&value.to_string(), pieces),
            Node::Array(nodes) => {
                Piece::text("[", pieces);
                for (index, node) in nodes.iter().enumerate() {
                    Piece::text(if index > 0 { "," } else { "" }, pieces);
                    Piece::of(node, pieces)?;
                }
                Piece::text("]", pieces);
            }
            Node::Object(nodes) => {
                Piece::text("{", pieces);
                for (index, (name, node)) in nodes.iter().enumerate() {
                    // `name` beside `name.$`: a map has one of them.
                    if nodes[..index].iter().any(|(before, _)| before == name) {
                        return None;
                    }
                    let comma = if index > 0 { "," } else { "" };
                    Piece::text(&format!("{comma}{}:", Value::from(&**name)), pieces);
                    Piece::of(node, pieces)?;
                }
                Piece::text("}", pieces);
            }
            Node::Expression { expression: Expression::Path(path), .. } => pieces.push(Piece::Data(path.names()?)),
            Node::Expression { expression: Expression::Call(_), .. } => return None,
        }
        Some(())
    }

    fn text(more: &str, pieces: &mut Vec<Piece>) {
        match pieces.last_mut() {
            Some(Piece::Text(text)) => text.push_str(more),
            _ => pieces.push(Piece::Text(more.to_owned())),
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    Object(Vec<(String, Node)>),
    Array(Vec<Node>),
    /// `field` is the member's name with its `.$`, as error texts show it.
    Expression {
        field: String,
        expression: Expression,
    },
}

impl Node {
    fn parse(value: &Value, pointer: &str, diagnostics: &mut Vec<Diagnostic>) -> Node {
        match value {
            Value::Array(items) => {
                let nodes = items.iter().enumerate();
                let nodes = nodes.map(|(index, item)| Node::parse(item, &format!("{pointer}/{index}"), diagnostics));
                Node::array(nodes.collect(), value)
            }
            Value::Object(members) => {
                let nodes = members.iter().map(|(name, member)| {
                    let pointer = format!("{pointer}/{}", escaped(name));
                    match name.strip_suffix(".$") {
                        Some(bare) => (bare.to_owned(), Node::expression(name, member, pointer, diagnostics)),
                        None => (name.clone(), Node::parse(member, &pointer, diagnostics)),
                    }
                });
                Node::object(nodes.collect(), value)
            }
            scalar => Node::Literal(scalar.clone()),
        }
    }

    fn array(nodes: Vec<Node>, value: &Value) -> Node {
        if nodes.iter().all(Node::is_literal) { Node::Literal(value.clone()) } else { Node::Array(nodes) }
    }

    fn object(nodes: Vec<(String, Node)>, value: &Value) -> Node {
        if nodes.iter().all(|(_, node)| node.is_literal()) { Node::Literal(value.clone()) } else { Node::Object(nodes) }
    }

    fn expression(field: &str, value: &Value, pointer: String, diagnostics: &mut Vec<Diagnostic>) -> Node {
        let parsed = match value {
            Value::String(text) => Expression::parse(text),
            _ => Err("the value is not a string".to_owned()),
        };
        let message =
            format!("The value for the field '{field}' must be a valid JSONPath or a valid intrinsic function call");
        match parsed {
            Ok(expression) => {
                let warnings = expression.warnings().into_iter();
                diagnostics.extend(warnings.map(|help| finding(Severity::Warning, message.clone(), &pointer, help)));
                Node::Expression { field: field.to_owned(), expression }
            }
            Err(help) => {
                diagnostics.push(finding(Severity::Error, message, &pointer, help));
                Node::Literal(Value::Null)
            }
        }
    }

    fn paths<'n>(&'n self, each: &mut impl FnMut(&'n Path)) {
        match self {
            Node::Literal(_) => {}
            Node::Array(nodes) => nodes.iter().for_each(|node| node.paths(each)),
            Node::Object(nodes) => nodes.iter().for_each(|(_, node)| node.paths(each)),
            Node::Expression { expression, .. } => expression.paths(each),
        }
    }

    fn is_literal(&self) -> bool {
        matches!(self, Node::Literal(_))
    }

    fn evaluate(&self, scope: &Scope<'_>, work: &Work) -> Result<Value, EvalError> {
        match self {
            Node::Literal(value) => Ok(value.clone()),
            Node::Array(nodes) => nodes.iter().map(|node| node.evaluate(scope, work)).collect(),
            Node::Object(nodes) => {
                let mut members = Map::with_capacity(nodes.len());
                for (name, node) in nodes {
                    members.insert(name.clone(), node.evaluate(scope, work)?);
                }
                Ok(Value::Object(members))
            }
            Node::Expression { field, expression } => expression.evaluate_within(scope, field, work),
        }
    }
}

/// A path or a call of an intrinsic function.
#[derive(Clone, Debug)]
pub enum Expression {
    Path(Path),
    Call(Call),
}

impl Expression {
    /// The message says what is wrong and where.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.trim_start().starts_with('$') {
            Path::parse(text).map(Expression::Path).map_err(|error| error.to_string())
        } else if text.trim_start().starts_with("States.") {
            Call::parse(text).map(Expression::Call)
        } else {
            Err("an expression is a path, which begins with '$', or a call, which begins with 'States.'".to_owned())
        }
    }

    /// The text it was parsed from.
    pub fn text(&self) -> &str {
        match self {
            Expression::Path(path) => path.text(),
            Expression::Call(call) => call.text(),
        }
    }

    /// For an expression that is no field of its own; see [`Expression::evaluate_field`].
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        match self {
            Expression::Path(path) => path.evaluate(scope).map(|value| value.into_owned()),
            Expression::Call(call) => call.evaluate(scope),
        }
    }

    /// `field` is the name that AWS's error text tells: `ErrorPath`, `CausePath`.
    pub fn evaluate_field(&self, scope: &Scope<'_>, field: &str) -> Result<Value, EvalError> {
        self.evaluate_within(scope, field, &Work::new())
    }

    /// What AWS accepts in a definition and fails at run time.
    pub fn warnings(&self) -> Vec<String> {
        match self {
            Expression::Path(_) => Vec::new(),
            Expression::Call(call) => call.warnings(),
        }
    }

    pub(crate) fn paths<'e>(&'e self, each: &mut impl FnMut(&'e Path)) {
        match self {
            Expression::Path(path) => each(path),
            Expression::Call(call) => call.paths(each),
        }
    }

    fn evaluate_within(&self, scope: &Scope<'_>, field: &str, work: &Work) -> Result<Value, EvalError> {
        match self {
            Expression::Path(path) => path_value(path, scope, field, work),
            Expression::Call(call) => call.evaluate_within(scope, work),
        }
    }
}

/// An index behind the end of an array is null here, and only here: so AWS does.
fn path_value(path: &Path, scope: &Scope<'_>, field: &str, work: &Work) -> Result<Value, EvalError> {
    let found = path.find_in(scope, work).and_then(|value| {
        // What is owned was paid for when it was made.
        if let std::borrow::Cow::Borrowed(value) = value {
            work.copy_of(value)?;
        }
        Ok(value.into_owned())
    });
    found.or_else(|miss| match miss.kind {
        MissKind::PastEnd => Ok(Value::Null),
        MissKind::TooMuchWork => Err(EvalError::runtime(format!(
            "The JSONPath '{}' specified for the field '{field}' cannot be evaluated: {}",
            path.text(),
            miss.reason
        ))),
        MissKind::Absent | MissKind::NotAnArray => Err(EvalError::runtime(format!(
            "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
            path.text(),
            path.root_in(scope).unwrap_or(scope.input)
        ))),
    })
}

fn errors(diagnostics: &[Diagnostic]) -> usize {
    diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count()
}

fn finding(severity: Severity, message: String, pointer: &str, help: String) -> Diagnostic {
    let pointer = pointer.to_owned();
    Diagnostic { severity, code: "SCHEMA_VALIDATION_FAILED", message, pointer, line: 0, column: 0, help: Some(help) }
}

/// A member's name as one step of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scope::{Context, Entropy, NoVariables};

    fn evaluate(template: &Value, input: &Value) -> Result<Value, EvalError> {
        let mut diagnostics = Vec::new();
        let template = Template::parse(template, "/States/S/Parameters", &mut diagnostics).expect("a valid template");
        let context = Context::new(|| json!({"Execution": {"Id": "run-1"}}));
        let scope = Scope { input, context: &context, variables: &NoVariables, entropy: &Entropy::new(1) };
        let made = template.evaluate(&scope);
        if let Some(spliced) = template.splice(&input.to_string()) {
            assert_eq!(made.as_ref().map(Value::to_string).as_ref(), Ok(&spliced), "spliced as it is evaluated");
        }
        made
    }

    #[test]
    fn what_is_spliced() {
        let check = |template: Value, expect: Option<&str>| {
            let parsed = Template::parse(&template, "/T", &mut Vec::new()).expect("a valid template");
            let input = r#"{"a":{"b":"x"},"n":null,"list":[1]}"#;
            assert!(crate::compact::is_compact(input));
            assert_eq!(parsed.splice(input).as_deref(), expect, "{template}");
            evaluate(&template, &serde_json::from_str(input).unwrap()).ok();
        };
        check(
            json!({"FunctionName": "f", "Payload.$": "$"}),
            Some(r#"{"FunctionName":"f","Payload":{"a":{"b":"x"},"n":null,"list":[1]}}"#),
        );
        check(json!({"x": [{"y.$": "$.a.b"}, 1, {}], "n.$": "$.n"}), Some(r#"{"x":[{"y":"x"},1,{}],"n":null}"#));
        check(json!({"x\n\"": 1, "y.$": "$['a']"}), Some(r#"{"x\n\"":1,"y":{"b":"x"}}"#));
        check(json!({"x": 1}), Some(r#"{"x":1}"#));
        check(json!({"x": 1, "x.$": "$.a"}), None);
        for path in
            ["$.nope", "$.a.b.c", "$.list[0]", "$.list[9]", "$..b", "$$", "$$.State", "$.a['b','c']", "$.list.length()"]
        {
            check(json!({"x.$": path}), None);
        }
        check(json!({"x.$": "States.UUID()"}), None);
    }

    #[test]
    fn templates_and_what_they_give() {
        let input = json!({"a": {"b": 1}, "list": [1, 2.0], "null": null});
        let rows = [
            (json!({"x.$": "$.a.b", "y": "$.a.b"}), json!({"x": 1, "y": "$.a.b"})),
            (json!({"x": {"y": [{"z.$": "$.list"}, 3]}}), json!({"x": {"y": [{"z": [1, 2.0]}, 3]}})),
            (json!({"id.$": "$$.Execution.Id", "all.$": "$"}), json!({"id": "run-1", "all": input})),
            (json!({"n.$": "States.ArrayLength($.list)"}), json!({"n": 2})),
            (json!({"past.$": "$.list[5]", "none.$": "$.nope[*]"}), json!({"past": null, "none": []})),
            (json!({"null.$": "$.null"}), json!({"null": null})),
            (json!({}), json!({})),
            (json!([1, "two"]), json!([1, "two"])),
        ];
        for (template, expected) in rows {
            assert_eq!(evaluate(&template, &input), Ok(expected), "{template}");
        }
    }

    #[test]
    fn failures_have_the_texts_of_aws() {
        let input = json!({"int-literal": 0, "list": []});
        let shown = r#"{"int-literal":0,"list":[]}"#;
        let context = r#"{"Execution":{"Id":"run-1"}}"#;
        let missing = |path: &str, input: &str| {
            format!("The JSONPath '{path}' specified for the field 'value.$' could not be found in the input '{input}'")
        };
        let rows = [
            (json!({"value.$": "$.nope"}), missing("$.nope", shown)),
            (json!({"deep": [{"value.$": "$.no.pe"}]}), missing("$.no.pe", shown)),
            (json!({"value.$": "$.list[0].x"}), missing("$.list[0].x", shown)),
            (json!({"value.$": "$$.Execution.Nope"}), missing("$$.Execution.Nope", context)),
        ];
        for (template, expected) in rows {
            assert_eq!(evaluate(&template, &input), Err(EvalError::runtime(expected)), "{template}");
        }
    }

    #[test]
    fn what_is_no_expression_is_reported_at_its_place() {
        let rows = [
            (json!({"a.$": "a.b"}), "/T/a.$", Severity::Error, "begins with '$'"),
            (json!({"a.$": 1}), "/T/a.$", Severity::Error, "not a string"),
            (json!({"x/y": [{"b.$": "$.["}]}), "/T/x~1y/0/b.$", Severity::Error, "after '['"),
            (json!({"c.$": "$states.input"}), "/T/c.$", Severity::Error, "JSONata only"),
            (json!({"d.$": "States.Nope()"}), "/T/d.$", Severity::Error, "no intrinsic function"),
            (json!({"e.$": "States.Array(States.UUID(1))"}), "/T/e.$", Severity::Warning, "takes 0 arguments, not 1"),
        ];
        for (template, pointer, severity, help) in rows {
            let mut diagnostics = Vec::new();
            let parsed = Template::parse(&template, "/T", &mut diagnostics);
            let [finding] = &diagnostics[..] else { panic!("one finding for {template}, not {diagnostics:?}") };
            assert_eq!((&*finding.pointer, finding.severity), (pointer, severity), "{template}");
            assert!(finding.help.as_ref().is_some_and(|text| text.contains(help)), "{finding}");
            assert_eq!(parsed.is_some(), severity == Severity::Warning, "{template}");
        }
    }

    #[test]
    fn a_template_cannot_multiply_its_input_without_bound() {
        let input = json!({"big": vec![0; 100_000]});
        let many: Map<String, Value> = (0..1_000).map(|index| (format!("{index}.$"), json!("$"))).collect();
        let error = evaluate(&Value::Object(many), &input).expect_err("a hundred million nodes");
        assert!(error.cause.contains("takes more than"), "{}", error.cause);
    }
}
