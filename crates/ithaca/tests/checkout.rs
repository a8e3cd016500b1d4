//! The checkout saga over HTTP, with the real functions: what its tutorial promises, and what happens when somebody is
//! late, silent, or says something twice.

mod support;

use serde_json::{Value, json};
use support::client::{Client, text};
use support::history::{check_whole, states_entered};
use support::ithaca::{Ithaca, Up};
use support::scratch::Scratch;
use support::wait::wait_for;
use support::{examples, http};

const MACHINE: &str = "arn:aws:states:us-east-1:000000000000:stateMachine:checkout-CheckoutSaga";

struct Shop {
    _scratch: Scratch,
    up: Up,
    ithaca: Ithaca,
}

impl Shop {
    fn open(name: &str, parameters: &[&str]) -> Shop {
        let scratch = Scratch::new(name);
        let up = Up::new(scratch.join("data")).template(examples::built("checkout"));
        let up = parameters.iter().fold(up, |up, parameter| up.parameter(parameter));
        let ithaca = up.start();
        Shop { _scratch: scratch, up, ithaca }
    }

    fn client(&self) -> Client {
        self.ithaca.client()
    }

    #[track_caller]
    fn post(&self, path: &str, expect: (u16, &str)) {
        let answer = self.ithaca.api().send("POST", path, &[], b"").unwrap();
        assert!(answer.status == expect.0 && answer.text().contains(expect.1), "POST {path}: {answer:?}");
    }

    #[track_caller]
    fn order(&self, id: &str, amount: u32) {
        let path = format!("/orders?id={id}&amount={amount}&email=ann@example.com");
        self.post(&path, (202, "We are processing your order"));
    }

    /// The warehouse's word, once the shipment has been asked for.
    #[track_caller]
    fn ship(&self, id: &str, event: &str) {
        wait_for("the shipment is asked for", || (!self.row(&format!("SHIPMENT#{id}")).is_null()).then_some(()));
        self.post(&format!("/shipments/{id}?event={event}"), (200, "Thank you"));
    }

    /// A row of the orders, as texts.
    fn row(&self, key: &str) -> Value {
        self.item("checkout-OrdersTable", key)
    }

    fn item(&self, table: &str, key: &str) -> Value {
        let get = json!({ "TableName": table, "Key": { "pk": { "S": key } }, "ConsistentRead": true });
        let item = self.client().dynamo("GetItem", get)["Item"].take();
        let members = item.as_object().map(|item| {
            item.iter().map(|(name, value)| (name.clone(), value["S"].clone())).collect::<serde_json::Map<_, _>>()
        });
        members.map_or(Value::Null, Value::Object)
    }

    /// The text of a mail, which is on its way or there.
    fn mail(&self, key: &str) -> String {
        wait_for(&format!("the mail {key}"), || {
            self.item("checkout-OutboxTable", key)["text"].as_str().map(str::to_owned)
        })
    }

    /// The path of the link in the mail that asks for approval.
    fn approval(&self, id: &str) -> String {
        let link = self.mail(&format!("{id}#approval"));
        let base = format!("http://{}", self.ithaca.api().address);
        link.strip_prefix(&base).unwrap_or_else(|| panic!("{link} does not begin with {base}")).to_owned()
    }

