"""Calls AWS services that speak JSON, with nothing to install: a signed request (Signature Version 4), an answer or an error.

boto3, which Lambda's Python runtimes bring along, does the same and more.
"""

import hashlib
import hmac
import json
import os
import urllib.error
import urllib.request
from datetime import datetime, timezone
from urllib.parse import urlsplit

TARGETS = {"states": "AWSStepFunctions", "dynamodb": "DynamoDB_20120810"}


def failure(name, message):
    """An error of this name, which the state machine's Retry and Catch compare."""
    return type(name, (Exception,), {})(message)


def call(service, operation, parameters):
    region = os.environ["AWS_REGION"]
    url = os.environ.get("AWS_ENDPOINT_URL", f"https://{service}.{region}.amazonaws.com")
    body = json.dumps(parameters).encode()
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": urlsplit(url).netloc,
        "x-amz-date": datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ"),
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
        "x-amz-target": f"{TARGETS[service]}.{operation}",
    }
    headers["authorization"] = authorization(service, region, headers, body)
    request = urllib.request.Request(url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refused:
        said = json.load(refused)
        raise failure(said["__type"].split("#")[-1], said.get("message", operation)) from None
    except OSError as error:
        raise failure("ServiceUnreachable", f"{operation}: {error}") from None


def authorization(service, region, headers, body):
    signed = ";".join(headers)
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join(["POST", "/", "", *lines, "", signed, hashlib.sha256(body).hexdigest()])
    date = headers["x-amz-date"][:8]
    scope = f"{date}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256(request.encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashed])
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in (date, region, service, "aws4_request", text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    return f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed}, Signature={key.hex()}"
