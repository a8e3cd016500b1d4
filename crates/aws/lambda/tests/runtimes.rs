//! Functions in Node.js and Python, by the interpreters of this machine: what a handler may look like, and the form of its errors.

mod support;

use std::path::PathBuf;

use aws_lambda::{Code, Function, Limits, Outcome};
use serde_json::{Value, json};
use support::Bench;

const NODE: &str = "nodejs22.x";
const PYTHON: &str = "python3.12";

/// One function: its files, and what `{"n": 7}` gives. An error is `{"error": [type, message]}`; a message that ends with `...` goes on.
async fn check(runtime: &str, handler: &str, files: &[(&str, &str)], expect: Value) {
    let (bench, outcome) = run(runtime, handler, files).await;
    compare(&bench, outcome, expect, &format!("{handler} of {files:?}"));
}

fn compare(bench: &Bench, outcome: Outcome, expect: Value, what: &str) {
    let log = bench.log().join("\n");
    let found = match outcome {
        Outcome::Succeeded(body) => serde_json::from_slice(&body).unwrap(),
        Outcome::FunctionError { error_type, message, .. } => {
            let expected = expect["error"][1].as_str().unwrap_or_default();
            match expected.strip_suffix("...").filter(|start| message.starts_with(start)) {
                Some(_) => json!({ "error": [error_type, expected] }),
                None => json!({ "error": [error_type, message] }),
            }
        }
    };
    assert_eq!(found, expect, "{what}; its log:\n{log}");
}

async fn run(runtime: &str, handler: &str, files: &[(&str, &str)]) -> (Bench, Outcome) {
    run_with(runtime, handler, files, &[], &[]).await
}

/// With layers, each its files, and variables.
async fn run_with(
    runtime: &str,
    handler: &str,
    files: &[(&str, &str)],
    layers: &[&[(&str, &str)]],
    variables: &[(&str, &str)],
) -> (Bench, Outcome) {
    let bench = Bench::open(Limits::default());
    let mut settings =
        Function { timeout_seconds: 20, runtime: runtime.into(), handler: handler.into(), ..Function::new("f") };
    for (n, files) in layers.iter().enumerate() {
        let (name, folder) = (format!("layer{n}"), folder(&bench, &format!("layer{n}"), files));
        bench.host.put_layer(&name, Default::default(), &Code::Folder(folder)).unwrap();
        settings.layers.push(format!("arn:aws:lambda:us-east-1:000000000000:layer:{name}:1"));
    }
    settings.environment = variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    bench.host.put_function(settings, Code::Folder(folder(&bench, "code", files))).unwrap();
    let outcome = bench.invoke("f", json!({ "n": 7 })).await.unwrap().outcome;
    (bench, outcome)
}

fn folder(bench: &Bench, name: &str, files: &[(&str, &str)]) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let folder = bench.scratch.0.join(name);
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let mode = if text.starts_with("#!") { 0o755 } else { 0o644 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    folder
}

fn error(kind: &str, message: &str) -> Value {
    json!({ "error": [kind, message] })
}

#[tokio::test]
async fn handlers_of_node() {
    let check = async |text: &str, expect| check(NODE, "index.handler", &[("index.js", text)], expect).await;
    check("exports.handler = async (e) => e.n + 1", json!(8)).await;
    check("exports.handler = (e, c, done) => done(null, { n: e.n })", json!({ "n": 7 })).await;
    check("exports.handler = (e, c, done) => setTimeout(() => done(null, 'later'), 5)", json!("later")).await;
    check("exports.handler = (e) => { e.n++ }", Value::Null).await;
    check("exports.handler = async () => undefined", Value::Null).await;
    // It is over when nothing is left to do, unless it does not want to wait for that.
    let waits = |flag: &str| {
        format!(
            "let ended = 'no'; exports.handler = (e, c, done) => {{ {flag} done(null, {{ get ended() {{ return ended }} }});
            setTimeout(() => {{ ended = 'yes' }}, 20) }}"
        )
    };
    check(&waits(""), json!({ "ended": "yes" })).await;
    check(&waits("c.callbackWaitsForEmptyEventLoop = false;"), json!({ "ended": "no" })).await;
    check("exports.handler = (e, c) => c.succeed('old')", json!("old")).await;
    check(
        "exports.handler = async (e, c) => [c.functionName, c.getRemainingTimeInMillis() > 1000]",
        json!(["f", true]),
    )
    .await;
    let streams = "exports.handler = awslambda.streamifyResponse(async (e, out) => { out.write('{\"a\":'); out.write('1}'); out.end() })";
    check(streams, json!({ "a": 1 })).await;
}

