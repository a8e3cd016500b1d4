//! Turns at what blocks: so many at once, the others wait without a thread.
//!
//! Threads that may block are a pool of the whole process, in which the doors read, too. An S3 endpoint that hangs must
//! not take them all.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// Many enough to keep an endpoint and a disk busy, and few of the runtime's 512 threads.
const AT_ONCE_MAX: usize = 64;

pub struct Turns(Arc<Semaphore>);

impl Turns {
    pub fn new() -> Turns {
        Turns(Arc::new(Semaphore::new(AT_ONCE_MAX)))
    }

    /// Does work that blocks when its turn has come; an error if it panicked. Once begun it goes on to its end, and has
    /// its turn until then.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
        let turn = self.0.clone().acquire_owned().await.expect("INVARIANT: turns are never closed");
        let done = spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Twice as many as may run at once hang; who else needs a thread gets one.
    #[test]
    fn what_hangs_leaves_threads_to_others() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.max_blocking_threads(AT_ONCE_MAX + 1).enable_time().build().unwrap();
        runtime.block_on(async {
            let turns = Arc::new(Turns::new());
            let asked = Arc::new(AtomicUsize::new(0));
            let (held, works): (Vec<_>, Vec<_>) = (0..2 * AT_ONCE_MAX)
                .map(|_| {
                    let (turns, asked, (held, hangs)) = (turns.clone(), asked.clone(), mpsc::channel::<()>());
                    let work = async move {
                        asked.fetch_add(1, Ordering::Relaxed);
                        turns.run(move || hangs.recv()).await
                    };
                    (held, tokio::spawn(work))
                })
                .unzip();
            while asked.load(Ordering::Relaxed) < works.len() {
                tokio::task::yield_now().await;
            }
            let other = tokio::time::timeout(Duration::from_secs(60), spawn_blocking(|| 7)).await;
            drop(held);
            assert_eq!(other.expect("a thread is free").unwrap(), 7);
            for work in works {
                assert!(work.await.unwrap().unwrap().is_err(), "nothing is sent");
            }
        });
    }
}
