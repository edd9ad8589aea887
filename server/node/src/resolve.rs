//! Names to addresses, anew on every attempt.
//!
//! Pods get new addresses under the same name, so nothing is cached between attempts. The lookup is
//! asynchronous, so that one name that does not resolve holds up nobody else. The C library's
//! resolver is not used: a static binary cannot load it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use thiserror::Error;

/// Bound of one lookup, all name servers and search domains included.
const LOOKUP_MAX: Duration = Duration::from_secs(5);

/// A name without an address.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// `/etc/resolv.conf` cannot be used, or the name servers answered with an error.
    #[error("cannot resolve {host:?}: {why}")]
    Failed {
        /// What was looked up.
        host: String,
        /// As the resolver says it.
        why: String,
    },
    /// No answer in time.
    #[error("cannot resolve {host:?}: no answer within {} s", LOOKUP_MAX.as_secs())]
    TimedOut {
        /// What was looked up.
        host: String,
    },
}

/// The addresses of `host`, at least one, in the resolver's order.
///
/// # Errors
/// A name that does not resolve now.
pub async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, ResolveError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)]);
    }
    let failed = |why: String| ResolveError::Failed {
        host: host.to_owned(),
        why,
    };
    let lookup = async {
        let mut builder = TokioResolver::builder_tokio().map_err(|e| failed(e.to_string()))?;
        builder.options_mut().cache_size = 0;
        let resolver = builder.build().map_err(|e| failed(e.to_string()))?;
        let found = resolver
            .lookup_ip(host)
            .await
            .map_err(|e| failed(e.to_string()))?;
        Ok(found
            .iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect::<Vec<_>>())
    };
    let found = tokio::time::timeout(LOOKUP_MAX, lookup)
        .await
        .map_err(|_| ResolveError::TimedOut {
            host: host.to_owned(),
        })??;
    if found.is_empty() {
        return Err(failed("the name has no address".into()));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn literals_and_localhost_need_no_name_server() {
        assert_eq!(
            addresses("127.0.0.9", 5).await.unwrap(),
            ["127.0.0.9:5".parse().unwrap()]
        );
        assert_eq!(
            addresses("::1", 5).await.unwrap(),
            ["[::1]:5".parse().unwrap()]
        );
        assert_eq!(
            addresses("localhost", 5).await.unwrap(),
            ["127.0.0.1:5".parse().unwrap()]
        );
    }
}
