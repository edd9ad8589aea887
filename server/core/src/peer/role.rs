//! The role of a member: exactly one at a time.

use crate::election::Looking;
use crate::io::LinkId;
use crate::zab::leader::Leading;
use crate::zab::learner::Learner;

#[derive(Debug)]
pub(super) enum Role {
    /// The disk finishes; then this server looks, or takes the role that a reconfiguration gave it.
    Draining,
    Looking(Box<Looking>),
    Leading(Box<Leading>),
    Learner(Box<Learner>),
}

impl Role {
    pub(super) fn leading(&self) -> Option<&Leading> {
        if let Self::Leading(leading) = self {
            Some(leading)
        } else {
            None
        }
    }

    /// The learner role, if it is the one of this connection.
    pub(super) fn learner_on(&mut self, link: LinkId) -> Option<&mut Learner> {
        if let Self::Learner(learner) = self {
            Some(learner)
        } else {
            None
        }
        .filter(|learner| learner.is_link(link))
        .map(AsMut::as_mut)
    }
}
