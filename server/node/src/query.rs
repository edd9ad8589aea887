//! Questions to the core that its published picture does not answer.
//!
//! They are rare and come from operators; the core's thread answers them between two turns, so each
//! must be quick: read, copy, no more.

use tokio::sync::{mpsc, oneshot};
use zk_core::Peer;

/// Questions that may wait; whoever asks more waits too.
pub const QUERIES_MAX: usize = 16;

/// A question with its way back.
pub struct Query(Box<dyn FnOnce(&Peer) + Send>);

impl std::fmt::Debug for Query {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Query")
    }
}

impl Query {
    /// Answers it.
    pub fn answer(self, peer: &Peer) {
        (self.0)(peer);
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
        let query = Query(Box::new(move |peer| {
            // Whoever asked may have gone.
            drop(reply.send(question(peer)));
        }));
        self.0.send(query).await.ok()?;
        answer.await.ok()
    }
}
