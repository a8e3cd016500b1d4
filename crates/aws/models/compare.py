#!/usr/bin/env python3
"""Holds requests and answers against botocore's own serializers and parsers: every operation, with values drawn at random.

    cargo build -p aws-models --example wire
    python3 compare.py target/debug/examples/wire [SEED]

Prints what differs. A few do: milliseconds of moments in requests, regions that botocore itself puts into requests of RDS
and its like, lists that a drawn answer has empty, S3's `Expires`, which botocore takes for no moment.
"""

import base64
import collections
import datetime
import io
import json
import os
import random
import re
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

import botocore
import botocore.compat
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize

import derive

DEPTH_MAX = 8
MOMENT = datetime.datetime(2023, 11, 14, 22, 13, 20, tzinfo=datetime.timezone.utc)
ISO, HTTP, SECONDS = "2023-11-14T22:13:20Z", "Tue, 14 Nov 2023 22:13:20 GMT", 1700000000
FORMS = {"iso8601": ISO, "rfc822": HTTP, "unixTimestamp": SECONDS}
# What stands for them in drawn values.
TIME, BYTES = "TIME", "BYTES"
SIMPLE = {"integer": 7, "long": 7, "double": 1.5, "float": 1.5, "boolean": True, "timestamp": TIME, "blob": BYTES}

chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


def is_document(shape):
    return shape.type_name == "structure" and shape.is_document_type


def draw(shape, depth=0):
    kind = shape.type_name
    if kind == "structure":
        return draw_members(shape, depth)
    if kind == "list":
        return [draw(shape.member, depth + 1) for _ in range(chance.choice([1, 2]))] if depth < DEPTH_MAX else []
    if kind == "map":
        return {"k": draw(shape.value, depth + 1)} if depth < DEPTH_MAX else {}
    return SIMPLE.get(kind) or chance.choice(["abc", "a b/c", "x&<y>"])


def draw_members(shape, depth):
    drawn = {}
    for name, member in shape.members.items():
        if is_document(member) or member.serialization.get("eventstream"):
            continue
        if member.metadata.get("idempotencyToken") and depth == 0:
            drawn[name] = "TOKEN"
            continue
        needed = name in shape.required_members or member.serialization.get("location") == "uri"
        if needed or depth < 4 and chance.random() < (0.5 if depth < 2 else 0.3):
            if not (shape.is_tagged_union and drawn):
                drawn[name] = draw(member, depth + 1)
    return drawn


def changed(value, shape, name_of, leaf):
    """The value with other names of members, and other leaves. What the shape has not got is left out."""
    kind = shape.type_name
    if value is None or is_document(shape):
        return value
    if kind == "structure":
        members = [(name, it) for name, it in value.items() if name in shape.members and it is not None]
        return {name_of(shape.members[name], name): changed(it, shape.members[name], name_of, leaf) for name, it in members}
    if kind == "list":
        return [changed(it, shape.member, name_of, leaf) for it in value]
    if kind == "map":
        return {key: changed(it, shape.value, name_of, leaf) for key, it in value.items()}
    return leaf(value, shape)


def for_botocore(value, _):
    return MOMENT if value == TIME else b"bytes" if value == BYTES else value


def for_us(value, _):
    return ISO if value == TIME else base64.b64encode(b"bytes").decode() if value == BYTES else value


def on_the_wire(usual):
    def leaf(value, shape):
        if value == TIME:
            return FORMS.get(shape.serialization.get("timestampFormat"), usual)
        return for_us(value, shape)
    return leaf


def as_shown(value, _):
    if isinstance(value, datetime.datetime):
        return "2023-11-14T22:13:20.000Z"
    value = value.read() if hasattr(value, "read") else value
    return value.decode() if isinstance(value, bytes) else value


def wire_name(member, name):
    return member.serialization.get("name", name)


