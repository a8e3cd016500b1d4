//! The door over a deployer that does what a row says: how stacks end, and what a crash leaves.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aws_cloudformation::door::{CloudFormation, Deploys, Later, Removal, TEMPLATE, Wanted};
use aws_cloudformation::stacks::{Stack, Stacks, Status};
use aws_cloudformation::{Options, Plan, Source, plan};
use aws_protocol::Home;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ithaca-formation-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }

    fn stacks(&self) -> Stacks {
        Stacks::open(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Fails each deployment whose template says so, and remembers what it was asked for.
#[derive(Clone)]
struct Fake {
    stacks: Stacks,
    did: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn did(&self, what: String) {
        self.did.lock().unwrap().push(what);
    }
}

impl Deploys for Fake {
    fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    fn text_at(&self, url: &str) -> Result<String, String> {
        Err(format!("{url} is not here"))
    }

    fn read(&self, wanted: &Wanted) -> Result<Plan, String> {
        let options = Options { stack_name: Some(wanted.stack_name.clone()), is_remote: true, ..Options::default() };
        let source = Source { path: Path::new(TEMPLATE), text: wanted.template.as_bytes() };
        plan(source, &options, &|path: &Path| std::fs::read(path)).map_err(|errors| errors[0].to_string())
    }

    fn found(&self, _: &Plan) -> Vec<String> {
        vec!["Found".into()]
    }

    fn localise(&self, text: &str) -> String {
        text.to_owned()
    }

    fn now_ms(&self) -> u64 {
        1_000
    }

    fn apply(&self, plan: Plan, wanted: Wanted) -> Later<Result<(), String>> {
        let fake = self.clone();
        Box::pin(async move {
            let mut stack = fake.stacks.get(&wanted.stack_name).unwrap();
            stack.template = wanted.template.clone();
            stack.begin(&plan, 2_000);
            fake.did(format!("apply in {}", stack.status.name()));
            if wanted.template.contains("Fails") {
                let is_new = stack.status == Status::CreateInProgress;
                stack.set(if is_new { Status::CreateFailed } else { Status::UpdateFailed }, Some("no".into()), 2_000);
                fake.stacks.put(&stack).unwrap();
                return Err("no".into());
            }
            stack.end(&plan, &[], Vec::new(), 2_000);
            fake.stacks.put(&stack).unwrap();
            Ok(())
        })
    }

    fn remove(&self, name: String, retained: Vec<String>, to: Removal) -> Later<Result<(), String>> {
        let fake = self.clone();
        Box::pin(async move {
            let mut stack = fake.stacks.get(&name).unwrap();
            fake.did(format!("{to:?} but {}", retained.join(", ")));
            stack.resources.clear();
            let gone = if to == Removal::Rollback { Status::RollbackComplete } else { Status::DeleteComplete };
            stack.set(gone, None, 3_000);
            fake.stacks.put(&stack).unwrap();
            Ok(())
        })
    }
}

const GOOD: &str = "Resources: {T: {Type: 'AWS::SNS::Topic'}}";
const BAD: &str = "Resources: {Fails: {Type: 'AWS::SNS::Topic'}}";

async fn call(door: &CloudFormation, action: &str, members: &[(&str, &str)]) -> String {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let pairs = members.iter().map(|(name, value)| format!("&{name}={}", escape(value)));
    let body = format!("Action={action}{}", pairs.collect::<String>());
    let answer = door.handle(http::Request::post("/").body(body.into()).unwrap()).await;
    String::from_utf8(answer.body().to_vec()).unwrap()
}

/// Actions one after the other on one stack: what each says, how the stack is then, and what the deployer did for it.
#[tokio::test]
async fn how_stacks_end() {
    let scratch = Scratch::new("ends");
    let fake = Fake { stacks: scratch.stacks(), did: Arc::default() };
    let door = CloudFormation::open(fake.clone(), &scratch.0.join("change-sets"), &Home::default()).unwrap();
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str, &'a [&'a str]);
    let rows: &[Row<'_>] = &[
        ("CreateStack", &[("TemplateBody", GOOD)], "<StackId>", "CREATE_COMPLETE", &["apply in CREATE_IN_PROGRESS"]),
        ("UpdateStack", &[("TemplateBody", GOOD)], "No updates are to be performed.", "CREATE_COMPLETE", &[]),
        (
            "UpdateStack",
            &[("TemplateBody", BAD)],
            "<StackId>",
            "UPDATE_ROLLBACK_COMPLETE",
            &["apply in UPDATE_IN_PROGRESS", "apply in UPDATE_ROLLBACK_IN_PROGRESS"],
        ),
        (
            "UpdateStack",
            &[("TemplateBody", BAD), ("DisableRollback", "true")],
            "<StackId>",
            "UPDATE_FAILED",
            &["apply in UPDATE_IN_PROGRESS"],
        ),
        ("UpdateStack", &[("TemplateBody", GOOD)], "<StackId>", "UPDATE_COMPLETE", &["apply in UPDATE_IN_PROGRESS"]),
        (
            "UpdateStack",
            &[("TemplateBody", "Resources: {T: {Type: 'AWS::X::Y'}}")],
            "template:1:23: error: T: the type AWS::X::Y",
            "UPDATE_COMPLETE",
            &[],
        ),
        ("UpdateStack", &[("TemplateURL", "http://none/x")], "http://none/x is not here", "UPDATE_COMPLETE", &[]),
        ("DeleteStack", &[("RetainResources.member.1", "X")], "has no resource X", "UPDATE_COMPLETE", &[]),
        (
            "DeleteStack",
            &[("RetainResources.member.1", "T")],
            "<DeleteStackResult>",
            "DELETE_COMPLETE",
            &["Deletion but T"],
        ),
        ("UpdateStack", &[("TemplateBody", GOOD)], "does not exist", "DELETE_COMPLETE", &[]),
        (
            "CreateStack",
            &[("TemplateBody", BAD)],
            "<StackId>",
            "ROLLBACK_COMPLETE",
            &["apply in CREATE_IN_PROGRESS", "Rollback but Found"],
        ),
        (
            "UpdateStack",
            &[("TemplateBody", GOOD)],
            "is in ROLLBACK_COMPLETE state and can not be updated",
            "ROLLBACK_COMPLETE",
            &[],
        ),
        ("CreateStack", &[("TemplateBody", GOOD)], "AlreadyExistsException", "ROLLBACK_COMPLETE", &[]),
        ("DeleteStack", &[], "<DeleteStackResult>", "DELETE_COMPLETE", &["Deletion but "]),
        (
            "CreateStack",
            &[("TemplateBody", BAD), ("OnFailure", "DO_NOTHING")],
            "<StackId>",
            "CREATE_FAILED",
            &["apply in CREATE_IN_PROGRESS"],
        ),
        ("DeleteStack", &[], "<DeleteStackResult>", "DELETE_COMPLETE", &["Deletion but "]),
        (
            "CreateStack",
            &[("TemplateBody", BAD), ("OnFailure", "DELETE")],
            "<StackId>",
            "DELETE_COMPLETE",
            &["apply in CREATE_IN_PROGRESS", "Deletion but Found"],
        ),
        ("CreateStack", &[("TemplateBody", BAD), ("OnFailure", "PANIC")], "ValidationError", "DELETE_COMPLETE", &[]),
    ];
    for (action, members, says, status, did) in rows {
        let members = [&[("StackName", "s")], *members].concat();
        let said = call(&door, action, &members).await;
        assert!(said.contains(says), "{action} {members:?}: {said}");
        assert_eq!(fake.stacks.get("s").unwrap().status.name(), *status, "{action} {members:?}");
        let found: Vec<String> = std::mem::take(&mut *fake.did.lock().unwrap());
        assert_eq!(found, *did, "{action} {members:?}");
    }
}

