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
        ("!Length [a, b, c]", "3"),
        ("!Length { Ref: Zones }", "3"),
        ("!Join ['', !Ref AWS::NotificationARNs]", ""),
        ("!ToJsonString { b: 1, a: [!Ref Stage, true, '2'] }", r#"{"b":1,"a":["dev",true,"2"]}"#),
        ("!FindInMap [Sizes, dev, memory, DefaultValue: 7]", "128"),
        ("!FindInMap [Sizes, other, memory, DefaultValue: !Ref Count]", "3"),
        ("!FindInMap [None, other, memory, DefaultValue: 7]", "7"),
        ("!Join [' ', !GetAZs '']", "us-east-1a us-east-1b us-east-1c"),
        ("!Select [1, !GetAZs eu-west-1]", "eu-west-1b"),
        ("!Join [' ', !Cidr [10.0.0.0/16, 3, 8]]", "10.0.0.0/24 10.0.1.0/24 10.0.2.0/24"),
        ("!Select [2, !Cidr [192.168.1.77/24, 4, 5]]", "192.168.1.64/27"),
        ("!Select [1, !Cidr ['2001:db8::/56', 2, 64]]", "2001:db8:0:1::/64"),
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
        ("!Ref AWS::Nothing", "the pseudo parameter AWS::Nothing is not supported"),
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
        ("!Cidr [a, 1]", "Fn::Cidr cannot make 1 blocks with 8 host bits of a"),
        ("!Join ['', !Cidr [10.0.0.0/24, 9, 5]]", "Fn::Cidr cannot make 9 blocks with 5 host bits of 10.0.0.0/24"),
        ("!ToJsonString text", "Fn::ToJsonString takes a map or a list"),
        ("!Length text", "Fn::Length takes a list"),
        ("!FindInMap [Sizes, dev, memory, 1]", "Fn::FindInMap takes [map, key, second key, {DefaultValue: value}]"),
        ("!Contains [a, b]", "Fn::Contains is not supported"),
        ("!Transform { Name: Mine }", "Fn::Transform is not supported"),
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
fn no_error_tells_a_secret() {
    for (kind, rule) in
        [("Number", ""), ("String", ", MaxLength: 2"), ("String", ", MinLength: 9"), ("String", ", AllowedValues: [a]")]
    {
        let text = format!(
            "Parameters: {{ P: {{ Type: {kind}, NoEcho: true{rule} }} }}\nResources: {{ T: {{ Type: AWS::SNS::Topic }} }}\n"
        );
        let errors = crate::common::shown(&plan_with(&text, &[("P", "secret")]).unwrap_err());
        assert!(errors.len() == 1 && errors[0].contains("\"P\" is ****, "), "{rule}: {errors:?}");
    }
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

#[test]
fn entries_for_each_value_of_a_list() {
    let transform = "Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]\n";
    let plan = |resources: &str, values: &[(&str, &str)]| {
        let parameters = "Parameters: { Names: { Type: CommaDelimitedList, Default: 'a-1,b' } }\n";
        plan_with(&format!("{transform}{parameters}Resources:\n{resources}"), values)
    };
    let check = |resources: &str, values: &[(&str, &str)], expect: &[(&str, &str)]| {
        let plan = plan(resources, values).map_err(|errors| crate::common::shown(&errors)).unwrap();
        let found: Vec<_> = plan.activities.iter().map(|a| (a.logical_id.as_str(), a.name.as_str())).collect();
        assert_eq!(found, expect, "{resources}");
    };
    let body = "{ 'Do&{N}': { Type: AWS::StepFunctions::Activity, Properties: { Name: !Sub 'do-${N}' } } }";
    check(&format!("  Fn::ForEach::All: [N, [x, y-2], {body}]\n"), &[], &[("Dox", "do-x"), ("Doy2", "do-y-2")]);
    check(&format!("  Fn::ForEach::All: [N, !Ref Names, {body}]\n"), &[], &[("Doa1", "do-a-1"), ("Dob", "do-b")]);
    check(&format!("  Fn::ForEach::All: [N, !Ref Names, {body}]\n"), &[("Names", "c")], &[("Doc", "do-c")]);
    let inner =
        "{ 'Do${N}${M}': { Type: AWS::StepFunctions::Activity, Properties: { Name: !Join ['-', [!Ref N, !Ref M]] } } }";
    check(
        &format!("  Fn::ForEach::A: [N, [a, b], {{ Fn::ForEach::B: [M, [1], {inner}] }}]\n"),
        &[],
        &[("Doa1", "a-1"), ("Dob1", "b-1")],
    );
    let refuse = |resources: &str, expect: &str| {
        let errors = crate::common::shown(&plan(resources, &[]).unwrap_err()).join("\n");
        assert!(errors.contains(expect), "{errors}");
    };
    refuse("  Fn::ForEach::A: [N, !FindInMap [a, b, c], {}]\n", "Fn::ForEach takes [variable, [values], {key: value}]");
    refuse(
        "  Fn::ForEach::A: [N, [a, b], { Do: { Type: AWS::StepFunctions::Activity } }]\n",
        "\"Do\" is there twice after",
    );
    let deep = (0..6).fold("{}".to_owned(), |body, n| format!("{{ 'Fn::ForEach::L{n}': [N{n}, [a], {body}] }}"));
    refuse(&format!("  Fn::ForEach::A: [N, [a], {deep}]\n"), "Fn::ForEach is nested deeper than 5");
    let wide = format!("[{}]", vec!["a"; 600].join(", "));
    let body = format!("{{ 'X${{A}}': {{ Fn::ForEach::B: [B, {wide}, {{ 'Y${{B}}': 1 }}] }} }}");
    refuse(&format!("  Fn::ForEach::A: [A, {wide}, {body}]\n"), "the template has over 250000 values once");
}

#[test]
fn rules_about_parameters() {
    let check = |rule: &str, expect: &[&str]| {
        let parameters = "{ Stage: { Type: String, Default: dev }, Zones: { Type: CommaDelimitedList, Default: 'a,b' }, BootstrapVersion: { Type: AWS::SSM::Parameter::Value<String>, Default: /cdk-bootstrap/version } }";
        let text = format!(
            "Parameters: {parameters}\nRules: {{ R: {rule} }}\nResources: {{ A: {{ Type: AWS::StepFunctions::Activity }} }}\n"
        );
        let found = plan_with(&text, &[]).map_or_else(|errors| crate::common::shown(&errors), |_| Vec::new());
        let found: Vec<&str> = found.iter().map(|error| error.split_once(' ').unwrap().1).collect();
        assert_eq!(found, expect, "{rule}");
    };
    let assert = |condition: &str| format!("{{ Assertions: [{{ Assert: {condition}, AssertDescription: no }}] }}");
    let (fine, fails): (&[&str], &[&str]) = (&[], &["the rule R: no"]);
    // What CDK puts into every template: the version is AWS's to know.
    check(&assert("!Not [!Contains [['1', '2', '3', '4', '5'], !Ref BootstrapVersion]]"), fine);
    check(&assert("!Contains [[dev, prod], !Ref Stage]"), fine);
    check(&assert("!Contains [[prod], !Ref Stage]"), fails);
    check(&assert("!Not [!Equals [!Ref Stage, dev]]"), fails);
    check(&assert("!EachMemberIn [!Ref Zones, [a, b, c]]"), fine);
    check(&assert("!EachMemberIn [!Ref Zones, [a]]"), fails);
    check(&assert("!EachMemberEquals [!Ref Zones, a]"), fails);
    check(&assert("!EachMemberIn [!RefAll String, [dev]]"), fine);
    check(&assert("!EachMemberIn [!ValueOfAll [AWS::EC2::Subnet::Id, VpcId], !RefAll 'AWS::EC2::VPC::Id']"), fine);
    check(&assert("!And [!Equals [!Ref BootstrapVersion, '1'], !Equals [a, b]]"), fails);
    check(&assert("!Or [!Equals [!Ref BootstrapVersion, '1'], !Equals [a, a]]"), fine);
    check(&assert("!Equals [!Ref AWS::Region, us-east-1]"), fine);
    check("{ RuleCondition: !Equals [!Ref Stage, prod], Assertions: [{ Assert: !Equals [a, b] }] }", fine);
    check(
        "{ RuleCondition: !Equals [!Ref Stage, dev], Assertions: [{ Assert: !Equals [a, b] }] }",
        &["the rule R: an assertion of it is false"],
    );
    check(&assert("!Equals [!Ref Missing, a]"), &["there is no parameter \"Missing\""]);
    check(&assert("!GetAtt A.Arn"), &["this is nothing that a rule can assert"]);
    check("{ Asserts: [] }", &["the rule R has no Assertions", "a rule has no \"Asserts\""]);
}
