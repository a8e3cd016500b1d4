//! What an HTTP request asks for: routes, and what their parameters must be.

use std::collections::HashMap;

use serde::Deserialize;

use crate::Order;

/// The part of API Gateway's event that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    http_method: String,
    path: String,
    query_string_parameters: Option<HashMap<String, String>>,
    headers: Option<HashMap<String, String>>,
    request_context: Context,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    domain_name: String,
    stage: String,
}

#[derive(Debug, PartialEq)]
pub enum Asked {
    /// `POST /orders?id=..&amount=..&email=..`
    Order(Order),
    /// `GET /approvals/{link}`: a mail program may follow a link by itself, so this changes nothing.
    ShowApproval {
        link: String,
    },
    /// `POST /approvals/{link}?answer=approve` or `decline`
    AnswerApproval {
        link: String,
        is_approved: bool,
    },
    /// `POST /shipments/{order}?event=packing`, `sent` or `cancelled`
    Shipment {
        order_id: String,
        event: ShipmentEvent,
    },
    /// With what is wrong.
    Nonsense(&'static str),
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShipmentEvent {
    Packing,
    Sent,
    Cancelled,
}

impl Request {
    pub fn asked(&self) -> Asked {
        let parts: Vec<&str> = self.path.trim_matches('/').split('/').collect();
        match (self.http_method.as_str(), parts.as_slice()) {
            ("POST", ["orders"]) => self.order(),
            ("GET", ["approvals", link]) => Asked::ShowApproval { link: (*link).to_owned() },
            ("POST", ["approvals", link]) => match self.parameter("answer") {
                "approve" => Asked::AnswerApproval { link: (*link).to_owned(), is_approved: true },
                "decline" => Asked::AnswerApproval { link: (*link).to_owned(), is_approved: false },
                _ => Asked::Nonsense("answer must be approve or decline"),
            },
            ("POST", ["shipments", order_id]) => match self.shipment_event() {
                Some(event) => Asked::Shipment { order_id: (*order_id).to_owned(), event },
                None => Asked::Nonsense("event must be packing, sent or cancelled"),
            },
            _ => Asked::Unknown,
        }
    }

    /// Where this API is, as its caller sees it. AWS's own addresses have the stage in their path.
    pub fn base_url(&self) -> String {
        let Context { domain_name, stage } = &self.request_context;
        let header = |name: &str| {
            let mut headers = self.headers.iter().flatten();
            headers.find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
        };
        let scheme = header("X-Forwarded-Proto").unwrap_or("https");
        match domain_name.contains(".execute-api.") {
            true => format!("{scheme}://{domain_name}/{stage}"),
            false => format!("{scheme}://{domain_name}"),
        }
    }

    fn order(&self) -> Asked {
        let id = self.parameter("id");
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > 80 || !id.bytes().all(is_name) {
            return Asked::Nonsense("id must be 1 to 80 letters, digits, - or _");
        }
        let email = self.parameter("email");
        let Ok(amount @ 1..) = self.parameter("amount").parse() else {
            return Asked::Nonsense("amount must be a whole number from 1 on");
        };
        match email.split_once('@') {
            Some((who, at)) if !who.is_empty() && !at.is_empty() => {
                Asked::Order(Order { id: id.to_owned(), email: email.to_owned(), amount })
            }
            _ => Asked::Nonsense("email must be an address"),
        }
    }

    fn shipment_event(&self) -> Option<ShipmentEvent> {
        match self.parameter("event") {
            "packing" => Some(ShipmentEvent::Packing),
            "sent" => Some(ShipmentEvent::Sent),
            "cancelled" => Some(ShipmentEvent::Cancelled),
            _ => None,
        }
    }

    fn parameter(&self, name: &str) -> &str {
        self.query_string_parameters.as_ref().and_then(|all| all.get(name)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(method: &str, path: &str, query: &[(&str, &str)], domain: &str) -> Request {
        let query: HashMap<&str, &str> = query.iter().copied().collect();
        let event = json!({
            "httpMethod": method,
            "path": path,
            "queryStringParameters": if query.is_empty() { json!(null) } else { json!(query) },
            "headers": { "x-forwarded-proto": "http" },
            "requestContext": { "domainName": domain, "stage": "Prod" },
        });
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn routes() {
        let check = |method: &str, path: &str, query: &[(&str, &str)], expect: Asked| {
            assert_eq!(request(method, path, query, "d").asked(), expect, "{method} {path} {query:?}");
        };
        let order = |id: &'static str, amount: &'static str, email: &'static str| {
            [("id", id), ("amount", amount), ("email", email)]
        };
        let expect = Order { id: "o-1".into(), email: "a@b".into(), amount: 5 };
        check("POST", "/orders", &order("o-1", "5", "a@b"), Asked::Order(expect));
        let bad_id = Asked::Nonsense("id must be 1 to 80 letters, digits, - or _");
        check("POST", "/orders", &order("o 1", "5", "a@b"), bad_id);
        let bad_amount = || Asked::Nonsense("amount must be a whole number from 1 on");
        check("POST", "/orders", &order("o", "0", "a@b"), bad_amount());
        check("POST", "/orders", &order("o", "5.5", "a@b"), bad_amount());
        check("POST", "/orders", &order("o", "5", "a@"), Asked::Nonsense("email must be an address"));
        check("GET", "/approvals/x", &[], Asked::ShowApproval { link: "x".into() });
        let answer = |is_approved| Asked::AnswerApproval { link: "x".into(), is_approved };
        check("POST", "/approvals/x", &[("answer", "approve")], answer(true));
        check("POST", "/approvals/x", &[("answer", "decline")], answer(false));
        check("POST", "/approvals/x", &[], Asked::Nonsense("answer must be approve or decline"));
        let shipment = |event| Asked::Shipment { order_id: "o".into(), event };
        check("POST", "/shipments/o", &[("event", "packing")], shipment(ShipmentEvent::Packing));
        check("POST", "/shipments/o", &[("event", "sent")], shipment(ShipmentEvent::Sent));
        check("POST", "/shipments/o", &[("event", "cancelled")], shipment(ShipmentEvent::Cancelled));
        check("POST", "/shipments/o", &[], Asked::Nonsense("event must be packing, sent or cancelled"));
        check("GET", "/orders", &[], Asked::Unknown);
        check("GET", "/", &[], Asked::Unknown);
    }

    #[test]
    fn addresses() {
        let check = |domain: &str, expect: &str| {
            assert_eq!(request("GET", "/", &[], domain).base_url(), expect);
        };
        check("127.0.0.1:3000", "http://127.0.0.1:3000");
        let aws = "abc.execute-api.eu-west-1.amazonaws.com";
        check(aws, &format!("http://{aws}/Prod"));
    }
}
