//! How far the server has come: what `/readyz` tells, and what holds requests back until the engine is there.
//!
//! The port is bound before anything is recovered, and a client that comes meanwhile is not sent away: its request
//! waits, as its connection would in the kernel's queue. Only whoever asks for health or readiness is answered.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

use crate::front::{Front, HostNames};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// What was open is being loaded.
    Recovering,
    /// The template is being deployed; requests are served.
    Deploying,
    Ready,
    /// Tasks have a moment to answer; no new one is handed over.
    Stopping,
}

impl Phase {
    /// Why it is not ready.
    pub fn why_not(self) -> Option<&'static str> {
        match self {
            Phase::Recovering => Some("recovering: what was open is being loaded"),
            Phase::Deploying => Some("deploying: what the template names is being made"),
            Phase::Ready => None,
            Phase::Stopping => Some("stopping"),
        }
    }
}

/// What a port's loop knows: who answers, once there is somebody.
pub struct Gate {
    pub host_names: HostNames,
    front: OnceLock<Arc<Front>>,
    phase: watch::Sender<Phase>,
}

impl Gate {
    pub fn new(host_names: HostNames) -> Arc<Gate> {
        Arc::new(Gate { host_names, front: OnceLock::new(), phase: watch::Sender::new(Phase::Recovering) })
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub fn watch(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub fn set(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// From now on requests are answered.
    pub fn open(&self, front: Arc<Front>) {
        // INVARIANT: a server opens once.
        assert!(self.front.set(front).is_ok(), "the gate was open already");
        self.set(Phase::Deploying);
    }

    pub fn front(&self) -> Option<&Arc<Front>> {
        self.front.get()
    }

    /// Waits until it is open. A start that fails ends the process, and those who wait with it.
    pub async fn opened(&self) -> &Arc<Front> {
        let mut phase = self.phase.subscribe();
        loop {
            if let Some(front) = self.front.get() {
                return front;
            }
            // The sender is our own, so it is there.
            let _ = phase.changed().await;
        }
    }
}
