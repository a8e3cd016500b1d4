"""Drives Ithaca with boto3, as it comes: what a Python program that uses AWS would do, and which errors it would catch.

    boto3_calls.py PREFIX [ENDPOINT]

PREFIX begins the name of everything created. Without ENDPOINT, boto3 takes it from AWS_ENDPOINT_URL.
"""

import datetime
import io
import json
import sys
import time
import zipfile

import boto3

PREFIX = sys.argv[1]
ENDPOINT = sys.argv[2] if len(sys.argv) > 2 else None
ROLE = "arn:aws:iam::000000000000:role/test"
SECONDS_MAX = 60

sfn, functions, dynamodb = (boto3.client(name, endpoint_url=ENDPOINT) for name in ("stepfunctions", "lambda", "dynamodb"))


def raises(error, call, **arguments):
    """The error's text, once the call has raised it."""
    try:
        answer = call(**arguments)
    except error as raised:
        return raised.response["Error"]["Message"]
    raise AssertionError(f"{error.__name__} was not raised, but there was an answer: {answer}")


def equal(found, expect):
    assert found == expect, f"{found!r} is not {expect!r}"


def wait_for_end(execution):
    deadline = time.monotonic() + SECONDS_MAX
    while time.monotonic() < deadline:
        description = sfn.describe_execution(executionArn=execution)
        if description["status"] != "RUNNING":
            return description
        time.sleep(0.02)
    raise AssertionError(f"{execution} does not end")


def create_machine(name, states, start_at, **more):
    definition = json.dumps({"StartAt": start_at, "States": states})
    return sfn.create_state_machine(name=f"{PREFIX}-{name}", definition=definition, roleArn=ROLE, **more)["stateMachineArn"]


