//! How many invocations a second go through one process and through four. A measurement, not a test:
//!
//! `cargo test --release -p aws-lambda --test speed -- --ignored --nocapture`

mod support;

use std::time::{Duration, Instant};

use aws_lambda::{InvokeOptions, Limits};
use bytes::Bytes;
use support::Bench;

const SPAN: Duration = Duration::from_secs(3);

/// Callers that invoke one after another; the answers of all of them.
async fn measure(bench: &Bench, callers: usize) -> f64 {
    let begin = Instant::now();
    let all: Vec<_> = (0..callers)
        .map(|_| {
            let host = bench.host.clone();
            tokio::spawn(async move {
                let payload = Bytes::from_static(br#"{"trip_id":"5c12d94a-ee6a-40d9-889b-1d49142248b7"}"#);
                let mut count = 0u64;
                while begin.elapsed() < SPAN {
                    host.invoke("f", payload.clone(), InvokeOptions::default()).await.unwrap();
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut total = 0;
    for caller in all {
        total += caller.await.unwrap();
    }
    total as f64 / begin.elapsed().as_secs_f64()
}

/// User and system time of this process.
fn own_cpu() -> Duration {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills a struct of ours; all zeroes is a valid one.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let time = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

#[test]
#[ignore = "a measurement"]
fn invocations_per_second() {
    for (workers, processes, callers) in [(1, 1, 1), (1, 1, 8), (1, 4, 32), (2, 4, 32)] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::open(Limits { processes_per_function: processes, ..Limits::default() });
            bench.put("f", |_| {});
            bench.invoke("f", serde_json::json!({})).await.unwrap();
            let before = own_cpu();
            let rate = measure(&bench, callers).await;
            let cpu = (own_cpu() - before).as_secs_f64() / SPAN.as_secs_f64();
            println!(
                "{workers} worker threads, {processes} processes at most, {callers} callers: {rate:.0} invocations/s, \
                 {:.1} us of our CPU each ({cpu:.2} cores)",
                cpu / rate * 1e6
            );
            bench.host.shut_down().await;
        });
    }
}
