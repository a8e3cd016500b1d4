//! What the CloudFormation door needs done: templates read as they came over the wire, stacks made and removed by the
//! deployer, objects and parameters looked up in the stores beside it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use aws_cloudformation::door::{CloudFormation, Deploys, Later, Removal, TEMPLATE, Wanted};
use aws_cloudformation::stacks::Stacks;
use aws_cloudformation::{Options, Outside, OutsideValue, Plan, Source, World};
use aws_protocol::Home;
use aws_s3::S3;
use aws_ssm::Ssm;

use crate::deploy::{self, Data, Deployer, Request};
use crate::log;
use crate::server;

/// AWS's limit of a template that is an object.
const TEMPLATE_BYTES_MAX: u64 = 1 << 20;

struct Formation {
    deployer: Deployer,
    s3: S3,
    ssm: Ssm,
    home: Home,
    ignore_unsupported: bool,
}

/// Opens the door over a data folder.
pub fn open(deployer: Deployer, s3: S3, ssm: Ssm, options: &server::Options) -> Result<CloudFormation, String> {
    let (home, ignore_unsupported) = (options.home.clone(), options.ignore_unsupported);
    let formation = Formation { deployer, s3, ssm, home, ignore_unsupported };
    CloudFormation::open(formation, &options.data.join("stacks/change-sets"), &options.home)
}

/// What templates may ask for of a running Ithaca.
struct Stores {
    /// Where a template comes from the files of an app, its code does too.
    s3: Option<S3>,
    ssm: Ssm,
}

/// The parameters of a data folder, for templates that are read from files.
pub fn parameters_of(data: &Path, home: &Home) -> Result<Outside, String> {
    let ssm = Ssm::open(&data.join("parameters"), home).map_err(|error| error.to_string())?;
    Ok(Outside::new(Stores { s3: None, ssm }))
}

impl World for Stores {
    fn has_objects(&self) -> bool {
        self.s3.is_some()
    }

    fn object(&self, bucket: &str, key: &str) -> Option<PathBuf> {
        self.s3.as_ref()?.file_of(bucket, key)
    }

    fn object_at(&self, url: &str) -> Option<PathBuf> {
        let (bucket, key) = aws_s3::place_of(url)?;
        self.object(&bucket, &key)
    }

    fn parameter(&self, name: &str, version: Option<u64>) -> Option<OutsideValue> {
        match self.ssm.value(name, version) {
            Some((kind, text)) => Some(OutsideValue { text, is_secret: kind == aws_ssm::Kind::SecureString }),
            None => aws_ssm::built_in(name).map(|text| OutsideValue { text: text.to_owned(), is_secret: false }),
        }
    }
}

impl Deploys for Formation {
    fn stacks(&self) -> &Stacks {
        self.deployer.stacks()
    }

    fn text_at(&self, url: &str) -> Result<String, String> {
        let place = aws_s3::place_of(url).ok_or("it is not the address of an object in S3")?;
        let file = self.s3.file_of(&place.0, &place.1);
        let file = file.ok_or_else(|| format!("there is no object {} in the bucket {}", place.1, place.0))?;
        let bytes = std::fs::metadata(&file).map_err(|error| error.to_string())?.len();
        if bytes > TEMPLATE_BYTES_MAX {
            return Err(format!("the template has {bytes} bytes, the limit is {TEMPLATE_BYTES_MAX}"));
        }
        std::fs::read_to_string(&file).map_err(|error| error.to_string())
    }

