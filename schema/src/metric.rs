//! Every metric: its name, kind, unit, help text, labels. No user or conversation is a label.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    /// Recorded in the unit of its name's suffix.
    Histogram,
}

/// One metric's facts.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
    pub labels: &'static [&'static str],
}

/// What a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Seconds,
    Bytes,
    /// Things: messages, sockets, slots.
    Count,
}

impl Facts {
    /// Names carry their unit, before `_total` if that ends them.
    #[must_use]
    pub fn unit(&self) -> Unit {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        if name.ends_with("_seconds") {
            Unit::Seconds
        } else if name.ends_with("_bytes") {
            Unit::Bytes
        } else {
            Unit::Count
        }
    }
}

/// Values of the label `kind`: the actors that are supervised.
pub const ACTOR_KINDS: [&str; 6] =
    ["connection", "session", "conversation", "sequencer", "remote_sequencer", "committer"];

macro_rules! metrics {
    ($($name:ident = $text:literal, $kind:ident, [$($label:literal),*], $help:literal;)+) => {
        $(#[doc = $help] pub const $name: &str = $text;)+

        /// All of them, for registration and for tests of dashboards.
        pub const ALL: &[Facts] = &[$(Facts {
            name: $text,
            kind: Kind::$kind,
            help: $help,
            labels: &[$($label),*],
        },)+];
    };
}

metrics! {
    CONNECTIONS_OPEN = "switchboard_connections_open", Gauge, [], "Sockets open now.";
    CONNECTIONS_MAX = "switchboard_connections_max", Gauge, [], "Sockets that this node lets in at most.";
    CONNECTIONS_OPENED = "switchboard_connections_opened_total", Counter, [], "Sockets opened.";
    CONNECTIONS_CLOSED = "switchboard_connections_closed_total", Counter, ["reason"], "Sockets closed, by close code name.";
    CONNECTIONS_REFUSED = "switchboard_connections_refused_total", Counter, ["reason"], "Upgrades refused, by reason.";
    RECONNECTS = "switchboard_reconnects_total", Counter, [], "Sockets greeted that had been connected before: their hello named positions.";
    CONFIG_RELOADS = "switchboard_config_reloads_total", Counter, ["outcome"], "Settings read again, by outcome: done, refused.";
    FRAMES_RECEIVED = "switchboard_frames_received_total", Counter, ["frame"], "Frames from clients, by name.";
    FRAME_ERRORS = "switchboard_frame_errors_total", Counter, ["code"], "Error frames sent, by code.";
    SENDS_ACCEPTED = "switchboard_sends_accepted_total", Counter, [], "Messages stored and acknowledged.";
    SENDS_DUPLICATE = "switchboard_sends_duplicate_total", Counter, [], "Sends answered with the number they already had.";
    SENDS_WAITING = "switchboard_sends_waiting", Gauge, [], "Messages that wait on this node, the owner of their shards, to be stored.";
    DELIVERIES = "switchboard_deliveries_total", Counter, [], "Entries handed to sockets.";
    DELIVERY_SECONDS = "switchboard_delivery_seconds", Histogram, [], "From numbering a message to handing it to a recipient's socket; one hand-over in eight is measured. Between nodes it takes their clocks to agree.";
    DELIVERY_BYTES = "switchboard_delivery_bytes_total", Counter, [], "Bytes written to sockets.";
    SOCKET_WRITES = "switchboard_socket_writes_total", Counter, [], "Write calls on sockets.";
    SLOW_CONSUMERS = "switchboard_slow_consumers_total", Counter, [], "Sockets closed because their reader was too slow.";
    OUTBOX_BYTES = "switchboard_outbox_bytes", Gauge, [], "Bytes that wait for the peers of all sockets to read them.";
    OUTBOX_REFUSALS = "switchboard_outbox_refusals_total", Counter, [], "Frames not queued because too much waited for the socket's peer already.";
    GAP_REPAIRS = "switchboard_gap_repairs_total", Counter, [], "Ranges read again because a delivery was missing.";
    CATCH_UP_PAGES = "switchboard_catch_up_pages_total", Counter, [], "Pages sent to devices that were behind.";
    ACCEPT_SECONDS = "switchboard_accept_seconds", Histogram, [], "From receiving a send to its acknowledgement.";
    COMMITS = "switchboard_commits_total", Counter, [], "Commits applied.";
    COMMIT_ENTRIES = "switchboard_commit_entries", Histogram, [], "Entries per commit.";
    COMMIT_SECONDS = "switchboard_commit_seconds", Histogram, [], "From handing a commit to the store to its answer.";
    COMMITS_UNKNOWN = "switchboard_commits_unknown_total", Counter, [], "Commits whose outcome had to be resolved.";
    SHARDS_FENCED = "switchboard_shards_fenced_total", Counter, [], "Shard activations ended by another owner.";
    SHARDS_BROKEN = "switchboard_shards_broken_total", Counter, [], "Shard activations stopped by a broken invariant: look at once.";
    SHARD_TAKE_OVERS = "switchboard_shard_take_overs_total", Counter, [], "Shards claimed by this node.";
    RING_DEPTH = "switchboard_ring_depth", Gauge, ["shard"], "Commits not materialised yet.";
    RING_SLOTS = "switchboard_ring_slots", Gauge, [], "Commits of a shard that may wait to be materialised.";
    BRIDGE_CONNECTED = "switchboard_bridge_connected", Gauge, [], "1 while the bridge to the other nodes works.";
    BRIDGE_FRAMES_SENT = "switchboard_bridge_frames_sent_total", Counter, [], "Frames handed to the bridge for other nodes.";
    BRIDGE_FRAMES_RECEIVED = "switchboard_bridge_frames_received_total", Counter, [], "Frames that came from other nodes.";
    BRIDGE_FRAMES_REFUSED = "switchboard_bridge_frames_refused_total", Counter, [], "Frames that were not sent: the bridge was behind or not connected.";
    BRIDGE_BYTES_SENT = "switchboard_bridge_bytes_sent_total", Counter, [], "Bytes of frames handed to the bridge.";
    BRIDGE_LAG_SECONDS = "switchboard_bridge_lag_seconds", Histogram, [], "From sending a frame to this node itself until it came back through the bridge.";
    BRIDGE_RECONNECTS = "switchboard_bridge_reconnects_total", Counter, [], "Times that the bridge was connected anew.";
    BRIDGE_UNSURE = "switchboard_bridge_unsure_total", Counter, [], "Times that frames may have been lost and all heads were compared.";
    NODES_ALIVE = "switchboard_nodes_alive", Gauge, [], "Nodes of the cluster that this node sees.";
    MEMBERSHIP_HEARTBEAT_SECONDS = "switchboard_membership_heartbeat_seconds", Histogram, [], "Renewing this node's membership.";
    MEMBERSHIP_LOST = "switchboard_membership_lost_total", Counter, [], "Times that this node's membership had expired when it was renewed.";
    REDIS_SECONDS = "switchboard_redis_seconds", Histogram, ["operation"], "Calls of Redis.";
    REDIS_ERRORS = "switchboard_redis_errors_total", Counter, ["operation"], "Calls of Redis that failed or were not answered in time.";
    SHARDS_OWNED = "switchboard_shards_owned", Gauge, [], "Shards that this node has claimed and replayed.";
    CONVERSATIONS_FOLLOWED = "switchboard_conversations_followed", Gauge, [], "Conversations whose news this node wants.";
    HEADS_COMPARED = "switchboard_heads_compared_total", Counter, [], "Conversations whose head was read from the store because news may have been lost.";
    NEWS_MISSED = "switchboard_news_missed_total", Counter, [], "Conversations found to be ahead of what the bridge had brought.";
    SENDS_FORWARDED = "switchboard_sends_forwarded_total", Counter, [], "Sends handed to the node that owns their shard.";
    FORWARDS_REPEATED = "switchboard_forwards_repeated_total", Counter, [], "Batches of sends that were handed over again: no answer in time, or the shard had moved.";
    FRAMES_MALFORMED = "switchboard_bridge_frames_malformed_total", Counter, [], "Frames from other nodes that could not be read.";
    TYPING_RELAYED = "switchboard_typing_relayed_total", Counter, [], "Typing indicators handed to other members.";
    STATUSES_TOLD = "switchboard_statuses_told_total", Counter, [], "Delivered and read positions told to senders.";
    PRESENCE_TOLD = "switchboard_presence_told_total", Counter, [], "Changes of presence told to subscribers.";
    PRESENCE_WAITING = "switchboard_presence_waiting", Gauge, [], "Users whose change of presence waits for its turn.";
    SIGNALS_SHED = "switchboard_signals_shed_total", Counter, ["signal"], "Typing, statuses and presence not told, because messages come first.";
    SCHEDULED = "switchboard_scheduled_total", Counter, ["outcome"], "Scheduled messages whose time had come: sent or failed.";
    ENTRIES_EXPIRED = "switchboard_entries_expired_total", Counter, [], "Messages and edits whose words were taken away because they had expired.";
    ENTRIES_REMOVED = "switchboard_entries_removed_total", Counter, [], "Entries removed because they are kept no longer.";
    INVITES_USED = "switchboard_invites_used_total", Counter, ["outcome"], "Uses of invites, by outcome.";
    SEARCH_INDEXED = "switchboard_search_indexed_total", Counter, [], "Entries brought into the search index.";
    LINK_PREVIEWS = "switchboard_link_previews_total", Counter, ["outcome"], "Pages asked for previews of links, by outcome.";
    SEARCH_WAITING = "switchboard_search_waiting", Gauge, [], "Conversations with entries that are not in the search index yet.";
    SEARCH_LAG_COMMITS = "switchboard_search_lag_commits", Gauge, [], "Commits of this node's shards that are not in the search index of the cluster yet.";
    SEARCH_LAG_SECONDS = "switchboard_search_lag_seconds", Gauge, [], "How long the oldest entry waits that is not in the search index yet.";
    SEARCH_UNANSWERED = "switchboard_search_unanswered_total", Counter, [], "Requests that OpenSearch did not answer.";
    SEARCH_REFUSED = "switchboard_search_refused_total", Counter, [], "Messages that OpenSearch would not index: look at the log.";
    ACTORS = "switchboard_actors", Gauge, ["kind"], "Actors alive.";
    ACTOR_PANICS = "switchboard_actor_panics_total", Counter, ["kind"], "Actors that died of a panic.";
    ACTOR_RESTARTS = "switchboard_actor_restarts_total", Counter, ["kind"], "Actors started again by the supervisor.";
    MAILBOX_REFUSALS = "switchboard_mailbox_refusals_total", Counter, ["kind"], "Messages refused by a full mailbox.";
    MAILBOX_AGE_SECONDS = "switchboard_mailbox_age_seconds", Histogram, ["kind"], "How long a probe waited in an actor's mailbox; each second some actors of each kind are probed, and one that does not answer counts again.";
    MAILBOX_DEPTH = "switchboard_mailbox_depth", Histogram, ["kind"], "Messages that waited in an actor's mailbox when a probe came.";
    STORE_SECONDS = "switchboard_store_seconds", Histogram, ["operation"], "Store operations.";
    STORE_ERRORS = "switchboard_store_errors_total", Counter, ["operation"], "Store operations that failed.";
    HTTP_SECONDS = "switchboard_http_seconds", Histogram, ["route", "status"], "REST requests, by route pattern.";
    SIGN_IN_FAILURES = "switchboard_sign_in_failures_total", Counter, ["code"], "Refused sign-ins, by code.";
    RATE_LIMITED = "switchboard_rate_limited_total", Counter, ["limit"], "Requests refused by a rate limit.";
    SPANS_EXPORTED = "switchboard_spans_exported_total", Counter, [], "Spans of traces that a collector took.";
    SPANS_DROPPED = "switchboard_spans_dropped_total", Counter, ["reason"], "Spans of traces that were not exported.";
    DISK_FREE_BYTES = "switchboard_disk_free_bytes", Gauge, [], "Free space of the file system that holds the data directory.";
    DISK_SIZE_BYTES = "switchboard_disk_size_bytes", Gauge, [], "Size of the file system that holds the data directory.";
    TLS_CERTIFICATE_EXPIRY = "switchboard_tls_certificate_expiry_timestamp_seconds", Gauge, [], "When the certificate in use ends, seconds since 1970; 0 without TLS.";
    PROCESS_CPU_SECONDS = "process_cpu_seconds_total", Counter, [], "CPU time of this process, user and system, in full seconds.";
    PROCESS_RESIDENT_BYTES = "process_resident_memory_bytes", Gauge, [], "Resident memory of this process.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, [], "Descriptors that this process has open.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, [], "Descriptors that this process may have open.";
    PROCESS_THREADS = "process_threads", Gauge, [], "Threads of this process.";
    PROCESS_START_TIME = "process_start_time_seconds", Gauge, [], "When this process started, seconds since 1970.";
    BUILD_INFO = "switchboard_build_info", Gauge, ["version"], "Always 1.";
}