class Service:
    """One service as botocore has it, in the protocol that the table has."""

    def __init__(self, model, folder):
        self.name = derive.java_service(model["metadata"]["serviceId"]).lower()
        offered = model["metadata"].get("protocols", [model["metadata"]["protocol"]])
        self.protocol = next(it for it in derive.PROTOCOLS if it in offered)
        self.model = botocore.model.ServiceModel(model, folder)
        self.model.metadata["protocol"] = self.protocol
        self.serializer = botocore.serialize.create_serializer(self.protocol, False)
        self.parser = botocore.parsers.create_parser(self.protocol)
        self.shown = derive.upper if self.name in derive.AS_THE_API else derive.java_member

    def show(self, value, shape, leaf):
        return changed(value, shape, lambda _, name: self.shown(name), leaf)


def services():
    loader, root, seen = botocore.loaders.Loader(), os.path.join(os.path.dirname(botocore.__file__), "data"), set()
    for folder in sorted(os.listdir(root)):
        if os.path.isdir(os.path.join(root, folder)) and derive.newest(derive.pathlib.Path(root) / folder):
            service = Service(loader.load_service_model(folder, "service-2"), folder)
            if service.name not in seen:
                seen.add(service.name)
                yield service


# Requests


def request_of(service, operation):
    shape = operation.input_shape
    drawn = draw(shape) if shape else {}
    given = changed(drawn, shape, lambda _, name: name, for_botocore) if shape else {}
    try:
        want = service.serializer.serialize_to_request(given, operation)
    except botocore.exceptions.ParamValidationError:
        return None
    parameters = service.show(drawn, shape, for_us) if shape else {}
    return {"service": service.name, "operation": operation.name, "parameters": parameters}, want


def pairs(query):
    found = urllib.parse.parse_qsl(query, keep_blank_values=True)
    return sorted((name, value.replace(".000Z", "Z")) for name, value in found)


def text(value):
    return str(value).lower() if isinstance(value, bool) else str(value)


def document(text):
    """XML without the order of attributes; JSON; or the text."""
    def element(it):
        return it.tag, (it.text or "").strip(), sorted(it.attrib.items()), [element(child) for child in it]
    try:
        return element(ET.fromstring(text.replace(".000Z", "Z")))
    except ET.ParseError:
        pass
    try:
        return json.loads(text or "{}")
    except ValueError:
        return text


def request_differs(service, operation, want, got):
    if "error" in got:
        return got["error"]
    body, shape = want["body"], operation.input_shape
    payload = shape and shape.serialization.get("payload")
    if isinstance(body, dict):
        form = sorted((name, text(value)) for name, value in body.items())
        if [(name, value.lower() if value in ("True", "False") else value) for name, value in form] != pairs(got["body"]):
            return f"form: {form} is not {pairs(got['body'])}"
    elif not (payload and shape.members[payload].type_name == "blob"):
        body = body.decode() if isinstance(body, bytes) else body or ""
        if document(body) != document(got["body"]):
            return f"body: {body} is not {got['body']}"
    if want["method"] != got["method"]:
        return "method"
    if service.protocol.startswith("rest"):
        path, _, fixed = want["url_path"].partition("?")
        own, _, query = got["target"].partition("?")
        listed = [(name, one) for name, it in dict(want["query_string"]).items() for one in (it if isinstance(it, list) else [it])]
        if urllib.parse.unquote(path) != urllib.parse.unquote(own):
            return f"path: {path} is not {own}"
        if sorted(pairs(fixed) + [(name, text(it)) for name, it in listed]) != pairs(query):
            return f"query: {fixed} {listed} is not {query}"
        headers = dict(got["headers"])
        for name, value in want["headers"].items():
            if name.lower() != "content-type" and headers.get(name.lower()) != str(value):
                return f"{name}: {value} is not {headers.get(name.lower())}"
    return None


# Answers


