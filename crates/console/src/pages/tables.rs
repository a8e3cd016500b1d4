//! Tables: what is in them, row by row, as it changes.
//!
//! Asked in DynamoDB's own protocol, so that the embedded tables and another DynamoDB are looked at in the same way.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::Section;
use crate::answer::{Answer, Outcome, Trouble};
use crate::ask::Ask;
use crate::layout::Page;
use crate::ui;

/// Tables that are described on one page; each costs a call.
const TABLES: usize = 100;
/// Items on one page.
const ITEMS: u64 = 50;
/// Attributes that have a column; an item's own page has all.
const COLUMNS: usize = 8;
const CELL_CHARS: usize = 60;

/// What the DynamoDB door answers.
pub trait Tables: Send + Sync {
    /// An operation; the error is its name and message.
    fn call(&self, operation: &str, body: Value) -> Result<Value, TableError>;
}

#[derive(Clone, Debug)]
pub struct TableError {
    pub name: String,
    pub message: String,
}

fn call(ask: &Ask, operation: &str, body: Value) -> Result<Value, Trouble> {
    ask.console.around.tables.call(operation, body).map_err(|error| {
        let next = ("/console/tables", "See all tables");
        match &*error.name {
            "ResourceNotFoundException" => Trouble::not_found("There is no such table", error.message),
            "ValidationException" => Trouble::bad("That cannot be asked for", error.message),
            _ => Trouble::refused(format!("{operation} was refused"), format!("{}: {}", error.name, error.message)),
        }
        .next(next.0, next.1)
    })
}

struct Key {
    name: String,
    /// `S`, `N` or `B`.
    kind: String,
}

/// What `DescribeTable` says, as far as it is shown.
struct Table {
    name: String,
    arn: String,
    status: String,
    hash: Key,
    range: Option<Key>,
    items: u64,
    bytes: u64,
    indexes: usize,
}

fn describe(ask: &Ask, name: &str) -> Result<Table, Trouble> {
    let told = call(ask, "DescribeTable", json!({ "TableName": name }))?;
    let table = &told["Table"];
    let key = |kind: &str| {
        let keys = table["KeySchema"].as_array()?;
        let name = keys.iter().find(|key| key["KeyType"] == kind)?["AttributeName"].as_str()?;
        let attributes = table["AttributeDefinitions"].as_array()?;
        let kind = attributes.iter().find(|it| it["AttributeName"] == name)?["AttributeType"].as_str()?;
        Some(Key { name: name.to_owned(), kind: kind.to_owned() })
    };
    let text = |member: &str| table[member].as_str().unwrap_or_default().to_owned();
    let indexes = ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"];
    Ok(Table {
        name: name.to_owned(),
        arn: text("TableArn"),
        status: text("TableStatus"),
        hash: key("HASH").ok_or_else(|| Trouble::refused("The table cannot be shown", "It has no hash key."))?,
        range: key("RANGE"),
        items: table["ItemCount"].as_u64().unwrap_or_default(),
        bytes: table["TableSizeBytes"].as_u64().unwrap_or_default(),
        indexes: indexes.iter().map(|member| table[*member].as_array().map_or(0, Vec::len)).sum(),
    })
}

