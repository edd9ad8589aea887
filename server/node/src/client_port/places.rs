//! How many connections a listener takes: per address (`maxClientCnxns`) and in all (`maxCnxns`).

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::RuntimeSettings;
use crate::metrics::Limit;

/// The connections of one listener.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    per_ip: HashMap<IpAddr, usize>,
    total: usize,
}

/// A place under the limits; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

/// The limit that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full {
    /// Its key.
    pub(super) key: &'static str,
    pub(super) limit: Limit,
}

const ALL: Full = Full {
    key: "maxCnxns",
    limit: Limit::Connections,
};

const PER_ADDRESS: Full = Full {
    key: "maxClientCnxns",
    limit: Limit::ConnectionsPerAddress,
};

impl Places {
    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection from `ip`.
    pub(super) fn take(
        self: &Arc<Self>,
        ip: IpAddr,
        limits: &RuntimeSettings,
    ) -> Result<Place, Full> {
        let mut taken = self.lock();
        let here = taken.per_ip.get(&ip).copied().unwrap_or(0);
        if limits.connections_max.is_some_and(|max| taken.total >= max) {
            return Err(ALL);
        }
        if limits.connections_per_ip_max.is_some_and(|max| here >= max) {
            return Err(PER_ADDRESS);
        }
        taken.per_ip.insert(ip, here + 1);
        taken.total += 1;
        Ok(Place {
            places: self.clone(),
            ip,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.total -= 1;
        if let Some(n) = taken.per_ip.get_mut(&self.ip) {
            *n -= 1;
            if *n == 0 {
                taken.per_ip.remove(&self.ip);
            }
        }
    }
}
