//! Questions to the core that its published picture does not answer.
//!
//! They are rare and come from operators; the core's thread answers them between two turns, so each
//! must be quick: read, copy, no more.

use tokio::sync::{mpsc, oneshot};
use zk_core::{Input, Peer};

/// Questions that may wait; whoever asks more waits too.
pub const QUERIES_MAX: usize = 16;

/// What an operator wants of the core.
pub enum Query {
    /// A question with its way back.
    Ask(Box<dyn FnOnce(&Peer) + Send>),
    /// Something to be done.
    Do(Input),
}

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Query")
    }
}

/// Where questions are asked.
#[derive(Debug, Clone)]
pub struct Queries(mpsc::Sender<Query>);

impl Queries {
    /// A way to ask, and where the core's thread hears.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Query>) {
        let (sender, receiver) = mpsc::channel(QUERIES_MAX);
        (Self(sender), receiver)
    }

    /// Asks; `None` when the server is going down.
    pub async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Peer) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        let query = Query::Ask(Box::new(move |peer| {
            // Whoever asked may have gone.
            drop(reply.send(question(peer)));
        }));
        self.0.send(query).await.ok()?;
        answer.await.ok()
    }

    /// Has something done; false when the server is going down.
    pub async fn tell(&self, input: Input) -> bool {
        self.0.send(Query::Do(input)).await.is_ok()
    }
}
