"""What sends, and EventBridge's connections, as programs use them. Arguments: a prefix for names, the endpoint."""

import hashlib
import json
import sys
import urllib.request

import boto3
from botocore.exceptions import ClientError

prefix, endpoint = sys.argv[1], sys.argv[2]


def client(service):
    return boto3.client(service, endpoint_url=endpoint)


sqs, sns, events, ses, sesv2 = (client(name) for name in ["sqs", "sns", "events", "ses", "sesv2"])


def refused(code, call, **members):
    try:
        call(**members)
    except ClientError as error:
        found = error.response["Error"]["Code"]
        assert found == code, f"{members}: {found} is not {code}: {error}"
        return error
    raise AssertionError(f"{members} was not refused")


def kept(**filters):
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    with urllib.request.urlopen(f"{endpoint}/ithaca/outbox?{query}") as answer:
        return json.load(answer)["messages"]


def queues():
    url = sqs.get_queue_url(QueueName=f"{prefix}-orders")["QueueUrl"]
    assert url == f"{endpoint}/000000000000/{prefix}-orders", url
    attributes = {"kind": {"DataType": "String", "StringValue": "new"}, "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"}}
    answer = sqs.send_message(QueueUrl=url, MessageBody="héllo", MessageAttributes=attributes)
    assert answer["MD5OfMessageBody"] == hashlib.md5("héllo".encode()).hexdigest()
    assert len(answer["MD5OfMessageAttributes"]) == 32
    sent = kept(service="sqs", limit=1)[0]
    assert sent["messageId"] == answer["MessageId"] and sent["destination"] == url, sent
    assert sent["message"]["MessageBody"] == "héllo" and sent["message"]["MessageAttributes"]["raw"]["BinaryValue"] == "AAE="
    first, second = (
        sqs.send_message(QueueUrl=f"{url}.fifo", MessageBody="m", MessageGroupId="g", MessageDeduplicationId=str(n))["SequenceNumber"]
        for n in range(2)
    )
    assert int(second) > int(first) and len(first) == 20, (first, second)
    entries = [{"Id": "a", "MessageBody": "m"}, {"Id": "b", "MessageBody": "m", "DelaySeconds": 901}]
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    assert [it["Id"] for it in answer["Successful"]] == ["a"] and answer["Failed"][0]["Code"] == "InvalidParameterValue"
    refused("InvalidParameterValue", sqs.send_message, QueueUrl=url, MessageBody="x" * (1 << 20) + "x")
    refused("MissingParameter", sqs.send_message, QueueUrl=f"{url}.fifo", MessageBody="m")


def topics():
    topic = f"arn:aws:sns:us-east-1:000000000000:{prefix}-told"
    attributes = {"kind": {"DataType": "String", "StringValue": "new"}}
    message = json.dumps({"default": "m", "email": "mail"})
    sns.publish(TopicArn=topic, Message=message, MessageStructure="json", Subject="S", MessageAttributes=attributes)
    sent = kept(service="sns", destination=f"{prefix}-told")[0]
    assert sent["message"]["MessageAttributes"] == attributes and sent["message"]["Subject"] == "S", sent
    entries = [{"Id": "a", "Message": "m"}, {"Id": "b", "Message": "n", "MessageAttributes": attributes}]
    answer = sns.publish_batch(TopicArn=topic, PublishBatchRequestEntries=entries)
    assert [it["Id"] for it in answer["Successful"]] == ["a", "b"] and answer["Failed"] == [], answer
    sns.publish(PhoneNumber="+4312345", Message="m")
    refused("InvalidParameter", sns.publish, TopicArn="told", Message="m")


def buses():
    good = {"Source": "app", "DetailType": "d", "Detail": '{"a": 1}', "EventBusName": "orders"}
    answer = events.put_events(Entries=[good, good | {"Detail": "no"}])
    assert answer["FailedEntryCount"] == 1 and answer["Entries"][1]["ErrorCode"] == "MalformedDetail", answer
    assert kept(service="events", limit=1)[0]["messageId"] == answer["Entries"][0]["EventId"]


def mails():
    to = {"ToAddresses": ["a@example.com", "b@example.com"]}
    words = {"Subject": {"Data": "S"}, "Body": {"Text": {"Data": "T"}, "Html": {"Data": "<p>T</p>"}}}
    answer = ses.send_email(Source="s@example.com", Destination=to, Message=words)
    sent = kept(service="ses", limit=1)[0]
    assert sent["messageId"] == answer["MessageId"] and sent["message"]["Message"] == words, sent
    assert sent["destination"] == "a@example.com, b@example.com"
    raw = b"From: s@example.com\r\nTo: a@example.com\r\n\r\nT"
    ses.send_raw_email(RawMessage={"Data": raw})
    assert kept(service="ses", limit=1)[0]["destination"] == "a@example.com"
    ses.send_templated_email(Source="s@example.com", Destination=to, Template="t", TemplateData='{"a": 1}')
    refused("InvalidParameterValue", ses.send_email, Source="s@example.com", Destination={}, Message=words)
    sesv2.send_email(FromEmailAddress="s@example.com", Destination=to, Content={"Simple": words})
    sesv2.send_email(Content={"Raw": {"Data": raw}})
    refused("BadRequestException", sesv2.send_email, Content={})


def connections():
    name = f"{prefix}-key"
    parameters = {
        "ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "hush"},
        "InvocationHttpParameters": {"QueryStringParameters": [{"Key": "q", "Value": "hush", "IsValueSecret": True}]},
    }
    made = events.create_connection(Name=name, AuthorizationType="API_KEY", AuthParameters=parameters)
    refused("ResourceAlreadyExistsException", events.create_connection, Name=name, AuthorizationType="API_KEY", AuthParameters=parameters)
    told = events.describe_connection(Name=name)
    assert told["ConnectionArn"] == made["ConnectionArn"] and told["ConnectionState"] == "AUTHORIZED", told
    assert "hush" not in str(told) and told["AuthParameters"]["ApiKeyAuthParameters"] == {"ApiKeyName": "x-key"}, told
    events.update_connection(Name=name, Description="d")
    assert events.describe_connection(Name=name)["Description"] == "d"
    assert [it["Name"] for it in events.list_connections(NamePrefix=prefix)["Connections"]] == [name]
    assert events.delete_connection(Name=name)["ConnectionState"] == "DELETING"
    refused("ResourceNotFoundException", events.describe_connection, Name=name)


for step in [queues, topics, buses, mails, connections]:
    step()
