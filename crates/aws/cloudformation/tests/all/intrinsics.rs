//! Intrinsic functions, conditions, parameters and mappings: each row is an expression and what it comes to.

use crate::common::{Row, check_errors, plan_with};

const FRAME: &str = "\
Parameters:
  Stage: { Type: String, Default: dev, AllowedValues: [dev, prod] }
  Zones: { Type: CommaDelimitedList, Default: 'a, b,c' }
  Count: { Type: Number, Default: 3, MinValue: 1, MaxValue: 9 }
  Code: { Type: String, Default: 030 }
Mappings:
  Sizes:
    dev: { memory: 128 }
    prod: { memory: 1024, zones: [x, y] }
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
  NotProd: !Not [!Condition IsProd]
  Both: !And [!Condition IsProd, !Condition NotProd]
  Either: !Or [!Condition IsProd, !Equals ['1', 1], !Condition Both]
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
  Extra:
    Type: AWS::Logs::LogGroup
    Condition: IsProd
Outputs:
  X:
    Value: ";

/// The value of an expression, written in the template's place for a value.
fn check(expression: &str, expect: &str) {
    let plan = plan_with(&format!("{FRAME}{expression}\n"), &[]);
    let value = plan.map(|plan| plan.outputs[0].value.clone()).map_err(|errors| crate::common::shown(&errors));
    assert_eq!(value, Ok(expect.to_owned()), "{expression}");
}

/// The only error of an expression.
fn refuse(expression: &str, expect: &str) {
    let errors = plan_with(&format!("{FRAME}{expression}\n"), &[]).err().unwrap_or_default();
    let found = crate::common::shown(&errors);
    assert!(found.len() == 1 && found[0].contains(expect), "{expression}: found {found:?}, wanted {expect}");
}

#[test]
fn functions_in_short_and_long_form() {
    for (expression, expect) in [
        ("plain", "plain"),
        ("030", "030"),
        ("2012-10-17", "2012-10-17"),
        ("no", "no"),
        ("True", "true"),
        ("!Ref Stage", "dev"),
        ("{ Ref: Stage }", "dev"),
        ("!Ref Code", "030"),
        ("!Ref Count", "3"),
        ("!Ref Table", "app-Table"),
        ("!GetAtt Table.Arn", "arn:aws:dynamodb:us-east-1:000000000000:table/app-Table"),
        ("!GetAtt [Table, Arn]", "arn:aws:dynamodb:us-east-1:000000000000:table/app-Table"),
        ("{ 'Fn::GetAtt': [Table, Arn] }", "arn:aws:dynamodb:us-east-1:000000000000:table/app-Table"),
        ("!Sub '${Table}-${Stage}/${!Literal}$ {x}'", "app-Table-dev/${Literal}$ {x}"),
        ("!Sub '${Table.Arn}'", "arn:aws:dynamodb:us-east-1:000000000000:table/app-Table"),
        ("!Sub ['${a}${Stage}${a}', { a: !Join ['', [x, y]] }]", "xydevxy"),
        ("!Sub ['${Stage}', { Stage: shadow }]", "shadow"),
        ("{ 'Fn::Sub': '${AWS::Partition}:${AWS::AccountId}:${AWS::URLSuffix}' }", "aws:000000000000:amazonaws.com"),
        ("!Sub '${AWS::Region}.${AWS::StackName}'", "us-east-1.app"),
        ("!Join [':', [a, !Ref Stage, 7]]", "a:dev:7"),
        ("!Join ['-', !Ref Zones]", "a-b-c"),
        ("!Join ['', [a, !Ref AWS::NoValue, b]]", "ab"),
        ("!Select [1, !Ref Zones]", "b"),
        ("!Select ['0', [x, y]]", "x"),
        ("!Select [2, !Split ['|', 'a|b|c']]", "c"),
        ("!Join ['/', !Split [',', 'a,,b']]", "a//b"),
        ("{ 'Fn::Base64': !Sub 'hi ${Stage}' }", "aGkgZGV2"),
        ("!FindInMap [Sizes, !Ref Stage, memory]", "128"),
        ("!Select [1, !FindInMap [Sizes, prod, zones]]", "y"),
        ("!If [IsProd, big, small]", "small"),
        ("!If [NotProd, !If [Either, both, none], !GetAtt Nothing.Arn]", "both"),
        ("!If [Both, !Ref Extra, none]", "none"),
    ] {
        check(expression, expect);
    }
}

