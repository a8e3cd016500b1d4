//! Removing what a stack lets go, by its type and physical id. What is gone already is removed already.

use serde_json::{Value, json};

use crate::front::Front;
use crate::ports::Apis;

/// Whether something would be lost with it that no deployment brings back.
pub fn is_data(kind: &str) -> bool {
    matches!(kind, "AWS::DynamoDB::Table" | "AWS::S3::Bucket")
}

/// Whether anything was made of it, which a person is told when it goes.
pub fn leaves_something(kind: &str) -> bool {
    is_data(kind)
        || matches!(
            kind,
            "AWS::Lambda::Function"
                | "AWS::Lambda::LayerVersion"
                | "AWS::Lambda::Version"
                | "AWS::Lambda::Alias"
                | "AWS::Lambda::Url"
                | "AWS::StepFunctions::StateMachine"
                | "AWS::StepFunctions::StateMachineAlias"
                | "AWS::StepFunctions::Activity"
                | "AWS::SSM::Parameter"
                | "AWS::Events::Connection"
                | "AWS::ApiGateway::RestApi"
                | "AWS::ApiGatewayV2::Api"
                | "AWS::Events::Rule"
                | "AWS::Scheduler::Schedule"
        )
}

pub async fn remove(front: &Front, apis: &Apis, kind: &str, physical_id: &str) -> Result<(), String> {
    match kind {
        "AWS::Lambda::Function" => {
            let (host, name) = (front.lambda.clone(), physical_id.to_owned());
            let removed = tokio::task::spawn_blocking(move || match host.function(&name) {
                Some(_) => host.delete_function(&name).map_err(|error| error.to_aws().message),
                None => Ok(()),
            });
            removed.await.map_err(|error| error.to_string())?
        }
        "AWS::Lambda::LayerVersion" | "AWS::Lambda::Version" | "AWS::Lambda::Alias" => {
            let (host, arn) = (front.lambda.clone(), physical_id.to_owned());
            let removed = tokio::task::spawn_blocking(move || host.delete_published(&arn));
            removed.await.map_err(|error| error.to_string())?.map_err(|error| error.to_aws().message)
        }
        "AWS::StepFunctions::StateMachine" => {
            states(front, "DeleteStateMachine", json!({ "stateMachineArn": physical_id })).await
        }
        // Its machine may have gone before it, and it with that.
        "AWS::StepFunctions::StateMachineAlias" => {
            match front.states.call("DeleteStateMachineAlias", json!({ "stateMachineAliasArn": physical_id })).await {
                Err(error) if error.name != "ResourceNotFound" => Err(error.to_string()),
                _ => Ok(()),
            }
        }
        "AWS::StepFunctions::Activity" => states(front, "DeleteActivity", json!({ "activityArn": physical_id })).await,
        "AWS::DynamoDB::Table" => front.dynamo.remove_table(physical_id).await.map_err(|error| error.to_string()),
        "AWS::S3::Bucket" => {
            let (s3, name) = (front.s3.clone(), physical_id.to_owned());
            let removed = tokio::task::spawn_blocking(move || s3.delete_bucket(&name)).await;
            removed.map_err(|error| error.to_string())?
        }
        "AWS::SSM::Parameter" => {
            let (ssm, name) = (front.ssm.clone(), physical_id.to_owned());
            let removed = tokio::task::spawn_blocking(move || ssm.delete(&name)).await;
            removed.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
        }
        "AWS::Events::Connection" => {
            let (connections, name) = (front.connections.clone(), physical_id.to_owned());
            let removed = tokio::task::spawn_blocking(move || connections.remove(&name)).await;
            removed.map_err(|error| error.to_string())?.map_err(|error| error.message)
        }
        "AWS::Lambda::Url" => apis.remove(physical_id).await,
        "AWS::ApiGateway::RestApi" | "AWS::ApiGatewayV2::Api" => apis.remove(physical_id).await,
        "AWS::Events::Rule" | crate::rules::SCHEDULE => front.rules.remove(kind, physical_id).await,
        // Nothing was made of it, or it went with what it belongs to.
        _ => Ok(()),
    }
}

async fn states(front: &Front, action: &str, body: Value) -> Result<(), String> {
    front.states.call(action, body).await.map(drop).map_err(|error| error.to_string())
}