pub fn page(ask: &Ask) -> Outcome {
    let told = call(ask, "ListTables", json!({ "Limit": TABLES }))?;
    let names = told["TableNames"].as_array().cloned().unwrap_or_default();
    let is_more = !told["LastEvaluatedTableName"].is_null();
    let tables = names.iter().filter_map(Value::as_str).map(|name| describe(ask, name));
    let tables: Vec<Table> = tables.collect::<Result<_, _>>()?;
    let part = match tables.is_empty() {
        true => ui::empty(
            "There is no table yet",
            html! {
                p { "A template brings them, or any AWS client:" }
                (ui::command(&ask.aws("dynamodb create-table", "--table-name hello --billing-mode PAY_PER_REQUEST --attribute-definitions AttributeName=pk,AttributeType=S --key-schema AttributeName=pk,KeyType=HASH")))
            },
        ),
        false => list(&tables),
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let count = ui::at_least(tables.len() as u64, is_more);
    let body = html! {
        h1 { "Tables" span.count { (count) } }
        section aria-label="All tables" {
            (ui::live("tables", "/console/tables", &part))
            (ui::twin(&ask.aws("dynamodb list-tables", "")))
        }
    };
    Ok(Answer::Page(Page::new(Section::Tables, "Tables", body).stream("/console/ticks")))
}

fn list(tables: &[Table]) -> Markup {
    let rows = html! {
        @for table in tables {
            tr data-table=(table.name) {
                td { a href=(address(&table.name)) { (table.name) } }
                td { (table.status) }
                td { (keys(table)) }
                td.number.zero[table.items == 0] { (ui::number(table.items)) }
                td.number { (ui::bytes(table.bytes as usize)) }
                td.number.zero[table.indexes == 0] { (table.indexes) }
            }
        }
    };
    ui::table("Tables", &["Name", "Status", "Key", "Items", "Size", "Indexes"], rows)
}

fn keys(table: &Table) -> Markup {
    html! { code { (table.hash.name) } @if let Some(range) = &table.range { ", " code { (range.name) } } }
}

fn address(name: &str) -> String {
    ui::path(&["tables", name])
}

pub fn one(ask: &Ask) -> Outcome {
    let table = describe(ask, ask.name(0))?;
    if ask.part() == Some("items") {
        return Ok(Answer::Part(items(ask, &table)?));
    }
    let here = here(ask, &table);
    let body = html! {
        header.title {
            h1 { (table.name) }
            p.facts {
                span { (table.status) }
                span { "key " (keys(&table)) }
                @if table.indexes > 0 { span { (ui::plural(table.indexes as u64, "index", "indexes")) } }
                (ui::copy("Copy ARN", &table.arn))
            }
        }
        (ui::section("query", "Find items", None, form(ask, &table)))
        (ui::live("items", &here, &items(ask, &table)?))
    };
    let page =
        Page::new(Section::Tables, &*table.name, body).crumb("/console/tables", "Tables").stream("/console/ticks");
    Ok(Answer::Page(page))
}

/// The address of what is looked at now.
fn here(ask: &Ask, table: &Table) -> String {
    let given = ["hash", "range", "after"];
    let given = given.iter().filter_map(|name| ask.query(name).map(|value| format!("{name}={}", ui::part(value))));
    let query: Vec<String> = given.collect();
    let address = address(&table.name);
    if query.is_empty() { address } else { format!("{address}?{}", query.join("&")) }
}

fn form(ask: &Ask, table: &Table) -> Markup {
    html! {
        form method="get" action=(address(&table.name)) role="search" {
            div.row {
                div {
                    label for="hash" { code { (table.hash.name) } " is" }
                    input #hash name="hash" value=(ask.query("hash").unwrap_or_default()) placeholder="left empty: all items" autocomplete="off";
                }
                @if let Some(range) = &table.range {
                    div {
                        label for="range" { code { (range.name) } @if range.kind == "N" { " is" } @else { " begins with" } }
                        input #range name="range" value=(ask.query("range").unwrap_or_default()) placeholder="left empty: any" autocomplete="off";
                    }
                }
                button.primary type="submit" { "Find" }
            }
        }
    }
}

/// The request that the page makes, so that its command is the same.
fn question(ask: &Ask, table: &Table) -> (&'static str, Value) {
    let mut body = json!({ "TableName": table.name, "Limit": ITEMS, "ConsistentRead": true });
    if let Some(after) = ask.query("after").and_then(|after| serde_json::from_str::<Value>(after).ok()) {
        body["ExclusiveStartKey"] = after;
    }
    let Some(hash) = ask.query("hash") else { return ("Scan", body) };
    let mut condition = "#h = :h".to_owned();
    let mut names = json!({ "#h": table.hash.name });
    let mut values = json!({ ":h": { &table.hash.kind: hash } });
    if let Some((range, wanted)) = table.range.as_ref().zip(ask.query("range")) {
        condition += if range.kind == "N" { " AND #r = :r" } else { " AND begins_with(#r, :r)" };
        names["#r"] = json!(range.name);
        values[":r"] = json!({ &range.kind: wanted });
    }
    body["KeyConditionExpression"] = json!(condition);
    body["ExpressionAttributeNames"] = names;
    body["ExpressionAttributeValues"] = values;
    ("Query", body)
}

fn command(ask: &Ask, operation: &str, body: &Value) -> String {
    let arguments = format!("--cli-input-json {}", ui::quoted(&body.to_string()));
    ask.aws(&format!("dynamodb {operation}"), &arguments)
}

fn items(ask: &Ask, table: &Table) -> Result<Markup, Trouble> {
    let (operation, body) = question(ask, table);
    let twin = command(ask, &operation.to_lowercase(), &body);
    let told = call(ask, operation, body)?;
    let empty = Vec::new();
    let items = told["Items"].as_array().unwrap_or(&empty);
    let next = told.get("LastEvaluatedKey").filter(|key| !key.is_null());
    let shown = ui::plural(items.len() as u64, "item", "items");
    let count = match (next, ask.query("after"), ask.query("hash")) {
        (None, None, _) => shown,
        (_, _, Some(_)) => format!("{shown} shown"),
        _ => format!("{shown} shown of about {}", ui::number(table.items)),
    };
    Ok(ui::section(
        "items",
        "Items",
        Some(count),
        html! {
            @if items.is_empty() { (nothing(ask)) } @else { (rows(table, items)) }
            nav.pager aria-label="Pages of items" {
                @if ask.query("after").is_some() { a.button.quiet href=(first(ask, table)) { "First" } }
                @if let Some(next) = next {
                    a.button.quiet rel="next" href={ (first(ask, table)) @if ask.query("hash").is_some() { "&" } @else { "?" } "after=" (ui::part(&next.to_string())) } { "Next" }
                }
            }
            (ui::twin(&twin))
        },
    ))
}

fn first(ask: &Ask, table: &Table) -> String {
    let given = ["hash", "range"];
    let given = given.iter().filter_map(|name| ask.query(name).map(|value| format!("{name}={}", ui::part(value))));
    let query: Vec<String> = given.collect();
    let address = address(&table.name);
    match ask.query("hash") {
        None => address,
        Some(_) => format!("{address}?{}", query.join("&")),
    }
}

fn nothing(ask: &Ask) -> Markup {
    match ask.query("hash") {
        Some(hash) => ui::empty(
            &format!("No item has the key {hash}"),
            html! { p { "Leave the fields empty to see all items. What is compensated takes its rows away." } },
        ),
        None => ui::empty(
            "The table is empty",
            html! { p { "Rows stand here as soon as they are written; nothing need be loaded anew." } },
        ),
    }
}

/// Columns: the keys, then what the items have most in common.
fn columns(table: &Table, items: &[Value]) -> Vec<String> {
    let keys: Vec<&str> =
        [Some(&table.hash), table.range.as_ref()].into_iter().flatten().map(|key| &*key.name).collect();
    let names: BTreeSet<&String> = items.iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
    let mut others: Vec<&String> = names.into_iter().filter(|name| !keys.contains(&name.as_str())).collect();
    let has = |name: &str| items.iter().filter(|item| item.get(name).is_some()).count();
    // A status says most of a row; then what most rows have, by name.
    others.sort_by_key(|name| (!name.ends_with("status"), std::cmp::Reverse(has(name))));
    keys.into_iter().map(str::to_owned).chain(others.into_iter().cloned()).take(COLUMNS).collect()
}

fn rows(table: &Table, items: &[Value]) -> Markup {
    let columns = columns(table, items);
    let head: Vec<&str> = columns.iter().map(String::as_str).collect();
    let body = html! {
        @for item in items {
            tr data-item=(cell(item.get(&table.hash.name)).unwrap_or_default()) {
                @for (place, name) in columns.iter().enumerate() {
                    td {
                        @match cell(item.get(name)) {
                            None => span.quiet { "–" },
                            Some(text) if place == 0 => a href=(item_address(table, item)) { (ui::shorten(&text, CELL_CHARS)) },
                            Some(text) if name.ends_with("status") => (ui::pill(tone(&text), &text)),
                            Some(text) => (ui::shorten(&text, CELL_CHARS)),
                        }
                    }
                }
            }
        }
    };
    ui::table("Items", &head, body)
}

/// Words that many tables use for how far something has come.
fn tone(status: &str) -> &'static str {
    match status.to_ascii_lowercase().as_str() {
        "pending" | "waiting" => "waiting",
        "confirmed" | "done" | "completed" | "succeeded" | "paid" => "succeeded",
        "failed" | "error" => "failed",
        "cancelled" | "canceled" | "refunded" => "compensated",
        _ => "none",
    }
}

