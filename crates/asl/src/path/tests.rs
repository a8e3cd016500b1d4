//! Tables for paths: what they find, how they fail, what is refused; and an RFC 9535 crate as oracle for the part
//! on which both agree.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::scope::{Context, Entropy};

fn store() -> Value {
    json!({
        "store": {
            "book": [
                {"category": "reference", "author": "Rees", "price": 8.95},
                {"category": "fiction", "author": "Waugh", "price": 12.99},
                {"category": "fiction", "author": "Melville", "isbn": "0-553-21311-3", "price": 8.99},
                {"category": "fiction", "author": "Tolkien", "isbn": "0-395-19395-8", "price": 22.99}
            ],
            "bicycle": {"color": "red", "price": 19.95}
        },
        "limit": 10,
        "detail-type": "order",
        "odd": {"a b": 1, "it's": 2, "": 3, "ключ": 4, "a.b": 5},
        "numbers": [0, 1, 2, 3, 4, 5],
        "mixed": ["1", 1, 1.0, true, null, "true", [1, 2], {}],
        "null": null
    })
}

fn check(rows: &[(&str, Value)]) {
    let store = store();
    for (text, expected) in rows {
        let path = Path::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let found = path.get(&store).unwrap_or_else(|error| panic!("{text}: {}", error.cause));
        assert_eq!(*found, *expected, "{text}");
        assert_eq!(path.text(), *text);
    }
}

#[test]
fn definite_paths_give_the_value() {
    check(&[
        ("$.limit", json!(10)),
        (" $.limit ", json!(10)),
        ("$.store.bicycle.color", json!("red")),
        ("$['store']['bicycle'][\"color\"]", json!("red")),
        ("$.store.book[1].author", json!("Waugh")),
        ("$.store.book[-1].author", json!("Tolkien")),
        ("$.store.book.[0].author", json!("Rees")),
        ("$.detail-type", json!("order")),
        ("$.odd['a b']", json!(1)),
        (r"$.odd['it\'s']", json!(2)),
        ("$.odd[\"it's\"]", json!(2)),
        ("$.odd['']", json!(3)),
        ("$.odd.ключ", json!(4)),
        (r"$.odd['\u043a\u043bюч']", json!(4)),
        ("$.odd['a.b']", json!(5)),
        ("$.null", json!(null)),
        ("$.store.bicycle['color','price']", json!({"color": "red", "price": 19.95})),
        ("$.store.bicycle['color', 'none']", json!({"color": "red"})),
        ("$.numbers.length()", json!(6)),
        ("$.store.length()", json!(2)),
        ("$.store.keys()", json!(["book", "bicycle"])),
        ("$.numbers.sum()", json!(15.0)),
        ("$.numbers.avg()", json!(2.5)),
        ("$.store.book[*].price.max()", json!(22.99)),
        ("$.store.book[?(@.isbn)].length()", json!(2)),
    ]);
    assert_eq!(*Path::parse("$").expect("a path").get(&json!("whole")).expect("the root"), json!("whole"));
}

#[test]
fn a_definite_path_copies_nothing() {
    let store = store();
    for text in ["$", "$.store.book[3]", "$['numbers'][-1]"] {
        let path = Path::parse(text).expect("a path");
        assert!(matches!(path.get(&store), Ok(Cow::Borrowed(_))), "{text}");
    }
}

#[test]
fn other_paths_give_a_list() {
    check(&[
        ("$.numbers[*]", json!([0, 1, 2, 3, 4, 5])),
        ("$.store.bicycle.*", json!(["red", 19.95])),
        ("$.store.bicycle[*]", json!(["red", 19.95])),
        ("$.numbers[1:3]", json!([1, 2])),
        ("$.numbers[4:]", json!([4, 5])),
        ("$.numbers[:2]", json!([0, 1])),
        ("$.numbers[-2:]", json!([4, 5])),
        ("$.numbers[:-4]", json!([0, 1])),
        // The step is ignored; an end that counts from behind is not understood together with a start.
        ("$.numbers[0:6:2]", json!([0, 1, 2, 3, 4, 5])),
        ("$.numbers[1:-1]", json!([])),
        ("$.numbers[-2:1]", json!([4, 5, 0])),
        ("$.numbers[-99:2]", json!([0, 1, 2, 3, 4, 5, 0, 1])),
        ("$.numbers[0,2,99,-1]", json!([0, 2, 5])),
        ("$.numbers[99999999999999999999,0]", json!([0])),
        (
            "$.store.book[*]['author','none']",
            json!([
                {"author": "Rees"}, {"author": "Waugh"}, {"author": "Melville"}, {"author": "Tolkien"}
            ]),
        ),
        ("$.store.book[0,1]['author','price'].x", json!([])),
        ("$..price", json!([8.95, 12.99, 8.99, 22.99, 19.95])),
        ("$.store.book..isbn", json!(["0-553-21311-3", "0-395-19395-8"])),
        ("$..book[0].author", json!(["Rees"])),
        ("$..[?(@.isbn)].author", json!(["Melville", "Tolkien"])),
        ("$.store.bicycle..*", json!(["red", 19.95])),
        // What is not there gives nothing, however early it is missing.
        ("$.none.none[*]", json!([])),
        ("$.none[1:5].x", json!([])),
        ("$.limit[*]", json!([])),
        ("$..none", json!([])),
    ]);
}

