//! The APIs that are served, each on a port of its own, and which of them a data folder remembers.
//!
//! An API keeps its port while this process runs: a deployment puts another in its place, and connections that are open
//! notice it with their next request.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_cloudformation::Plan;
use tokio::task::AbortHandle;

use crate::apis::{self, StoredApi};
use crate::front::{self, Front, Port, Slot};
use crate::phase::Gate;
use crate::server::{StartError, listen};

/// So many APIs or foreign programs in a row are a mistake.
const PORTS_TRIED: u16 = 100;

/// Cheap to clone.
#[derive(Clone)]
pub struct Apis(Arc<Inner>);

struct Inner {
    front: Arc<Front>,
    gate: Arc<Gate>,
    host: IpAddr,
    /// Of the first API; each further one takes the next that is free.
    first_port: u16,
    data: PathBuf,
    served: Mutex<Vec<Served>>,
}

/// One API in one stage.
struct Served {
    id: String,
    stage: String,
    name: String,
    address: SocketAddr,
    slot: Arc<Slot>,
    accepts: AbortHandle,
}

impl Apis {
    pub fn new(front: Arc<Front>, gate: Arc<Gate>, host: IpAddr, first_port: u16, data: PathBuf) -> Apis {
        Apis(Arc::new(Inner { front, gate, host, first_port, data, served: Mutex::default() }))
    }

    /// Serves these APIs, in place of what was there of the same id, and remembers them beside the others. Names those that
    /// are new or other than before.
    pub async fn put(&self, fresh: Vec<StoredApi>) -> Result<Vec<String>, String> {
        let before = apis::load(&self.0.data)?;
        let mut all = before.clone();
        all.retain(|old| !fresh.iter().any(|api| api.id() == old.id()) || fresh.iter().any(|api| api.is_same(old)));
        for api in fresh {
            match all.iter_mut().find(|old| api.is_same(old)) {
                Some(old) => *old = api,
                None => all.push(api),
            }
        }
        for gone in before.iter().filter(|old| !all.iter().any(|api| api.is_same(old))) {
            self.stop(|served| served.id == gone.id() && served.stage == gone.stage());
        }
        self.serve(&all).await?;
        let changed: Vec<String> =
            all.iter().filter(|api| !before.contains(api)).map(|api| format!("API {}", api.name)).collect();
        if all != before {
            apis::save(&self.0.data, all)?;
        }
        Ok(changed)
    }

    /// Serves what the data folder remembers.
    pub async fn serve_kept(&self) -> Result<(), String> {
        self.serve(&apis::load(&self.0.data)?).await
    }

    /// Stops an API in all its stages, and forgets it.
    pub async fn remove(&self, id: &str) -> Result<(), String> {
        self.stop(|served| served.id == id);
        let mut all = apis::load(&self.0.data)?;
        let before = all.len();
        all.retain(|api| api.id() != id);
        if all.len() == before { Ok(()) } else { apis::save(&self.0.data, all) }
    }

    /// Name and address of each.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.served().iter().map(|served| (served.name.clone(), served.address)).collect()
    }

    /// Those of a plan.
    pub fn addresses_of(&self, plan: &Plan) -> Vec<(String, SocketAddr)> {
        let is_planned = |served: &&Served| plan.apis.iter().any(|api| api.id == served.id);
        self.served().iter().filter(is_planned).map(|served| (served.name.clone(), served.address)).collect()
    }

    /// Addresses by id and stage.
    pub fn stages(&self) -> BTreeMap<(String, String), String> {
        let served = self.served();
        let address = |api: &Served| ((api.id.clone(), api.stage.clone()), format!("http://{}", api.address));
        served.iter().map(address).collect()
    }

    pub fn addresses_by_id(&self) -> BTreeMap<String, SocketAddr> {
        self.served().iter().map(|served| (served.id.clone(), served.address)).collect()
    }

    /// Takes no more connections.
    pub fn close(&self) {
        self.served().iter().for_each(|served| served.accepts.abort());
    }

    async fn serve(&self, apis: &[StoredApi]) -> Result<(), String> {
        for stored in apis {
            let api = Arc::new(stored.to_api()?);
            let is_there = {
                let mut served = self.served();
                let there = served.iter_mut().find(|served| served.id == stored.id() && served.stage == stored.stage());
                there.map(|served| {
                    served.name.clone_from(&stored.name);
                    served.slot.put(Some(api.clone()));
                    self.0.front.put_api(api.clone(), served.address);
                })
            };
            if is_there.is_some() {
                continue;
            }
            let served = self.open(stored, api).await.map_err(|error| error.to_string())?;
            self.served().push(served);
        }
        Ok(())
    }

    /// Serves an API on the next free port from the first on.
    async fn open(&self, stored: &StoredApi, api: Arc<aws_apigateway::Api>) -> Result<Served, StartError> {
        let first = self.0.first_port;
        let mut last = None;
        for port in first..=first.saturating_add(PORTS_TRIED) {
            let asked = SocketAddr::new(self.0.host, port);
            match listen(asked, "--api-port").await {
                Ok(listener) => {
                    let address = listener.local_addr().unwrap_or(asked);
                    self.0.front.put_api(api.clone(), address);
                    let slot = Arc::new(Slot::new(api));
                    let accepts = tokio::spawn(front::serve(listener, self.0.gate.clone(), Port::Api(slot.clone())));
                    return Ok(Served {
                        id: stored.id().to_owned(),
                        stage: stored.stage().to_owned(),
                        name: stored.name.clone(),
                        address,
                        slot,
                        accepts: accepts.abort_handle(),
                    });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("at least one port was tried"))
    }

    fn stop(&self, is_meant: impl Fn(&Served) -> bool) {
        self.served().retain(|served| {
            if !is_meant(served) {
                return true;
            }
            served.accepts.abort();
            served.slot.put(None);
            self.0.front.remove_api(&served.id, &served.stage);
            false
        });
    }

    fn served(&self) -> MutexGuard<'_, Vec<Served>> {
        self.0.served.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
