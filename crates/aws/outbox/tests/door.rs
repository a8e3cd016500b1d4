//! The door as clients see it, and what is on the disk behind it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use aws_outbox::{Filter, Outbox, Sender, is_for};
use aws_protocol::{Home, Request};
use bytes::Bytes;
use serde_json::{Value, json};

struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("ithaca-outbox-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn target(target: &str, body: Value) -> Request {
    let request = http::Request::post("/").header("x-amz-target", target).header("host", "localhost:4566");
    request.body(Bytes::from(body.to_string())).unwrap()
}

fn form(body: &str) -> Request {
    let request = http::Request::post("/").header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    request.body(Bytes::from(body.to_owned())).unwrap()
}

fn mail(method: &str, path: &str, body: Value) -> Request {
    http::Request::builder().method(method).uri(path).body(Bytes::from(body.to_string())).unwrap()
}

fn message(queue: &str) -> Request {
    target(
        "AmazonSQS.SendMessage",
        json!({ "QueueUrl": format!("http://localhost:4566/000000000000/{queue}"), "MessageBody": "m" }),
    )
}

#[tokio::test]
async fn each_protocol_is_answered_in_its_way() {
    let scratch = Scratch::new();
    let outbox = Outbox::open(&scratch.0, &Home::default()).unwrap();
    let check = async |request: Request, status: u16, words: &str| {
        assert!(is_for(&request), "{request:?}");
        let answer = outbox.handle(&request).await;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert_eq!(answer.status(), status, "{text}");
        assert!(text.contains(words), "{text}");
        assert!(answer.headers().contains_key("x-amzn-requestid"));
    };
    check(message("q"), 200, "\"MD5OfMessageBody\":\"6f8f57715090da2632453988d9a1501b\"").await;
    check(target("AmazonSQS.GetQueueUrl", json!({ "QueueName": "q" })), 200, "http://localhost:4566/000000000000/q")
        .await;
    check(target("AmazonSQS.SendMessage", json!({})), 400, "com.amazonaws.sqs#MissingParameter").await;
    check(target("AmazonSQS.ReceiveMessage", json!({})), 400, "does not serve the operation 'ReceiveMessage' of sqs")
        .await;
    check(target("AmazonSQS.SendMessage", json!([])), 400, "SerializationException").await;
    let event = json!({ "Entries": [{ "Source": "s", "DetailType": "d", "Detail": "{}" }] });
    check(target("AWSEvents.PutEvents", event), 200, "\"FailedEntryCount\":0").await;
    let topic = "arn%3Aaws%3Asns%3Aus-east-1%3A000000000000%3At";
    let publish = format!("Action=Publish&Version=2010-03-31&TopicArn={topic}&Message=m");
    check(
        form(&publish),
        200,
        "<PublishResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><PublishResult><MessageId>",
    )
    .await;
    check(form("Action=Publish&Version=2010-03-31&Message=m"), 400, "<Code>InvalidParameter</Code>").await;
    check(form("Action=Subscribe&Version=2010-03-31"), 400, "&#39;Subscribe&#39;".replace("&#39;", "'").as_str()).await;
    let queue = "http%3A%2F%2Flocalhost%2F1%2Fq";
    let batch = format!(
        "Action=SendMessageBatch&Version=2012-11-05&QueueUrl={queue}&SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.1.MessageBody=m"
    );
    check(form(&batch), 200, "<SendMessageBatchResultEntry>").await;
    let simple = "Action=SendEmail&Version=2010-12-01&Source=s%40x&Destination.ToAddresses.member.1=a%40x&Message.Subject.Data=s&Message.Body.Text.Data=t";
    check(form(simple), 200, "<SendEmailResult><MessageId>").await;
    let content = json!({ "Simple": { "Subject": { "Data": "s" }, "Body": { "Text": { "Data": "t" } } } });
    let sent = json!({ "FromEmailAddress": "s@x", "Destination": { "ToAddresses": ["a@x"] }, "Content": content });
    check(mail("POST", "/v2/email/outbound-emails", sent), 200, "{\"MessageId\":\"").await;
    check(mail("GET", "/v2/email/identities", json!({})), 400, "GET /v2/email/identities").await;

    let kept = outbox.list(&Filter::default(), 100).unwrap();
    let services: Vec<&str> = kept.iter().map(|message| message.service.as_str()).collect();
    assert_eq!(services, ["sesv2", "ses", "sqs", "sns", "events", "sqs"]);
    assert!(!is_for(&form("Action=CreateStack&Version=2010-05-15")) && !is_for(&mail("GET", "/", json!({}))));
}

