//! Traces of requests.

use std::path::PathBuf;

use quorate_telemetry::traces::{BadEndpoint, BadRatio, Collector, Endpoint, Ratio};

use super::error::ConfigError;
use super::reader::Reader;

const ENDPOINT: &str = "quorate.traces.endpoint";
const AUTHORITY: &str = "quorate.traces.caFile";
const RATIO: &str = "quorate.traces.ratio";

/// Which traces go where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceSettings {
    /// `quorate.traces.endpoint`, `quorate.traces.caFile`: who takes them.
    pub collector: Collector,
    /// `quorate.traces.ratio`: the part of the requests that is traced.
    pub ratio: Ratio,
}

/// `None` without a collector.
pub(super) fn read(r: &Reader) -> Result<Option<TraceSettings>, ConfigError> {
    let ratio = r.text(RATIO).map(str::parse).transpose();
    let ratio: Option<Ratio> = ratio.map_err(|e: BadRatio| r.bad(RATIO, e.to_string()))?;
    let authority = r.text(AUTHORITY).map(PathBuf::from);
    let Some(endpoint) = r.text(ENDPOINT) else {
        let alone = [(RATIO, ratio.is_some()), (AUTHORITY, authority.is_some())];
        if let Some((key, _)) = alone.into_iter().find(|(_, set)| *set) {
            let why = format!("nothing is traced without {ENDPOINT}; add it, or remove this line");
            return Err(r.bad(key, why));
        }
        return Ok(None);
    };
    let endpoint: Endpoint = endpoint
        .parse()
        .map_err(|e: BadEndpoint| r.bad(ENDPOINT, e.to_string()))?;
    if authority.as_ref().is_some_and(|file| file.is_relative()) {
        return Err(r.bad(AUTHORITY, "write an absolute path, for example /tls/ca.crt"));
    }
    let collector =
        Collector::new(endpoint, authority).map_err(|e| r.bad(AUTHORITY, e.to_string()))?;
    Ok(Some(TraceSettings {
        collector,
        ratio: ratio.unwrap_or(Ratio::HUNDREDTH),
    }))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn settings(text: &str) -> Result<Option<TraceSettings>, String> {
        let reader = Reader::new(Path::new("zoo.cfg"), text, &Flags::default());
        read(&reader).map_err(|e| e.to_string())
    }

    #[test]
    fn there_are_none_without_a_collector() {
        assert_eq!(settings(""), Ok(None));
        let on = settings("quorate.traces.endpoint=http://collector:4318")
            .unwrap()
            .unwrap();
        assert_eq!(on.ratio, Ratio::HUNDREDTH);
        assert_eq!(
            on.collector.endpoint().uri(),
            "http://collector:4318/v1/traces"
        );
        let text = "quorate.traces.endpoint=https://collector:4318\nquorate.traces.caFile=/ca.crt\n\
                    quorate.traces.ratio=1\n";
        let on = settings(text).unwrap().unwrap();
        assert_eq!(on.ratio, Ratio::ALL);
        assert_eq!(on.collector.authority(), Some(&PathBuf::from("/ca.crt")));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        const AT: &str = "quorate.traces.endpoint=http://a:1\n";
        for (text, expected) in [
            ("quorate.traces.ratio=0.5", "quorate.traces.endpoint"),
            ("quorate.traces.caFile=/a", "quorate.traces.endpoint"),
            ("quorate.traces.endpoint=a:1", "http://HOST:4318"),
            (&format!("{AT}quorate.traces.ratio=2"), "from 0 to 1"),
            (&format!("{AT}quorate.traces.caFile=/a"), "https"),
            ("quorate.traces.endpoint=https://a:1", "authority"),
            (
                "quorate.traces.endpoint=https://a:1\nquorate.traces.caFile=a",
                "absolute",
            ),
        ] {
            let why = settings(text).unwrap_err();
            assert!(why.contains(expected), "{why}");
        }
    }
}
