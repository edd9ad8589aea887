//! Takes renewed keys and certificates into use while the server runs.
//!
//! The files are small, so they are simply read again and compared. That sees what no time stamp
//! shows, and follows the symbolic links by which Kubernetes swaps a mounted secret. Key, certificate
//! and authorities may be written one after the other: what does not fit together is tried again
//! until it does, and until then what was good stays in use.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::certificate::time_text;
use super::context::{Context, Contexts};
use super::files::Files;
use super::name::for_log;
use crate::metrics::{Metrics, Validity};
use crate::monitor::Monitor;

/// How often the files are read. A renewal is taken within two of these.
const PERIOD: Duration = Duration::from_millis(500);

/// What one look at the files found.
enum Look {
    /// They are those in use.
    Same,
    /// They changed since the last look and may still be written.
    Changing(Box<Files>),
    /// They make a good configuration.
    Good(Box<Context>),
    /// They do not.
    Bad(Box<Files>, String),
    /// They cannot be read.
    Unreadable(String),
}

/// Who uses the certificates.
#[derive(Debug, Clone, Copy)]
pub enum Listener {
    /// The port for clients.
    Client,
    /// The ports between servers.
    Quorum,
}

impl Listener {
    /// Where its certificate is shown.
    #[must_use]
    pub fn validity(self, metrics: &Metrics) -> &Validity {
        match self {
            Self::Client => &metrics.client_certificate,
            Self::Quorum => &metrics.quorum_certificate,
        }
    }
}

/// Looks at the files until the task is ended.
pub async fn watch(contexts: Arc<Contexts>, monitor: Arc<Monitor>, listener: Listener) {
    let mut last: Option<Box<Files>> = None;
    let mut complained: Option<String> = None;
    loop {
        tokio::time::sleep(PERIOD).await;
        let (look_at, before) = (contexts.clone(), last.take());
        // Files may sit on a slow disk; a socket's thread must not wait for them.
        let Ok(look) = spawn_blocking(move || look(&look_at, before.as_deref())).await else {
            continue;
        };
        let why = match look {
            Look::Same => {
                complained = None;
                continue;
            }
            Look::Changing(files) => {
                last = Some(files);
                continue;
            }
            Look::Good(context) => {
                let (subject, ends) = (for_log(&context.subject), time_text(context.not_after));
                info!("TLS: certificates renewed; the server is {subject} until {ends}");
                contexts.replace(*context);
                contexts.show_validity(listener.validity(&monitor.metrics));
                monitor.metrics.tls_reloads.inc();
                complained = None;
                continue;
            }
            Look::Bad(files, why) => {
                last = Some(files);
                why
            }
            Look::Unreadable(why) => why,
        };
        if complained.as_ref() != Some(&why) {
            warn!("TLS: the new files are refused, the old ones stay in use: {why}");
            monitor.metrics.tls_reload_failures.inc();
            complained = Some(why);
        }
    }
}

fn look(contexts: &Contexts, before: Option<&Files>) -> Look {
    let files = match Files::read(&contexts.settings) {
        Ok(files) => files,
        Err(e) => return Look::Unreadable(e.to_string()),
    };
    if files == contexts.present().files {
        return Look::Same;
    }
    if before != Some(&files) {
        return Look::Changing(Box::new(files));
    }
    match Context::build(&contexts.settings, files.clone()) {
        Ok(context) => match context.expired() {
            Some(why) => Look::Bad(Box::new(files), why),
            None => Look::Good(Box::new(context)),
        },
        Err(e) => Look::Bad(Box::new(files), e.to_string()),
    }
}
