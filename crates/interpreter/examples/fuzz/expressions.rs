//! Paths, calls and expressions: grown from their grammar, so that they get far, then damaged, so that they do not.

use asl::intrinsic::Call;
use asl::jsonata::{Available, Expression, Scope as JsonataScope, States};
use asl::path::{Path, ReferencePath};
use asl::scope::{Context, Entropy, Scope};
use asl::template::Template;
use serde_json::{Value, json};

use crate::Corpus;
use crate::documents::{self, NAMES};
use crate::random::Random;

const PATH_PIECES: &str = "$ $$ @ . .. * [ ] ( ) ? ' \" a b items 0 -1 1: :2 ::0 , == != < >= && || ! =~ /a/i in nin \
     size empty true null 1e999 99999999999999999999 -9223372036854775808 .length() .min() .keys() .concat( \
     [?(@.a_>_1)] [?(!(@))] [*] ..a [0,1] ['a','b'] \\ é";

pub fn path(random: &mut Random, _: &Corpus) -> Result<&'static str, String> {
    let text = path_text(random);
    let text = match random.below(4) {
        0 => random.mutated(&text, PATH_PIECES),
        1 => (0..random.below(10)).map(|_| random.word(PATH_PIECES)).collect(),
        _ => text,
    };
    crate::show(&text);
    let document = documents::document(random);
    if let Ok(reference) = ReferencePath::parse(&text) {
        let set = reference.set(document.clone(), json!("put"));
        if let (Ok(changed), false) = (&set, reference.is_root())
            && reference.get(changed) != Some(&json!("put"))
        {
            return Err(format!("what {text} has set is not there: {changed}"));
        }
    }
    let path = match Path::parse(&text) {
        Err(error) if error.offset > text.len() => return Err(format!("{text}: {error:?} is past the end")),
        Err(_) => return Ok("refused"),
        Ok(path) => path,
    };
    match path.get(&document) {
        Err(_) => Ok("no match"),
        Ok(found) if !path.is_definite() && !found.is_array() && !text.contains("()") && !text.contains('(') => {
            Err(format!("{text} is not definite, but gives {found} of {document}"))
        }
        Ok(_) => Ok("match"),
    }
}

pub fn path_text(random: &mut Random) -> String {
    let mut text = (*random.of_list(&["$", "$", "$", "$$", "$a", "$count"])).to_owned();
    for _ in 0..random.below(5) {
        text += &segment(random, 2);
    }
    text
}

fn segment(random: &mut Random, depth: usize) -> String {
    let name = random.word(NAMES);
    let index = random.below(5) as i64 - 2;
    match random.below(if depth == 0 { 8 } else { 10 }) {
        0..3 => format!(".{}", name.replace(['.', ' '], "")),
        3 => format!("['{name}']"),
        4 => format!("[{index}]"),
        5 => format!("..{}", name.replace(['.', ' '], "")),
        6 => "[*]".into(),
        7 => format!("[{index}:{}]", random.below(4)),
        8 => format!("[?({})]", filter(random, depth - 1)),
        _ => (*random.of_list(&[".length()", ".min()", ".max()", ".keys()", ".sum()", ".*", "[0,1]", "[::2]"])).into(),
    }
}

fn filter(random: &mut Random, depth: usize) -> String {
    let side = |random: &mut Random| match random.below(5) {
        0 => format!("@{}", segment(random, 0)),
        1 => "@".to_owned(),
        2 => documents::number(random).to_string(),
        3 => format!("'{}'", random.word(NAMES)),
        _ => format!("${}", segment(random, 0)),
    };
    let (left, right) = (side(random), side(random));
    match random.below(if depth == 0 { 3 } else { 5 }) {
        0 => left,
        1 => format!("{left} {} {right}", random.word("== != < <= > >= in nin =~ size empty")),
        2 => format!("{left} =~ /{}/i", random.word("a .* ^(a+)+$ [a-z]{1,9} \\d( |")),
        3 => format!("!({})", filter(random, depth - 1)),
        _ => {
            format!("({} {} {})", filter(random, depth - 1), random.word("&& ||"), filter(random, depth - 1))
        }
    }
}

const CALL_PIECES: &str = "States.Format States.Array States.UUID ( ) , ' \\' {} \\{ $ $.a $$. 1 -1 1.5 null true \
     States.Nothing( '' ' \\ é";