def state_machines():
    states = {
        "Prepare": {"Type": "Pass", "Result": {"ready": True}, "ResultPath": "$.prepared", "Next": "Large?"},
        "Large?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.count", "NumericGreaterThan": 10, "Next": "Rest"}],
            "Default": "Refuse",
        },
        "Rest": {"Type": "Wait", "Seconds": 1, "Next": "Done"},
        "Done": {"Type": "Succeed"},
        "Refuse": {"Type": "Fail", "Error": "TooSmall", "Cause": "it has to be more than 10"},
    }
    machine = create_machine("choices", states, "Prepare", tags=[{"key": "team", "value": "travel"}])
    description = sfn.describe_state_machine(stateMachineArn=machine)
    equal((description["status"], description["type"], description["roleArn"]), ("ACTIVE", "STANDARD", ROLE))
    equal(json.loads(description["definition"])["States"], states)
    pages = sfn.get_paginator("list_state_machines").paginate(PaginationConfig={"PageSize": 1})
    assert machine in [entry["stateMachineArn"] for page in pages for entry in page["stateMachines"]]

    equal(sfn.list_tags_for_resource(resourceArn=machine)["tags"], [{"key": "team", "value": "travel"}])
    sfn.tag_resource(resourceArn=machine, tags=[{"key": "stage", "value": "test"}])
    sfn.untag_resource(resourceArn=machine, tagKeys=["team"])
    equal(sfn.list_tags_for_resource(resourceArn=machine)["tags"], [{"key": "stage", "value": "test"}])

    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=1)
    started = sfn.start_execution(stateMachineArn=machine, name="large", input='{"count": 11}')
    assert started["startDate"] >= before, "dates are real ones"
    again = sfn.start_execution(stateMachineArn=machine, name="large", input='{"count": 11}')
    equal(again["executionArn"], started["executionArn"])
    ended = wait_for_end(started["executionArn"])
    equal((ended["status"], json.loads(ended["output"])), ("SUCCEEDED", {"count": 11, "prepared": {"ready": True}}))
    assert (ended["stopDate"] - ended["startDate"]).total_seconds() >= 1, "it waited"

    pages = sfn.get_paginator("get_execution_history").paginate(
        executionArn=started["executionArn"], PaginationConfig={"PageSize": 4}
    )
    events = [event for page in pages for event in page["events"]]
    equal([event["id"] for event in events], list(range(1, len(events) + 1)))
    equal(
        [event["type"] for event in events],
        ["ExecutionStarted"]
        + ["PassStateEntered", "PassStateExited", "ChoiceStateEntered", "ChoiceStateExited"]
        + ["WaitStateEntered", "WaitStateExited", "SucceedStateEntered", "SucceedStateExited", "ExecutionSucceeded"],
    )
    last = sfn.get_execution_history(executionArn=started["executionArn"], reverseOrder=True, maxResults=1)["events"]
    equal([event["type"] for event in last], ["ExecutionSucceeded"])

    small = sfn.start_execution(stateMachineArn=machine, name="small", input='{"count": 10}')["executionArn"]
    failed = wait_for_end(small)
    equal((failed["status"], failed["error"], failed["cause"]), ("FAILED", "TooSmall", "it has to be more than 10"))
    listed = sfn.list_executions(stateMachineArn=machine, statusFilter="FAILED")["executions"]
    equal([(execution["name"], execution["status"]) for execution in listed], [("small", "FAILED")])

    changed = json.dumps({"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}})
    sfn.update_state_machine(stateMachineArn=machine, definition=changed)
    equal(sfn.describe_state_machine(stateMachineArn=machine)["definition"], changed)
    of_execution = sfn.describe_state_machine_for_execution(executionArn=small)
    equal(json.loads(of_execution["definition"])["States"], states)


def stopping():
    machine = create_machine("endless", {"Rest": {"Type": "Wait", "Seconds": 3600, "End": True}}, "Rest")
    execution = sfn.start_execution(stateMachineArn=machine)["executionArn"]
    sfn.stop_execution(executionArn=execution, error="Enough", cause="the test is over")
    ended = wait_for_end(execution)
    equal((ended["status"], ended["error"], ended["cause"]), ("ABORTED", "Enough", "the test is over"))
    sfn.delete_state_machine(stateMachineArn=machine)
    deadline = time.monotonic() + SECONDS_MAX
    while machine in [entry["stateMachineArn"] for entry in sfn.list_state_machines()["stateMachines"]]:
        assert time.monotonic() < deadline, "the state machine is not deleted"
        time.sleep(0.02)
    raises(sfn.exceptions.StateMachineDoesNotExist, sfn.describe_state_machine, stateMachineArn=machine)


def errors():
    machine = create_machine("errors", {"Only": {"Type": "Pass", "End": True}}, "Only")
    absent = {"executionArn": machine.replace(":stateMachine:", ":execution:") + ":absent"}
    create = {"name": f"{PREFIX}-bad", "roleArn": ROLE, "definition": '{"StartAt": "A"}'}
    known = sfn.exceptions
    raises(known.StateMachineDoesNotExist, sfn.start_execution, stateMachineArn=machine + "x")
    raises(known.StateMachineDoesNotExist, sfn.list_executions, stateMachineArn=machine + "x")
    raises(known.ExecutionDoesNotExist, sfn.describe_execution, **absent)
    raises(known.ExecutionDoesNotExist, sfn.get_execution_history, **absent)
    raises(known.ExecutionDoesNotExist, sfn.stop_execution, **absent)
    raises(known.InvalidArn, sfn.describe_execution, executionArn="nonsense")
    raises(known.InvalidDefinition, sfn.create_state_machine, **create)
    raises(known.InvalidName, sfn.start_execution, stateMachineArn=machine, name="a b")
    raises(known.InvalidExecutionInput, sfn.start_execution, stateMachineArn=machine, input="{")
    raises(known.InvalidToken, sfn.list_executions, stateMachineArn=machine, nextToken="made up")
    raises(known.ResourceNotFound, sfn.list_tags_for_resource, resourceArn=machine + "x")
    other = '{"StartAt": "B", "States": {"B": {"Type": "Pass", "End": true}}}'
    raises(known.StateMachineAlreadyExists, sfn.create_state_machine, name=f"{PREFIX}-errors", roleArn=ROLE, definition=other)
    wait_for_end(sfn.start_execution(stateMachineArn=machine, name="once", input="1")["executionArn"])
    raises(known.ExecutionAlreadyExists, sfn.start_execution, stateMachineArn=machine, name="once", input="2")
    found = sfn.validate_state_machine_definition(definition='{"StartAt": "A"}')
    assert found["result"] == "FAIL" and found["diagnostics"], found


BOOTSTRAP = f"""#!{sys.executable}
import json, os, urllib.request

api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as answer:
        request, event = answer.headers["Lambda-Runtime-Aws-Request-Id"], json.load(answer)
    if "fail" in event:
        kind, body = "error", {{"errorType": "NoRoom", "errorMessage": event["fail"]}}
    else:
        kind, body = "response", {{"greeting": os.environ["GREETING"] + ", " + event["name"]}}
    post = urllib.request.Request(api + request + "/" + kind, json.dumps(body).encode(), method="POST")
    urllib.request.urlopen(post).close()
"""


def zipped(text):
    entry = zipfile.ZipInfo("bootstrap")
    entry.external_attr = 0o755 << 16
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr(entry, text)
    return archive.getvalue()


def tested_states():
    task = {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem", "Parameters": {"TableName": "t", "Key": {}}}
    machine = {"StartAt": "Look", "States": {"Look": task | {"Next": "Done"}, "Done": {"Type": "Succeed"}}}
    look = {"definition": json.dumps(machine), "stateName": "Look", "inspectionLevel": "DEBUG"}
    tested = sfn.test_state(**look, mock={"result": '{"Item": {"id": {"S": "1"}}}'})
    equal((tested["status"], tested["nextState"]), ("SUCCEEDED", "Done"))
    equal(json.loads(tested["inspectionData"]["afterParameters"])["TableName"], "t")
    failed = sfn.test_state(**look, mock={"errorOutput": {"error": "Boom", "cause": "it went off"}})
    equal((failed["status"], failed["error"], failed["cause"]), ("FAILED", "Boom", "it went off"))
    wrong = {"mock": {"result": '{"Item": {"id": "1"}}'}}
    raises(sfn.exceptions.ValidationException, sfn.test_state, **look, **wrong)
    raises(sfn.exceptions.ValidationException, sfn.test_state, **look)
    waited = sfn.test_state(definition='{"Type": "Wait", "Seconds": 1, "End": true}', input="[1]")
    equal((waited["status"], waited["output"]), ("SUCCEEDED", "[1]"))


def lambda_functions():
    name = f"{PREFIX}-greet"
    create = {
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": ROLE,
        "Timeout": 30,
        "Code": {"ZipFile": zipped(BOOTSTRAP)},
        "Environment": {"Variables": {"GREETING": "Hello"}},
    }
    arn = functions.create_function(**create)["FunctionArn"]
    functions.get_waiter("function_active_v2").wait(FunctionName=name)
    equal(functions.get_function(FunctionName=name)["Configuration"]["Timeout"], 30)
    listed = [entry["FunctionName"] for page in functions.get_paginator("list_functions").paginate() for entry in page["Functions"]]
    assert name in listed, listed

    answer = functions.invoke(FunctionName=name, Payload=b'{"name": "Ithaca"}')
    equal((answer["StatusCode"], answer.get("FunctionError")), (200, None))
    equal(json.load(answer["Payload"]), {"greeting": "Hello, Ithaca"})
    answer = functions.invoke(FunctionName=arn, Payload=b'{"fail": "sold out"}')
    equal((answer["StatusCode"], answer["FunctionError"]), (200, "Unhandled"))
    equal(json.load(answer["Payload"])["errorType"], "NoRoom")
    equal(functions.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"name": "x"}')["StatusCode"], 202)
    equal(functions.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"], 204)

    catch = [{"ErrorEquals": ["NoRoom"], "ResultPath": "$.error", "Next": "Sorry"}]
    parameters = {"FunctionName": name, "Payload.$": "$"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters}
    greet = task | {"OutputPath": "$.Payload", "Catch": catch, "End": True}
    machine = create_machine("calls", {"Greet": greet, "Sorry": {"Type": "Pass", "End": True}}, "Greet")
    good = wait_for_end(sfn.start_execution(stateMachineArn=machine, input='{"name": "saga"}')["executionArn"])
    equal((good["status"], json.loads(good["output"])), ("SUCCEEDED", {"greeting": "Hello, saga"}))
    caught = wait_for_end(sfn.start_execution(stateMachineArn=machine, input='{"fail": "no"}')["executionArn"])
    equal(json.loads(caught["output"])["error"]["Error"], "NoRoom")
    events = sfn.get_execution_history(executionArn=caught["executionArn"])["events"]
    failed = [event["taskFailedEventDetails"] for event in events if event["type"] == "TaskFailed"]
    equal([(it["resourceType"], it["resource"], it["error"]) for it in failed], [("lambda", "invoke", "NoRoom")])

    tested = sfn.test_state(definition=json.dumps(greet), roleArn=ROLE, input='{"fail": "no"}')
    equal((tested["status"], tested["nextState"], tested["error"]), ("CAUGHT_ERROR", "Sorry", "NoRoom"))

    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"GREETING": "Welcome"}})
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    answer = functions.invoke(FunctionName=name, Payload=b'{"name": "Ithaca"}')
    equal(json.load(answer["Payload"]), {"greeting": "Welcome, Ithaca"})
    functions.update_function_code(FunctionName=name, ZipFile=zipped(BOOTSTRAP.replace('+ ", " +', '+ " to " +')))
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    answer = functions.invoke(FunctionName=name, Payload=b'{"name": "Ithaca"}')
    equal(json.load(answer["Payload"]), {"greeting": "Welcome to Ithaca"})

    known = functions.exceptions
    raises(known.ResourceConflictException, functions.create_function, **create)
    raises(known.ResourceNotFoundException, functions.invoke, FunctionName=name + "x")
    raises(known.InvalidParameterValueException, functions.update_function_code, FunctionName=name, ZipFile=b"no zip")
    functions.delete_function(FunctionName=name)
    raises(known.ResourceNotFoundException, functions.get_function, FunctionName=name)


def tables():
    name = f"{PREFIX}-trips"
    keys = [("pk", "HASH"), ("sk", "RANGE")]
    create = {
        "TableName": name,
        "KeySchema": [{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        "BillingMode": "PAY_PER_REQUEST",
    }
    dynamodb.create_table(**create)
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
    table = boto3.resource("dynamodb", endpoint_url=ENDPOINT).Table(name)
    for number in range(3):
        table.put_item(Item={"pk": "trip", "sk": f"HOTEL#{number}", "nights": number})
    found = table.query(KeyConditionExpression=boto3.dynamodb.conditions.Key("pk").eq("trip"), ScanIndexForward=False)
    equal([(int(row["nights"]), row["sk"]) for row in found["Items"]], [(2, "HOTEL#2"), (1, "HOTEL#1"), (0, "HOTEL#0")])
    key = {"pk": {"S": "trip"}, "sk": {"S": "HOTEL#1"}}
    update = {
        "TableName": name,
        "Key": key,
        "UpdateExpression": "SET transaction_status = :new",
        "ConditionExpression": "attribute_not_exists(transaction_status)",
        "ExpressionAttributeValues": {":new": {"S": "confirmed"}},
    }
    dynamodb.update_item(**update)
    raises(dynamodb.exceptions.ConditionalCheckFailedException, dynamodb.update_item, **update)
    equal(dynamodb.get_item(TableName=name, Key=key)["Item"]["transaction_status"], {"S": "confirmed"})
    dynamodb.delete_item(TableName=name, Key=key)
    equal(dynamodb.scan(TableName=name)["Count"], 2)
    raises(dynamodb.exceptions.ResourceInUseException, dynamodb.create_table, **create)
    dynamodb.delete_table(TableName=name)
    raises(dynamodb.exceptions.ResourceNotFoundException, dynamodb.get_item, TableName=name, Key=key)


for part in (state_machines, stopping, errors, tested_states, lambda_functions, tables):
    part()
    print(part.__name__, "ok", flush=True)
