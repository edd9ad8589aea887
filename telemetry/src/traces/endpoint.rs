//! Where traces go, as people write it: `http://collector:4318`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use thiserror::Error;

/// Longest address, bytes.
const LEN_MAX: usize = 1024;

/// What OTLP over HTTP adds to the address of a collector
/// (<https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>).
const PATH: &str = "/v1/traces";

/// The address of a collector that takes OTLP over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whole, with the path for traces.
    uri: String,
    encrypted: bool,
}

/// Why a text is no such address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no address of a collector; write http://HOST:4318, or https://HOST:4318 with the file of its authority"
)]
pub struct BadEndpoint(String);

impl Endpoint {
    /// Where requests go.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// Whether the collector has to prove who it is.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(f)
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint(text.chars().take(LEN_MAX).collect());
        if text.len() > LEN_MAX {
            return Err(bad());
        }
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let authority = uri.authority().ok_or_else(bad)?;
        // A name and a password would be shown wherever the address is.
        if authority.as_str().contains('@') || authority.host().is_empty() || uri.query().is_some()
        {
            return Err(bad());
        }
        let base = text.trim_end_matches('/');
        let path = if base.ends_with(PATH) { "" } else { PATH };
        Ok(Self {
            uri: format!("{base}{path}"),
            encrypted,
        })
    }
}

/// A collector and how its certificate is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collector {
    endpoint: Endpoint,
    authority: Option<PathBuf>,
}

/// Why a collector cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadCollector {
    /// Nothing tells whose certificates count.
    #[error(
        "the address begins with https and no file says whose certificates count; name the file of the authority"
    )]
    NoAuthority,
    /// There are no certificates to check.
    #[error(
        "the file of an authority is for an address that begins with https; remove it, or encrypt"
    )]
    Plain,
}

impl Collector {
    /// `authority`: a file with certificates in PEM, one of which must have signed the collector's.
    ///
    /// # Errors
    /// There is one and the address is plain, or the other way round.
    pub fn new(endpoint: Endpoint, authority: Option<PathBuf>) -> Result<Self, BadCollector> {
        match (endpoint.is_encrypted(), &authority) {
            (true, None) => Err(BadCollector::NoAuthority),
            (false, Some(_)) => Err(BadCollector::Plain),
            _ => Ok(Self {
                endpoint,
                authority,
            }),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The file with those who may sign its certificate.
    #[must_use]
    pub fn authority(&self) -> Option<&PathBuf> {
        self.authority.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_for_traces_is_added_once() {
        for (text, uri) in [
            ("http://collector:4318", "http://collector:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://a.b/otlp/", "https://a.b/otlp/v1/traces"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318/v1/traces"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.uri(), uri);
        }
    }

    #[test]
    fn what_is_no_address_of_a_collector_is_refused() {
        let long = format!("http://{}", "a".repeat(2000));
        for text in [
            "",
            "collector:4318",
            "grpc://collector:4317",
            "http://",
            "http://me:secret@collector:4318",
            "http://collector:4318/?a=b",
            &long,
        ] {
            let why = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(why.contains("write http://HOST:4318"), "{why}");
        }
    }

    #[test]
    fn only_an_encrypted_collector_has_an_authority() {
        let file = Some(PathBuf::from("/ca.pem"));
        let plain: Endpoint = "http://a:1".parse().unwrap();
        let encrypted: Endpoint = "https://a:1".parse().unwrap();
        let new = |endpoint: &Endpoint, file: &Option<PathBuf>| {
            Collector::new(endpoint.clone(), file.clone()).map(drop)
        };
        assert_eq!(new(&plain, &None), Ok(()));
        assert_eq!(new(&plain, &file), Err(BadCollector::Plain));
        assert_eq!(new(&encrypted, &None), Err(BadCollector::NoAuthority));
        assert_eq!(new(&encrypted, &file), Ok(()));
    }
}