pub fn intrinsic(random: &mut Random, _: &Corpus) -> Result<&'static str, String> {
    let text = call_text(random, 3);
    let text = if random.is(25) { random.mutated(&text, CALL_PIECES) } else { text };
    crate::show(&text);
    let (document, variables, entropy) =
        (documents::document(random), variables(random), Entropy::new(random.number()));
    let context = Context::new(|| json!({ "Execution": { "Id": "run" }, "Map": { "Item": { "Index": 0 } } }));
    let scope = Scope { input: &document, context: &context, variables: &variables, entropy: &entropy };
    let outcome = match Call::parse(&text) {
        Err(_) => "refused",
        Ok(call) => match call.evaluate(&scope) {
            Err(error) if error.error.is_empty() => return Err(format!("{text} fails without a name")),
            Err(_) => "failed",
            Ok(value) => {
                readable(&text, &value)?;
                "evaluated"
            }
        },
    };
    let template = json!({ "a.$": text, "b": [{ "c.$": path_text(random) }, documents::value(random, 2)] });
    let mut diagnostics = Vec::new();
    if let Some(template) = Template::parse(&template, "", &mut diagnostics) {
        if let Ok(value) = template.evaluate(&scope) {
            readable(&text, &value)?;
        }
    } else if diagnostics.is_empty() {
        return Err(format!("the template of {text} is refused without a reason"));
    }
    Ok(outcome)
}

pub fn call_text(random: &mut Random, depth: usize) -> String {
    let name = random.word(
        "Array ArrayContains ArrayGetItem ArrayLength ArrayPartition ArrayRange ArrayUnique Base64Decode Base64Encode \
         Format Hash JsonMerge JsonToString MathAdd MathRandom StringSplit StringToJson UUID",
    );
    // Numbers that make it a long list are for the functions to refuse.
    let count = if random.is(80) { usual_arguments(&name) } else { random.below(4) };
    let arguments: Vec<String> = (0..count).map(|_| argument(random, depth)).collect();
    format!("States.{name}({})", arguments.join(", "))
}

fn usual_arguments(name: &str) -> usize {
    match name {
        "UUID" => 0,
        "ArrayLength" | "ArrayUnique" | "Base64Decode" | "Base64Encode" | "JsonToString" | "StringToJson" => 1,
        "ArrayRange" | "JsonMerge" => 3,
        _ => 2,
    }
}

fn argument(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => path_text(random),
        1 => "$.items".into(),
        2 => format!("'{}'", documents::text(random).replace('\\', "\\\\").replace('\'', "\\'").replace('"', "")),
        3 => documents::number(random).to_string(),
        4 => random.word("1 2 3 -1 0 10 1000000 null true false $.a $ '{}' 'SHA-1' ','"),
        _ => call_text(random, depth - 1),
    }
}

fn variables(random: &mut Random) -> serde_json::Map<String, Value> {
    let mut variables = documents::object(random, 2);
    variables.insert("count".into(), documents::number(random));
    variables
}

/// What an expression gives is written, stored and read again.
fn readable(text: &str, value: &Value) -> Result<(), String> {
    let written = value.to_string();
    // Deeper values are refused where they become payloads.
    let payload = interpreter::Payload::from_checked_text(written.as_str());
    if payload.is_deeper_than(interpreter::limits::PAYLOAD_DEPTH_MAX) {
        return Ok(());
    }
    match serde_json::from_str::<Value>(&written) {
        Ok(read) if read == *value => Ok(()),
        Ok(read) => Err(format!("{text} gives {written}, which is read as {read}")),
        Err(error) => Err(format!("{text} gives {written}, which is not JSON: {error}")),
    }
}

const JSONATA_PIECES: &str = "$ $$ $x $states . .. * ** % ^( ( ) [ ] { } , ; : := ? ?: ?? ~> & + - / = != < > and or in \
     function($x){ } λ |a|{}| /a/i \"x\" 'y' `a_b` 1 -0 1e308 1e309 0.1 null true [1..3] #$i @$v $sum( $map( //* */ \
     $states.input é";