def element(name, value, shape):
    kind, flattened = shape.type_name, shape.serialization.get("flattened")
    if kind == "structure":
        inside = "".join(
            element(wire_name(shape.members[it], it), of, shape.members[it])
            for it, of in value.items() if "location" not in shape.members[it].serialization
        )
    elif kind == "list":
        item = name if flattened else wire_name(shape.member, "member")
        inside = "".join(element(item, it, shape.member) for it in value)
    elif kind == "map":
        entry = name if flattened else "entry"
        key, of = wire_name(shape.key, "key"), wire_name(shape.value, "value")
        inside = "".join(f"<{entry}><{key}>{escape(it)}</{key}>{element(of, value[it], shape.value)}</{entry}>" for it in value)
    else:
        inside = escape(text(on_the_wire(ISO)(value, shape)))
    return inside if flattened and kind in ("list", "map") else f"<{name}>{inside}</{name}>"


def answer_of(service, operation):
    shape, name, protocol = operation.output_shape, operation.name, service.protocol
    if not shape or operation.has_event_stream_output:
        return None
    drawn, headers, payload = draw(shape), {}, shape.serialization.get("payload")
    inside = {it: of for it, of in drawn.items() if "location" not in shape.members[it].serialization}
    if protocol.startswith("rest"):
        for it, member in shape.members.items():
            is_plain = member.type_name in ("string", "integer", "long", "boolean", "timestamp")
            if it in drawn and member.serialization.get("location") == "header" and is_plain and not member.serialization.get("jsonvalue"):
                headers[wire_name(member, it)] = text(on_the_wire(HTTP)(drawn[it], member))
    to_json = lambda value, of: json.dumps(changed(value, of, wire_name, on_the_wire(SECONDS)))
    if payload:
        member = shape.members[payload]
        is_text = member.type_name not in ("structure", "list", "map")
        write = to_json if "json" in protocol else lambda value, of: element(wire_name(of, payload), value, of)
        body = "" if payload not in drawn else "text" if is_text else write(drawn[payload], member)
    elif "json" in protocol:
        body = to_json(inside, shape)
    elif protocol == "query":
        body = f"<{name}Response>{element(shape.serialization.get('resultWrapper', f'{name}Result'), drawn, shape)}</{name}Response>"
    else:
        body = element(f"{name}Response", drawn, shape)
    given = botocore.compat.HTTPHeaders()
    for it, value in headers.items():
        given[it] = value
    raw = io.BytesIO(body.encode()) if operation.has_streaming_output else body.encode()
    try:
        want = service.parser.parse({"status_code": 200, "headers": given, "body": raw}, shape)
    except botocore.parsers.ResponseParserError:
        return None
    want.pop("ResponseMetadata", None)
    asked = {"service": service.name, "operation": name, "headers": headers, "body": body}
    return asked, service.show(want, shape, as_shown)


def without_empty(value):
    if isinstance(value, dict):
        kept = {name: without_empty(it) for name, it in value.items()}
        return {name: it for name, it in kept.items() if it not in ({}, [], None, "")}
    return [without_empty(it) for it in value] if isinstance(value, list) else value


def answer_differs(_service, _operation, want, got):
    want, got = without_empty(want), without_empty(got)
    return None if want == got else f"{json.dumps(want, default=str)} is not {json.dumps(got)}"


def compare(title, draw_one, differs):
    jobs = []
    for service in services():
        for name in service.model.operation_names:
            operation = service.model.operation_model(name)
            drawn = draw_one(service, operation)
            if drawn:
                jobs.append((service, operation, *drawn))
    lines = "\n".join(json.dumps(asked) for _, _, asked, _ in jobs)
    said = subprocess.run([sys.argv[1]], input=lines, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == len(jobs), f"{len(said)} of {len(jobs)} {title}"
    count = 0
    for (service, operation, _, want), got in zip(jobs, said):
        why = differs(service, operation, want, json.loads(got))
        if why:
            count += 1
            print(f"{service.name}:{operation.name}: {why[:300]}")
    print(f"{len(jobs)} {title}, {count} differ\n")


if __name__ == "__main__":
    compare("requests", request_of, request_differs)
    compare("answers", answer_of, answer_differs)
