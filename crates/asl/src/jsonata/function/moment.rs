//! Functions of the moment: replayable, since the scope says what time it is.

use jsonata_core::value::JValue;

use super::super::host::{Host, Outcome};
use super::{at_most, mismatch};

/// `$now(picture, timezone)`: the same for a whole evaluation.
pub(in super::super) fn now(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    at_most(2, args, "now")?;
    let moment = JValue::Number(host.now_ms as f64);
    let args: Vec<_> = [moment].into_iter().chain(args.iter().cloned()).collect();
    Host::builtin("fromMillis", &args, context)
}

pub(in super::super) fn millis(host: &Host, args: &[JValue], _: &JValue) -> Outcome {
    if !args.is_empty() {
        return Err(mismatch(1, "millis"));
    }
    Ok(JValue::Number(host.now_ms as f64))
}

/// What a picture does not name, from the year down to the first thing that it names, is that of the present. So it
/// is put in front of both the text and the picture: the evaluator would take its own present.
pub(in super::super) fn to_millis(host: &Host, args: &[JValue], context: &JValue) -> Outcome {
    let (text, picture) = match (args, context) {
        ([JValue::String(text), JValue::String(picture)], _) => (text, picture),
        // `text.$toMillis(picture)` is no such call: one argument is the text.
        _ => return Host::builtin("toMillis", args, context),
    };
    let missing = missing(picture);
    if missing.is_empty() {
        return Host::builtin("toMillis", args, context);
    }
    let present = Host::builtin("fromMillis", &[JValue::Number(host.now_ms as f64), JValue::string(missing)], context)?;
    let Some(present) = present.as_str() else { return Ok(JValue::Undefined) };
    let args = [format!("{present}{text}"), format!("{missing}{picture}")].map(JValue::string);
    Host::builtin("toMillis", &args, context)
}

/// The picture of what another picture takes from the present.
fn missing(picture: &str) -> &'static str {
    let names = |parts: &[char]| parts.iter().any(|part| picture.contains(&format!("[{part}")));
    match () {
        // A year, or a week's year.
        () if names(&['Y', 'X']) => "",
        () if names(&['M', 'd', 'W', 'x']) => "[Y0001]|",
        () if names(&['D', 'w']) => "[Y0001]|[M01]|",
        () if names(&['H', 'h', 'P', 'm', 's', 'f']) => "[Y0001]|[M01]|[D01]|",
        () => "",
    }
}