#[test]
fn functions_refuse_what_they_cannot_do() {
    for (expression, expect) in [
        ("!Ref Tabel", "there is no parameter or resource \"Tabel\""),
        ("!Ref Extra", "\"Extra\" is not created, because the condition IsProd is false"),
        ("!Ref AWS::NotificationARNs", "the pseudo parameter AWS::NotificationARNs is not supported"),
        ("!GetAtt Table.Colour", "\"Table\" has no attribute \"Colour\""),
        ("!GetAtt Table", "Fn::GetAtt takes Resource.Attribute"),
        ("!Sub '${Table'", "\"${Table\" has no closing brace"),
        ("!Sub '${Zones}'", "${Zones} is a list"),
        ("!Sub [a, b]", "Fn::Sub takes a string, or"),
        ("!Join [':']", "Fn::Join takes [delimiter, [values]]"),
        ("!Join ['', [[a]]]", "one of its values is a list"),
        ("!Select [7, [a]]", "no item 7 in a list of 1"),
        ("!Select [-1, [a]]", "no item -1"),
        ("!Split ['', a]", "Fn::Split takes"),
        ("!FindInMap [Sizes, test, memory]", "no key \"test\" in the map \"Sizes\""),
        ("!FindInMap [Nothing, test, memory]", "no map \"Nothing\""),
        ("!If [Nothing, a, b]", "there is no condition \"Nothing\""),
        ("!Equals [a, a]", "Fn::Equals is allowed under Conditions only"),
        ("!Ref Zones", "the value of an output must be a string, this is a list"),
        ("!ImportValue x", "no stack exports \"x\""),
        ("{ 'Fn::Transform': { Name: x } }", "Fn::Transform is not supported"),
        ("!Select [0, !GetAZs '']", "Fn::GetAZs is not supported"),
        ("!Cidr [a, 1]", "Fn::Cidr is not supported"),
        ("!Subb x", "unknown function Fn::Subb"),
        ("'{{resolve:ssm:x}}'", "the Parameter Store is not open here"),
        ("'{{resolve:secretsmanager:x}}'", "{{resolve:secretsmanager:...}} is not supported"),
        ("'{{resolve:ssm:x'", "a dynamic reference has no end"),
        ("!Ref AWS::NoValue", "the value of an output must be a string"),
    ] {
        refuse(expression, expect);
    }
}

#[test]
fn parameters_are_checked() {
    let check = |given: &[(&str, &str)], expect: Result<&str, &str>| {
        let found = plan_with(&format!("{FRAME}!Sub '${{Stage}}${{Count}}'\n"), given);
        let found = found.map(|plan| plan.outputs[0].value.clone()).map_err(|e| crate::common::shown(&e).join("\n"));
        match (&found, expect) {
            (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{given:?}"),
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{given:?}: {found}"),
            _ => panic!("{given:?}: {found:?}"),
        }
    };
    check(&[], Ok("dev3"));
    check(&[("Stage", "prod"), ("Count", "9")], Ok("prod9"));
    check(&[("Stage", "test")], Err("the parameter \"Stage\" is \"test\", which AllowedValues does not list"));
    check(&[("Count", "many")], Err("the parameter \"Count\" is \"many\", which is no number"));
    check(&[("Count", "10")], Err("above its MaxValue"));
    check(&[("Stagee", "x")], Err("the template declares no parameter \"Stagee\""));
    let long = "x".repeat(5_000);
    check(&[("Code", &long)], Err("is longer than 4096 bytes"));
}

#[test]
fn a_parameter_from_elsewhere_is_an_error_only_where_it_is_used() {
    let frame = "Parameters:\n  P: { Type: 'AWS::SSM::Parameter::Value<String>', Default: /x }\n\
                 Resources:\n  L: { Type: AWS::Logs::LogGroup }\n";
    assert!(plan_with(frame, &[]).is_ok());
    let used = format!("{frame}Outputs:\n  X: {{ Value: !Ref P }}\n");
    check_errors(&used, &[(6, "!Ref", "the parameter \"P\" has its value on AWS only")]);
    assert_eq!(plan_with(&used, &[("P", "v")]).map(|plan| plan.outputs[0].value.clone()), Ok("v".into()));
}

#[test]
fn conditions_are_checked() {
    let check = |conditions: &str, expect: &[Row<'_>]| {
        check_errors(&format!("Conditions:\n{conditions}Resources:\n  L: {{ Type: AWS::Logs::LogGroup }}\n"), expect);
    };
    check(
        "  A: !Condition B\n  B: !Not [!Condition A]\n",
        &[(3, "!Condition", "conditions need each other: A -> B -> A")],
    );
    check("  A: !Condition C\n", &[(2, "!Condition", "there is no condition \"C\"")]);
    check("  A: true\n", &[(2, "true", "a condition is a function")]);
    check("  A: !And [!Equals [a, a]]\n", &[(2, "!And", "this takes a list of 2 to 10 conditions")]);
    check("  A: !Equals [a]\n", &[(2, "!Equals", "Fn::Equals takes [value, value]")]);
    check("  A: !Equals [!Ref X, a]\n", &[(2, "!Ref", "there is no parameter or resource \"X\"")]);
    let chain: String = (0..200).map(|n| format!("  C{n}: !Condition C{}\n", n + 1)).collect();
    check(
        &format!("{chain}  C200: !Equals [a, a]\n"),
        &[(102, "!Condition", "over 100 conditions depend on each other")],
    );
}