#[test]
fn variables_are_read() {
    let variables = json!({"x": {"y": [1, 2]}, "größe_1": "far", "null": null});
    let variables = variables.as_object().expect("an object");
    let (input, context) = (store(), Context::new(|| json!({})));
    let scope = Scope { input: &input, context: &context, variables, entropy: &Entropy::new(1) };
    for (text, expected) in [
        ("$x", json!({"y": [1, 2]})),
        ("$x.y[1]", json!(2)),
        ("$x['y'].length()", json!(2)),
        ("$x.y[?(@ > 1)]", json!([2])),
        ("$größe_1", json!("far")),
        ("$null", json!(null)),
    ] {
        let path = Path::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(*path.evaluate(&scope).unwrap(), expected, "{text}");
    }
    for (text, reason) in
        [("$none.y", "The variable 'none' has not been assigned a value"), ("$x.z", "No results for path: $['z']")]
    {
        let error = Path::parse(text).unwrap().evaluate(&scope).expect_err(text);
        assert_eq!(error, EvalError::runtime(format!("Invalid path '{text}' : {reason}")));
    }
}

#[test]
fn filters() {
    check(&[
        ("$.store.book[?(@.price < 10)].author", json!(["Rees", "Melville"])),
        ("$.store.book[?(@.price<$.limit)].author", json!(["Rees", "Melville"])),
        ("$.store.book[?(@.isbn)].author", json!(["Melville", "Tolkien"])),
        ("$.store.book[?(!@.isbn)].author", json!(["Rees", "Waugh"])),
        ("$.store.book[?(@.category == 'fiction' && @.price<10)].author", json!(["Melville"])),
        ("$.store.book[?(@.price > 20 || @.author == \"Rees\")].author", json!(["Rees", "Tolkien"])),
        ("$.store.book[?(!(@.price > 9) && @['category'] != 'fiction')].author", json!(["Rees"])),
        ("$.store.book[?((@.price > 20 || @.price < 8.99) && @.isbn)].author", json!(["Tolkien"])),
        ("$.store.book[?(@.author =~ /.*LKI.*/i)].author", json!(["Tolkien"])),
        ("$.store.book[?(@.author =~ /olki/)].author", json!([])),
        ("$.store.book[?(@.author in ['Rees', 'Waugh'])].author", json!(["Rees", "Waugh"])),
        ("$.store.book[?(@.author nin ['Rees', 'Waugh'])].author", json!(["Melville", "Tolkien"])),
        ("$.store.book[?(@.author contains 'e')].author", json!(["Rees", "Melville", "Tolkien"])),
        ("$.store.book[?(@.author size 4)].author", json!(["Rees"])),
        ("$.store.book[?(@.isbn == null)].author", json!([])),
        ("$.store.book[?(@.isbn != null)].author", json!(["Rees", "Waugh", "Melville", "Tolkien"])),
        ("$.store.book[?('Rees' == @.author)].price", json!([8.95])),
        ("$.store.book[?(@.author==Rees && @.category == reference)].price", json!([8.95])),
        // A filter on an object asks for the object itself.
        ("$.store.bicycle[?(@.color == 'red')].price", json!([19.95])),
        ("$.limit[?(@ == 10)]", json!([])),
        // A number equals a text that spells it, except with ===.
        ("$.mixed[?(@ == 1)]", json!(["1", 1, 1.0])),
        ("$.mixed[?(@ === 1)]", json!([1, 1.0])),
        ("$.mixed[?(@ == '1')]", json!(["1", 1, 1.0])),
        ("$.mixed[?(@ == true)]", json!([true])),
        ("$.mixed[?(@ == null)]", json!([null])),
        ("$.mixed[?(@ subsetof [2, 1, 3])]", json!([[1, 2]])),
        ("$.mixed[?(@ anyof [2, 7])]", json!([[1, 2]])),
        ("$.mixed[?(@ noneof [7])]", json!([[1, 2]])),
        ("$.mixed[?(@ all [1])]", json!([[1, 2]])),
        ("$.mixed[?(@ empty true)]", json!([{}])),
        ("$.numbers[?(@ >= 2 && @ <= 3)]", json!([2, 3])),
        ("$.mixed[?(@ == {})]", json!([{}])),
    ]);
}

