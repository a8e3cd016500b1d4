//! The apps that `ithaca new` writes: the folders of `examples/`, embedded in the binary.
//!
//! They lie there as apps that run and are tested in place. Only what stands here is written, so a file that is added to an example is
//! added here as well; a test compares the two.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Node,
    Python,
    Rust,
}

impl Language {
    /// How the app's own tests are run in its folder.
    pub fn test(self) -> &'static str {
        match self {
            Language::Node => "node --test",
            Language::Python => "python3 -m unittest discover tests",
            Language::Rust => "cargo test --release --lib",
        }
    }
}

pub struct Template {
    pub name: &'static str,
    pub summary: &'static str,
    /// The first is the default: what needs the least installed.
    pub apps: &'static [App],
}

pub struct App {
    pub language: Language,
    /// Its folder in `examples/`, which is also the name of its stack where the README names it.
    pub example: &'static str,
    pub files: &'static [(&'static str, &'static str)],
}

macro_rules! app {
    ($language:ident $example:literal: $($file:literal)*) => {
        App {
            language: Language::$language,
            example: $example,
            files: &[$(
                ($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/", $example, "/", $file))),
            )*],
        }
    };
}

pub const TEMPLATES: &[Template] = &[
    Template {
        name: "travel",
        summary: "A trip is booked step by step, and given back when a step fails; six ways to go",
        apps: &[
            app! {
                Node "travel-node":
                ".gitignore"
                "README.md"
                "saga.asl.json"
                "src/aws.mjs"
                "src/bookings.mjs"
                "src/saga.mjs"
                "src/steps.mjs"
                "template.yaml"
                "tests/ithaca.mjs"
                "tests/travel.test.mjs"
            },
            app! {
                Rust "travel":
                ".gitignore"
                "Cargo.lock"
                "Cargo.toml"
                "README.md"
                "saga.asl.json"
                "src/answer.rs"
                "src/aws.rs"
                "src/bin/cancel-flight.rs"
                "src/bin/cancel-hotel.rs"
                "src/bin/confirm-flight.rs"
                "src/bin/confirm-hotel.rs"
                "src/bin/refund-payment.rs"
                "src/bin/reserve-flight.rs"
                "src/bin/reserve-hotel.rs"
                "src/bin/saga.rs"
                "src/bin/take-payment.rs"
                "src/booking.rs"
                "src/chance.rs"
                "src/definition.rs"
                "src/failure.rs"
                "src/function.rs"
                "src/gateway.rs"
                "src/lib.rs"
                "src/settings.rs"
                "src/starter.rs"
                "src/step.rs"
                "src/table.rs"
                "src/trip.rs"
                "template.yaml"
            },
        ],
    },
    Template {
        name: "checkout",
        summary: "An order waits for a human's approval and for a warehouse, by task tokens",
        apps: &[
            app! {
                Node "checkout-node":
                ".gitignore"
                "README.md"
                "checkout.asl.json"
                "src/approvals.mjs"
                "src/aws.mjs"
                "src/http.mjs"
                "src/mail.mjs"
                "src/steps.mjs"
                "src/table.mjs"
                "src/web.mjs"
                "template.yaml"
                "tests/checkout.test.mjs"
                "tests/ithaca.mjs"
            },
            app! {
                Rust "checkout":
                ".gitignore"
                "Cargo.lock"
                "Cargo.toml"
                "README.md"
                "checkout.asl.json"
                "src/approval.rs"
                "src/aws.rs"
                "src/bin/cancel-shipment.rs"
                "src/bin/charge-customer.rs"
                "src/bin/refund-customer.rs"
                "src/bin/request-approval.rs"
                "src/bin/request-shipment.rs"
                "src/bin/send-mail.rs"
                "src/bin/web.rs"
                "src/definition.rs"
                "src/failure.rs"
                "src/function.rs"
                "src/lib.rs"
                "src/mail.rs"
                "src/order.rs"
                "src/page.rs"
                "src/request.rs"
                "src/steps.rs"
                "src/table.rs"
                "template.yaml"
            },
        ],
    },
    Template {
        name: "payment",
        summary: "A payment is authorised, captured and booked: idempotency keys, retries, timeouts, refund",
        apps: &[
            app! {
                Node "payment":
                ".gitignore"
                "README.md"
                "event.json"
                "payment.asl.json"
                "src/aws.mjs"
                "src/provider.mjs"
                "template.yaml"
                "tests/ithaca.mjs"
                "tests/payment.test.mjs"
            },
            app! {
                Python "payment-python":
                ".gitignore"
                "README.md"
                "event.json"
                "payment.asl.json"
                "src/aws.py"
                "src/provider.py"
                "template.yaml"
                "tests/ithaca.py"
                "tests/test_payment.py"
            },
        ],
    },
    Template {
        name: "approval",
        summary: "A request reserves a budget and waits for a human until a deadline",
        apps: &[app! {
            Node "approval":
            ".gitignore"
            "README.md"
            "approval.asl.json"
            "event.json"
            "src/approvals.mjs"
            "src/aws.mjs"
            "src/http.mjs"
            "src/mail.mjs"
            "src/steps.mjs"
            "src/table.mjs"
            "src/web.mjs"
            "template.yaml"
            "tests/approval.test.mjs"
            "tests/ithaca.mjs"
        }],
    },
    Template {
        name: "order-fulfilment",
        summary: "An order of many items is reserved in a Map, charged and shipped; partial reservations are released",
        apps: &[
            app! {
                Node "order-fulfilment":
                ".gitignore"
                "README.md"
                "event.json"
                "order.asl.json"
                "restock.asl.json"
                "short.json"
                "src/aws.mjs"
                "src/shop.mjs"
                "stock.json"
                "template.yaml"
                "tests/ithaca.mjs"
                "tests/order.test.mjs"
            },
            app! {
                Python "order-fulfilment-python":
                ".gitignore"
                "README.md"
                "event.json"
                "order.asl.json"
                "restock.asl.json"
                "short.json"
                "src/aws.py"
                "src/shop.py"
                "stock.json"
                "template.yaml"
                "tests/ithaca.py"
                "tests/test_order.py"
            },
        ],
    },
];

#[cfg(test)]
mod tests {
    #![allow(clippy::disallowed_methods)]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What tools leave in the folder of an app.
    const LEFT: &[&str] = &["target", ".ithaca", ".aws-sam", "node_modules", "__pycache__", "samconfig.toml"];

    fn files(folder: &Path, below: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            match entry.file_type().unwrap().is_dir() {
                _ if LEFT.contains(&name.as_str()) => {}
                true => files(&entry.path(), &below.join(name), found),
                false => drop(found.insert(below.join(name).display().to_string())),
            }
        }
    }

    #[test]
    fn every_file_of_an_example_is_written() {
        for app in TEMPLATES.iter().flat_map(|template| template.apps) {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(app.example);
            let mut found = BTreeSet::new();
            files(&folder, Path::new(""), &mut found);
            let listed: BTreeSet<String> = app.files.iter().map(|(name, _)| (*name).to_owned()).collect();
            assert_eq!(listed, found, "{}", app.example);
        }
    }

    /// Files that several apps of a language have are the same in all of them, so one is mended with the others.
    #[test]
    fn what_apps_share_is_the_same() {
        let check = |language: Language, name: &str| {
            let apps = TEMPLATES.iter().flat_map(|template| template.apps).filter(|app| app.language == language);
            let files = apps.filter_map(|app| app.files.iter().find(|(it, _)| *it == name));
            let texts: BTreeSet<&str> = files.map(|(_, text)| *text).collect();
            assert_eq!(texts.len(), 1, "{name}");
        };
        for name in ["src/aws.mjs", "src/table.mjs", "src/http.mjs", "src/mail.mjs", "tests/ithaca.mjs", ".gitignore"] {
            check(Language::Node, name);
        }
        for name in ["src/aws.py", "tests/ithaca.py", ".gitignore"] {
            check(Language::Python, name);
        }
        let file = |example: &str, name: &str| {
            let app = TEMPLATES.iter().flat_map(|template| template.apps).find(|app| app.example == example);
            app.unwrap().files.iter().find(|(it, _)| *it == name).map(|(_, text)| *text).unwrap()
        };
        for (one, other, name) in [
            ("travel-node", "travel", "saga.asl.json"),
            ("checkout-node", "checkout", "checkout.asl.json"),
            ("payment-python", "payment", "payment.asl.json"),
            ("order-fulfilment-python", "order-fulfilment", "order.asl.json"),
        ] {
            assert_eq!(file(one, name), file(other, name), "{name}");
        }
    }
}
