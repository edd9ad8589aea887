//! From the ports between servers to the driver.

use std::sync::Arc;

use zk_core::{Input, LinkId};

use crate::outbox::Outbox;

/// Something that a peer's socket brings.
#[derive(Debug)]
pub enum PeerMessage {
    /// A learner's connection was accepted; its packets follow.
    LinkAccepted {
        /// Even number.
        link: LinkId,
        /// How to answer.
        outbox: Arc<Outbox>,
    },
    /// For the core as it is.
    Input(Input),
}
