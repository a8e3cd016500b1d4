#!/usr/bin/env python3
"""Derives outputs.txt: what the operations of some AWS services answer, for checking the mocked results of TestState.

    pip install --no-deps --target /tmp/models botocore==1.41.2
    python3 derive.py /tmp/models > outputs.txt

That version is of November 2025, as AWS's own check is; the models that AWS published later allow more.

Only facts are taken from the service models in botocore (Apache License 2.0): names, types, required members, enums
and ranges of numbers. What a string must look like is left out: results are told to people, not to servers.
"""

import gzip
import importlib.metadata
import json
import pathlib
import sys

# The name in `arn:aws:states:::aws-sdk:NAME:operation`, the folder in botocore, and the name of the optimized
# integration in `arn:aws:states:::NAME:operation`.
SERVICES = [
    ("dynamodb", "dynamodb", "dynamodb"),
    ("eventbridge", "events", "events"),
    ("lambda", "lambda", "lambda"),
    ("s3", "s3", ""),
    ("secretsmanager", "secretsmanager", ""),
    ("sfn", "stepfunctions", "states"),
    ("sns", "sns", "sns"),
    ("sqs", "sqs", "sqs"),
]

HEAD = """\
# What operations of AWS services answer. Made by derive.py from botocore {version}; do not edit.
# Covered: {covered}.
#
#   @ SERVICE OPTIMIZED       a service, as `aws-sdk:SERVICE:operation` and as `OPTIMIZED:operation`
#   > OPERATION SHAPE         the shape of an operation's answer
#   SHAPE = MEMBER:SHAPE ...  a structure; `!` before a member says that it is required
#   SHAPE [ SHAPE             a list of these
#   SHAPE {{ SHAPE             a map to these
#   SHAPE | WORD ...          a string that is one of these
#   SHAPE # MIN MAX           a number within these, `-` where there is no bound
#
# Shapes that need no line: String Number Boolean Timestamp Blob.
"""

SIMPLE = {
    "blob": "Blob",
    "boolean": "Boolean",
    "double": "Number",
    "float": "Number",
    "integer": "Number",
    "long": "Number",
    "string": "String",
    "timestamp": "Timestamp",
}


def read(root, folder):
    newest = max((pathlib.Path(root) / "botocore/data" / folder).iterdir())
    with gzip.open(newest / "service-2.json.gz") as file:
        return json.load(file)


def upper(name):
    """Step Functions writes members and operations with a capital letter."""
    return name[:1].upper() + name[1:]


def is_simple(shape):
    """Does its type say all?"""
    ranged = SIMPLE.get(shape["type"]) == "Number" and ("min" in shape or "max" in shape)
    return shape["type"] in SIMPLE and not ranged and "enum" not in shape


def reference(shapes, name):
    """A shape by name; a simple one by its type."""
    shape = shapes[name]
    return SIMPLE[shape["type"]] if is_simple(shape) else name


def line(shapes, name):
    """The line of a shape, and the names of the shapes it needs."""
    shape = shapes[name]
    match shape["type"]:
        case "structure":
            required = set(shape.get("required", ()))
            members = [(member, target["shape"]) for member, target in shape["members"].items()]
            texts = [
                f"{'!' if member in required else ''}{upper(member)}:{reference(shapes, target)}"
                for member, target in members
            ]
            return f"{name} = {' '.join(texts)}".rstrip(), [target for _, target in members]
        case "list":
            target = shape["member"]["shape"]
            return f"{name} [ {reference(shapes, target)}", [target]
        case "map":
            target = shape["value"]["shape"]
            return f"{name} {{ {reference(shapes, target)}", [target]
        case "string":
            return f"{name} | {' '.join(shape['enum'])}", []
        case _:
            return f"{name} # {shape.get('min', '-')} {shape.get('max', '-')}", []


def service(model, sdk, optimized):
    shapes = model["shapes"]
    lines = [f"@ {sdk} {optimized}".rstrip()]
    needed = []
    for operation in sorted(model["operations"]):
        output = model["operations"][operation].get("output")
        if output is not None:
            lines.append(f"> {operation} {output['shape']}")
            needed.append(output["shape"])
    done = set()
    shaped = []
    while needed:
        name = needed.pop()
        if name in done or is_simple(shapes[name]):
            continue
        done.add(name)
        text, more = line(shapes, name)
        shaped.append(text)
        needed.extend(more)
    return lines + sorted(shaped)


def main():
    root = sys.argv[1]
    [installed] = importlib.metadata.distributions(name="botocore", path=[root])
    print(HEAD.format(version=installed.version, covered=", ".join(sdk for sdk, _, _ in SERVICES)))
    for sdk, folder, optimized in SERVICES:
        print("\n".join(service(read(root, folder), sdk, optimized)))


main()