#[test]
fn failures_have_the_texts_of_the_library() {
    let rows = [
        ("$.none", "No results for path: $['none']"),
        ("$.store.none", "No results for path: $['store']['none']"),
        ("$.none.deep", "Missing property in path $['none']"),
        ("$.store.none.deep", "Missing property in path $['store']['none']"),
        ("$.numbers[9]", "No results for path: $['numbers'][9]"),
        ("$.null[0]", "The path $['null'] is null"),
        ("$.limit[0]['x']", "Filter: [0]['x'] can only be applied to arrays. Current context is: 10"),
        (
            "$.limit.x",
            "Expected to find an object with property ['x'] in path $['limit'] but found 'java.lang.Integer'. This is \
             not a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
        ),
    ];
    for (text, reason) in rows {
        let error = Path::parse(text).expect("a path").get(&store()).expect_err(text);
        assert_eq!(error, EvalError::runtime(format!("Invalid path '{text}' : {reason}")));
    }
}

#[test]
fn what_is_no_path_is_refused_with_its_place() {
    let rows = [
        ("", "begins with '$'", 0),
        ("limit", "begins with '$'", 0),
        ("$states.input", "JSONata only", 1),
        ("$name b", "expected '.' or '['", 5),
        ("$1", "expected '.' or '['", 1),
        ("$.", "a name is missing", 2),
        ("$..", "a name is missing", 3),
        ("$.a.", "a name is missing", 4),
        ("$.a b", "in brackets", 3),
        ("$.a)", "expected '.' or '['", 3),
        ("$['a'", "expected ']'", 5),
        ("$['a", "not closed", 2),
        ("$[", "after '['", 2),
        ("$[a]", "after '['", 2),
        ("$[1", "expected ']'", 3),
        ("$[1-2]", "neither an index nor a slice", 2),
        ("$[:]", "neither an index nor a slice", 2),
        ("$[1:2:3:4]", "neither an index nor a slice", 2),
        ("$[(@.length-1)].bar", "script expressions", 2),
        ("$[?]", "'[?(...)]'", 3),
        ("$[?@.a]", "'[?(...)]'", 3),
        ("$[?(@.a ==)]", "expected '@'", 10),
        ("$[?(@.a == 1]", "expected '&&'", 12),
        ("$[?(1)]", "expected an operator", 5),
        ("$[?(@.a =~ /(/)]", "not understood", 11),
        ("$[?(@.a == $$.b)]", "context object", 12),
        ("$[?(@.a == $b)]", "variables", 12),
        ("$.a.nope()", "is not a function", 8),
        ("$.a.length().b", "at the end", 12),
        ("$.a.length(1)", "takes no arguments", 11),
        (r"$['\uD800']", "four hexadecimal digits", 3),
    ];
    for (text, message, offset) in rows {
        let error = Path::parse(text).expect_err(text);
        assert!(error.message.contains(message), "{text}: {error}");
        assert_eq!(error.offset, offset, "{text}: {error}");
    }
}

#[test]
fn nesting_length_and_work_are_bounded() {
    let deep_filter = format!("$[?({}@.a{})]", "(".repeat(5_000), ")".repeat(5_000));
    assert!(Path::parse(&deep_filter).expect_err("deep").message.contains("nest at most"));
    let negations = format!("$[?({}@.a)]", "!".repeat(5_000));
    assert!(Path::parse(&negations).expect_err("deep").message.contains("nest at most"));
    let deep_list = format!("$[?(@.a in {})]", "[".repeat(5_000));
    assert!(Path::parse(&deep_list).expect_err("deep").message.contains("nest at most"));
    let nested_filters = "$[?(@".to_owned() + &"[?(@".repeat(5_000);
    assert!(Path::parse(&nested_filters).expect_err("deep").message.contains("nest at most"));
    assert!(Path::parse(&format!("${}", ".a".repeat(129))).expect_err("long").message.contains("at most 128 steps"));

    let wide = json!({"items": vec![json!({"a": [1, 2, 3]}); 20_000]});
    let hungry = ["$..*..*..*", "$.items[?($..a)]", "$.items[?($.items subsetof $.items)]"];
    for text in hungry {
        let error = Path::parse(text).expect("a path").get(&wide).expect_err(text);
        assert!(error.cause.contains("takes more than"), "{text}: {}", error.cause);
    }
}

