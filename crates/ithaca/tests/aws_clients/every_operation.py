"""Every operation of Step Functions by boto3's own service model: answers and errors are of the model's shapes, each error
that the model declares is provoked where it can be, and whatever breaks the model is refused.

    every_operation.py PREFIX ENDPOINT
"""

import http.client
import json
import select
import socket
import sys
import urllib.parse

import boto3
import botocore.config
import botocore.exceptions

import scenarios

PREFIX, ENDPOINT = sys.argv[1:]
ADDRESS = urllib.parse.urlsplit(ENDPOINT)
ROLE = "arn:aws:iam::000000000000:role/test"
MACHINE = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}})

sfn = boto3.client("stepfunctions", endpoint_url=ENDPOINT, config=botocore.config.Config(retries={"total_max_attempts": 1}))
MODEL = sfn.meta.service_model
METHODS = {operation: method for method, operation in sfn.meta.method_to_api_mapping.items()}

# Errors that every operation may answer with: AWS's page "Common Errors", and the reader of its JSON protocol.
COMMON = {"ValidationException", "SerializationException"}

KMS = "there are no customer managed keys"
ORDERED = "requests that change one thing are put in order, not refused"
QUOTA = "the quota is too large for a test"
NOT_PROVOKED = {
    ("*", "KmsAccessDeniedException"): KMS,
    ("*", "KmsInvalidStateException"): KMS,
    ("*", "KmsThrottlingException"): KMS,
    ("*", "ActivityLimitExceeded"): QUOTA,
    ("*", "StateMachineLimitExceeded"): QUOTA,
    ("*", "ExecutionLimitExceeded"): QUOTA,
    ("*", "InvalidTracingConfiguration"): "a tracing configuration has one member, which is true or false",
    ("*", "TaskDoesNotExist"): "a token of a task that has ended gets TaskTimedOut, and any other text InvalidToken",
    ("CreateStateMachine", "ConflictException"): ORDERED,
    ("CreateStateMachine", "StateMachineTypeNotSupported"): "both types are supported",
    ("CreateStateMachineAlias", "InvalidName"): "what is not a name breaks the model's pattern: ValidationException",
    ("DeleteStateMachineAlias", "ConflictException"): ORDERED,
    ("DeleteStateMachineAlias", "ResourceNotFound"): "an alias that is not there is deleted already",
    ("UpdateStateMachine", "ConflictException"): ORDERED,
    ("UpdateStateMachineAlias", "ConflictException"): ORDERED,
    ("UpdateStateMachine", "ServiceQuotaExceededException"): "provoked by PublishStateMachineVersion, which is the same",
}

answered, provoked, inputs = set(), set(), {}


def declared(operation):
    return {shape.name for shape in MODEL.operation_model(operation).error_shapes}


def call(operation, given):
    """The answer without what boto3 adds, and the name of the error."""
    inputs.setdefault(operation, given)
    try:
        answer = getattr(sfn, METHODS[operation])(**given)
    except botocore.exceptions.ClientError as error:
        name = error.response["Error"]["Code"]
        provoked.add((operation, name))
        return error.response, name
    answered.add(operation)
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}, None


def check_shape(operation_model, response_dict, **_):
    """Holds an answer, as it came over the wire, against the model."""
    operation, status = operation_model.name, response_dict["status_code"]
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    assert headers["content-type"] == "application/x-amz-json-1.0", headers
    assert len(headers["x-amzn-requestid"]) == 36 and "date" in headers, headers
    body = json.loads(response_dict["body"])
    if status == 200:
        return check_value(body, operation_model.output_shape, operation)
    name = body.pop("__type")
    assert name in declared(operation) | COMMON, f"{operation} answers with {name}, which it does not declare"
    assert status == 400 and body["message"], (operation, status, body)
    if name in COMMON - declared(operation):
        return None
    return check_value(body, MODEL.shape_for(name), f"{operation}.{name}")


def check_value(value, shape, place):
    kinds = {"string": str, "boolean": bool, "integer": int, "long": int, "timestamp": (int, float), "float": (int, float)}
    match shape.type_name:
        case "structure":
            assert isinstance(value, dict), f"{place}: {value}"
            unknown, missing = set(value) - set(shape.members), set(shape.required_members) - set(value)
            assert not unknown and not missing, f"{place}: unknown {unknown}, missing {missing}: {value}"
            for name, inner in value.items():
                check_value(inner, shape.members[name], f"{place}.{name}")
        case "list":
            assert isinstance(value, list), f"{place}: {value}"
            for number, inner in enumerate(value):
                check_value(inner, shape.member, f"{place}[{number}]")
        case "map":
            for key, inner in value.items():
                check_value(inner, shape.value, f"{place}.{key}")
        case kind:
            assert isinstance(value, kinds[kind]) and (kind == "boolean") == isinstance(value, bool), f"{place}: {value!r}"
            size = len(value) if kind == "string" else value
            least, most = shape.metadata.get("min", size), shape.metadata.get("max", size)
            assert least <= size <= most, f"{place}: {value!r} is not within {least} and {most}"
            assert value in shape.metadata.get("enum", [value]), f"{place}: {value!r} is not of {shape.metadata['enum']}"