    fn read(&self, wanted: &Wanted) -> Result<Plan, String> {
        let options = Options {
            home: self.home.clone(),
            stack_name: Some(wanted.stack_name.clone()),
            parameters: wanted.parameters.clone(),
            imports: self.stacks().exports_without(&wanted.stack_name),
            outside: Outside::new(Stores { s3: Some(self.s3.clone()), ssm: self.ssm.clone() }),
            is_remote: true,
            ignore_unsupported: self.ignore_unsupported,
            ..Options::default()
        };
        // The paths that are read are those of objects: a template that came over the wire can name no other.
        let files = read_bounded;
        let source = Source { path: Path::new(TEMPLATE), text: wanted.template.as_bytes() };
        let plan = aws_cloudformation::plan(source, &options, &files);
        let mut plan =
            plan.map_err(|diagnostics| diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
        // What was to be built was built before it was uploaded.
        build_nothing(&mut plan);
        deploy::prepare(&plan, &|_| {})?;
        for plan in plan.all() {
            self.deployer.check_owners(plan)?;
        }
        Ok(plan)
    }

    fn found(&self, plan: &Plan) -> Vec<String> {
        self.deployer.found(plan)
    }

    fn localise(&self, text: &str) -> String {
        localise(text, &self.deployer.stages())
    }

    fn now_ms(&self) -> u64 {
        deploy::now_ms()
    }

    fn apply(&self, plan: Plan, wanted: Wanted) -> Later<Result<(), String>> {
        let deployer = self.deployer.clone();
        Box::pin(async move {
            let note = |text: &str| log::info("deploy", "a note on a template", &[("note", text.into())]);
            plan.notes.iter().for_each(|diagnostic| note(&diagnostic.to_string()));
            let prepared = deploy::prepare(&plan, &note)?;
            let Wanted { template, parameters, tags, .. } = wanted;
            let request = Request { template, parameters, tags, data: Data::Goes };
            deployer.apply(&plan, &prepared, request).await.map(drop)
        })
    }

    fn remove(&self, stack: String, retained: Vec<String>, to: Removal) -> Later<Result<(), String>> {
        let deployer = self.deployer.clone();
        Box::pin(async move {
            match to {
                Removal::Deletion => deployer.delete(&stack, Data::Goes, &retained).await.map(drop),
                Removal::Rollback => deployer.undo(&stack, &retained).await.map(drop),
            }
        })
    }
}

/// An object may be larger than the memory, and what a template names is text.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEMPLATE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn build_nothing(plan: &mut Plan) {
    plan.functions.iter_mut().for_each(|function| function.build = None);
    plan.nested.iter_mut().for_each(|nested| build_nothing(&mut nested.plan));
}

/// Replaces AWS's addresses of APIs by those at which they are served: by id, each stage with its own.
fn localise(text: &str, served: &BTreeMap<(String, String), String>) -> String {
    let services = ["execute-api", "lambda-url"];
    let mut text = text.to_owned();
    for (((id, stage), address), service) in served.iter().flat_map(|api| services.map(|service| (api, service))) {
        let host = format!("https://{id}.{service}.");
        let mut from = 0;
        while let Some(at) = text[from..].find(&host).map(|at| from + at) {
            let end = text[at + host.len()..].find('/').map_or(text.len(), |slash| at + host.len() + slash);
            let rest = text[end..].strip_prefix('/').and_then(|path| path.strip_prefix(stage.as_str()));
            let rest = rest.filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']));
            match (rest, stage.as_str()) {
                (Some(rest), _) => text = format!("{}{address}{rest}", &text[..at]),
                // The stage that is not in addresses.
                (None, "$default") => text = format!("{}{address}{}", &text[..at], &text[end..]),
                (None, _) => {}
            }
            from = at + address.len().min(host.len());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_apis() {
        let served = BTreeMap::from([
            (("abc".to_owned(), "Prod".to_owned()), "http://127.0.0.1:3000".to_owned()),
            (("def".to_owned(), "$default".to_owned()), "http://127.0.0.1:3001".to_owned()),
        ]);
        let check = |text: &str, expect: &str| assert_eq!(localise(text, &served), expect);
        check("https://abc.execute-api.us-east-1.amazonaws.com/Prod/trips", "http://127.0.0.1:3000/trips");
        check("https://abc.execute-api.us-east-1.amazonaws.com/Prod", "http://127.0.0.1:3000");
        check(
            "https://abc.execute-api.us-east-1.amazonaws.com/Product/",
            "https://abc.execute-api.us-east-1.amazonaws.com/Product/",
        );
        check("https://def.execute-api.us-east-1.amazonaws.com/x", "http://127.0.0.1:3001/x");
        check(
            "https://other.execute-api.us-east-1.amazonaws.com/Prod",
            "https://other.execute-api.us-east-1.amazonaws.com/Prod",
        );
        check("https://def.lambda-url.us-east-1.on.aws/", "http://127.0.0.1:3001/");
        check("no address", "no address");
    }
}
