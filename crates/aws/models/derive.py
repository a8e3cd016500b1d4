#!/usr/bin/env python3
"""Derives services.zip: how requests to AWS services are written and their answers are read.

    pip install --no-deps --target /tmp/models botocore==1.43.11
    python3 derive.py /tmp/models services.zip

Only facts are taken from the service models in botocore (Apache License 2.0): names, types, places in a request, codes
of errors. An entry of the archive is a service, by the name it has in `arn:aws:states:::aws-sdk:NAME:operation`; its
lines are described in src/table.rs.
"""

import gzip
import importlib.metadata
import json
import pathlib
import re
import sys
import zipfile

PROTOCOLS = ["json", "rest-json", "rest-xml", "query", "ec2"]

SIMPLE = {
    "string": "s", "character": "s", "integer": "n", "long": "n", "double": "n", "float": "n", "bigdecimal": "n",
    "biginteger": "n", "boolean": "b", "blob": "x",
}
TIMES = {"iso8601": "ti", "rfc822": "tr", "unixTimestamp": "tu"}
PLACES = {"header": "h", "headers": "p", "querystring": "q", "uri": "u", "statusCode": "c"}

# Step Functions shows members of these as the API has them, and not as the SDK for Java.
AS_THE_API = ["dynamodb"]


def words(name):
    """The words of a name as the AWS SDK for Java finds them: DBInstanceId is DB, Instance, Id."""
    name = re.sub(r"[^A-Za-z0-9]+", " ", name)
    name = re.sub(r"([^a-z]{2,})v([0-9]+)", r"\1 v\2 ", name)
    name = re.sub(r"([^A-Z]{2,})V([0-9]+)", r"\1 V\2 ", name)
    name = re.sub(r"(?<=[a-z])(?=[A-Z]([a-zA-Z]|[0-9]))", " ", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1 \2", name)
    name = re.sub(r"([0-9])([a-zA-Z])", r"\1 \2", name)
    return name.split()


def pascal(name):
    return "".join(word[:1].upper() + word[1:].lower() for word in words(name))


def upper(name):
    return name[:1].upper() + name[1:]


def java_service(service_id):
    """The client's name: API Gateway is ApiGateway, Config Service is Config."""
    name = pascal(service_id)
    name = re.sub(r"^(Amazon|Aws)", "", name)
    return re.sub(r"Service$", "", name) or name


def java_exception(shape):
    base = shape.removesuffix("Exception") if shape.endswith("Exception") else shape.removesuffix("Fault")
    return pascal(base) + "Exception"


class Table:
    def __init__(self, model, name):
        self.shapes, self.name = model["shapes"], name
        self.protocol = model["metadata"]["protocol"]
        self.numbers, self.lines = {}, []

    def member_name(self, name):
        return upper(name) if self.name in AS_THE_API else java_member(name)

    def reference(self, name, ref):
        """A type: a letter, or the number of a line."""
        shape = self.shapes[name]
        if ref.get("jsonvalue") or shape.get("jsonvalue") or shape.get("document"):
            return "j"
        if shape["type"] == "timestamp":
            return TIMES.get(ref.get("timestampFormat") or shape.get("timestampFormat"), "t")
        if shape["type"] in SIMPLE:
            return SIMPLE[shape["type"]]
        if shape.get("eventstream"):
            return "j"
        if name not in self.numbers:
            self.numbers[name] = len(self.lines)
            self.lines.append(None)
            self.lines[self.numbers[name]] = self.line(shape)
        return str(self.numbers[name])

    def line(self, shape):
        kind = shape["type"]
        if kind == "list":
            member = shape["member"]
            return f"[{self.reference(member['shape'], member)} {member.get('locationName', '')}".rstrip()
        if kind == "map":
            key, value = shape["key"], shape["value"]
            names = f"{key.get('locationName', '')},{value.get('locationName', '')}"
            return f"{{{self.reference(value['shape'], value)} {names if names != ',' else ''}".rstrip()
        payload = shape.get("payload")
        members = [self.member(shape, name, ref, payload) for name, ref in shape.get("members", {}).items()]
        return " ".join(["("] + members)

    def member(self, shape, name, ref, payload):
        target = self.shapes[ref["shape"]]
        # Of EC2 it is the name in answers; a request has it with a capital.
        wire = ref.get("locationName", name)
        shown = self.member_name(name)
        # Most are strings.
        kind = self.reference(ref["shape"], ref)
        text = shown if kind == "s" else f"{shown}:{kind}"
        marks = PLACES.get(ref.get("location"), "")
        if name == payload:
            marks += "*"
        if ref.get("flattened") or target.get("flattened"):
            marks += "f"
        if ref.get("xmlAttribute"):
            marks += "a"
        if ref.get("idempotencyToken"):
            marks += "i"
        if marks:
            text += f"@{marks}"
        if wire != shown:
            # A small first letter is the most frequent difference.
            text += "-" if wire == shown[:1].lower() + shown[1:] else f"={wire}"
        namespace = (ref.get("xmlNamespace") or {}).get("uri")
        if namespace and self.protocol == "rest-xml" and name == payload:
            text += f"!{namespace}"
        return text

    def operation(self, name, operation):
        http = operation.get("http", {})
        given, taken = operation.get("input"), operation.get("output")
        parts = [name]
        method, uri = http.get("method", "POST"), http.get("requestUri", "/")
        if (method, uri) != ("POST", "/"):
            parts += [method, uri]
        text = f"> {' '.join(parts)}"
        text += f" <{self.reference(given['shape'], given)}" if given else ""
        if given and given.get("locationName"):
            text += f"={given['locationName']}"
            if given.get("xmlNamespace"):
                text += f"!{given['xmlNamespace']['uri']}"
        text += f" >{self.reference(taken['shape'], taken)}" if taken else ""
        if operation.get("authtype") == "none":
            text += " -"
        return text


def java_member(name):
    """As the AWS SDK for Java has members, with a capital: of an acronym at the beginning only the first letter is one."""
    beginning = re.match(r"[A-Z]+(?![a-z])", name)
    length = beginning.end() if beginning else 1
    return name[:1].upper() + name[1:length].lower() + name[length:]


def derive(model, name):
    meta = model["metadata"]
    offered = meta.get("protocols", [meta["protocol"]])
    meta["protocol"] = next(protocol for protocol in PROTOCOLS if protocol in offered)
    table = Table(model, name)
    operations = [table.operation(name, it) for name, it in sorted(model["operations"].items())]
    errors = []
    for shape_name, shape in sorted(model["shapes"].items()):
        if shape.get("exception") or "error" in shape:
            code = shape.get("error", {}).get("code", shape_name)
            java = java_exception(shape_name)
            plain = code if code.endswith("Exception") else code + "Exception"
            errors.append(code if java == plain else f"{code}={java}")
    service_id = meta["serviceId"]
    head = [
        meta["protocol"], java_service(service_id), re.sub(r"[^A-Z0-9]+", "_", service_id.upper()),
        meta.get("signingName", meta["endpointPrefix"]), meta.get("targetPrefix", "-"),
        meta.get("jsonVersion", "1.1") if meta["protocol"] == "json" else meta["apiVersion"],
    ]
    lines = [" ".join(head), "! " + " ".join(errors)] + operations + table.lines
    return "\n".join(lines) + "\n"


def newest(folder):
    versions = [it for it in folder.iterdir() if (it / "service-2.json.gz").exists() or (it / "service-2.json").exists()]
    return max(versions) if versions else None


def read(folder):
    packed = folder / "service-2.json.gz"
    if packed.exists():
        with gzip.open(packed) as file:
            return json.load(file)
    return json.loads((folder / "service-2.json").read_text())


def main():
    root = pathlib.Path(sys.argv[1]) / "botocore/data"
    found = {}
    for folder in sorted(root.iterdir()):
        version = newest(folder) if folder.is_dir() else None
        if version is None:
            continue
        model = read(version)
        name = java_service(model["metadata"]["serviceId"]).lower()
        # Two folders hold Pinpoint's voice.
        found.setdefault(name, derive(model, name))
    with zipfile.ZipFile(sys.argv[2], "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, text in sorted(found.items()):
            # The same bytes at every run.
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text, compresslevel=9)
    print(f"{len(found)} services, {sum(map(len, found.values()))} bytes of text", file=sys.stderr)


if __name__ == "__main__":
    main()
