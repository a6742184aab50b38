//! The first words of the lines of ha.cf.

/// The directives of Heartbeat that lubdub reads.
const READ: [&str; 20] = [
    "node",
    "serial",
    "baud",
    "bcast",
    "udpport",
    "keepalive",
    "deadtime",
    "warntime",
    "initdead",
    "auto_failback",
    "logfacility",
    "logfile",
    "debugfile",
    "debug",
    "cluster",
    "watchdog",
    "stonith",
    "stonith_host",
    "ping",
    "ping_group",
];

/// lubdub's own, which Heartbeat refuses.
const OURS: [&str; 3] = ["lease", "exclusive", "stop_failure"];

/// Heartbeat's other links. `udp` is its old name of `bcast`.
const OTHER_LINKS: [&str; 5] = ["mcast", "mcast6", "ucast", "ucast6", "udp"];

/// Heartbeat's directives that take a whole line. It counts them, and `stonith`, as media when it looks
/// whether `baud` comes too late.
const WHOLE_LINE: [&str; 3] = ["respawn", "failfast", "apiauth"];

/// Heartbeat's other directives.
const OTHER: [&str; 33] = [
    "ping6",
    "hbaping",
    "deadping",
    "nice_failback",
    "env",
    "use_apphbd",
    "use_logd",
    "conn_logd_time",
    "syslogmsgfmt",
    "log_badpack",
    "coredumps",
    "coreroot",
    "realtime",
    "rtprio",
    "memreserve",
    "hopfudge",
    "hbgenmethod",
    "uuidfrom",
    "autojoin",
    "msgfmt",
    "compression",
    "compression_threshold",
    "traditional_compression",
    "max_rexmit_delay",
    "normalpoll",
    "crm",
    "pacemaker",
    "crm_daemon_dir",
    "crmd_spawns_pengine",
    "record_config_changes",
    "record_pengine_inputs",
    "enable_config_writes",
    "quorum_server",
];

/// Whether lubdub reads lines that begin with `word`.
pub(super) fn is_read(word: &str) -> bool {
    READ.iter().chain(&OURS).any(|read| *read == word)
}

/// Whether Heartbeat knows `word` and lubdub does not read it yet.
pub(super) fn is_other(word: &str) -> bool {
    others().any(|other| other == word)
}

/// Whether `word` makes links that lubdub does not have yet.
pub(super) fn is_other_link(word: &str) -> bool {
    OTHER_LINKS.contains(&word)
}

/// Whether Heartbeat refuses or ignores a `baud` or `udpport` that comes after `word`.
pub(super) fn is_medium(word: &str) -> bool {
    matches!(word, "serial" | "bcast" | "stonith" | "stonith_host")
        || OTHER_LINKS.contains(&word)
        || WHOLE_LINE.contains(&word)
}

/// Every word that Heartbeat or lubdub accepts at the beginning of a line.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    READ.iter().chain(&OURS).copied().chain(others())
}

fn others() -> impl Iterator<Item = &'static str> {
    OTHER_LINKS.iter().chain(&WHOLE_LINE).chain(&OTHER).copied()
}
