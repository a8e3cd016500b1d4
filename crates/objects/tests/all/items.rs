//! Items of every kind of dataset, as rows.

use objects::items::Action;
use serde_json::{Value, json};

use crate::support::{Scratch, gzip};

/// The inputs that child executions would get, or the error.
fn inputs(objects: &[(&str, &[u8])], action: Action, arguments: &Value, config: &Value) -> Result<Vec<String>, String> {
    let scratch = Scratch::of(objects);
    let items = scratch.read(action, arguments, config).map_err(|error| error.to_string())?;
    items.map(|item| item.map(|item| item.input().into_owned()).map_err(|error| error.to_string())).collect()
}

fn check(body: impl AsRef<[u8]>, config: Value, expect: Result<&[&str], &str>) {
    let arguments = json!({ "Bucket": "b", "Key": "k" });
    let found = inputs(&[("b/k", body.as_ref())], Action::GetObject, &arguments, &config);
    let expect = expect.map(|items| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
    assert_eq!(found, expect.map_err(str::to_owned), "{config} {}", body.as_ref().escape_ascii());
}

#[test]
fn json() {
    let json = || json!({ "InputType": "JSON" });
    let at = |pointer: &str| json!({ "InputType": "JSON", "ItemsPointer": pointer });
    check("[]", json(), Ok(&[]));
    check(" [ 1 , \"a b\" , {\"z\": 1, \"a\": [ 2 ]},\n[ ] ,null]\n", json(), {
        Ok(&["1", "\"a b\"", "{\"z\":1,\"a\":[2]}", "[]", "null"])
    });
    check("[1.0,1e2,123456789012345678901234567890]", json(), {
        Ok(&["1.0", "1e2", "123456789012345678901234567890"])
    });
    check("{\"a\": {\"x\": 1}, \"b\\\"\": 2}", json(), {
        Ok(&["{\"Key\":\"a\",\"Value\":{\"x\":1}}", "{\"Key\":\"b\\\"\",\"Value\":2}"])
    });
    check("\u{feff}[\"\\u00e9 \\\\\",\"]\"]", json(), Ok(&["\"\\u00e9 \\\\\"", "\"]\""]));

    let nested = r#"{"skip":{"a":[{"no":"]}"}]},"a":{"b/c~":[0,{"x":[1,2]}]},"a2":3} rest"#;
    check(nested, at("/a/b~1c~0/1/x"), Ok(&["1", "2"]));
    check(nested, at("/a/b~1c~0"), Ok(&["0", "{\"x\":[1,2]}"]));
    check(nested, at("/a"), Ok(&["{\"Key\":\"b/c~\",\"Value\":[0,{\"x\":[1,2]}]}"]));
    check("[5]", at(""), Ok(&["5"]));
    let missing = "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.";
    for pointer in ["/b", "/a2/x", "/a/b~1c~0/2", "/a/b~1c~0/01", "/"] {
        check(nested.trim_end_matches(" rest"), at(pointer), Err(missing));
    }
    check(nested, at("/a2"), Err("Attempting to map over non-iterable node."));
    check("3", json(), Err("Attempting to map over non-iterable node."));
    check("[]", at("a"), Err("ItemsPointer `a` is not a JSON pointer: it must begin with /"));

    for (text, reason) in [
        ("", "it ends where its items should be"),
        ("[1,", "line 1: this is not JSON: it ends too early"),
        ("[1\n2]", "line 2: this is not JSON: `2` is not expected here"),
        ("[,1]", "line 1: this is not JSON: `,` is not expected here"),
        ("[1,]", "line 1: this is not JSON: `]` is not expected here"),
        ("[tru]", "line 1: an item is not JSON: EOF while parsing a value at line 1 column 3"),
        ("[{\"a\" 1}]", "line 1: an item is not JSON: expected `:` at line 1 column 6"),
        ("[{]}]", "line 1: an item is not JSON: key must be a string at line 1 column 2"),
        ("[\"\\ud800\"]", "line 1: an item is not JSON: unexpected end of hex escape at line 1 column 8"),
        ("[1] 2", "line 1: something follows the end of the JSON"),
        ("{\"a\":1,2}", "line 1: this is not JSON: `2` is not expected here"),
        ("{\"a\"}", "line 1: this is not JSON: `}` is not expected here"),
    ] {
        check(text, json(), Err(&format!("S3://b/k: {reason}")));
    }
}

#[test]
fn json_lines() {
    let lines = || json!({ "InputType": "JSONL" });
    check("{\"b\": 1, \"a\": 2}\r\n\n  \n[1]\n\"x\"", lines(), Ok(&["{\"b\":1,\"a\":2}", "[1]", "\"x\""]));
    check("", lines(), Ok(&[]));
    let reason = "S3://b/k: line 2: an item is not JSON: EOF while parsing an object at line 1 column 1";
    check("1\n{\n}", lines(), Err(reason));
    check("1 2\n", lines(), Err("S3://b/k: line 1: an item is not JSON: trailing characters at line 1 column 3"));
}

#[test]
fn csv() {
    let first = || json!({ "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" });
    let given = |names: &[&str]| json!({ "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": names });
    let by = |delimiter: &str| json!({ "InputType": "CSV", "CSVHeaderLocation": "GIVEN", "CSVHeaders": ["a", "b"], "CSVDelimiter": delimiter });
    check("a,b\n1,2\n3,4", first(), Ok(&["{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"3\",\"b\":\"4\"}"]));
    check("\u{feff}a\r\n1\r2\r\n", first(), Ok(&["{\"a\":\"1\"}", "{\"a\":\"2\"}"]));
    check("a,b\n", first(), Ok(&[]));
    check("", given(&["a"]), Ok(&[]));
    check("1,2,3\n\n4", given(&["a", "b"]), {
        Ok(&["{\"a\":\"1\",\"b\":\"2\"}", "{\"a\":\"\",\"b\":\"\"}", "{\"a\":\"4\",\"b\":\"\"}"])
    });
    check("1,2,3\n", given(&["x", "x", "y"]), Ok(&["{\"x\":\"2\",\"y\":\"3\"}"]));
    check("\"a,\"\"q\"\"\nb\",2\n", given(&["a", "b"]), Ok(&["{\"a\":\"a,\\\"q\\\"\\nb\",\"b\":\"2\"}"]));
    check("\"a\r\nb\"", given(&["a"]), Ok(&["{\"a\":\"a\\nb\"}"]));
    check("\"\",\"\"\"\",x\n", given(&["a", "b", "c"]), Ok(&["{\"a\":\"\",\"b\":\"\\\"\",\"c\":\"x\"}"]));
    // Of the guide: quotes that are doubled within a field without quotes.
    check("{\"\"K\"\":\"\"V\"\"},\"[1,2]\"", given(&["o", "l"]), {
        Ok(&["{\"o\":\"{\\\"K\\\":\\\"V\\\"}\",\"l\":\"[1,2]\"}"])
    });
    // Of the guide: backslashes.
    check("C:\\\\Program Files\\\\MyApp.exe,6534512\n", given(&["path", "size"]), {
        Ok(&["{\"path\":\"C:\\\\Program Files\\\\MyApp.exe\",\"size\":\"6534512\"}"])
    });
    check("a\\,b,c\\d,\\\"e\\\"\n", given(&["a", "b", "c"]), {
        Ok(&["{\"a\":\"a,b\",\"b\":\"cd\",\"c\":\"\\\"e\\\"\"}"])
    });
    check("a \"b,c\" d,e\n", given(&["a", "b"]), Ok(&["{\"a\":\"a \\\"b,c\\\" d\",\"b\":\"e\"}"]));
    check("  \"a\",b\n", given(&["a", "b"]), Ok(&["{\"a\":\"a\",\"b\":\"b\"}"]));
    for (delimiter, text) in
        [("COMMA", "1,2"), ("PIPE", "1|2"), ("SEMICOLON", "1;2"), ("SPACE", "1 2"), ("TAB", "1\t2")]
    {
        check(text, by(delimiter), Ok(&["{\"a\":\"1\",\"b\":\"2\"}"]));
    }
    check("", first(), Err("S3://b/k: it is empty, but its first row should be the header"));
    check("a\nx,\"y\n", first(), Err("S3://b/k: a quoted field of the record in line 2 has no end"));
    check(b"a\n\xff\n", first(), Err("S3://b/k: the record that ends before line 3 is not UTF-8"));
    check("a", json!({ "InputType": "CSV" }), Err("CSVHeaderLocation must be given when InputType is CSV"));
    let long = "h".repeat(10 * 1024 + 1);
    check(&long, first(), Err("S3://b/k: its header has more than the 10240 bytes that one may have"));
}

#[test]
fn how_many() {
    let limit = |max: Value| json!({ "InputType": "JSON", "MaxItems": max });
    check("[1,2,3]", limit(json!(2)), Ok(&["1", "2"]));
    check("[1,2,3]", limit(json!(2.0)), Ok(&["1", "2"]));
    check("[1,2,3]", limit(json!(0)), Ok(&["1", "2", "3"]));
    check("[1,2,3]", limit(json!(100_000_001)), Ok(&["1", "2", "3"]));
    check("[1,2,", limit(json!(2)), Ok(&["1", "2"]));
    check("[1,2,3]", limit(json!(-1)), Err("field MaxItems must be positive"));
    check("[1,2,3]", limit(json!(-0.5)), Err("field MaxItems must be positive"));
    check("[1,2,3]", limit(json!(1.5)), Err("field MaxItems must be an integer, but is 1.5"));
    check("[1,2,3]", limit(json!("1")), Err("field MaxItems must be an integer, but is \"1\""));
}

#[test]
fn compressed() {
    let json = || json!({ "InputType": "JSON" });
    check(gzip(b"[1,2]"), json(), Ok(&["1", "2"]));
    check([gzip(b"[1,"), gzip(b"2]")].concat(), json(), Ok(&["1", "2"]));
    let zstd = "S3://b/k: ZSTD is not read here: compress it with gzip, or not at all";
    check([0x28, 0xb5, 0x2f, 0xfd, 0], json(), Err(zstd));
    let named = |key: &str, body: &[u8]| {
        let path = format!("b/{key}");
        let arguments = json!({ "Bucket": "b", "Key": key });
        inputs(&[(&path, body)], Action::GetObject, &arguments, &json!({ "InputType": "JSONL" }))
    };
    assert_eq!(named("k.jsonl.gz", &gzip(b"1\n2")), Ok(vec!["1".to_owned(), "2".into()]));
    assert!(named("k.jsonl.gz", b"1\n2").unwrap_err().starts_with("S3://b/k.jsonl.gz: it cannot be read: "));
    assert_eq!(named("k.gz", b""), Err("S3://b/k.gz: it is empty, so it is not gzip".into()));
    assert!(named("k.zstd", b"1").unwrap_err().contains("ZSTD is not read here"));
}

#[test]
fn refused() {
    let check = |arguments: Value, config: Value, expect: &str| {
        let found = inputs(&[("b/k", b"[]")], Action::GetObject, &arguments, &config);
        assert_eq!(found, Err(expect.to_owned()), "{arguments} {config}");
    };
    let at = || json!({ "Bucket": "b", "Key": "k" });
    let json = || json!({ "InputType": "JSON" });
    let s3 = |message: &str| format!("{message} (Service: S3, Status Code: 404, Request ID: local)");
    check(json!({ "Bucket": "b", "Key": "x" }), json(), &s3("The specified key does not exist."));
    check(json!({ "Bucket": "c", "Key": "k" }), json(), &s3("The specified bucket does not exist"));
    check(json!({ "Bucket": "b" }), json(), "the ItemReader s3:getObject needs a Bucket and a Key");
    check(json!({ "Bucket": 1, "Key": "k" }), json(), "Bucket must be a string, but is 1");
    check(json!([]), json(), "the ItemReader's arguments must be an object");
    check(
        json!({ "Bucket": "b", "Key": "k", "Range": "0" }),
        json(),
        "Range is not an argument of the ItemReader s3:getObject",
    );
    check(at(), json!({ "InputType": "XML" }), {
        "InputType must be one of CSV, JSON, JSONL, PARQUET, MANIFEST, but is \"XML\""
    });
    check(at(), json!({ "InputType": "PARQUET" }), {
        "PARQUET is not read here: convert the file to CSV, JSON or JSONL"
    });
    check(at(), json!({ "Header": 1 }), "ReaderConfig has no field Header");
    check(at(), json!({}), "ReaderConfig needs an InputType");
    check(at(), json!({ "InputType": "CSV", "CSVHeaderLocation": "GIVEN" }), {
        "CSVHeaders must be given when CSVHeaderLocation is GIVEN"
    });
    check(at(), json!({ "InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN" }), {
        "the Transformation LOAD_AND_FLATTEN is for s3:listObjectsV2 only"
    });
}

#[test]
fn listings() {
    let objects: &[(&str, &[u8])] = &[
        ("b/data/1.json", b"[1]"),
        ("b/data/2.json", b"[2,3]"),
        ("b/data/sub/4.json", b"[4]"),
        ("b/data10.json", b"[5]"),
        ("b/other", b"x"),
    ];
    let list = |arguments: &Value, config: &Value| inputs(objects, Action::ListObjectsV2, arguments, config);

    let found = list(&json!({ "Bucket": "b", "Prefix": "data/", "MaxKeys": 1 }), &json!({})).unwrap();
    let found: Vec<Value> = found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let keys: Vec<&str> = found.iter().map(|entry| entry["Key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["data/1.json", "data/2.json", "data/sub/4.json"]);
    assert_eq!(found[0]["Etag"], "\"35dba5d75538a9bbe0b4da4422759a0e\"");
    assert_eq!((&found[0]["Size"], &found[0]["StorageClass"]), (&json!(3), &json!("STANDARD")));
    assert!(found[0]["LastModified"].as_f64().unwrap() > 1.7e9);

    let flat = || json!({ "InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN" });
    assert_eq!(list(&json!({ "Bucket": "b", "Prefix": "data" }), &flat()).unwrap(), ["1", "2", "3", "4", "5"]);
    let mut limited = flat();
    limited["MaxItems"] = json!(2);
    assert_eq!(list(&json!({ "Bucket": "b", "Prefix": "data" }), &limited).unwrap(), ["1", "2"]);
    assert_eq!(list(&json!({ "Bucket": "b", "Prefix": "none" }), &flat()).unwrap(), [""; 0]);
    let after = json!({ "Bucket": "b", "StartAfter": "data/2.json", "Prefix": "data/" });
    assert_eq!(list(&after, &flat()).unwrap(), ["4"]);
    let bare = json!({ "Transformation": "LOAD_AND_FLATTEN" });
    assert_eq!(list(&json!({ "Bucket": "b" }), &bare), Err("ReaderConfig needs an InputType".into()));
    let delimiter = json!({ "Bucket": "b", "Delimiter": "/" });
    let refusal = "Delimiter is not an argument of the ItemReader s3:listObjectsV2";
    assert_eq!(list(&delimiter, &json!({})), Err(refusal.into()));
}

#[test]
fn manifests() {
    let inventory = |format: &str| {
        format!(
            "{{\"sourceBucket\":\"s\",\"destinationBucket\":\"arn:aws:s3:::inv\",\"version\":\"2016-11-30\",\
             \"fileFormat\":\"{format}\",\"fileSchema\":\"Bucket, Key, Size\",\
             \"files\":[{{\"key\":\"data/1.csv.gz\",\"size\":1}},{{\"key\":\"data/2.csv\"}}]}}"
        )
    };
    let first = gzip(b"\"s\",\"a%20b\",\"1\"\n\"s\",\"c\",\"2\"\n");
    let read = |manifest: &str, config: Value| {
        let objects: &[(&str, &[u8])] = &[
            ("inv/x/manifest.json", manifest.as_bytes()),
            ("inv/data/1.csv.gz", &first),
            ("inv/data/2.csv", b"\"s\",\"d\"\n"),
        ];
        inputs(objects, Action::GetObject, &json!({ "Bucket": "inv", "Key": "x/manifest.json" }), &config)
    };
    let rows = Ok(vec![
        "{\"Bucket\":\"s\",\"Key\":\"a%20b\",\"Size\":\"1\"}".to_owned(),
        "{\"Bucket\":\"s\",\"Key\":\"c\",\"Size\":\"2\"}".into(),
        "{\"Bucket\":\"s\",\"Key\":\"d\",\"Size\":\"\"}".into(),
    ]);
    assert_eq!(read(&inventory("CSV"), json!({ "InputType": "MANIFEST" })), rows);
    assert_eq!(read(&inventory("CSV"), json!({ "ManifestType": "S3_INVENTORY" })), rows);
    let not =
        |reason: &str| Err(format!("S3://inv/x/manifest.json: it is not the manifest of an S3 inventory: {reason}"));
    let manifest = || json!({ "InputType": "MANIFEST" });
    assert_eq!(read(&inventory("ORC"), manifest()), not("the fileFormat must be CSV, but is ORC"));
    assert_eq!(read("[]", manifest()), not("it has no fileFormat"));
    assert_eq!(read("{", manifest()), not("EOF while parsing an object at line 1 column 1"));
    assert_eq!(
        read(&inventory("CSV"), json!({ "InputType": "JSON", "ManifestType": "S3_INVENTORY" })),
        Err("an S3_INVENTORY manifest is always CSV: leave InputType out".into())
    );

    let athena = |manifest: &str, config: Value| {
        let objects: &[(&str, &[u8])] =
            &[("q/m.csv", manifest.as_bytes()), ("d/1.gz", &gzip(b"{\"a\":1}\n")), ("d/p/2", b"{\"a\":2}\n")];
        inputs(objects, Action::GetObject, &json!({ "Bucket": "q", "Key": "m.csv" }), &config)
    };
    let lines = || json!({ "InputType": "JSONL", "ManifestType": "ATHENA_DATA" });
    let found = athena("s3://d/1.gz\n\"s3://d/p/2\"\n\n", lines());
    assert_eq!(found, Ok(vec!["{\"a\":1}".to_owned(), "{\"a\":2}".into()]));
    let refused = Err("S3://q/m.csv: it names `d/1.gz`, which is not s3://BUCKET/KEY".into());
    assert_eq!(athena("d/1.gz\n", lines()), refused);
    assert_eq!(
        athena("", json!({ "InputType": "JSON", "ManifestType": "ATHENA_DATA" })),
        Err("an ATHENA_DATA manifest needs the InputType CSV, JSONL or PARQUET".into())
    );
}

#[test]
fn sources() {
    let scratch = Scratch::of(&[("b/p/k", b"[1]")]);
    let first = |action, arguments, config| {
        scratch.read(action, &arguments, &config).unwrap().next().unwrap().unwrap().source.to_string()
    };
    let json = json!({ "InputType": "JSON" });
    assert_eq!(first(Action::GetObject, json!({ "Bucket": "b", "Key": "p/k" }), json), "S3://b/p/k");
    assert_eq!(first(Action::ListObjectsV2, json!({ "Bucket": "b" }), json!({})), "S3://b");
    let flat = json!({ "InputType": "JSON", "Transformation": "LOAD_AND_FLATTEN" });
    assert_eq!(first(Action::ListObjectsV2, json!({ "Bucket": "b" }), flat), "S3://b/p/k");
}

#[test]
fn resources() {
    for (resource, expect) in [
        ("arn:aws:states:::s3:getObject", Some(Action::GetObject)),
        ("arn:aws-cn:states:::s3:listObjectsV2", Some(Action::ListObjectsV2)),
        ("arn:aws:states:::aws-sdk:s3:getObject", Some(Action::GetObject)),
        ("arn:aws:states:::s3:putObject", None),
        ("s3:getObject", None),
    ] {
        assert_eq!(Action::of_resource(resource), expect, "{resource}");
    }
}

#[test]
fn texts_instead_of_objects() {
    let config = objects::items::ReaderConfig::parse(&json!({ "InputType": "JSONL", "MaxItems": 1 })).unwrap();
    let items = objects::items::of_text("1\n2\n", "S3://b/k", &config).unwrap();
    assert_eq!(items.map(|item| item.unwrap().value).collect::<Vec<_>>(), ["1"]);
    let listing = objects::items::of_text("[{\"Key\":\"a\"}]", "S3://b", &Default::default()).unwrap();
    assert_eq!(listing.map(|item| item.unwrap().value).collect::<Vec<_>>(), ["{\"Key\":\"a\"}"]);
}
