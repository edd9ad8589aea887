//! Whether some operator works, seen from outside: its Lease is renewed.
//!
//! As with candidates, no clock is compared with another: the same holder has to be seen with two
//! renewals.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Client;
use kube::api::Api;
use tokio::time::{Instant, sleep, timeout_at};

use super::candidate::{PACE, Record};
use super::lease::read;

/// Why no operator was seen to work.
#[derive(Debug, thiserror::Error)]
pub enum NotSeen {
    /// The API server refused, or was not reached.
    #[error("cannot read the Lease {lease}: {source}")]
    Api {
        /// Name of the Lease.
        lease: String,
        /// The answer.
        #[source]
        source: Box<kube::Error>,
    },
    /// Nobody renewed it in time.
    #[error(
        "no operator renewed the Lease {lease} in {} s{}; look at the log of the operators",
        within.as_secs(),
        holder.as_ref().map_or_else(String::new, |holder| format!(", which {holder} holds"))
    )]
    Late {
        /// Name of the Lease.
        lease: String,
        /// The time that it had.
        within: Duration,
        /// Who holds it.
        holder: Option<String>,
    },
}

/// What was seen of the Lease.
#[derive(Debug, Default)]
struct Witness {
    last: Option<Record>,
}

impl Witness {
    /// Takes one look, and returns who works if that is known by now.
    fn sees(&mut self, record: Option<Record>) -> Option<String> {
        let last = std::mem::replace(&mut self.last, record)?;
        let now = self.last.as_ref()?;
        let renewed = last.holder == now.holder && last.renewed != now.renewed;
        now.holder.clone().filter(|_| renewed)
    }

    fn holder(&self) -> Option<String> {
        self.last.as_ref()?.holder.clone()
    }
}

/// Waits until an operator is seen to renew the Lease, and returns its name.
///
/// # Errors
///
/// See [`NotSeen`].
pub async fn see_operator(
    client: Client,
    namespace: &str,
    lease: &str,
    within: Duration,
) -> Result<String, NotSeen> {
    let api: Api<Lease> = Api::namespaced(client, namespace);
    let mut witness = Witness::default();
    let deadline = Instant::now() + within;
    let looks = async {
        loop {
            let found = api.get_opt(lease).await?;
            if let Some(name) = witness.sees(found.as_ref().map(read)) {
                return Ok(name);
            }
            sleep(PACE).await;
        }
    };
    match timeout_at(deadline, looks).await {
        Ok(seen) => seen.map_err(|source: kube::Error| NotSeen::Api {
            lease: lease.to_owned(),
            source: Box::new(source),
        }),
        Err(_) => Err(NotSeen::Late {
            lease: lease.to_owned(),
            within,
            holder: witness.holder(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(holder: Option<&str>, renewed: &str) -> Option<Record> {
        Some(Record {
            holder: holder.map(str::to_owned),
            renewed: Some(renewed.to_owned()),
            transitions: 0,
            lasts: None,
        })
    }

    #[test]
    fn an_operator_works_when_it_renews_the_lease_that_it_had() {
        let mut witness = Witness::default();
        assert_eq!(witness.sees(None), None);
        assert_eq!(witness.sees(record(Some("a"), "1")), None);
        assert_eq!(witness.sees(record(Some("a"), "1")), None);
        assert_eq!(witness.sees(record(Some("b"), "2")), None, "it is new");
        assert_eq!(witness.sees(record(Some("b"), "3")).as_deref(), Some("b"));
    }

    #[test]
    fn a_lease_that_was_given_back_is_nobodys() {
        let mut witness = Witness::default();
        witness.sees(record(Some("a"), "1"));
        assert_eq!(witness.sees(record(None, "2")), None);
        assert_eq!(witness.sees(record(None, "3")), None);
        assert_eq!(witness.holder(), None);
    }

    #[test]
    fn the_error_says_who_holds_it_and_what_to_look_at() {
        let late = |holder: Option<&str>| NotSeen::Late {
            lease: "quorate".to_owned(),
            within: Duration::from_secs(60),
            holder: holder.map(str::to_owned),
        };
        assert_eq!(
            late(Some("a")).to_string(),
            "no operator renewed the Lease quorate in 60 s, which a holds; look at the log of the \
             operators"
        );
        assert!(late(None).to_string().contains("in 60 s; look at"));
    }
}
