//! A row for each way in which a member can stand in a request and an answer, with services that have it.

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::*;

fn operation(resource: &str) -> Operation {
    let (service, action) = resource.split_once(':').unwrap();
    find(service).unwrap_or_else(|| panic!("no {service}")).operation(action).unwrap_or_else(|| panic!("no {resource}"))
}

#[test]
fn services_and_their_operations() {
    let check = |resource: &str, expect: Option<(&str, &str, &str)>| {
        let (service, action) = resource.split_once(':').unwrap();
        let found = find(service).and_then(|service| service.operation(action));
        let found = found.map(|it| (it.service.java.as_str(), it.service.variable.as_str(), it.name()));
        assert_eq!(found, expect, "{resource}");
    };
    check("dynamodb:putItem", Some(("DynamoDb", "DYNAMODB", "PutItem")));
    check("sfn:startExecution", Some(("Sfn", "SFN", "StartExecution")));
    check("cloudwatchlogs:putLogEvents", Some(("CloudWatchLogs", "CLOUDWATCH_LOGS", "PutLogEvents")));
    check("eventbridge:putEvents", Some(("EventBridge", "EVENTBRIDGE", "PutEvents")));
    check(
        "cognitoidentityprovider:adminGetUser",
        Some(("CognitoIdentityProvider", "COGNITO_IDENTITY_PROVIDER", "AdminGetUser")),
    );
    check("secretsmanager:getSecretValue", Some(("SecretsManager", "SECRETS_MANAGER", "GetSecretValue")));
    check("sesv2:sendEmail", Some(("SesV2", "SESV2", "SendEmail")));
    check("rds:describeDBInstances", Some(("Rds", "RDS", "DescribeDBInstances")));
    check("config:describeConfigRules", Some(("Config", "CONFIG_SERVICE", "DescribeConfigRules")));
    check("ecs:runTask", Some(("Ecs", "ECS", "RunTask")));
    check("ec2:DescribeInstances", Some(("Ec2", "EC2", "DescribeInstances")));
    check("ec2:describeinstances", None);
    check("none:x", None);
}

/// Every entry can be read, and refers to shapes that are there.
#[test]
fn the_whole_table() {
    let names = names();
    assert!(names.len() > 400, "{} services", names.len());
    let mut operations = 0;
    for name in names {
        let service = find(&name).unwrap();
        operations += service.check();
    }
    assert!(operations > 17_000, "{operations} operations");
    assert!(ARCHIVE.len() < 1_200_000, "the archive has {} bytes", ARCHIVE.len());
}

