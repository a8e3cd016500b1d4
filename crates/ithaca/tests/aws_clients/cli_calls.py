"""The calls of scenarios.json by the AWS CLI: its own program, started in this process once, which spares the second
that each start takes.

    cli_calls.py PREFIX ENDPOINT
"""

import contextlib
import io
import json
import re
import sys

import awscli.clidriver
from botocore import xform_name

import scenarios

PREFIX, ENDPOINT = sys.argv[1:]
DRIVER = awscli.clidriver.create_clidriver()


def call(operation, given):
    command = xform_name(operation, "-")
    arguments = ["stepfunctions", command, "--endpoint-url", ENDPOINT, "--output", "json", "--no-paginate", "--cli-input-json", json.dumps(given)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = DRIVER.main(arguments)
    if code == 0:
        return json.loads(out.getvalue() or "{}"), None
    refused = re.search(r"An error occurred \((\w+)\) when calling the (\w+) operation", err.getvalue())
    assert refused and refused[2] == operation, f"{command} ended with {code}: {err.getvalue()}"
    return err.getvalue(), refused[1]


scenarios.play(PREFIX, call)