sfn.meta.events.register("before-parse.stepfunctions", check_shape)


def raw(operation, body):
    """The name and the text of the error that a body is answered with, past boto3's own checks."""
    connection = http.client.HTTPConnection(ADDRESS.hostname, ADDRESS.port, timeout=60)
    headers = {"X-Amz-Target": f"AWSStepFunctions.{operation}", "Content-Type": "application/x-amz-json-1.0"}
    connection.request("POST", "/", json.dumps(body), headers)
    response = connection.getresponse()
    answer = json.loads(response.read())
    connection.close()
    assert response.status == 400, f"{operation} {body} is answered with {response.status}: {answer}"
    return answer["__type"], answer["message"]


def sample(shape):
    """A value that the model allows."""
    match shape.type_name:
        case "structure":
            return {name: sample(shape.members[name]) for name in shape.required_members}
        case "list":
            return [sample(shape.member)]
        case "string":
            return shape.metadata.get("enum", ["x" * shape.metadata.get("min", 1)])[0]
        case "boolean":
            return True
    return shape.metadata.get("min", 1)


def broken(shape, place):
    """Values that the model does not allow: (value, where, error, what its text says)."""
    kind, rules = shape.type_name, shape.metadata
    wrong_type = {"string": 1, "boolean": "yes", "list": {}, "structure": "x"}.get(kind, "x")
    yield wrong_type, place, "SerializationException", ""
    if kind == "string":
        yield {}, place, "SerializationException", ""
        if rules.get("min"):
            yield "", place, "ValidationException", f"greater than or equal to {rules['min']}"
        if "max" in rules:
            yield "x" * (rules["max"] + 1), place, "ValidationException", f"less than or equal to {rules['max']}"
        if "enum" in rules:
            yield "NOT_ONE", place, "ValidationException", f"enum value set: [{', '.join(rules['enum'])}]"
        if "pattern" in rules:
            yield "\u00e9", place, "ValidationException", f"regular expression pattern: {rules['pattern']}"
    elif kind in ("integer", "long", "float"):
        if "min" in rules:
            yield rules["min"] - 1, place, "ValidationException", f"greater than or equal to {rules['min']}"
        if "max" in rules:
            yield rules["max"] + 1, place, "ValidationException", f"less than or equal to {rules['max']}"
    elif kind == "list":
        for value, where, error, text in broken(shape.member, f"{place}.1.member"):
            yield [value], where, error, text
        if rules.get("min"):
            yield [], place, "ValidationException", f"greater than or equal to {rules['min']}"
        if "max" in rules:
            yield [sample(shape.member)] * (rules["max"] + 1), place, "ValidationException", f"less than or equal to {rules['max']}"
    elif kind == "structure":
        whole = sample(shape)
        for name, member in shape.members.items():
            for value, where, error, text in broken(member, f"{place}.{name}"):
                yield whole | {name: value}, where, error, text
        for name in shape.required_members:
            yield {key: value for key, value in whole.items() if key != name}, f"{place}.{name}", "ValidationException", "not be null"


def what_breaks_the_model_is_refused():
    count = 0
    for operation in MODEL.operation_names:
        shape, good = MODEL.operation_model(operation).input_shape, inputs[operation]

        def check(body, where, error, text):
            name, message = raw(operation, body)
            provoked.add((operation, name))
            said = f"{operation} {where}: {name}: {message[:400]}"
            assert name == error, f"{said} is not {error}"
            if error == "ValidationException":
                assert f" at '{where}' failed to satisfy constraint: " in message and text in message, f"{said} has not {text}"

        for name in shape.required_members:
            check({key: value for key, value in good.items() if key != name}, name, "ValidationException", "not be null")
        for name, member in shape.members.items():
            for value, where, error, text in broken(member, name):
                check(good | {name: value}, where, error, text)
                count += 1
        for body in ([], "x", 1):
            assert raw(operation, body)[0] == "SerializationException", (operation, body)
    assert count > 400, count
    both = {"maxResults": -1, "nextToken": ""}
    assert raw("ListActivities", both)[1].startswith("2 validation errors detected: ")


