//! Answers to people and programs: pages and JSON.

use serde::Serialize;

use crate::Approval;

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    pub status_code: u16,
    headers: Headers,
    body: String,
}

#[derive(Debug, PartialEq, Serialize)]
struct Headers {
    #[serde(rename = "Content-Type")]
    content_type: &'static str,
}

impl Response {
    /// `{"message":"..."}` with this status.
    pub fn message(status_code: u16, message: &str) -> Response {
        let body = serde_json::json!({ "message": message }).to_string();
        Response { status_code, headers: Headers { content_type: "application/json" }, body }
    }

    /// The two buttons. Pressing one is a POST: following a link decides nothing.
    pub fn question(approval: &Approval) -> Response {
        let button = |answer: &str, label: &str| {
            format!("<form method=\"post\" action=\"?answer={answer}\"><button>{label}</button></form>")
        };
        let text = format!("The order {} over {} EUR waits for you.", approval.order_id, approval.amount);
        let buttons = [button("approve", "Approve"), button("decline", "Decline")].concat();
        Response::page(200, "Please decide", &format!("<p>{text}</p>{buttons}"))
    }

    pub fn thanks(approval: &Approval, is_approved: bool) -> Response {
        let what = if is_approved { "approved" } else { "declined" };
        Response::page(200, "Thank you", &format!("<p>You have {what} the order {}.</p>", approval.order_id))
    }

    /// The link was good for one answer.
    pub fn used(approval: &Approval, answer: &str) -> Response {
        let text = format!("<p>The order {} has been {answer} already. This link is used up.</p>", approval.order_id);
        Response::page(410, "Already decided", &text)
    }

    pub fn late(approval: &Approval) -> Response {
        let text = format!("<p>The order {} does not wait any more. Nothing was changed.</p>", approval.order_id);
        Response::page(410, "Too late", &text)
    }

    pub fn unknown_link() -> Response {
        Response::page(404, "Unknown link", "<p>Is it complete? Copy it from the mail once more.</p>")
    }

    /// What stands in `content` is ours, or was checked to have no markup: ids, numbers, fixed words.
    fn page(status_code: u16, title: &str, content: &str) -> Response {
        let body = format!(
            "<!doctype html><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
             <title>{title}</title><h1>{title}</h1>{content}"
        );
        Response { status_code, headers: Headers { content_type: "text/html; charset=utf-8" }, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Order;

    #[test]
    fn pages() {
        let approval = Approval::new(&Order { id: "o-1".into(), email: "e@x".into(), amount: 120 }, "token");
        let check = |response: Response, status: u16, words: &[&str]| {
            assert_eq!(response.status_code, status, "{response:?}");
            assert!(words.iter().all(|word| response.body.contains(word)), "{response:?}");
            assert!(!response.body.contains("token"), "{response:?}");
        };
        let buttons = ["?answer=approve", "?answer=decline", "o-1 over 120 EUR"];
        check(Response::question(&approval), 200, &buttons);
        check(Response::thanks(&approval, true), 200, &["approved the order o-1"]);
        check(Response::thanks(&approval, false), 200, &["declined the order o-1"]);
        check(Response::used(&approval, "approved"), 410, &["has been approved already"]);
        check(Response::late(&approval), 410, &["does not wait any more"]);
        check(Response::unknown_link(), 404, &["Unknown link"]);
    }
}
