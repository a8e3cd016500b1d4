//! What is deployed around functions: layers before them, versions and aliases after them.

use std::path::PathBuf;

use aws_cloudformation::{Layer, Plan};
use serde_json::Value;

use crate::front::Front;

/// The name of each layer, and what tells whether its content is another than before.
pub(super) async fn put_layers(front: &Front, plan: &Plan) -> Result<Vec<(String, String)>, String> {
    let mut put = Vec::new();
    for layer in &plan.layers {
        let what = format!("{}:{}: layer {}", plan.template.display(), layer.at.line, layer.name);
        let code = super::steps::packed(&layer.content).map_err(|error| format!("{what}: its content {error}"))?;
        let code = match code {
            aws_lambda::Code::Folder(folder) => in_place(folder, layer).map_err(|error| format!("{what}: {error}"))?,
            zip => zip,
        };
        let settings = aws_lambda::LayerSettings {
            description: layer.description.clone(),
            runtimes: layer.runtimes.clone(),
            architectures: layer.architectures.clone(),
            license: layer.license.clone(),
        };
        let (host, name) = (front.lambda.clone(), layer.name.clone());
        let made = blocking(move || host.put_layer(&name, settings, &code)).await;
        let made = made.map_err(|error| format!("{what}: {error}"))?;
        put.push((layer.name.clone(), made.code_sha256));
    }
    Ok(put)
}

/// A layer that `sam build` would build: what the runtime's package manager would install has to be there already; the author's own
/// files go where the runtime looks.
fn in_place(folder: PathBuf, layer: &Layer) -> Result<aws_lambda::Code, String> {
    let method = layer.build_method.as_deref().unwrap_or_default();
    let (below, packages) = match method {
        _ if method.starts_with("python") => ("python", "requirements.txt"),
        _ if method.starts_with("nodejs") => ("nodejs", "package.json"),
        "" => return Ok(aws_lambda::Code::Folder(folder)),
        _ => return Err(format!("Ithaca does not run BuildMethod {method}: run `sam build` first")),
    };
    if folder.join(below).is_dir() {
        return Ok(aws_lambda::Code::Folder(folder));
    }
    let installed = below == "nodejs" && folder.join("node_modules").is_dir();
    let text = std::fs::read_to_string(folder.join(packages)).unwrap_or_default();
    let is_comment = |line: &str| line.trim().is_empty() || line.trim().starts_with('#');
    let wants = match below {
        "python" => !text.lines().all(is_comment),
        _ => serde_json::from_str::<Value>(&text).is_ok_and(|package| package["dependencies"].is_object()),
    };
    match wants && !installed {
        true => Err(format!(
            "its packages ({packages}) are not installed: run `sam build` first, and `ithaca up` with what it built"
        )),
        false => Ok(aws_lambda::Code::FolderBelow(below.into(), folder)),
    }
}

/// Publishes versions, then points aliases at them.
pub(super) async fn put_versions(front: &Front, plan: &Plan) -> Result<(), String> {
    let at = |line: u32| format!("{}:{line}", plan.template.display());
    for version in plan.versions.iter().cloned() {
        let (host, what) = (front.lambda.clone(), format!("{}: version {}", at(version.at.line), version.logical_id));
        let publish = move || host.publish_version(&version.function, Some(&version.logical_id), version.description);
        blocking(publish).await.map_err(|error| format!("{what}: {error}"))?;
    }
    for alias in plan.aliases.iter().cloned() {
        let (host, what) = (front.lambda.clone(), format!("{}: alias {}", at(alias.at.line), alias.arn));
        let put = move || {
            let version = match alias.version {
                Some(version) => version,
                None => host.publish_version(&alias.function, None, None)?.version.to_string(),
            };
            let (weights, description) = (alias.weights, alias.description);
            let settings = aws_lambda::Alias { version, weights, description, ..Default::default() };
            host.put_alias(&alias.function, &alias.name, &settings, false)
        };
        blocking(put).await.map_err(|error| format!("{what}: {error}"))?;
    }
    Ok(())
}

/// A text in which the ARNs of versions have their numbers, as they are known by now.
pub(super) fn with_numbers(front: &Front, plan: &Plan, text: &str) -> String {
    plan.versions.iter().fold(text.to_owned(), |text, version| match front.lambda.function(&version.arn) {
        Some(info) => text.replace(&version.arn, &info.arn),
        None => text,
    })
}

/// A change of the functions' host, which blocks on the disk.
async fn blocking<T: Send + 'static>(
    change: impl FnOnce() -> Result<T, aws_lambda::Error> + Send + 'static,
) -> Result<T, String> {
    let done = tokio::task::spawn_blocking(change).await.map_err(|error| error.to_string())?;
    done.map_err(|error| error.to_aws().message)
}