/// What was in the middle of something when Ithaca ended is told as failed at the next start, with all that it may have.
#[tokio::test]
async fn what_a_crash_leaves() {
    let scratch = Scratch::new("crash");
    let rows = [
        (Status::CreateInProgress, "CREATE_FAILED"),
        (Status::UpdateInProgress, "UPDATE_FAILED"),
        (Status::RollbackInProgress, "ROLLBACK_FAILED"),
        (Status::UpdateRollbackInProgress, "UPDATE_ROLLBACK_FAILED"),
        (Status::DeleteInProgress, "DELETE_FAILED"),
        (Status::ReviewInProgress, "REVIEW_IN_PROGRESS"),
        (Status::UpdateComplete, "UPDATE_COMPLETE"),
    ];
    let name = |at: usize| format!("s{at}");
    let stacks = scratch.stacks();
    for (at, (status, _)) in rows.into_iter().enumerate() {
        let mut stack = Stack::new(format!("arn:{at}"), name(at), 1);
        stack.status = status;
        stacks.put(&stack).unwrap();
    }
    let fake = Fake { stacks: scratch.stacks(), did: Arc::default() };
    let door = CloudFormation::open(fake, &scratch.0.join("change-sets"), &Home::default()).unwrap();
    for (at, (status, expect)) in rows.into_iter().enumerate() {
        let said = call(&door, "DescribeStacks", &[("StackName", &name(at))]).await;
        assert!(said.contains(&format!("<StackStatus>{expect}</StackStatus>")), "{status:?}: {said}");
        assert_eq!(said.contains("Ithaca ended in the middle of this"), status.name() != expect, "{said}");
        assert_eq!(scratch.stacks().get(&name(at)).unwrap().status.name(), expect, "on the disk");
    }
}

/// Change sets outlive a restart.
#[tokio::test]
async fn change_sets_are_kept() {
    let scratch = Scratch::new("sets");
    let open = || {
        let fake = Fake { stacks: scratch.stacks(), did: Arc::default() };
        CloudFormation::open(fake, &scratch.0.join("change-sets"), &Home::default()).unwrap()
    };
    let of = [("StackName", "s"), ("ChangeSetName", "c")];
    let create = [&of[..], &[("TemplateBody", GOOD), ("ChangeSetType", "CREATE")]].concat();
    let door = open();
    assert!(call(&door, "CreateChangeSet", &create).await.contains("<Id>"));
    assert!(call(&door, "CreateChangeSet", &create).await.contains("AlreadyExistsException"));
    let door = open();
    let said = call(&door, "DescribeChangeSet", &of).await;
    assert!(said.contains("<Status>CREATE_COMPLETE</Status>") && said.contains("<Action>Add</Action>"), "{said}");
    assert!(call(&door, "ExecuteChangeSet", &of).await.contains("<ExecuteChangeSetResult>"));
    let door = open();
    let said = call(&door, "DescribeChangeSet", &of).await;
    assert!(said.contains("<ExecutionStatus>EXECUTE_COMPLETE</ExecutionStatus>"), "{said}");
    assert!(call(&door, "ExecuteChangeSet", &of).await.contains("InvalidChangeSetStatus"));
    // The name of one that was executed may be given again.
    let update = [&of[..], &[("TemplateBody", GOOD), ("ChangeSetType", "UPDATE")]].concat();
    let said = call(&door, "CreateChangeSet", &update).await;
    assert!(said.contains("<Id>"), "{said}");
    call(&door, "DeleteChangeSet", &of).await;
    assert!(call(&door, "DescribeChangeSet", &of).await.contains("ChangeSetNotFound"));
}