def quotas():
    activity = sfn.create_activity(name=f"{PREFIX}-crowded")["activityArn"]
    body = json.dumps({"activityArn": activity})
    head = f"POST / HTTP/1.1\r\nHost: {ADDRESS.netloc}\r\nX-Amz-Target: AWSStepFunctions.GetActivityTask\r\nContent-Length: {len(body)}\r\n\r\n"
    workers = [socket.create_connection((ADDRESS.hostname, ADDRESS.port)) for _ in range(1001)]
    for worker in workers:
        worker.sendall((head + body).encode())
    poll = select.poll()
    for worker in workers:
        poll.register(worker, select.POLLIN)
    told = poll.poll(60_000)
    refused = next(worker for worker in workers if worker.fileno() == told[0][0]).recv(4096).decode()
    assert "ActivityWorkerLimitExceeded" in refused, refused
    provoked.add(("GetActivityTask", "ActivityWorkerLimitExceeded"))
    for worker in workers:
        worker.close()

    machine = sfn.create_state_machine(name=f"{PREFIX}-many", roleArn=ROLE, definition=MACHINE, publish=True)
    route = [{"stateMachineVersionArn": machine["stateMachineVersionArn"], "weight": 100}]
    for number in range(100):
        sfn.create_state_machine_alias(name=f"A{number}", routingConfiguration=route)
    assert call("CreateStateMachineAlias", {"name": "A100", "routingConfiguration": route})[1] == "ServiceQuotaExceededException"
    arn = machine["stateMachineArn"]
    tags = [{"key": f"k{number}", "value": "v"} for number in range(51)]
    assert call("TagResource", {"resourceArn": arn, "tags": tags})[1] == "TooManyTags"
    create = {"name": f"{PREFIX}-tagged", "roleArn": ROLE, "definition": MACHINE, "tags": tags}
    assert call("CreateStateMachine", create)[1] == "TooManyTags"
    assert call("CreateActivity", {"name": f"{PREFIX}-tagged", "tags": tags})[1] == "TooManyTags"

    for number in range(999):
        definition = json.dumps({"StartAt": f"S{number}", "States": {f"S{number}": {"Type": "Succeed"}}})
        sfn.update_state_machine(stateMachineArn=arn, definition=definition, publish=True)
    sfn.update_state_machine(stateMachineArn=arn, definition=MACHINE)
    assert call("PublishStateMachineVersion", {"stateMachineArn": arn})[1] == "ServiceQuotaExceededException"


def a_machine_that_is_being_deleted_is_not_run():
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 240, "End": True}}})
    machine = sfn.create_state_machine(name=f"{PREFIX}-leaving", type="EXPRESS", roleArn=ROLE, definition=definition)["stateMachineArn"]
    sfn.start_execution(stateMachineArn=machine)
    sfn.delete_state_machine(stateMachineArn=machine)
    assert call("StartSyncExecution", {"stateMachineArn": machine})[1] == "StateMachineDeleting"


def hosts_with_the_prefix():
    """`sync-localhost` in /etc/hosts is all that a client needs which does not know the setting."""
    resolve = socket.getaddrinfo
    names = []

    def with_hosts_file(host, *rest, **more):
        names.append(host)
        return resolve("127.0.0.1" if host == "sync-localhost" else host, *rest, **more)

    socket.getaddrinfo = with_hosts_file
    with_prefix = botocore.config.Config(inject_host_prefix=True)
    client = boto3.client("stepfunctions", endpoint_url=f"http://localhost:{ADDRESS.port}", config=with_prefix)
    assert client.test_state(definition=json.dumps({"Type": "Succeed"}), roleArn=ROLE)["status"] == "SUCCEEDED"
    assert "sync-localhost" in names, names
    socket.getaddrinfo = resolve


def regions_and_accounts():
    def elsewhere(region, account):
        credentials = {"aws_access_key_id": account, "aws_secret_access_key": "test"}
        return boto3.client("stepfunctions", endpoint_url=ENDPOINT, region_name=region, **credentials)

    for region, account in [("eu-west-1", "test"), ("us-east-1", "111122223333"), ("eu-west-1", "111122223333")]:
        client, of = elsewhere(region, account), account if account.isdigit() else "000000000000"
        machine = client.create_state_machine(name=f"{PREFIX}-m", roleArn=ROLE, definition=MACHINE)["stateMachineArn"]
        assert machine == f"arn:aws:states:{region}:{of}:stateMachine:{PREFIX}-m", machine
        assert [it["stateMachineArn"] for it in client.list_state_machines()["stateMachines"]] == [machine]
        assert client.list_activities()["activities"] == []
        assert sfn.describe_state_machine(stateMachineArn=machine)["name"] == f"{PREFIX}-m"


def every_error_was_provoked():
    assert answered == set(MODEL.operation_names), set(MODEL.operation_names) - answered
    missing, needless = [], []
    for operation in MODEL.operation_names:
        for name in declared(operation):
            is_listed = (operation, name) in NOT_PROVOKED or ("*", name) in NOT_PROVOKED
            if (operation, name) not in provoked and not is_listed:
                missing.append((operation, name))
            if (operation, name) in provoked and is_listed:
                needless.append((operation, name))
    assert not missing and not needless, f"not provoked: {missing}; listed, but provoked: {needless}"


scenarios.play(PREFIX, call)
print("scenarios ok", flush=True)
for part in (
    what_breaks_the_model_is_refused,
    quotas,
    a_machine_that_is_being_deleted_is_not_run,
    hosts_with_the_prefix,
    regions_and_accounts,
    every_error_was_provoked,
):
    part()
    print(part.__name__, "ok", flush=True)
