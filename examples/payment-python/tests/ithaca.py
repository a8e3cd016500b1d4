"""Runs this app on an Ithaca of its own for the tests: ports and data folder are fresh, nothing is left behind.

The program is `ithaca` on the PATH, or what the variable ITHACA says.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

APP = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 60


class App:
    """A running app. `parameters` are the template's."""

    def __init__(self, **parameters):
        self.data = tempfile.mkdtemp(prefix="ithaca-")
        settings = [word for key, value in parameters.items() for word in ("--parameter", f"{key}={value}")]
        arguments = ["up", str(APP), "--json", "--data", self.data, "--port", "0", "--api-port", "0", *settings]
        program = os.environ.get("ITHACA", "ithaca")
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        said = self.process.stdout.readline()
        if not said:
            raise RuntimeError(f"ithaca up ended with {self.process.wait()}")
        self.endpoint = json.loads(said)["endpoint"]

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.stdout.read()
        self.process.stdout.close()
        self.process.wait()
        shutil.rmtree(self.data)

    def call(self, target, parameters):
        headers = {"content-type": "application/x-amz-json-1.0", "x-amz-target": target}
        request = urllib.request.Request(self.endpoint, json.dumps(parameters).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def states(self, operation, **parameters):
        return self.call(f"AWSStepFunctions.{operation}", parameters)

    def dynamodb(self, operation, **parameters):
        return self.call(f"DynamoDB_20120810.{operation}", parameters)

    def start(self, machine, parameters, name):
        """Starts an execution of a state machine by the end of its name, which is its logical id in the template."""
        machines = self.states("ListStateMachines")["stateMachines"]
        [arn] = [it["stateMachineArn"] for it in machines if it["name"].endswith(f"-{machine}")]
        return self.states("StartExecution", stateMachineArn=arn, name=name, input=json.dumps(parameters))["executionArn"]

    def ended(self, execution):
        """How an execution ended, with the states that it entered."""
        late = time.monotonic() + WAIT_SECONDS
        while (description := self.states("DescribeExecution", executionArn=execution))["status"] == "RUNNING":
            if time.monotonic() > late:
                raise TimeoutError(execution)
            time.sleep(0.02)
        events = self.states("GetExecutionHistory", executionArn=execution, maxResults=1000)["events"]
        entered = [event["stateEnteredEventDetails"]["name"] for event in events if "stateEnteredEventDetails" in event]
        return {**description, "states": entered}

    def run(self, machine, parameters, name):
        return self.ended(self.start(machine, parameters, name))

    def table(self, table):
        [name] = [name for name in self.dynamodb("ListTables")["TableNames"] if name.endswith(f"-{table}")]
        return name

    def rows(self, table):
        """All rows of a table by its logical id, as plain values."""
        items = self.dynamodb("Scan", TableName=self.table(table), ConsistentRead=True)["Items"]
        return [{key: plain(value) for key, value in item.items()} for item in items]

    def put(self, table, **row):
        item = {key: {"S": value} for key, value in row.items()}
        self.dynamodb("PutItem", TableName=self.table(table), Item=item)


def plain(value):
    [(kind, it)] = value.items()
    return int(it) if kind == "N" else it
