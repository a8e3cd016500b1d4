//! `ithaca new`: writes an app to start from.
//!
//! What is written is an example as it is, but for its name in the README: the folder's name becomes the stack's, so nothing else has one.

mod templates;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::json;

use super::terminal::{Tone, paint, print_line};
use super::{Context, NewArgs, Outcome};
pub use templates::Language;
use templates::{App, TEMPLATES, Template};

/// AWS's limit of a stack's name, which the folder's becomes.
const NAME_MAX: usize = 128;

pub fn run(args: &NewArgs, context: &Context) -> Outcome {
    if args.list {
        list(context);
        return Ok(ExitCode::SUCCESS);
    }
    let folder = args.folder.as_deref().ok_or("name the folder of the app: `ithaca new NAME --template TEMPLATE`")?;
    let name = name_of(folder)?;
    let app = app(args.template.as_deref(), args.language)?;
    write(app, folder, name)?;
    match context.json {
        true => print_line!("{}", json!({ "folder": folder, "files": names(app) })),
        false => say(app, folder),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(context: &Context) {
    let languages = |template: &Template| -> Vec<String> {
        template
            .apps
            .iter()
            .filter_map(|app| app.language.to_possible_value())
            .map(|it| it.get_name().to_owned())
            .collect()
    };
    if context.json {
        let row = |template: &Template| json!({ "template": template.name, "languages": languages(template), "summary": template.summary });
        print_line!("{}", TEMPLATES.iter().map(row).collect::<serde_json::Value>());
        return;
    }
    for template in TEMPLATES {
        let name = paint(Tone::Strong, &format!("{:<16}", template.name));
        print_line!("{name}  {:<10}  {}", languages(template).join(", "), template.summary);
    }
}

/// The app's name, if it can be a stack's.
fn name_of(folder: &Path) -> Result<&str, String> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_good = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.len() <= NAME_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match is_good {
        true => Ok(name),
        false => Err(format!(
            "{} cannot be the name of a stack: use 1 to {NAME_MAX} letters, digits and hyphens, a letter first",
            folder.display()
        )),
    }
}

fn app(template: Option<&str>, language: Option<Language>) -> Result<&'static App, String> {
    let names = || TEMPLATES.iter().map(|template| template.name).collect::<Vec<_>>().join(", ");
    let name = template.ok_or_else(|| format!("name a template with --template: {}", names()))?;
    let template = TEMPLATES.iter().find(|template| template.name == name);
    let template = template.ok_or_else(|| format!("there is no template {name}: there are {}", names()))?;
    let app = template.apps.iter().find(|app| language.is_none_or(|language| app.language == language));
    app.ok_or_else(|| format!("the template {name} is not there in this language: `ithaca new --list` tells which are"))
}

fn write(app: &App, folder: &Path, name: &str) -> Result<(), String> {
    let wrong = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries.count(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
        Err(error) => return Err(wrong(folder, error)),
    };
    if entries > 0 {
        return Err(format!("{} is there already and not empty: name another folder", folder.display()));
    }
    for (file, text) in app.files {
        let path = folder.join(file);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| wrong(parent, error))?;
        let text = if *file == "README.md" { named(text, app.example, name) } else { (*text).to_owned() };
        let made = OpenOptions::new().write(true).create_new(true).open(&path);
        made.and_then(|mut made| made.write_all(text.as_bytes())).map_err(|error| wrong(&path, error))?;
    }
    Ok(())
}

/// A stack's name stands before logical ids, which begin with a capital: `travel-BookingSaga`.
fn named(readme: &str, example: &str, name: &str) -> String {
    let prefix = format!("{example}-");
    let mut parts = readme.split(&prefix);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_id = part.starts_with(|first: char| first.is_ascii_uppercase());
        text.extend([if is_id { name } else { example }, "-", part]);
    }
    text
}

fn names(app: &App) -> Vec<&'static str> {
    app.files.iter().map(|(name, _)| *name).collect()
}

fn say(app: &App, folder: &Path) {
    print_line!(
        "{} with {} files. README.md tells what it does. Next:",
        paint(Tone::Good, &folder.display().to_string()),
        app.files.len()
    );
    print_line!("  cd {}", folder.display());
    print_line!("  ithaca up .");
    print_line!("  {:<26}  # its own tests", app.language.test());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_has_the_name() {
        let check = |text: &str, expect: &str| assert_eq!(named(text, "travel", "shop"), expect);
        check("# The travel-booking saga", "# The travel-booking saga");
        check("start travel-BookingSaga of travel-BookingsTable", "start shop-BookingSaga of shop-BookingsTable");
        check("travel-", "travel-");
    }

    #[test]
    fn names_are_those_of_stacks() {
        let check =
            |folder: &str, expect: Option<&str>| assert_eq!(name_of(Path::new(folder)).ok(), expect, "{folder}");
        check("shop", Some("shop"));
        check("apps/My-shop-2", Some("My-shop-2"));
        for bad in ["", "..", "/", "2shop", "my shop", "my_shop", "-shop", "sh\u{f6}p", &"a".repeat(129)] {
            check(bad, None);
        }
    }
}