#[tokio::test]
async fn messages_are_kept_over_a_restart_and_found() {
    let scratch = Scratch::new();
    let outbox = Outbox::open(&scratch.0, &Home::default()).unwrap();
    let told = Arc::new(Mutex::new(0));
    let listener = told.clone();
    outbox.listen(Arc::new(move |messages| *listener.lock().unwrap() += messages.len()));
    let sender =
        Sender { execution: Some("arn:aws:states:us-east-1:1:execution:m:trip-7".into()), state: Some("Tell".into()) };
    let mut request = message("orders");
    request.extensions_mut().insert(sender.clone());
    let answer: Value = serde_json::from_slice(outbox.handle(&request).await.body()).unwrap();
    outbox.handle(&message("other")).await;
    assert_eq!(*told.lock().unwrap(), 2);
    drop(outbox);
    // The end of a crash in the middle of a line.
    let file = std::fs::read_dir(&scratch.0).unwrap().next().unwrap().unwrap().path();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(&scratch.0).unwrap().permissions().mode() & 0o777, 0o700);
    let text = std::fs::read_to_string(&file).unwrap() + "{\"number\":1,";
    std::fs::write(&file, text).unwrap();

    let outbox = Outbox::open(&scratch.0, &Home::default()).unwrap();
    outbox.handle(&message("last")).await;
    let found = |filter: Filter, limit: usize| outbox.list(&filter, limit).unwrap();
    let all = found(Filter::default(), 10);
    assert_eq!(all.len(), 3);
    assert!(all.windows(2).all(|pair| pair[0].number > pair[1].number), "{all:?}");
    assert_eq!(found(Filter::default(), 2).len(), 2);
    let first = &all[2];
    assert_eq!((&first.sender, &first.message), (&sender, &json!({ "MessageBody": "m" })));
    assert_eq!(first.message_id, answer["MessageId"]);
    let check = |filter: Filter, expect: &[u64]| {
        let numbers: Vec<u64> = found(filter, 10).iter().map(|message| message.number).collect();
        assert_eq!(numbers, expect);
    };
    check(Filter { execution: Some("trip-7".into()), ..Filter::default() }, &[first.number]);
    check(Filter { execution: Some("trip".into()), ..Filter::default() }, &[]);
    check(Filter { destination: Some("/orders".into()), ..Filter::default() }, &[first.number]);
    check(Filter { service: Some("sns".into()), ..Filter::default() }, &[]);
    check(Filter { number: Some(first.number), ..Filter::default() }, &[first.number]);
    check(Filter { after: first.number, ..Filter::default() }, &[all[0].number, all[1].number]);
}

/// A disk that takes nothing: the sender is told, and what comes after it is kept.
#[tokio::test]
async fn a_message_that_cannot_be_kept_is_refused() {
    let scratch = Scratch::new();
    let outbox = Outbox::open(&scratch.0, &Home::default()).unwrap();
    std::fs::remove_dir(&scratch.0).unwrap();
    let answer = outbox.handle(&message("q")).await;
    assert_eq!(answer.status(), 500, "{:?}", answer.body());
    std::fs::create_dir(&scratch.0).unwrap();
    assert_eq!(outbox.handle(&message("q")).await.status(), 200);
    assert_eq!(outbox.list(&Filter::default(), 10).unwrap().len(), 1);
}
