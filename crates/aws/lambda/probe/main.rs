//! What the tests run as real processes: a function whose behaviour the payload chooses, the guard, and a host to be
//! killed.
//!
//! The function speaks the Runtime API over a plain socket, so that it depends on nothing of what it tests.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;

use aws_lambda::{Code, Config, Function, Guard, Host, InvokeOptions, guard};
use serde_json::{Value, json};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["guard", instance] => guard::run(instance),
        ["host", folder] => host(folder),
        [] => function(),
        other => panic!("lambda-probe is for tests: {other:?}"),
    }
}

/// Hosts one function that leaves a grandchild behind and hangs; says so on standard output, and hangs too.
fn host(folder: &str) -> io::Result<()> {
    let lock = File::create(format!("{folder}/lock"))?;
    lock.lock()?;
    let executable = std::env::current_exe()?;
    let mut config = Config::new(format!("{folder}/functions"), "http://127.0.0.1:4566");
    config.guard =
        Some(Guard { executable: executable.clone(), arguments: vec!["guard".into()], lock: Some(Arc::new(lock)) });
    config.log_sink = Some(Arc::new(|line| println!("{}", line.text)));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let host = Host::open(config).expect("the host opens");
        let function = Function { timeout_seconds: 900, ..Function::new("f") };
        host.put_function(function, Code::Bootstrap(executable)).expect("the function is created");
        let payload = json!({"do": "fork", "hang": true}).to_string().into();
        let outcome = host.invoke("f", payload, InvokeOptions::default()).await;
        panic!("a function that hangs has ended: {outcome:?}");
    })
}

fn function() -> io::Result<()> {
    let mut api = Api::connect()?;
    match std::env::var("PROBE_INIT").as_deref() {
        Ok("error") => {
            let body = json!({"errorMessage": "no table", "errorType": "Config", "stackTrace": ["main"]});
            api.post("init/error", body.to_string().as_bytes(), "")?;
            std::process::exit(1);
        }
        Ok("exit") => std::process::exit(3),
        Ok("hang") => hang(),
        _ => {}
    }
    loop {
        let invocation = api.next()?;
        let answer = act(&mut api, &invocation)?;
        match answer {
            Answer::Response(body) => api.post(&format!("invocation/{}/response", invocation.id), &body, "")?,
            Answer::Error(body) => {
                let header = "Lambda-Runtime-Function-Error-Type: Header\r\n";
                api.post(&format!("invocation/{}/error", invocation.id), &body, header)?
            }
            Answer::Posted => 202,
        };
    }
}

enum Answer {
    Response(Vec<u8>),
    Error(Vec<u8>),
    Posted,
}

fn act(api: &mut Api, invocation: &Invocation) -> io::Result<Answer> {
    let event: Value = serde_json::from_slice(&invocation.payload).unwrap_or(Value::Null);
    let number = |name: &str| event[name].as_u64().unwrap_or(0) as usize;
    let json = |value: Value| Ok(Answer::Response(value.to_string().into_bytes()));
    match event["do"].as_str().unwrap_or("echo") {
        "echo" => Ok(Answer::Response(invocation.payload.clone())),
        "pid" => json(json!(std::process::id())),
        "context" => json(context(invocation)),
        "error" => {
            let body = json!({"errorMessage": "no rooms", "errorType": "HotelFull", "stackTrace": []});
            Ok(Answer::Error(body.to_string().into_bytes()))
        }
        "empty error" => Ok(Answer::Error(Vec::new())),
        "exit" => std::process::exit(number("status") as i32),
        "abort" => std::process::abort(),
        "hang" => hang(),
        "garbage" => Ok(Answer::Response(b"\xff not json".to_vec())),
        "large" => json(json!("x".repeat(number("bytes")))),
        "print" => {
            println!("to stdout\nsecond line");
            eprintln!("to stderr");
            print!("{}", "unfinished ".repeat(number("times")));
            io::stdout().flush()?;
            json(Value::Null)
        }
        "fork" => {
            let pid = fork()?;
            println!("forked {pid}");
            if event["hang"].as_bool() == Some(true) {
                hang();
            }
            json(json!(pid))
        }
        "gate" => {
            let mut gate = TcpStream::connect(("127.0.0.1", number("port") as u16))?;
            gate.read_exact(&mut [0])?;
            json(json!(std::process::id()))
        }
        "memory" => {
            let all = vec![1u8; number("bytes")];
            json(json!(all.iter().map(|byte| *byte as usize).sum::<usize>()))
        }
        "answer and exit" => {
            api.send("POST", &format!("invocation/{}/response", invocation.id), br#""last words""#, "")?;
            std::process::exit(7);
        }
        "wrong id" => {
            let status = api.post("invocation/nobody/response", b"1", "")?;
            json(json!(status))
        }
        "ask twice" => {
            let mut other = Api::connect()?;
            other.send("GET", "invocation/next", b"", "")?;
            json(json!(other.receive()?.0))
        }
        "late" => {
            api.post(&format!("invocation/{}/response", invocation.id), b"1", "")?;
            let status = api.post(&format!("invocation/{}/response", invocation.id), b"2", "")?;
            println!("the second response was answered {status}");
            Ok(Answer::Posted)
        }
        other => panic!("the probe cannot {other}"),
    }
}

/// A grandchild in a session of its own: only its environment tells where it belongs.
fn fork() -> io::Result<u32> {
    let mut command = Command::new("sleep");
    command.arg("100000");
    // SAFETY: a system call that is safe between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::setsid() {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        })
    };
    Ok(command.spawn()?.id())
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn context(invocation: &Invocation) -> Value {
    let environment: serde_json::Map<String, Value> =
        std::env::vars().map(|(name, value)| (name, value.into())).collect();
    let headers: serde_json::Map<String, Value> = invocation
        .head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .collect();
    let folder = std::env::current_dir().unwrap_or_default();
    let open: Vec<_> = std::fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .collect();
    json!({"environment": environment, "headers": headers, "folder": folder, "open": open})
}

struct Invocation {
    id: String,
    head: String,
    payload: Vec<u8>,
}

/// One connection to the Runtime API.
struct Api {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Api {
    fn connect() -> io::Result<Api> {
        let host = std::env::var("AWS_LAMBDA_RUNTIME_API").expect("the probe without arguments runs as a function");
        let stream = TcpStream::connect(&host)?;
        stream.set_nodelay(true)?;
        Ok(Api { stream: BufReader::new(stream), host })
    }

    fn next(&mut self) -> io::Result<Invocation> {
        self.send("GET", "invocation/next", b"", "")?;
        let (status, head, payload) = self.receive()?;
        assert_eq!(status, 200, "{head}");
        let id = header(&head, "lambda-runtime-aws-request-id").expect("every invocation has an id").to_string();
        Ok(Invocation { id, head, payload })
    }

    fn post(&mut self, path: &str, body: &[u8], headers: &str) -> io::Result<u16> {
        self.send("POST", path, body, headers)?;
        Ok(self.receive()?.0)
    }

    fn send(&mut self, method: &str, path: &str, body: &[u8], headers: &str) -> io::Result<()> {
        let (host, length) = (&self.host, body.len());
        let head = format!(
            "{method} /2018-06-01/runtime/{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        self.stream.get_mut().write_all(&message)
    }

    fn receive(&mut self) -> io::Result<(u16, String, Vec<u8>)> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = header(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok((status, head, body))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.trim())
}
