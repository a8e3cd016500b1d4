"""Translates SAM templates as AWS does at their deployment, and writes what becomes of each to standard output: a list in JSON.

`sam package` would have put code and definitions into S3 before, which is done here by name only.
"""

import json
import sys

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


class ManagedPolicies:
    """The names of managed policies, which AWS would be asked for. The templates name none."""

    def load(self):
        return {}


def packaged(template):
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://bucket/definition"
    return template


def translated(path):
    with open(path, encoding="utf-8") as file:
        template = packaged(yaml_parse(file.read()))
    try:
        return transform(template, {}, ManagedPolicies())
    except InvalidDocumentException as error:
        sys.exit(f"{path}: {[cause.message for cause in error.causes]}")


print(json.dumps([translated(path) for path in sys.argv[1:]]))
