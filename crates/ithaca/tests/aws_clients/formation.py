"""CloudFormation as programs use it. Arguments: a prefix for names, the endpoint."""

import io
import json
import sys
import time
import zipfile

import boto3
from botocore.exceptions import ClientError

prefix, endpoint = sys.argv[1], sys.argv[2]


def client(service):
    return boto3.client(service, endpoint_url=endpoint)


cfn, s3, functions = client("cloudformation"), client("s3"), client("lambda")
stack, bucket = f"{prefix}-app", f"{prefix}-code"

TEMPLATE = """
Description: one app
Parameters:
  Who: {Type: String, Default: you}
  Pass: {Type: String, Default: secret, NoEcho: true}
  Limit: {Type: 'AWS::SSM::Parameter::Value<String>', Default: /PREFIX/limit}
Resources:
  Hello:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.11
      Handler: app.handler
      Role: arn:aws:iam::000000000000:role/r
      Code: {S3Bucket: BUCKET, S3Key: code.zip}
      Environment: {Variables: {WHO: !Ref Who, LIMIT: !Ref Limit, OLD: '{{resolve:ssm:/PREFIX/limit:1}}'}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      BillingMode: PAY_PER_REQUEST
  Saga:
    Type: AWS::StepFunctions::StateMachine
    Properties:
      RoleArn: arn:aws:iam::000000000000:role/r
      DefinitionS3Location: {Bucket: BUCKET, Key: saga.json}
Outputs:
  Fn: {Value: !Ref Hello, Export: {Name: PREFIX-fn}}
""".replace("BUCKET", bucket).replace("PREFIX", prefix)


def refused(code, text, call, **members):
    try:
        call(**members)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code and text in found["Message"], f"{call.__name__} {members}: {error}"
        return
    raise AssertionError(f"{call.__name__} {members} was not refused")


def status(name=stack):
    return cfn.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"]


def ends(expect, name=stack):
    for _ in range(300):
        found = status(name)
        if not found.endswith("_IN_PROGRESS"):
            assert found == expect, (found, cfn.describe_stack_events(StackName=name)["StackEvents"])
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} is still {found}")


def value(key, value):
    return {"ParameterKey": key, "ParameterValue": value}


def before():
    ssm = client("ssm")
    ssm.put_parameter(Name=f"/{prefix}/limit", Value="4", Type="String")
    ssm.put_parameter(Name=f"/{prefix}/limit", Value="5", Overwrite=True)
    s3.create_bucket(Bucket=bucket)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "import os\ndef handler(event, context): return [os.environ[n] for n in ['WHO', 'LIMIT', 'OLD']]\n")
    s3.put_object(Bucket=bucket, Key="code.zip", Body=code.getvalue())
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    s3.put_object(Bucket=bucket, Key="saga.json", Body=json.dumps(definition))
    s3.put_object(Bucket=bucket, Key="template.yaml", Body=TEMPLATE)


def create():
    refused("ValidationError", "does not exist", cfn.describe_stacks, StackName=stack)
    refused("ValidationError", "Either Template URL", cfn.create_stack, StackName=stack)
    refused("ValidationError", "stackName", cfn.create_stack, StackName="1_", TemplateBody=TEMPLATE)
    refused("ValidationError", "[None] do not exist in the template", cfn.create_stack, StackName=stack,
            TemplateBody=TEMPLATE, Parameters=[value("None", "1")])
    broken = TEMPLATE.replace("code.zip", "none.zip")
    refused("ValidationError", "Hello: the code is not on this machine", cfn.create_stack, StackName=stack, TemplateBody=broken)
    refused("ValidationError", "Template format error", cfn.validate_template, TemplateBody="a: [")
    url = f"{endpoint}/{bucket}/template.yaml"
    made = cfn.create_stack(StackName=stack, TemplateURL=url, Parameters=[value("Who", "Ann")], Tags=[{"Key": "a", "Value": "b"}])
    ends("CREATE_COMPLETE")
    shown = cfn.describe_stacks(StackName=made["StackId"])["Stacks"][0]
    assert shown["StackName"] == stack and shown["Description"] == "one app" and shown["Tags"] == [{"Key": "a", "Value": "b"}]
    values = {it["ParameterKey"]: it["ParameterValue"] for it in shown["Parameters"]}
    assert values == {"Who": "Ann", "Pass": "****", "Limit": f"/{prefix}/limit"}, values
    assert shown["Outputs"] == [{"OutputKey": "Fn", "OutputValue": f"{stack}-Hello", "ExportName": f"{prefix}-fn"}]
    answer = functions.invoke(FunctionName=f"{stack}-Hello")
    assert json.load(answer["Payload"]) == ["Ann", "5", "4"]
    refused("AlreadyExistsException", "already exists", cfn.create_stack, StackName=stack, TemplateBody=TEMPLATE)
    kinds = {it["LogicalResourceId"]: it["ResourceType"] for it in cfn.describe_stack_resources(StackName=stack)["StackResources"]}
    assert kinds == {"Hello": "AWS::Lambda::Function", "Table": "AWS::DynamoDB::Table", "Saga": "AWS::StepFunctions::StateMachine"}
    one = cfn.describe_stack_resource(StackName=stack, LogicalResourceId="Table")["StackResourceDetail"]
    assert one["PhysicalResourceId"] == f"{stack}-Table" and one["ResourceStatus"] == "CREATE_COMPLETE"
    assert len(cfn.list_stack_resources(StackName=stack)["StackResourceSummaries"]) == 3
    events = [(it["LogicalResourceId"], it["ResourceStatus"]) for it in cfn.describe_stack_events(StackName=stack)["StackEvents"]]
    assert events[0] == (stack, "CREATE_COMPLETE") and events[-1] == (stack, "CREATE_IN_PROGRESS"), events
    assert "Type: AWS::Lambda::Function" in cfn.get_template(StackName=stack)["TemplateBody"]
    summary = cfn.get_template_summary(StackName=stack)
    assert [it["ParameterKey"] for it in summary["Parameters"]] == ["Who", "Pass", "Limit"] and "AWS::DynamoDB::Table" in summary["ResourceTypes"]