/// A value in DynamoDB's JSON as people read it.
fn cell(value: Option<&Value>) -> Option<String> {
    let (kind, inner) = value?.as_object()?.iter().next()?;
    Some(match (&**kind, inner) {
        ("S" | "N" | "B", Value::String(text)) => text.clone(),
        ("BOOL", Value::Bool(is)) => is.to_string(),
        ("NULL", _) => "null".to_owned(),
        _ => plain(value?).to_string(),
    })
}

/// The same as plain JSON.
fn plain(value: &Value) -> Value {
    let Some((kind, inner)) = value.as_object().and_then(|object| object.iter().next()) else { return value.clone() };
    match (&**kind, inner) {
        ("N", Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
        ("L", Value::Array(list)) => Value::Array(list.iter().map(plain).collect()),
        ("M", Value::Object(map)) => {
            Value::Object(map.iter().map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        ("NULL", _) => Value::Null,
        _ => inner.clone(),
    }
}

fn key_of(table: &Table, item: &Value) -> Value {
    let keys = [Some(&table.hash), table.range.as_ref()].into_iter().flatten();
    Value::Object(keys.map(|key| (key.name.clone(), item[&key.name].clone())).collect())
}

fn item_address(table: &Table, item: &Value) -> String {
    format!("{}/item?key={}", address(&table.name), ui::part(&key_of(table, item).to_string()))
}

pub fn item(ask: &Ask) -> Outcome {
    let table = describe(ask, ask.name(0))?;
    let back = address(&table.name);
    let key: Option<Value> = ask.query("key").and_then(|key| serde_json::from_str(key).ok());
    let key = key.ok_or_else(|| Trouble::bad("Which item?", "The address has no key.").next(&back, "See all items"))?;
    let body = json!({ "TableName": table.name, "Key": key, "ConsistentRead": true });
    let told = call(ask, "GetItem", body.clone())?;
    let part = match told["Item"].as_object() {
        None => ui::empty(
            "The item is not there",
            html! { p { "It was deleted, as a compensation does, or never written. It is shown as soon as it is there." } },
        ),
        Some(item) => attributes(&table, item),
    };
    if ask.part().is_some() {
        return Ok(Answer::Part(part));
    }
    let here = format!("{back}/item?key={}", ui::part(&key.to_string()));
    let title = cell(Some(&key[&table.hash.name])).unwrap_or_default();
    let range = table.range.as_ref().and_then(|range| cell(Some(&key[&range.name])));
    let body = html! {
        h1 { (title) @if let Some(range) = &range { span.count { (range) } } }
        (ui::section("item", "Attributes", None, html! {
            (ui::live("item", &here, &part))
            (ui::twin(&command(ask, "get-item", &body)))
        }))
    };
    let page = Page::new(Section::Tables, title, body)
        .crumb("/console/tables", "Tables")
        .crumb(back, &*table.name)
        .stream("/console/ticks");
    Ok(Answer::Page(page))
}

fn attributes(table: &Table, item: &Map<String, Value>) -> Markup {
    // The keys, then the others by name: DynamoDB gives them in any order, and another each time.
    let mut names: Vec<&String> = item.keys().collect();
    names.sort_by_key(|name| {
        (**name != table.hash.name, table.range.as_ref().is_none_or(|range| **name != range.name), *name)
    });
    let rows = html! {
        @for name in names {
            @let value = &item[name];
            tr {
                td { code { (name) } }
                td.quiet { (kind(value)) }
                td {
                    @match value.as_object().and_then(|value| value.keys().next()).map(String::as_str) {
                        Some("M" | "L") => (ui::json(&plain(value).to_string(), None)),
                        _ => (cell(Some(value)).unwrap_or_default()),
                    }
                }
            }
        }
    };
    html! {
        p.quiet { (ui::plural(item.len() as u64, "attribute", "attributes")) }
        (ui::table("Attributes of the item", &["Name", "Type", "Value"], rows))
        details {
            summary { "As DynamoDB has it" }
            (ui::json(&Value::Object(item.clone()).to_string(), None))
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value.as_object().and_then(|value| value.keys().next()).map(String::as_str) {
        Some("S") => "text",
        Some("N") => "number",
        Some("B") => "binary",
        Some("BOOL") => "true or false",
        Some("NULL") => "null",
        Some("L") => "list",
        Some("M") => "map",
        Some("SS" | "NS" | "BS") => "set",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        let check = |value: Value, expect: &str| assert_eq!(cell(Some(&value)).as_deref(), Some(expect), "{value}");
        check(json!({ "S": "a" }), "a");
        check(json!({ "N": "450.00" }), "450.00");
        check(json!({ "BOOL": true }), "true");
        check(json!({ "NULL": true }), "null");
        check(json!({ "L": [{ "N": "1" }, { "M": { "a": { "S": "b" } } }] }), r#"[1,{"a":"b"}]"#);
        check(json!({ "SS": ["a", "b"] }), r#"["a","b"]"#);
        assert_eq!(cell(None), None);
    }

    #[test]
    fn a_status_stands_behind_the_keys() {
        let key = |name: &str| Key { name: name.to_owned(), kind: "S".to_owned() };
        let table = Table {
            name: "t".to_owned(),
            arn: String::new(),
            status: String::new(),
            hash: key("pk"),
            range: Some(key("sk")),
            items: 0,
            bytes: 0,
            indexes: 0,
        };
        let text = |text: &str| json!({ "S": text });
        let items = [
            json!({ "sk": text("1"), "a": text("x"), "b": text("y"), "transaction_status": text("pending"), "pk": text("2") }),
            json!({ "sk": text("1"), "b": text("y"), "pk": text("2") }),
        ];
        assert_eq!(columns(&table, &items), ["pk", "sk", "transaction_status", "b", "a"]);
        assert_eq!(key_of(&table, &items[1]), json!({ "pk": text("2"), "sk": text("1") }));
    }
}