#[tokio::test]
async fn errors_of_node() {
    let check = async |text: &str, expect| check(NODE, "index.handler", &[("index.js", text)], expect).await;
    let class = "class BookingFailed extends Error { constructor(m) { super(m); this.name = 'BookingFailed' } }";
    let thrown = error("BookingFailed", "full");
    check(&format!("{class}; exports.handler = async () => {{ throw new BookingFailed('full') }}"), thrown.clone())
        .await;
    check(&format!("{class}; exports.handler = () => {{ throw new BookingFailed('full') }}"), thrown.clone()).await;
    check(&format!("{class}; exports.handler = (e, c, done) => done(new BookingFailed('full'))"), thrown.clone()).await;
    check(&format!("{class}; exports.handler = (e, c) => c.fail(new BookingFailed('full'))"), thrown).await;
    check("exports.handler = async () => { throw 'text' }", error("string", "text")).await;
    check("exports.handler = (e, c, done) => done('text')", error("string", "text")).await;
    let circular = "exports.handler = async () => { const a = {}; a.a = a; return a }";
    check(circular, error("Runtime.MarshalError", "Unable to stringify response body: ...")).await;
    let rejected = "exports.handler = (e, c, done) => { Promise.reject(new Error('nobody')); setTimeout(() => done(null, 1), 50) }";
    check(rejected, error("Runtime.UnhandledPromiseRejection", "Error: nobody")).await;
    let uncaught = "exports.handler = (e, c, done) => { setTimeout(() => { throw new TypeError('deep') }, 1); setTimeout(done, 500) }";
    check(uncaught, error("TypeError", "deep")).await;
}

