//! `ithaca backup`: asks the running Ithaca to copy its data folder, and tells how far it is.
//!
//! The instance copies, because only it can hold its commits for the moment at which the copy is taken. So the folder is
//! one of the machine that it runs on, and it refuses to be asked from another.

use std::process::ExitCode;

use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::client::Client;
use super::terminal::{Tone, duration, paint, print_line};
use super::{BackupArgs, Context, Outcome};

pub async fn run(args: BackupArgs, context: &Context) -> Outcome {
    let folder = std::path::absolute(&args.folder).map_err(|error| format!("{}: {error}", args.folder.display()))?;
    let folder = folder.to_str().ok_or("the folder's path must be UTF-8")?;
    let connected = Client::connect(&context.endpoint).await;
    let mut client =
        connected.map_err(|error| format!("{error}. The data folder of a stopped one is copied as it is"))?;
    let request = Request::post("/ithaca/backup")
        .header(header::HOST, client.authority())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(json!({ "folder": folder, "compact": args.compact }).to_string()))
        .map_err(|error| error.to_string())?;
    let answer = client.open(request).await?;
    let (status, mut body) = (answer.status(), answer.into_body());
    let mut lines = Lines::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("the backup was cut off: {error}"))?;
        let Ok(data) = frame.into_data() else { continue };
        for line in lines.take(&data) {
            if let Some(end) = tell(&line, status, folder, context) {
                return end;
            }
        }
    }
    Err(match status {
        StatusCode::OK => "the backup was cut off: Ithaca has ended".into(),
        StatusCode::NOT_FOUND => format!("the Ithaca at {} is an older one, which cannot be asked", context.endpoint),
        _ => format!("{} answered {status}", context.endpoint),
    })
}

/// Prints a line of the answer; gives the outcome if it is the last.
fn tell(line: &str, status: StatusCode, folder: &str, context: &Context) -> Option<Outcome> {
    let Ok(said) = serde_json::from_str::<Value>(line) else {
        return Some(Err(format!("{} answered {status}: {}", context.endpoint, line.trim())));
    };
    if let Some(error) = said["error"].as_str() {
        return Some(Err(error.to_owned()));
    }
    let is_over = said["done"] == true;
    match (context.json, is_over) {
        (true, _) => print_line!("{said}"),
        (false, false) => {
            let [bytes, of] = ["bytes", "of"].map(|member| said[member].as_u64().unwrap_or(0));
            let line =
                format!("  {:<14} {:>9} of {}", said["file"].as_str().unwrap_or_default(), size(bytes), size(of));
            print_line!("{}", paint(Tone::Quiet, &line));
        }
        (false, true) => {
            let ms = |member: &str| duration(said[member].as_f64().unwrap_or(0.0));
            let bytes = size(said["bytes"].as_u64().unwrap_or(0));
            print_line!(
                "{} to {folder} in {}; commits waited {}",
                paint(Tone::Good, &bytes),
                ms("tookMs"),
                ms("heldMs")
            );
            for text in said["leftOut"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                print_line!("  not in it: {text}");
            }
        }
    }
    is_over.then_some(Ok(ExitCode::SUCCESS))
}

/// `17 B`, `4.2 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "KB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", bytes as f64 / *unit as f64),
        None => format!("{bytes} B"),
    }
}

/// Puts lines together again that the network cut.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, data: &Bytes) -> Vec<String> {
        self.0.extend_from_slice(data);
        let mut lines = Vec::new();
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.0.drain(..=end).collect();
            lines.push(String::from_utf8_lossy(&line).into_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_lines() {
        let check = |bytes, expected: &str| assert_eq!(size(bytes), expected);
        check(17, "17 B");
        check(4_250_000, "4.2 MB");
        check(3_000_000_000, "3.0 GB");
        let mut lines = Lines::default();
        assert_eq!(lines.take(&Bytes::from("{\"a\"")), [""; 0]);
        assert_eq!(lines.take(&Bytes::from(":1}\n{}\n{")), ["{\"a\":1}\n", "{}\n"]);
    }
}