#[test]
fn definiteness() {
    let rows = [
        ("$", true),
        ("$.a[0]['b']", true),
        ("$['a','b']", true),
        ("$..a.length()", true),
        ("$.a[*]", false),
        ("$..a", false),
        ("$.a[0,1]", false),
        ("$.a[0:1]", false),
        ("$.a[?(@.b)]", false),
        ("$.a['b','c'].d", false),
    ];
    for (text, expected) in rows {
        assert_eq!(Path::parse(text).expect("a path").is_definite(), expected, "{text}");
    }
}

#[test]
fn results_are_written_where_a_reference_path_points() {
    let rows = [
        ("$", json!({"a": 1}), Ok(json!("R"))),
        ("$.b", json!({"a": 1}), Ok(json!({"a": 1, "b": "R"}))),
        ("$.a", json!({"a": 1}), Ok(json!({"a": "R"}))),
        ("$.b.c.d", json!({"a": 1}), Ok(json!({"a": 1, "b": {"c": {"d": "R"}}}))),
        ("$['b c']", json!({}), Ok(json!({"b c": "R"}))),
        ("$.a[1].x", json!({"a": [1, {}]}), Ok(json!({"a": [1, {"x": "R"}]}))),
        ("$[0]", json!([1]), Ok(json!(["R"]))),
        ("$.b", json!([1]), Err(r#"Unable to apply step "b" to input [1]"#)),
        ("$.b", json!("text"), Err(r#"Unable to apply step "b" to input "text""#)),
        ("$.b", json!(null), Err(r#"Unable to apply step "b" to input null"#)),
        ("$.a.b", json!({"a": "x"}), Err(r#"Unable to apply step "b" to input "x""#)),
        ("$.a[1]", json!({"a": [0]}), Err(r#"Unable to apply step "1" to input [0]"#)),
        ("$.a[0]", json!({}), Err(r#"Unable to apply step "0" to input {}"#)),
    ];
    for (text, root, expected) in rows {
        let path = ReferencePath::parse(text).expect("a reference path");
        let expected = expected.map_err(|cause| EvalError::new("States.ReferencePathConflict", cause));
        assert_eq!(path.set(root, json!("R")), expected, "{text}");
    }
}

#[test]
fn reference_paths_name_one_place() {
    for text in ["$$.a", "$.a[*]", "$..a", "$[0,1]", "$[0:1]", "$['a','b']", "$[?(@.a)]", "$.a.length()", "$[-1]", "a"]
    {
        assert!(ReferencePath::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_common_part_of_rfc_9535_agrees_with_its_crate() {
    let paths = [
        "$.store.book[*].author",
        "$..author",
        "$.store.*",
        "$.store..price",
        "$..book[2]",
        "$..book[-1]",
        "$..book[0,1]",
        "$..book[:2]",
        "$..book[-2:]",
        "$..book[1:3]",
        "$.store.book[?(@.isbn)]",
        "$.store.book[?(!@.isbn)]",
        "$.store.book[?(@.price < 10)]",
        "$.store.book[?(@.price < $.limit && @.category == 'fiction')]",
        "$.store.book[?(@.category == 'fiction' || @.price >= 22.99)].price",
        "$.store.book[?(@['author'] == \"Rees\")]",
        "$.odd['ключ','']['x']",
        "$..*",
        "$.numbers[?(@ > 2)]",
    ];
    let store = store();
    for text in paths {
        let oracle = serde_json_path::JsonPath::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let mut expected: Vec<String> = oracle.query(&store).iter().map(ToString::to_string).collect();
        let found = Path::parse(text).expect(text).get(&store).expect(text).into_owned();
        let mut found: Vec<String> = found.as_array().expect(text).iter().map(ToString::to_string).collect();
        // The RFC leaves the order of descendants open.
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{text}");
    }
}

fn names() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[a-z'\\\\\" .ж]{0,4}", 1..6)
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        let _ = Path::parse(&text);
        let _ = ReferencePath::parse(&text);
    }

    #[test]
    fn no_text_of_the_right_letters_makes_anything_panic(text in r#"\$[$.\[\]'"*?@()&|!=<>~,:0-9a-b \\/inж-]{0,40}"#) {
        if let Ok(path) = Path::parse(&text) {
            let _ = path.get(&json!({"a": [{"b": 1}, "in", null], "b": {"a": {}}}));
        }
    }

    #[test]
    fn what_was_set_is_found(names in names(), value in any::<i64>()) {
        let quoted = names.iter().map(|name| name.replace('\\', "\\\\").replace('\'', "\\'"));
        let text = quoted.fold(String::from("$"), |text, name| text + "['" + &name + "']");
        let path = ReferencePath::parse(&text).expect("names only");
        let document = path.set(json!({"other": true}), json!(value)).expect("objects all the way");
        prop_assert_eq!(path.get(&document), Some(&json!(value)));
        prop_assert_eq!(Path::parse(&text).expect("a path").get(&document).expect("found").into_owned(), json!(value));
    }
}