    /// Follows a link.
    #[track_caller]
    fn page(&self, path: &str, expect: (u16, &str)) {
        let answer: http::Answer = self.ithaca.api().get(path);
        assert!(answer.status == expect.0 && answer.text().contains(expect.1), "GET {path}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }

    /// How an order ended, and that its history is whole and went through these states.
    #[track_caller]
    fn ended(&self, id: &str, status: &str, expect: &[&str]) -> Value {
        let execution = format!("{}:{id}", MACHINE.replace("stateMachine", "execution"));
        let ended = self.client().ended(&execution);
        let events = self.client().history(&execution);
        check_whole(&events);
        assert_eq!((&ended["status"], states_entered(&events)), (&json!(status), expect.to_vec()), "{ended}");
        ended
    }
}

const SMALL: [&str; 4] = ["Accept", "NeedsApproval", "ChargeCustomer", "RequestShipment"];
const LARGE: [&str; 5] = ["Accept", "NeedsApproval", "RequestApproval", "ChargeCustomer", "RequestShipment"];
const SENT: [&str; 2] = ["SayShipped", "Order shipped"];
const CANCELLED: [&str; 3] = ["RefundCustomer", "SayCancelled", "Order cancelled"];
const DECLINED: [&str; 2] = ["SayDeclined", "Order declined"];

#[test]
fn an_order_is_paid_and_sent() {
    let shop = Shop::open("checkout-small", &[]);
    shop.order("o-1", 20);
    shop.order("o-1", 20);
    shop.ship("o-1", "packing");
    shop.ship("o-1", "sent");
    let ended = shop.ended("o-1", "SUCCEEDED", &[&SMALL[..], &SENT].concat());
    assert_eq!(ended["output"], r#"{"tracking":"T-o-1"}"#);
    assert_eq!(shop.row("PAYMENT#o-1"), json!({ "pk": "PAYMENT#o-1", "status": "taken", "amount": "20" }));
    assert_eq!(shop.mail("o-1#shipped"), "We have sent it. Tracking number: T-o-1.");
    let again = "/orders?id=o-1&amount=20&email=ann@example.com";
    shop.post(again, (409, "There is an order with this id already"));
    shop.post("/shipments/o-1?event=sent", (409, "Nobody waits for this shipment any more"));
    shop.post("/shipments/o-2?event=sent", (404, "There is no shipment for this order"));
    shop.post("/orders?id=o-2&amount=nothing", (400, "amount must be a whole number"));
    let executions = shop.client().executions(MACHINE);
    assert_eq!(executions.len(), 1, "an order that is sent twice is one order: {executions:?}");
}

#[test]
fn a_human_decides_once() {
    let mut shop = Shop::open("checkout-approval", &[]);
    shop.order("yes", 100);
    shop.order("no", 100);
    let (yes, no) = (shop.approval("yes"), shop.approval("no"));
    shop.page(&yes, (200, "The order yes over 100 EUR waits for you."));
    // What is waited for outlives the program.
    shop.ithaca.kill();
    shop.ithaca = shop.up.start();
    shop.page(&yes, (200, "The order yes over 100 EUR waits for you."));
    shop.post(&format!("{yes}?answer=perhaps"), (400, "answer must be approve or decline"));
    shop.post(&format!("{yes}?answer=approve"), (200, "You have approved the order yes."));
    shop.post(&format!("{yes}?answer=decline"), (410, "has been approved already"));
    shop.page(&yes, (410, "This link is used up"));
    shop.post(&format!("{no}?answer=decline"), (200, "You have declined the order no."));
    shop.page("/approvals/0123", (404, "Unknown link"));
    shop.post("/approvals/0123?answer=approve", (404, "Unknown link"));
    shop.ship("yes", "sent");
    shop.ended("yes", "SUCCEEDED", &[&LARGE[..], &SENT].concat());
    let ended = shop.ended("no", "FAILED", &[&LARGE[..3], &DECLINED].concat());
    assert_eq!((&ended["error"], &ended["cause"]), (&json!("OrderDeclined"), &json!("ApprovalDeclined")));
    assert_eq!(shop.mail("no#declined"), "We took no money.");
    assert_eq!(shop.row("PAYMENT#no"), Value::Null);
}

#[test]
fn what_fails_is_compensated() {
    let shop = Shop::open("checkout-failing", &[]);
    shop.order("unpaid", 13);
    shop.order("unsent", 20);
    shop.ship("unsent", "packing");
    shop.ship("unsent", "cancelled");
    let ended = shop.ended("unpaid", "FAILED", &[&SMALL[..3], &CANCELLED].concat());
    assert_eq!((&ended["error"], &ended["cause"]), (&json!("OrderCancelled"), &json!("PaymentRefused")));
    let ended = shop.ended("unsent", "FAILED", &[&SMALL[..], &["CancelShipment"], &CANCELLED].concat());
    assert_eq!(ended["cause"], "ShipmentCancelled");
    assert_eq!(text(&shop.row("PAYMENT#unsent")["status"]), "refunded");
    let mail = shop.mail("unsent#cancelled");
    assert_eq!(mail, "We could not send it (ShipmentCancelled). Your money is on its way back.");
}

#[test]
fn who_is_late_or_silent_is_not_waited_for() {
    let patience = ["ApprovalSeconds=1", "ShipmentSeconds=60", "HeartbeatSeconds=1"];
    let shop = Shop::open("checkout-late", &patience);
    shop.order("late", 100);
    shop.order("silent", 20);
    let link = shop.approval("late");
    let ended = shop.ended("late", "FAILED", &[&LARGE[..3], &DECLINED].concat());
    assert_eq!(ended["cause"], "States.Timeout");
    shop.page(&link, (200, "waits for you"));
    shop.post(&format!("{link}?answer=approve"), (410, "does not wait any more"));
    let ended = shop.ended("silent", "FAILED", &[&SMALL[..], &["CancelShipment"], &CANCELLED].concat());
    assert!(["States.Timeout", "States.HeartbeatTimeout"].contains(&ended["cause"].as_str().unwrap()), "{ended}");
    shop.post("/shipments/silent?event=sent", (409, "do not send it"));
    assert_eq!(text(&shop.row("SHIPMENT#silent")["status"]), "cancelled");
    assert_eq!(text(&shop.row("PAYMENT#silent")["status"]), "refunded");
}