#[test]
fn requests() {
    let check = |resource: &str, parameters: Value, line: &str, headers: &[(&str, &str)], body: &str| {
        let sent = operation(resource).request(&parameters, "TOKEN").unwrap_or_else(|why| panic!("{resource}: {why}"));
        assert_eq!(format!("{} {}", sent.method, sent.target), line, "{resource}");
        assert_eq!(std::str::from_utf8(&sent.body).unwrap(), body, "{resource}");
        for (name, value) in headers {
            assert!(
                sent.headers.contains(&((*name).to_owned(), (*value).to_owned())),
                "{resource}: {:?}",
                sent.headers
            );
        }
    };
    // JSON: small letters, keys of maps as they are, JSON for text, moments, tokens.
    check(
        "sfn:startExecution",
        json!({ "StateMachineArn": "arn", "Input": { "Trip": 1 }, "Name": null }),
        "POST /",
        &[("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "AWSStepFunctions.StartExecution")],
        r#"{"stateMachineArn":"arn","input":"{\"Trip\":1}"}"#,
    );
    check(
        "ecs:tagResource",
        json!({ "ResourceArn": "a", "Tags": [{ "Key": "K", "Value": "V" }] }),
        "POST /",
        &[],
        r#"{"resourceArn":"a","tags":[{"key":"K","value":"V"}]}"#,
    );
    check(
        "codebuild:startBuild",
        json!({ "ProjectName": "p", "IdempotencyToken": "t", "TimeoutInMinutesOverride": "5" }),
        "POST /",
        &[],
        r#"{"projectName":"p","idempotencyToken":"t","timeoutInMinutesOverride":5}"#,
    );
    check(
        "dynamodb:putItem",
        json!({ "TableName": "t", "Item": { "Pk": { "S": "a", "Bool": true } } }),
        "POST /",
        &[],
        r#"{"TableName":"t","Item":{"Pk":{"S":"a","BOOL":true}}}"#,
    );
    check(
        "kinesis:putRecord",
        json!({ "StreamName": "s", "Data": { "a": 1 }, "PartitionKey": "k" }),
        "POST /",
        &[],
        r#"{"StreamName":"s","Data":"eyJhIjoxfQ==","PartitionKey":"k"}"#,
    );
    check(
        "glue:startJobRun",
        json!({ "JobName": "j", "Arguments": { "--Key": "v" } }),
        "POST /",
        &[],
        r#"{"JobName":"j","Arguments":{"--Key":"v"}}"#,
    );
    check(
        "cloudwatch:putMetricData",
        json!({ "Namespace": "n", "MetricData": [{ "MetricName": "m", "Timestamp": "2023-11-14T22:13:20.250Z", "Value": 1 }] }),
        "POST /",
        &[],
        r#"{"Namespace":"n","MetricData":[{"MetricName":"m","Timestamp":1700000000.25,"Value":1}]}"#,
    );
    check(
        "secretsmanager:createSecret",
        json!({ "Name": "s" }),
        "POST /",
        &[],
        r#"{"Name":"s","ClientRequestToken":"TOKEN"}"#,
    );
    // REST and JSON: path, query, header, payload.
    check(
        "lambda:listFunctions",
        json!({ "MaxItems": 5, "Marker": "a b" }),
        "GET /2015-03-31/functions?MaxItems=5&Marker=a%20b",
        &[],
        "",
    );
    check(
        "lambda:invoke",
        json!({ "FunctionName": "f:1", "InvocationType": "Event", "Payload": { "a": 1 } }),
        "POST /2015-03-31/functions/f%3A1/invocations",
        &[("x-amz-invocation-type", "Event")],
        r#"{"a":1}"#,
    );
    check(
        "lambda:updateFunctionConfiguration",
        json!({ "FunctionName": "f", "Timeout": 3, "Environment": { "Variables": { "Key": "v" } } }),
        "PUT /2015-03-31/functions/f/configuration",
        &[("content-type", "application/json")],
        r#"{"Timeout":3,"Environment":{"Variables":{"Key":"v"}}}"#,
    );
    check("lambda:deleteFunction", json!({ "FunctionName": "f" }), "DELETE /2015-03-31/functions/f", &[], "");
    check(
        "lambda:untagResource",
        json!({ "Resource": "arn", "TagKeys": ["a", "b"] }),
        "DELETE /2017-03-31/tags/arn?tagKeys=a&tagKeys=b",
        &[],
        "",
    );
    check(
        "batch:submitJob",
        json!({ "JobName": "j", "JobQueue": "q", "JobDefinition": "d" }),
        "POST /v1/submitjob",
        &[],
        r#"{"jobName":"j","jobQueue":"q","jobDefinition":"d"}"#,
    );
    check(
        "sesv2:sendEmail",
        json!({ "FromEmailAddress": "a", "Destination": { "ToAddresses": ["b"] }, "Content": { "Simple": { "Subject": { "Data": "s" }, "Body": { "Text": { "Data": "t" } } } } }),
        "POST /v2/email/outbound-emails",
        &[],
        r#"{"FromEmailAddress":"a","Destination":{"ToAddresses":["b"]},"Content":{"Simple":{"Subject":{"Data":"s"},"Body":{"Text":{"Data":"t"}}}}}"#,
    );
    // REST and XML: a payload with its namespace, a root of its own, several parts of a path, a fixed query.
    check(
        "s3:putBucketTagging",
        json!({ "Bucket": "b", "Tagging": { "TagSet": [{ "Key": "k", "Value": "<" }] } }),
        "PUT /b?tagging",
        &[("content-type", "application/xml")],
        r#"<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>k</Key><Value>&lt;</Value></Tag></TagSet></Tagging>"#,
    );
    check(
        "s3:getObject",
        json!({ "Bucket": "b", "Key": "a b/c", "IfModifiedSince": "2013-05-24T00:00:00Z" }),
        "GET /b/a%20b/c",
        &[("if-modified-since", "Fri, 24 May 2013 00:00:00 GMT")],
        "",
    );
    check(
        "s3:putObject",
        json!({ "Bucket": "b", "Key": "k", "Body": { "a": 1 }, "Metadata": { "Trip": "7" } }),
        "PUT /b/k",
        &[("x-amz-meta-trip", "7")],
        r#"{"a":1}"#,
    );
    check(
        "s3:deleteObjects",
        json!({ "Bucket": "b", "Delete": { "Objects": [{ "Key": "x" }, { "Key": "y" }] } }),
        "POST /b?delete",
        &[],
        r#"<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>x</Key></Object><Object><Key>y</Key></Object></Delete>"#,
    );
    check(
        "route53:changeResourceRecordSets",
        json!({ "HostedZoneId": "Z", "ChangeBatch": { "Changes": [{ "Action": "DELETE" }] } }),
        "POST /2013-04-01/hostedzone/Z/rrset/",
        &[],
        r#"<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change><Action>DELETE</Action></Change></Changes></ChangeBatch></ChangeResourceRecordSetsRequest>"#,
    );
    // Query: lists, maps, structures.
    check(
        "sns:publish",
        json!({ "TopicArn": "t", "Message": { "a": 1 }, "MessageAttributes": { "n": { "DataType": "String", "StringValue": "v" } } }),
        "POST /",
        &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
        "Action=Publish&Version=2010-03-31&TopicArn=t&Message=%7B%22a%22%3A1%7D&MessageAttributes.entry.1.Name=n&MessageAttributes.entry.1.Value.DataType=String&MessageAttributes.entry.1.Value.StringValue=v",
    );
    check(
        "rds:describeDBInstances",
        json!({ "DbInstanceIdentifier": "d", "Filters": [{ "Name": "n", "Values": ["a", "b"] }] }),
        "POST /",
        &[],
        "Action=DescribeDBInstances&Version=2014-10-31&DBInstanceIdentifier=d&Filters.Filter.1.Name=n&Filters.Filter.1.Values.Value.1=a&Filters.Filter.1.Values.Value.2=b",
    );
    check(
        "iam:tagRole",
        json!({ "RoleName": "r", "Tags": [{ "Key": "k", "Value": "v" }] }),
        "POST /",
        &[],
        "Action=TagRole&Version=2010-05-08&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v",
    );
    check(
        "cloudformation:describeStacks",
        json!({ "StackName": "s" }),
        "POST /",
        &[],
        "Action=DescribeStacks&Version=2010-05-15&StackName=s",
    );
    // EC2: names with a capital, lists without an element.
    check(
        "ec2:describeInstances",
        json!({ "InstanceIds": ["i-1", "i-2"], "Filters": [{ "Name": "n", "Values": ["v"] }] }),
        "POST /",
        &[],
        "Action=DescribeInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2&Filter.1.Name=n&Filter.1.Value.1=v",
    );
}

#[test]
fn parameters_that_cannot_be_sent() {
    let check = |resource: &str, parameters: Value, words: &str| {
        let why = operation(resource).request(&parameters, "TOKEN").unwrap_err();
        assert!(why.contains(words), "{why}");
    };
    check("sns:publish", json!("text"), "Parameters must be an object");
    check("sns:publish", json!({ "Topic": "t" }), "The field \"Topic\" is not supported by Step Functions");
    check("lambda:getFunction", json!({}), "The field \"FunctionName\" is required");
    check("ecs:runTask", json!({ "Tags": {} }), "Parameters.Tags must be a list");
    check("s3:getObject", json!({ "Bucket": "b", "Key": "k", "IfModifiedSince": "yesterday" }), "is not a moment");
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.to_owned().into()).unwrap()
}

#[test]
fn answers() {
    let check = |resource: &str, times: Times, headers: &[(&str, &str)], body: &str, expect: Value| {
        let members = operation(resource).answer(&answer(200, headers, body), times);
        assert_eq!(members.map(Value::Object), Ok(expect), "{resource}");
    };
    let (written, millis) = (Times::Written, Times::Millis);
    let started = r#"{"executionArn":"e","startDate":1700000000.25}"#;
    check(
        "sfn:startExecution",
        millis,
        &[],
        started,
        json!({ "ExecutionArn": "e", "StartDate": 1_700_000_000_250_i64 }),
    );
    check(
        "sfn:startExecution",
        written,
        &[],
        started,
        json!({ "ExecutionArn": "e", "StartDate": "2023-11-14T22:13:20.250Z" }),
    );
    check(
        "sqs:sendMessage",
        written,
        &[],
        r#"{"MD5OfMessageBody":"5","MessageId":"m"}"#,
        json!({ "Md5OfMessageBody": "5", "MessageId": "m" }),
    );
    check("sqs:sendMessage", millis, &[], r#"{"MD5OfMessageBody":"5"}"#, json!({ "MD5OfMessageBody": "5" }));
    check("sqs:deleteMessage", written, &[], "", json!({}));
    check(
        "dynamodb:query",
        written,
        &[],
        r#"{"Items":[{"a":{"BOOL":true}}]}"#,
        json!({ "Items": [{ "a": { "BOOL": true } }] }),
    );
    check(
        "batch:describeJobs",
        written,
        &[],
        r#"{"jobs":[{"jobName":"j","startedAt":5,"tags":{"a":"b"}}]}"#,
        json!({ "Jobs": [{ "JobName": "j", "StartedAt": 5, "Tags": { "a": "b" } }] }),
    );
    check(
        "lambda:invoke",
        written,
        &[("x-amz-executed-version", "$LATEST")],
        "{\"a\":1}",
        json!({ "StatusCode": 200, "ExecutedVersion": "$LATEST", "Payload": "{\"a\":1}" }),
    );
    let published = "<PublishResponse xmlns=\"x\"><PublishResult><MessageId>M</MessageId></PublishResult><ResponseMetadata><RequestId>R</RequestId></ResponseMetadata></PublishResponse>";
    check("sns:publish", written, &[], published, json!({ "MessageId": "M" }));
    let instances = "<DescribeDBInstancesResponse><DescribeDBInstancesResult><DBInstances><DBInstance><AllocatedStorage>20</AllocatedStorage><MultiAZ>false</MultiAZ><DBInstanceIdentifier>d</DBInstanceIdentifier><InstanceCreateTime>2013-05-24T00:00:00.5Z</InstanceCreateTime></DBInstance></DBInstances></DescribeDBInstancesResult></DescribeDBInstancesResponse>";
    check(
        "rds:describeDBInstances",
        written,
        &[],
        instances,
        json!({ "DbInstances": [{ "DbInstanceIdentifier": "d", "AllocatedStorage": 20, "InstanceCreateTime": "2013-05-24T00:00:00.500Z", "MultiAZ": false }] }),
    );
    let instances = "<DescribeInstancesResponse><requestId>R</requestId><reservationSet><item><reservationId>r</reservationId><instancesSet><item><instanceId>i-1</instanceId></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
    check(
        "ec2:describeInstances",
        written,
        &[],
        instances,
        json!({ "Reservations": [{ "ReservationId": "r", "Instances": [{ "InstanceId": "i-1" }] }] }),
    );
    let buckets = "<ListAllMyBucketsResult><Buckets><Bucket><Name>b</Name></Bucket></Buckets></ListAllMyBucketsResult>";
    check("s3:listBuckets", written, &[], buckets, json!({ "Buckets": [{ "Name": "b" }] }));
    let listing = "<ListBucketResult><KeyCount>2</KeyCount><Contents><Key>a</Key></Contents><Contents><Key>b</Key></Contents></ListBucketResult>";
    check(
        "s3:listObjectsV2",
        written,
        &[],
        listing,
        json!({ "Contents": [{ "Key": "a" }, { "Key": "b" }], "KeyCount": 2 }),
    );
    check(
        "s3:headObject",
        written,
        &[
            ("etag", "e"),
            ("content-length", "7"),
            ("last-modified", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-meta-trip", "7"),
        ],
        "",
        json!({ "ContentLength": 7, "ETag": "e", "LastModified": "2013-05-24T00:00:00.000Z", "Metadata": { "trip": "7" } }),
    );
    check("s3:putBucketTagging", written, &[], "", json!({}));
    assert!(operation("sns:publish").answer(&answer(200, &[], "{}"), written).is_err());
    assert!(operation("ecs:runTask").answer(&answer(200, &[], "<html>"), written).is_err());
}

#[test]
fn refusals() {
    let check = |resource: &str,
                 headers: &[(&str, &str)],
                 body: &str,
                 expect: (&str, &str, Option<&str>, Option<&str>)| {
        let operation = operation(resource);
        let refusal = operation.refusal(&answer(400, headers, body));
        let exception = operation.service.exception(&refusal.code);
        assert_eq!((refusal.code.as_str(), refusal.message.as_str(), refusal.request_id.as_deref(), exception), expect);
    };
    let name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
    check(
        "dynamodb:putItem",
        &[],
        &format!(r#"{{"__type":"{name}","message":"No"}}"#),
        ("ConditionalCheckFailedException", "No", None, Some("ConditionalCheckFailedException")),
    );
    check(
        "dynamodb:putItem",
        &[],
        r#"{"__type":"x#ValidationException","Message":"Bad"}"#,
        ("ValidationException", "Bad", None, None),
    );
    check(
        "kms:encrypt",
        &[],
        r#"{"__type":"NotFoundException:http://internal/","message":"Gone"}"#,
        ("NotFoundException", "Gone", None, Some("NotFoundException")),
    );
    check("kms:encrypt", &[], "<html>", ("UnknownError", "<html>", None, None));
    check(
        "lambda:getFunction",
        &[("x-amzn-errortype", "ResourceNotFoundException:x")],
        r#"{"message":"No"}"#,
        ("ResourceNotFoundException", "No", None, Some("ResourceNotFoundException")),
    );
    let error = "<ErrorResponse><Error><Type>Sender</Type><Code>DBInstanceNotFound</Code><Message>No</Message></Error><RequestId>R</RequestId></ErrorResponse>";
    check(
        "rds:describeDBInstances",
        &[],
        error,
        ("DBInstanceNotFound", "No", Some("R"), Some("DbInstanceNotFoundException")),
    );
    let error = "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>No</Message></Error></Errors><RequestID>R</RequestID></Response>";
    check("ec2:describeInstances", &[], error, ("InvalidInstanceID.NotFound", "No", Some("R"), None));
    let error = "<Error><Code>NoSuchBucket</Code><Message>No</Message><RequestId>R</RequestId></Error>";
    check("s3:listObjectsV2", &[], error, ("NoSuchBucket", "No", Some("R"), Some("NoSuchBucketException")));
}
