//! Families of Apache's server that nothing here measures: stages and caches of its own.
//!
//! They are shown without observations, so that dashboards and alerts that name them find them, as
//! with a Java server at rest. Of `unrecoverable_error_count`, the process that could count one has ended. Source: `mntr` of Apache ZooKeeper 3.9.5.

/// Counters that stay at zero.
pub(super) const COUNTERS: [&str; 25] = [
    "add_dead_watcher_stall_time",
    "cnxn_closed_without_zk_server_running",
    "dead_watchers_cleared",
    "dead_watchers_queued",
    "ensemble_auth_fail",
    "ensemble_auth_skip",
    "ensemble_auth_success",
    "insecure_admin_count",
    "outstanding_changes_queued",
    "outstanding_changes_removed",
    "prep_processor_request_queued",
    "quit_leading_due_to_disloyal_voter",
    "request_commit_queued",
    "requests_not_forwarded_to_commit_processor",
    "response_packet_cache_hits",
    "response_packet_cache_misses",
    "response_packet_get_children_cache_hits",
    "response_packet_get_children_cache_misses",
    "restore_error_count",
    "restore_rate_limited_count",
    "skip_learner_request_to_next_processor_count",
    "snapshot_error_count",
    "stale_replies",
    "sync_processor_request_queued",
    "unrecoverable_error_count",
];

/// Summaries with the median only.
pub(super) const BASIC: [&str; 21] = [
    "commit_commit_proc_req_queued",
    "commit_process_time",
    "concurrent_request_processing_in_commit_processor",
    "learner_request_processor_queue_size",
    "netty_queued_buffer_capacity",
    "pending_session_queue_size",
    "prep_process_time",
    "proposal_process_time",
    "read_commit_proc_issued",
    "read_commit_proc_req_queued",
    "reads_after_write_in_session_queue",
    "reads_issued_from_session_queue",
    "requests_in_session_queue",
    "restore_time",
    "session_queues_drained",
    "socket_closing_time",
    "sync_process_time",
    "time_waiting_empty_pool_in_commit_processor_read_ms",
    "write_batch_time_in_commit_processor",
    "write_commit_proc_issued",
    "write_commit_proc_req_queued",
];

/// Summaries with more quantiles.
pub(super) const ADVANCED: [&str; 14] = [
    "close_session_prep_time",
    "dead_watchers_cleaner_latency",
    "jvm_pause_time_ms",
    "om_commit_process_time_ms",
    "om_proposal_process_time_ms",
    "prep_processor_queue_time_ms",
    "proposal_ack_creation_latency",
    "read_commitproc_time_ms",
    "read_final_proc_time_ms",
    "sync_processor_queue_and_flush_time_ms",
    "sync_processor_queue_flush_time_ms",
    "sync_processor_queue_time_ms",
    "write_commitproc_time_ms",
    "write_final_proc_time_ms",
];
