//! Lambda's operations: method, path, name, and the action if it is served. The rest is here to be refused by name.

use aws_protocol::Response;
use http::Method;

use super::{
    Call, about, aliases, concurrency, create_function, delete_function, get_function, layers, list_functions, policy,
    tags, update_function_code, update_function_configuration, versions,
};
use crate::error::Error;

#[derive(Clone, Copy)]
pub(super) enum Action {
    Invoke,
    InvokeAsync,
    Blocking(fn(&Call) -> Result<Response, Error>),
}

pub(super) struct Operation {
    method: &'static str,
    /// `{}` stands for one decoded part.
    path: &'static str,
    pub name: &'static str,
    pub action: Option<Action>,
}

const fn served(method: &'static str, path: &'static str, name: &'static str, action: Action) -> Operation {
    Operation { method, path, name, action: Some(action) }
}

const fn not_yet(method: &'static str, path: &'static str, name: &'static str) -> Operation {
    Operation { method, path, name, action: None }
}

use Action::Blocking;

#[rustfmt::skip]
const OPERATIONS: &[Operation] = &[
    served("POST", "/2015-03-31/functions/{}/invocations", "Invoke", Action::Invoke),
    served("POST", "/2015-03-31/functions", "CreateFunction", Blocking(create_function::act)),
    served("GET", "/2015-03-31/functions", "ListFunctions", Blocking(list_functions::act)),
    served("GET", "/2015-03-31/functions/{}", "GetFunction", Blocking(get_function::act)),
    served("DELETE", "/2015-03-31/functions/{}", "DeleteFunction", Blocking(delete_function::act)),
    served("GET", "/2015-03-31/functions/{}/configuration", "GetFunctionConfiguration", Blocking(get_function::configuration)),
    served("PUT", "/2015-03-31/functions/{}/configuration", "UpdateFunctionConfiguration", Blocking(update_function_configuration::act)),
    served("PUT", "/2015-03-31/functions/{}/code", "UpdateFunctionCode", Blocking(update_function_code::act)),
    served("PUT", "/2017-10-31/functions/{}/concurrency", "PutFunctionConcurrency", Blocking(concurrency::put)),
    served("GET", "/2019-09-30/functions/{}/concurrency", "GetFunctionConcurrency", Blocking(concurrency::get)),
    served("DELETE", "/2017-10-31/functions/{}/concurrency", "DeleteFunctionConcurrency", Blocking(concurrency::delete)),
    served("GET", "/2017-03-31/tags/{}", "ListTags", Blocking(tags::list)),
    served("POST", "/2017-03-31/tags/{}", "TagResource", Blocking(tags::tag)),
    served("DELETE", "/2017-03-31/tags/{}", "UntagResource", Blocking(tags::untag)),
    served("POST", "/2014-11-13/functions/{}/invoke-async", "InvokeAsync", Action::InvokeAsync),
    served("GET", "/2015-03-31/functions/{}/versions", "ListVersionsByFunction", Blocking(versions::list)),
    served("POST", "/2015-03-31/functions/{}/versions", "PublishVersion", Blocking(versions::publish)),
    served("GET", "/2015-03-31/functions/{}/aliases", "ListAliases", Blocking(aliases::list)),
    served("POST", "/2015-03-31/functions/{}/aliases", "CreateAlias", Blocking(aliases::create)),
    served("GET", "/2015-03-31/functions/{}/aliases/{}", "GetAlias", Blocking(aliases::get)),
    served("PUT", "/2015-03-31/functions/{}/aliases/{}", "UpdateAlias", Blocking(aliases::update)),
    served("DELETE", "/2015-03-31/functions/{}/aliases/{}", "DeleteAlias", Blocking(aliases::delete)),
    served("GET", "/2015-03-31/functions/{}/policy", "GetPolicy", Blocking(policy::get)),
    served("POST", "/2015-03-31/functions/{}/policy", "AddPermission", Blocking(policy::add)),
    served("DELETE", "/2015-03-31/functions/{}/policy/{}", "RemovePermission", Blocking(policy::remove)),
    served("GET", "/2018-10-31/layers", "ListLayers", Blocking(layers::list)),
    served("GET", "/2018-10-31/layers/{}/versions", "ListLayerVersions", Blocking(layers::versions)),
    served("POST", "/2018-10-31/layers/{}/versions", "PublishLayerVersion", Blocking(layers::publish)),
    served("GET", "/2018-10-31/layers/{}/versions/{}", "GetLayerVersion", Blocking(layers::get)),
    served("DELETE", "/2018-10-31/layers/{}/versions/{}", "DeleteLayerVersion", Blocking(layers::delete)),
    served("GET", "/2016-08-19/account-settings", "GetAccountSettings", Blocking(about::account)),
    served("GET", "/2020-06-30/functions/{}/code-signing-config", "GetFunctionCodeSigningConfig", Blocking(about::code_signing)),
    served("GET", "/2021-07-20/functions/{}/runtime-management-config", "GetRuntimeManagementConfig", Blocking(about::runtime_management)),
    served("GET", "/2024-08-31/functions/{}/recursion-config", "GetFunctionRecursionConfig", Blocking(about::recursion)),
    served("PUT", "/2024-08-31/functions/{}/recursion-config", "PutFunctionRecursionConfig", Blocking(about::put_recursion)),

    not_yet("POST", "/2021-11-15/functions/{}/response-streaming-invocations", "InvokeWithResponseStream"),
    not_yet("GET", "/2015-03-31/event-source-mappings", "ListEventSourceMappings"),
    not_yet("POST", "/2015-03-31/event-source-mappings", "CreateEventSourceMapping"),
    not_yet("GET", "/2015-03-31/event-source-mappings/{}", "GetEventSourceMapping"),
    not_yet("PUT", "/2015-03-31/event-source-mappings/{}", "UpdateEventSourceMapping"),
    not_yet("DELETE", "/2015-03-31/event-source-mappings/{}", "DeleteEventSourceMapping"),
    not_yet("GET", "/2019-09-25/functions/{}/event-invoke-config", "GetFunctionEventInvokeConfig"),
    not_yet("PUT", "/2019-09-25/functions/{}/event-invoke-config", "PutFunctionEventInvokeConfig"),
    not_yet("POST", "/2019-09-25/functions/{}/event-invoke-config", "UpdateFunctionEventInvokeConfig"),
    not_yet("DELETE", "/2019-09-25/functions/{}/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    not_yet("GET", "/2019-09-25/functions/{}/event-invoke-config/list", "ListFunctionEventInvokeConfigs"),
    not_yet("GET", "/2019-09-30/functions/{}/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    not_yet("PUT", "/2019-09-30/functions/{}/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    not_yet("DELETE", "/2019-09-30/functions/{}/provisioned-concurrency", "DeleteProvisionedConcurrencyConfig"),
    not_yet("PUT", "/2020-06-30/functions/{}/code-signing-config", "PutFunctionCodeSigningConfig"),
    not_yet("DELETE", "/2020-06-30/functions/{}/code-signing-config", "DeleteFunctionCodeSigningConfig"),
    not_yet("PUT", "/2021-07-20/functions/{}/runtime-management-config", "PutRuntimeManagementConfig"),
    not_yet("GET", "/2021-10-31/functions/{}/url", "GetFunctionUrlConfig"),
    not_yet("POST", "/2021-10-31/functions/{}/url", "CreateFunctionUrlConfig"),
    not_yet("PUT", "/2021-10-31/functions/{}/url", "UpdateFunctionUrlConfig"),
    not_yet("DELETE", "/2021-10-31/functions/{}/url", "DeleteFunctionUrlConfig"),
    not_yet("GET", "/2021-10-31/functions/{}/urls", "ListFunctionUrlConfigs"),
    not_yet("GET", "/2025-12-01/functions/{}/durable-executions", "ListDurableExecutionsByFunction"),
];

/// The operation, and the parts of the path that stand for `{}`, not decoded yet.
///
/// A slash at the end is ignored: some clients write `/functions/`.
pub(super) fn find<'a>(method: &Method, path: &'a str) -> Option<(&'static Operation, Vec<&'a str>)> {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    OPERATIONS.iter().filter(|operation| operation.method == method.as_str()).find_map(|operation| {
        let variables = matched(operation.path, &parts)?;
        Some((operation, variables))
    })
}

fn matched<'a>(pattern: &str, parts: &[&'a str]) -> Option<Vec<&'a str>> {
    let pattern: Vec<&str> = pattern.split('/').collect();
    let fits = |(pattern, part): (&&str, &&str)| pattern == part || (*pattern == "{}" && !part.is_empty());
    if pattern.len() != parts.len() || !pattern.iter().zip(parts).all(fits) {
        return None;
    }
    Some(pattern.iter().zip(parts).filter(|(pattern, _)| **pattern == "{}").map(|(_, part)| *part).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let check = |method: Method, path: &str, expect: Option<(&str, &[&str])>| {
            let found = find(&method, path);
            let found = found.as_ref().map(|(operation, variables)| (operation.name, variables.as_slice()));
            assert_eq!(found, expect, "{method} {path}");
        };
        check(Method::POST, "/2015-03-31/functions/f/invocations", Some(("Invoke", &["f"])));
        check(Method::GET, "/2015-03-31/functions/", Some(("ListFunctions", &[])));
        check(Method::GET, "/2015-03-31/functions/f%3A%24LATEST", Some(("GetFunction", &["f%3A%24LATEST"])));
        check(Method::GET, "/2015-03-31/functions/f/aliases/PROD", Some(("GetAlias", &["f", "PROD"])));
        check(Method::POST, "/2015-03-31/functions//invocations", None);
        check(Method::PATCH, "/2015-03-31/functions/f", None);
        check(Method::GET, "/", None);
    }
}