pub fn jsonata(random: &mut Random, _: &Corpus) -> Result<&'static str, String> {
    let text = jsonata_text(random, 4);
    let text = match random.below(8) {
        0 => random.mutated(&text, JSONATA_PIECES),
        1 => (0..random.below(12)).map(|_| random.word(JSONATA_PIECES)).collect::<Vec<_>>().join(" "),
        _ => text,
    };
    crate::show(&text);
    let Ok(expression) = Expression::parse(&text) else { return Ok("refused") };
    expression.findings(Available { result: random.is(50), error_output: random.is(50) });
    let (document, result, variables) = (documents::document(random), documents::value(random, 2), variables(random));
    let context = Context::new(|| json!({ "Execution": { "Id": "run" } }));
    let seed = random.number();
    let evaluate = || {
        let states = States { input: &document, result: Some(&result), error_output: None, context: &context };
        let scope =
            JsonataScope { states, variables: &variables, entropy: &Entropy::new(seed), now_ms: 1_772_690_828_009 };
        expression.evaluate(&scope, "Output")
    };
    let first = evaluate();
    match &first {
        Err(failure) if failure.cause.is_empty() => return Err(format!("{text} fails without a cause")),
        Ok(value) => readable(&text, value)?,
        Err(_) => {}
    }
    // Equal scopes give equal results. Once in a while is enough.
    if random.is(5) && evaluate().map_err(|failure| failure.cause) != first.clone().map_err(|failure| failure.cause) {
        return Err(format!("{text} gives different results on {document}"));
    }
    Ok(if first.is_ok() { "evaluated" } else { "failed" })
}

pub fn jsonata_text(random: &mut Random, depth: usize) -> String {
    let inner = |random: &mut Random| jsonata_text(random, depth.saturating_sub(1));
    match random.below(if depth == 0 { 5 } else { 22 }) {
        0 => documents::number(random).to_string(),
        1 => random
            .word("true null 0 1 2 'a' 'open' \"x\" [] {} $x $count 'a,b' '2026-03-05T06:07:08Z' '[Y]-[M01]' '#0.00'"),
        2 => "$states.input".into(),
        3 => format!("$states.input.{}", jsonata_name(random)),
        4 => format!("$states.input.items.{}", jsonata_name(random)),
        5 | 6 => {
            let operator = random.word("+ - * / % & = != < <= > >= and or in ?: ?? ~> .");
            format!("({} {operator} {})", inner(random), inner(random))
        }
        7 => format!("({} ? {} : {})", inner(random), inner(random), inner(random)),
        8 => format!("[{}, {}]", inner(random), inner(random)),
        9 => format!("[{}..{}]", random.below(4), random.below(2_000)),
        10 => format!("{{'{}': {}}}", jsonata_name(random).replace('`', ""), inner(random)),
        11 => format!("{}[{}]", inner(random), inner(random)),
        12 => format!("($x := {}; {})", inner(random), inner(random)),
        13 => format!("function($x) {{ {} }}({})", inner(random), inner(random)),
        14 => format!("{}^(>{})", inner(random), jsonata_name(random)),
        15 => format!("{}{{{}: {}}}", inner(random), inner(random), inner(random)),
        16 => format!("{} ~> |{}|{{'n': {}}}|", inner(random), jsonata_name(random), inner(random)),
        17 => {
            let higher = random.word("map filter reduce single each sift sort");
            format!("${higher}({}, function($x, $y) {{ {} }})", inner(random), inner(random))
        }
        18 => format!("$match({}, /{}/)", inner(random), random.word("a+ (a|b)* ^.*$ \\d ([a-z]+)+$")),
        19 => format!("{}.*.{}", inner(random), inner(random)),
        _ => {
            let name = random.word(
                "sum count max min average append reverse shuffle distinct zip sort string length substring pad trim \
                 uppercase split join contains replace base64encode base64decode encodeUrl decodeUrl number abs floor \
                 ceil round power sqrt random formatNumber formatBase formatInteger parseInteger boolean not exists keys \
                 lookup spread merge each error assert type now millis fromMillis toMillis partition range hash uuid parse \
                 eval eval clone",
            );
            let arguments: Vec<String> = (0..random.below(4)).map(|_| inner(random)).collect();
            format!("${name}({})", arguments.join(", "))
        }
    }
}

fn jsonata_name(random: &mut Random) -> String {
    let name = random.word(NAMES);
    if name.chars().all(|char| char.is_ascii_alphabetic()) { name } else { format!("`{name}`") }
}
