//! Known mistakes that the simulator can switch on, to prove that it would find them.
//!
//! Without the feature `bugs` every switch is a constant `false` and costs nothing.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        /// Which mistakes to make.
        #[derive(Debug, Clone, Copy, Default)]
        #[cfg_attr(not(feature = "bugs"), non_exhaustive)]
        pub struct Bugs {
            $($(#[$doc])* #[cfg(feature = "bugs")] pub $name: bool,)*
        }

        impl Bugs {
            /// The names of all switches.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// Switches one mistake on by its name; `None` when there is none of that name.
            #[cfg(feature = "bugs")]
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                let mut bugs = Self::default();
                match name {
                    $(stringify!($name) => bugs.$name = true,)*
                    _ => return None,
                }
                Some(bugs)
            }

            $(
                $(#[$doc])*
                #[cfg(feature = "bugs")]
                pub(crate) fn $name(self) -> bool { self.$name }
                $(#[$doc])*
                #[cfg(not(feature = "bugs"))]
                pub(crate) fn $name(self) -> bool { false }
            )*
        }
    };
}

bugs! {
    /// Acknowledges a proposal when it is handed to the disk instead of when it is durable.
    ack_before_durable;
    /// Commits on the leader's own acknowledgement.
    commit_without_quorum;
    /// Orders votes by epoch and server id only.
    vote_ignores_zxid;
    /// Writes currentEpoch after NEWLEADER was acknowledged instead of before.
    current_epoch_too_late;
    /// Takes TRUNC for an empty DIFF.
    skip_trunc;
    /// ZOOKEEPER-2845: votes and goes on with the applied state only, though the log has more.
    zk2845_tail_is_forgotten;
    /// ZOOKEEPER-3911: acknowledges NEWLEADER and logs what it was sent at UPTODATE only.
    zk3911_history_logged_at_uptodate;
    /// ZOOKEEPER-4394: takes proposals that came before NEWLEADER for committed.
    zk4394_uncommitted_taken_for_committed;
    /// ZOOKEEPER-4643: writes currentEpoch before the history that it stands for.
    zk4643_epoch_before_history;
    /// ZOOKEEPER-4646: acknowledges NEWLEADER before the history is durable.
    zk4646_new_leader_acked_too_early;
    /// ZOOKEEPER-4685: acknowledges proposals before NEWLEADER, which the leader waits for.
    zk4685_proposals_acked_first;
    /// ZOOKEEPER-4712: what a past role had not logged yet goes into the log of the next one.
    zk4712_past_role_writes_on;
    /// ZOOKEEPER-4785: writes currentEpoch and acknowledges NEWLEADER, and logs the history after that.
    zk4785_history_after_epoch_and_ack;
    /// Lets a server vote whose disk was emptied or damaged.
    lost_history_votes;
    /// Lets such a server lead when others had elected it before it lost its history.
    lost_history_leads;
    /// Lets such a server support a new epoch, as if it knew what it had acknowledged.
    lost_history_supports;
    /// Gives such a server its vote back when it has found a leader, not when it has its history.
    lost_history_trusted_too_early;
    /// Lets such a server acknowledge the history that it is given before it has it on disk.
    lost_history_acked_too_early;
    /// Counts a quorum of the config in force alone, whatever is proposed.
    ignores_proposed_config;
    /// Commits a reconfiguration with a quorum of the old config alone.
    reconfig_commits_without_new_quorum;
    /// Takes the config in the file of a joiner for that of the ensemble (ZOOKEEPER-1783).
    adopts_config_of_joiner;
    /// Passes on the lead to a server that does not have everything yet, or before all is committed.
    hands_over_too_early;
    /// Goes on proposing while the lead is being passed on.
    proposes_while_handing_over;
    /// Goes on leading after the lead was passed on.
    leads_on_after_handing_over;
    /// Lets the successor lead in the epoch of the leader before it.
    successor_keeps_epoch;
    /// Forgets what was held for a hand-over that fails.
    failed_hand_over_drops_requests;
    /// Lets session deadlines run on through an election instead of starting them anew.
    expire_during_election;
    /// Lets a session go on while writes of its earlier connections are under way.
    settles_before_sync;
    /// Asks again for writes that the history has.
    resubmit_without_looking;
    /// Forgets writes that the history does not have.
    absent_writes_dropped;
    /// Answers writes that the history does not have with success.
    absent_writes_answered;
    /// Takes a write for one that never came to be when the same epoch goes on.
    rejoining_settles_writes;
    /// Answers writes from history that nobody has committed.
    answer_from_uncommitted;
    /// Answers held reads before the writes in front of them.
    held_reads_too_early;
    /// Forgets the watches of the connections that are held.
    drop_watches;
    /// Takes it for certain that no client moved while this server had no leader.
    nobody_moved;
    /// Keeps held connections when the whole state was replaced, as if nothing was missed.
    guesses_after_snapshot;
}
