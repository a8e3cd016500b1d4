//! The loop of schedules: it waits for the next moment, and fires what is due then.
//!
//! A moment counts once it is after the one at which the loop looked last. So what was missed while Ithaca was down is not
//! made up, and of several that a sleeping machine missed one fires.

use std::sync::Weak;
use std::time::Duration;

use serde_json::json;

use super::{Inner, Rules, now_ms};
use crate::log;

/// The clock of the machine may be set, so nobody sleeps for longer than this.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Less is a clock that is kept right, and what fired does not fire again.
const SET_BACK_MS: i64 = 60_000;

impl Rules {
    /// Fires schedules until the server is gone.
    pub(super) async fn fire_schedules(inner: Weak<Inner>) {
        let mut looked_ms = now_ms();
        loop {
            let Some(rules) = inner.upgrade().map(Rules) else { return };
            // A clock that was set back: schedules go by it, and do not wait until it is where it was.
            if now_ms() < looked_ms - SET_BACK_MS {
                looked_ms = now_ms();
            }
            let due = rules.kept().book.next(looked_ms).map(|(at, _)| at);
            let now = now_ms();
            if due.is_some_and(|at| at <= now) {
                rules.fire(looked_ms, now).await;
                looked_ms = now;
                continue;
            }
            let wait = due.map_or(LOOK_AGAIN, |at| Duration::from_millis((at - now).unsigned_abs()).min(LOOK_AGAIN));
            let _ = tokio::time::timeout(wait, rules.0.changed.notified()).await;
        }
    }

    /// Fires each rule that was due after one moment and until another.
    async fn fire(&self, after_ms: i64, until_ms: i64) {
        let due: Vec<(String, bool, i64)> = {
            let kept = self.kept();
            let due = kept.book.rules().iter().filter_map(|rule| {
                let at = rule.next(after_ms).filter(|at| *at <= until_ms)?;
                Some((rule.arn.clone(), rule.bus.is_some(), at))
            });
            due.collect()
        };
        for (arn, is_rule, at_ms) in due {
            let event = json!({
                "Source": if is_rule { "aws.events" } else { "aws.scheduler" },
                "DetailType": "Scheduled Event",
                "Detail": "{}",
                "Resources": [arn],
                "Time": at_ms / 1000,
            });
            match self.0.outbox.put_event(arn.clone(), event).await {
                Ok(_) => self.kept().book.fired(&arn, at_ms),
                Err(why) => {
                    log::error(
                        "rules",
                        "a schedule could not fire",
                        &[("rule", (&arn).into()), ("why", (&why).into())],
                    );
                }
            }
        }
        if let Err(why) = self.save().await {
            log::error("rules", "when schedules fired cannot be written", &[("why", (&why).into())]);
        }
    }
}