def code_of_objects():
    name = f"{prefix}-direct"
    members = dict(FunctionName=name, Runtime="python3.11", Handler="app.handler", Role="arn:aws:iam::000000000000:role/r",
                   Environment={"Variables": {"WHO": "x", "LIMIT": "y", "OLD": "z"}})
    refused("InvalidParameterValueException", "GetObject", functions.create_function, **members, Code={"S3Bucket": bucket, "S3Key": "none"})
    functions.create_function(**members, Code={"S3Bucket": bucket, "S3Key": "code.zip"})
    functions.update_function_code(FunctionName=name, S3Bucket=bucket, S3Key="code.zip")
    assert json.load(functions.invoke(FunctionName=name)["Payload"]) == ["x", "y", "z"]
    functions.delete_function(FunctionName=name)


def leave():
    role = "Resources: {R: {Type: 'AWS::IAM::Role', Properties: {RoleName: r}}}"
    refused("InsufficientCapabilitiesException", "CAPABILITY_NAMED_IAM", cfn.create_stack, StackName=f"{prefix}-role",
            TemplateBody=role, Capabilities=["CAPABILITY_IAM"])
    assert cfn.validate_template(TemplateBody=role)["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    sam = "Transform: AWS::Serverless-2016-10-31\nResources: {T: {Type: 'AWS::Serverless::SimpleTable'}}"
    refused("InsufficientCapabilitiesException", "CAPABILITY_AUTO_EXPAND", cfn.create_stack, StackName=f"{prefix}-sam", TemplateBody=sam)


def update():
    previous = [{"ParameterKey": "Who", "UsePreviousValue": True}]
    members = dict(StackName=stack, UsePreviousTemplate=True)
    refused("ValidationError", "No updates are to be performed.", cfn.update_stack, **members, Parameters=previous)
    cfn.update_stack(**members, Parameters=[value("Who", "Bob")])
    ends("UPDATE_COMPLETE")
    assert json.load(functions.invoke(FunctionName=f"{stack}-Hello")["Payload"]) == ["Bob", "5", "4"]
    # It cannot be deployed and is found when it is: what was there comes back.
    bad = TEMPLATE.replace("Resources:\n", "Resources:\n  Bad:\n    Type: AWS::Lambda::Function\n    Properties: {Runtime: cobol1, "
                           "Handler: a.b, Role: 'arn:aws:iam::000000000000:role/r', Code: {ZipFile: x}}\n")
    cfn.update_stack(StackName=stack, TemplateBody=bad, Parameters=[value("Who", "Eve")])
    ends("UPDATE_ROLLBACK_COMPLETE")
    assert json.load(functions.invoke(FunctionName=f"{stack}-Hello")["Payload"]) == ["Bob", "5", "4"]
    events = cfn.describe_stack_events(StackName=stack)["StackEvents"]
    assert any("cobol1" in it.get("ResourceStatusReason", "") for it in events), events
    cfn.create_stack(StackName=f"{prefix}-bad", TemplateBody=bad.replace(f"{prefix}-fn", f"{prefix}-other"))
    ends("ROLLBACK_COMPLETE", f"{prefix}-bad")
    names = client("dynamodb").list_tables()["TableNames"]
    assert f"{prefix}-bad-Table" not in names and f"{stack}-Table" in names, names
    refused("ValidationError", "ROLLBACK_COMPLETE state and can not be updated", cfn.update_stack,
            StackName=f"{prefix}-bad", TemplateBody=TEMPLATE)
    cfn.delete_stack(StackName=f"{prefix}-bad")


def change_sets():
    refused("ValidationError", "does not exist", cfn.create_change_set, StackName=f"{prefix}-none", ChangeSetName="c", TemplateBody=TEMPLATE)
    members = dict(StackName=stack, Parameters=[{"ParameterKey": "Who", "UsePreviousValue": True}])
    cfn.create_change_set(**members, ChangeSetName="same", UsePreviousTemplate=True)
    same = cfn.describe_change_set(StackName=stack, ChangeSetName="same")
    assert same["Status"] == "FAILED" and "didn't contain changes" in same["StatusReason"], same
    refused("InvalidChangeSetStatus", "cannot be executed", cfn.execute_change_set, StackName=stack, ChangeSetName="same")
    other = TEMPLATE.replace("  Saga:", "  Next:").replace("WHO: !Ref Who", "WHO: someone")
    made = cfn.create_change_set(**members, ChangeSetName="other", TemplateBody=other)
    seen = cfn.describe_change_set(ChangeSetName=made["Id"])
    changes = {it["ResourceChange"]["LogicalResourceId"]: it["ResourceChange"]["Action"] for it in seen["Changes"]}
    assert changes == {"Hello": "Modify", "Next": "Add", "Saga": "Remove"}, changes
    assert {it["ChangeSetName"] for it in cfn.list_change_sets(StackName=stack)["Summaries"]} == {"same", "other"}
    cfn.delete_change_set(StackName=stack, ChangeSetName="same")
    cfn.execute_change_set(ChangeSetName=made["Id"])
    ends("UPDATE_COMPLETE")
    assert json.load(functions.invoke(FunctionName=f"{stack}-Hello")["Payload"])[0] == "someone"
    machines = [it["name"] for it in client("stepfunctions").list_state_machines()["stateMachines"]]
    assert f"{stack}-Next" in machines and f"{stack}-Saga" not in machines, machines
    refused("ChangeSetNotFound", "does not exist", cfn.describe_change_set, StackName=stack, ChangeSetName="same")
    new = f"{prefix}-new"
    cfn.create_change_set(StackName=new, ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=TEMPLATE.replace(f"{prefix}-fn", "x"))
    assert status(new) == "REVIEW_IN_PROGRESS"
    cfn.execute_change_set(StackName=new, ChangeSetName="first")
    ends("CREATE_COMPLETE", new)
    cfn.delete_stack(StackName=new)


def exports():
    user = f"{prefix}-user"
    text = f"Resources: {{P: {{Type: 'AWS::SSM::Parameter', Properties: {{Name: /{prefix}/fn, Type: String, Value: !ImportValue {prefix}-fn}}}}}}"
    cfn.create_stack(StackName=user, TemplateBody=text)
    ends("CREATE_COMPLETE", user)
    assert client("ssm").get_parameter(Name=f"/{prefix}/fn")["Parameter"]["Value"] == f"{stack}-Hello"
    assert {"ExportingStackId", "Name", "Value"} <= set(cfn.list_exports()["Exports"][0])
    assert cfn.list_imports(ExportName=f"{prefix}-fn")["Imports"] == [user]
    refused("ValidationError", "in use by", cfn.delete_stack, StackName=stack)
    cfn.delete_stack(StackName=user)
    refused("ValidationError", "not imported", cfn.list_imports, ExportName=f"{prefix}-fn")


def delete():
    cfn.update_termination_protection(StackName=stack, EnableTerminationProtection=True)
    refused("ValidationError", "TerminationProtection", cfn.delete_stack, StackName=stack)
    cfn.update_termination_protection(StackName=stack, EnableTerminationProtection=False)
    stack_id = cfn.describe_stacks(StackName=stack)["Stacks"][0]["StackId"]
    cfn.delete_stack(StackName=stack, RetainResources=["Table"])
    ends("DELETE_COMPLETE", stack_id)
    refused("ValidationError", "does not exist", cfn.describe_stacks, StackName=stack)
    refused("ResourceNotFoundException", "", functions.get_function, FunctionName=f"{stack}-Hello")
    assert f"{stack}-Table" in client("dynamodb").list_tables()["TableNames"]
    cfn.delete_stack(StackName=stack)
    gone = cfn.list_stacks(StackStatusFilter=["DELETE_COMPLETE"])["StackSummaries"]
    assert stack in [it["StackName"] for it in gone]
    # A bucket with objects stays, as on AWS.
    full = f"{prefix}-full"
    cfn.create_stack(StackName=full, TemplateBody="Resources: {B: {Type: 'AWS::S3::Bucket'}}")
    ends("CREATE_COMPLETE", full)
    s3.put_object(Bucket=f"{full}-b", Key="k")
    cfn.delete_stack(StackName=full)
    ends("DELETE_FAILED", full)
    s3.delete_object(Bucket=f"{full}-b", Key="k")
    full_id = cfn.describe_stacks(StackName=full)["Stacks"][0]["StackId"]
    cfn.delete_stack(StackName=full)
    ends("DELETE_COMPLETE", full_id)
    refused("InvalidAction", "does not serve the action 'CreateStackSet'", cfn.create_stack_set, StackSetName="s")
    assert cfn.describe_stacks(StackName="CDKToolkit")["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"


for step in [before, create, code_of_objects, leave, update, change_sets, exports, delete]:
    step()