#[tokio::test]
async fn how_a_handler_of_node_is_found() {
    check(NODE, "a/b.c.d", &[("a/b.js", "exports.c = { d: async () => 'nested' }")], json!("nested")).await;
    check(NODE, "m.handler", &[("m.mjs", "export const handler = async () => 'module'")], json!("module")).await;
    let typed = [("package.json", r#"{"type":"module"}"#), ("m.js", "export const handler = async () => 'typed'")];
    check(NODE, "m.handler", &typed, json!("typed")).await;
    let missing = error("Runtime.ImportModuleError", "Error: Cannot find module 'index'...");
    check(NODE, "index.handler", &[("other.js", "")], missing).await;
    let missing = error("Runtime.HandlerNotFound", "index.handler is undefined or not exported");
    check(NODE, "index.handler", &[("index.js", "")], missing).await;
    let broken = error("Runtime.UserCodeSyntaxError", "SyntaxError: ...");
    check(NODE, "index.handler", &[("index.js", "exports.handler = (")], broken).await;
    let thrown = error("Error", "no database");
    check(NODE, "index.handler", &[("index.js", "throw new Error('no database')")], thrown).await;
    check(NODE, "index", &[("index.js", "")], error("Runtime.MalformedHandlerName", "Bad handler")).await;
}

/// Version 2 does not read AWS_ENDPOINT_URL. Where there is no SDK, the error says how to get one.
#[tokio::test]
async fn the_sdk_of_node() {
    let sdk = "exports.VERSION = '2.1'; exports.config = { update(o) { Object.assign(this, o) } };";
    let uses = "const AWS = require('aws-sdk'); exports.handler = async () => AWS.config.endpoint";
    let files = [("node_modules/aws-sdk/index.js", sdk), ("index.js", uses)];
    check(NODE, "index.handler", &files, json!("http://127.0.0.1:4566")).await;
    let advice = error(
        "Runtime.ImportModuleError",
        "Error: Cannot find module '@aws-sdk/client-nothing'. On AWS the runtime brings it along; here install it beside ...",
    );
    let uses = "require('@aws-sdk/client-nothing'); exports.handler = async () => 1";
    check(NODE, "index.handler", &[("index.js", uses)], advice.clone()).await;
    let uses = "import '@aws-sdk/client-nothing'; export const handler = async () => 1";
    check(NODE, "index.handler", &[("index.mjs", uses)], advice).await;
}

#[tokio::test]
async fn the_log_of_node() {
    let text = "exports.handler = async () => { console.log('a %s', 'b'); console.error({ c: 1 }); process.stdout.write('raw\\n') }";
    let (bench, _) = run(NODE, "index.handler", &[("index.js", text)]).await;
    let log = bench.log();
    let line = |end: &str| log.iter().find(|line| line.ends_with(end)).unwrap_or_else(|| panic!("{end}: {log:?}"));
    let fields: Vec<&str> = line("a b").split('\t').collect();
    assert_eq!((fields.len(), fields[1].len(), fields[2]), (4, 36, "INFO"));
    assert!(line("{ c: 1 }").contains("\tERROR\t"));
    line("raw");
}

#[tokio::test]
async fn handlers_of_python() {
    let check = async |text: &str, expect| check(PYTHON, "app.handler", &[("app.py", text)], expect).await;
    check("def handler(event, context):\n    return {'n': event['n'] + 1}", json!({ "n": 8 })).await;
    check("from decimal import Decimal\ndef handler(event, context):\n    return Decimal('1.5')", json!(1.5)).await;
    check("def handler(event, context):\n    pass", Value::Null).await;
    let context = "def handler(event, c):\n    return [c.function_name, c.get_remaining_time_in_millis() > 1000, len(c.aws_request_id)]";
    check(context, json!(["f", true, 36])).await;
    let class = "class BookingFailed(Exception):\n    pass\n";
    check(&format!("{class}def handler(e, c):\n    raise BookingFailed('full')"), error("BookingFailed", "full")).await;
    let set = "def handler(e, c):\n    return {1, 2}";
    check(
        set,
        error("Runtime.MarshalError", "Unable to marshal response: Object of type set is not JSON serializable"),
    )
    .await;
    check("import os\ndef handler(e, c):\n    os._exit(3)", error("Runtime.ExitError", "RequestId: ...")).await;
}

#[tokio::test]
async fn how_a_handler_of_python_is_found() {
    let answers = "def handler(e, c):\n    return 'found'";
    check(PYTHON, "a/b.handler", &[("a/b.py", answers)], json!("found")).await;
    check(PYTHON, "a.b.handler", &[("a/__init__.py", ""), ("a/b.py", answers)], json!("found")).await;
    let missing = "Unable to import module 'app': No module named 'app'";
    check(PYTHON, "app.handler", &[("other.py", "")], error("Runtime.ImportModuleError", missing)).await;
    let missing = "Handler 'handler' missing on module 'app'";
    check(PYTHON, "app.handler", &[("app.py", "")], error("Runtime.HandlerNotFound", missing)).await;
    let broken = "Syntax error in module 'app': ...";
    check(PYTHON, "app.handler", &[("app.py", "def handler(")], error("Runtime.UserCodeSyntaxError", broken)).await;
    check(PYTHON, "app.handler", &[("app.py", "raise ValueError('no database')")], error("ValueError", "no database"))
        .await;
    check(PYTHON, "app", &[("app.py", "")], error("Runtime.MalformedHandlerName", "Bad handler 'app'...")).await;
}

#[tokio::test]
async fn the_sdk_of_python() {
    let session =
        "class Session:\n    def create_client(self, service_name, endpoint_url=None):\n        return endpoint_url";
    let uses = "import botocore.session\ndef handler(e, c):\n    return botocore.session.Session().create_client('s3')";
    for (version, expect) in [("1.20.5", json!("http://127.0.0.1:4566")), ("1.34.0", Value::Null)] {
        let version = format!("__version__ = '{version}'");
        let files = [("botocore/__init__.py", &*version), ("botocore/session.py", session), ("app.py", uses)];
        check(PYTHON, "app.handler", &files, expect).await;
    }
}

#[tokio::test]
async fn the_log_and_the_trace_of_python() {
    let text = "import logging\ndef handler(e, c):\n    print('plain')\n    logging.getLogger().warning('told %s', 1)\n    raise KeyError('k')";
    let (bench, outcome) = run(PYTHON, "app.handler", &[("app.py", text)]).await;
    let log = bench.log();
    assert!(log.iter().any(|line| line == "plain"), "{log:?}");
    assert!(log.iter().any(|line| line.starts_with("[WARNING]\t") && line.ends_with("\ttold 1")), "{log:?}");
    let Outcome::FunctionError { payload, .. } = outcome else { panic!("it has raised") };
    let payload: Value = serde_json::from_slice(&payload).unwrap();
    let trace = payload["stackTrace"].as_array().unwrap();
    assert_eq!(trace.len(), 1, "only the function's own lines: {trace:?}");
    assert!(trace[0].as_str().unwrap().contains("app.py\", line 5, in handler\n"), "{trace:?}");
    assert_eq!(payload["requestId"].as_str().unwrap().len(), 36);
}

/// What functions find of their layers, and which layer's file counts.
#[tokio::test]
async fn layers_of_functions() {
    let check = async |runtime: &str, handler: &str, file: (&str, &str), layers: &[&[(&str, &str)]], expect: Value| {
        let variables = [("TOOL", "/opt/bin/tool"), ("PYTHONPATH", "/nowhere")];
        let (bench, outcome) = run_with(runtime, handler, &[file], layers, &variables).await;
        compare(&bench, outcome, expect, &format!("{file:?}"));
    };
    let package = |word: &'static str| ("nodejs/node_modules/dep/index.js", word);
    let (first, second) = ([package("exports.word = 'first'")], [package("exports.word = 'second'")]);
    let requires = ("index.js", "const { word } = require('dep'); exports.handler = async () => word");
    check(NODE, "index.handler", requires, &[&first], json!("first")).await;
    check(NODE, "index.handler", requires, &[&first, &second], json!("second")).await;
    let imports = ("index.mjs", "import dep from 'dep'; export const handler = async () => dep.word");
    check(NODE, "index.handler", imports, &[&first], json!("first")).await;
    let dynamic = ("index.js", "exports.handler = async () => (await import('dep')).default.word");
    check(NODE, "index.handler", dynamic, &[&first], json!("first")).await;
    let missing = error("Runtime.ImportModuleError", "Error: Cannot find package 'gone'...");
    check(NODE, "index.handler", ("index.mjs", "import 'gone'"), &[&first], missing).await;
    let of_version = [("nodejs/node22/node_modules/dep/index.js", "exports.word = 'of 22'"), first[0]];
    check(NODE, "index.handler", requires, &[&of_version], json!("of 22")).await;

    let uses = ("app.py", "import dep\ndef handler(e, c):\n    return dep.WORD");
    check(PYTHON, "app.handler", uses, &[&[("python/dep.py", "WORD = 'python'")]], json!("python")).await;
    let site = [("python/lib/python3.12/site-packages/dep/__init__.py", "WORD = 'site'")];
    check(PYTHON, "app.handler", uses, &[&site], json!("site")).await;
    // One package out of two layers, as one folder.
    let (half, other) =
        ([("python/dep/__init__.py", "from .more import WORD")], [("python/dep/more.py", "WORD = 'both'")]);
    check(PYTHON, "app.handler", uses, &[&half, &other], json!("both")).await;

    let tool = [("bin/tool", "#!/bin/sh\necho from the layer"), ("data.txt", "data")];
    let runs = "const { execSync: run } = require('child_process'); const { readFileSync: read } = require('fs');
        exports.handler = async () => [run('tool').toString().trim(), run(process.env.TOOL).toString().trim(),
            read(process.env.LAMBDA_OPT + '/data.txt', 'utf8')]";
    let expect = json!(["from the layer", "from the layer", "data"]);
    check(NODE, "index.handler", ("index.js", runs), &[&tool], expect).await;

    let wrapper = [("wrap", "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"")];
    let code = [("index.js", "exports.handler = async () => process.env.WRAPPED")];
    let variables = [("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrap")];
    let (bench, outcome) = run_with(NODE, "index.handler", &code, &[&wrapper], &variables).await;
    compare(&bench, outcome, json!("yes"), "a wrapper");
}

/// What compilers and bundlers write, and what handlers do that they should not.
#[tokio::test]
async fn more_handlers_of_node() {
    let check = async |files: &[(&str, &str)], expect| check(NODE, "dist/index.handler", files, expect).await;
    let compiled =
        "\"use strict\";\nObject.defineProperty(exports, \"__esModule\", { value: true });\nexports.handler = void 0;\n
        const handler = async (event) => ({ n: event.n });\nexports.handler = handler;";
    check(&[("dist/index.js", compiled)], json!({ "n": 7 })).await;
    check(&[("dist/index.js", "module.exports = { handler: async () => 'whole' }")], json!("whole")).await;
    check(&[("dist/index.js", "exports.default = { handler: async () => 'default' }")], json!("default")).await;
    let awaits = "const word = await new Promise((done) => setTimeout(done, 5, 'awaited')); export const handler = async () => word";
    check(&[("dist/index.mjs", awaits)], json!("awaited")).await;
    let above = [
        ("package.json", r#"{"type":"module"}"#),
        ("dist/index.js", "export const handler = async () => import.meta.url.length > 9"),
    ];
    check(&above, json!(true)).await;
    let nearest = [
        ("package.json", r#"{"type":"module"}"#),
        ("dist/package.json", "{}"),
        ("dist/index.js", "exports.handler = async () => 'common'"),
    ];
    check(&nearest, json!("common")).await;
    check(&[("dist/index.cjs", "exports.handler = async () => __filename.endsWith('.cjs')")], json!(true)).await;

    let one = |text: &'static str| [("dist/index.js", text)];
    check(&one("exports.handler = () => new Promise(() => {})"), Value::Null).await;
    check(&one("exports.handler = (e, c, done) => {}"), Value::Null).await;
    check(&one("exports.handler = () => 'not a promise'"), Value::Null).await;
    check(&one("exports.handler = (e, c, done) => { done(null, 1); done(null, 2) }"), json!(1)).await;
    let exits = |words: &str| error("Runtime.ExitError", words);
    check(&one("exports.handler = async () => process.exit(3)"), exits("RequestId: ...")).await;
    check(&one("exports.handler = async () => process.exit(0)"), exits("RequestId: ...")).await;
    check(&one("process.exit(1)"), exits("RequestId: ...")).await;
    let large = error(
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    );
    check(&one("exports.handler = async () => 'x'.repeat(6291600)"), large).await;
    check(&one("exports.handler = async () => 'x'.repeat(6291450).length"), json!(6291450)).await;
    let bigint = error("Runtime.MarshalError", "Unable to stringify response body: ...");
    check(&one("exports.handler = async () => ({ n: 1n })"), bigint).await;
    check(&one("exports.handler = async () => { throw undefined }"), error("Error", "undefined")).await;
    check(
        &one("exports.handler = async (e) => e.none.deeper"),
        error("TypeError", "Cannot read properties of undefined..."),
    )
    .await;
    let streams =
        "exports.handler = awslambda.streamifyResponse(async (e, out) => { out.write('[1'); throw new Error('half') })";
    check(&one(streams), error("Error", "half")).await;
}

/// Many invocations in one process: nothing of one is left to the next.
#[tokio::test]
async fn a_process_of_node_goes_on() {
    let text = "let n = 0; process.on('warning', (w) => { n = w.name });
        exports.handler = (e, c, done) => { n += 1; if (e.fail) throw new Error('once'); done(null, n) }";
    let (bench, _) = run(NODE, "index.handler", &[("index.js", text)]).await;
    for _ in 2..=20 {
        bench.ok(json!({})).await;
    }
    assert_eq!(bench.error(json!({ "fail": true })).await, ("Error".into(), "once".into()));
    assert_eq!(bench.ok(json!({})).await, 22);
    assert!(bench.log().iter().any(|line| line.contains("Init Duration")), "{:?}", bench.log());
}

#[tokio::test]
async fn more_handlers_of_python() {
    let check = async |text: &str, expect| check(PYTHON, "app.handler", &[("app.py", text)], expect).await;
    let handler = |body: &str| format!("import sys, time, threading\ndef handler(event, context):\n    {body}\n");
    let marshal = |what: &str| {
        error(
            "Runtime.MarshalError",
            &format!("Unable to marshal response: Object of type {what} is not JSON serializable"),
        )
    };
    check(&handler("return (n for n in [1])"), marshal("generator")).await;
    check(&handler("yield 1"), marshal("generator")).await;
    check(&handler("return b'bytes'"), marshal("bytes")).await;
    check(&handler("return {'at': time.struct_time}"), marshal("type")).await;
    check("async def handler(event, context):\n    return 1", marshal("coroutine")).await;
    check(&handler("return {'é': ['ü', (1, 2)]}"), json!({ "é": ["ü", [1, 2]] })).await;
    check(&handler("sys.exit(3)"), error("Runtime.ExitError", "RequestId: ...")).await;
    check(&handler("sys.exit()"), error("Runtime.ExitError", "RequestId: ...")).await;
    check(&handler("raise KeyboardInterrupt()"), error("KeyboardInterrupt", "")).await;
    check(&handler("return handler(event, context)"), error("RecursionError", "maximum recursion depth exceeded..."))
        .await;
    check(
        &handler("return 'x' * 6291600"),
        error("Function.ResponseSizeTooLarge", "Response payload size exceeded..."),
    )
    .await;
    let threads =
        "t = threading.Thread(target=lambda: event.update(seen=True)); t.start(); t.join(); return event['seen']";
    check(&handler(threads), json!(true)).await;
    check(
        "class Handler:\n    def __call__(self, event, context):\n        return event['n']\nhandler = Handler()",
        json!(7),
    )
    .await;
    let nested = "Unable to import module 'app': No module named 'no_such_package'";
    check("import no_such_package\ndef handler(e, c):\n    pass", error("Runtime.ImportModuleError", nested)).await;
    check("import sys\nsys.exit(2)", error("SystemExit", "2")).await;
    check(
        "def handler(event):\n    pass",
        error("TypeError", "handler() takes 1 positional argument but 2 were given"),
    )
    .await;
    check(&handler("raise Exception({'code': 1})"), error("Exception", "{'code': 1}")).await;
    let data = "import dataclasses\n@dataclasses.dataclass\nclass D:\n    a: int = 1\ndef handler(e, c):\n    return dataclasses.asdict(D())";
    check(data, json!({ "a": 1 })).await;
}

#[tokio::test]
async fn levels_of_the_log_of_python() {
    let text = "import logging\nlog = logging.getLogger('mine')\nlogging.getLogger().setLevel(logging.INFO)\nlogging.basicConfig(level=logging.DEBUG)
def handler(e, c):\n    log.debug('hidden')\n    log.info('shown')\n    print('half', end='')\n    try:\n        1 / 0\n    except ZeroDivisionError:
        log.exception('caught')\n    return 1";
    let (bench, outcome) = run(PYTHON, "app.handler", &[("app.py", text)]).await;
    let log = bench.log();
    compare(&bench, outcome, json!(1), "levels");
    let has = |begin: &str, part: &str| log.iter().any(|line| line.starts_with(begin) && line.contains(part));
    assert!(has("[INFO]\t", "\tshown") && !has("", "hidden"), "{log:?}");
    assert!(has("half[ERROR]\t", "caught") && has("", "ZeroDivisionError: division by zero"), "{log:?}");
}
