//! The first words of the lines of ha.cf.

/// The directives that lubdub reads.
pub(super) const READ: [&str; 15] = [
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
];

/// Heartbeat's other links. `udp` is its old name of `bcast`.
const OTHER_LINKS: [&str; 5] = ["mcast", "mcast6", "ucast", "ucast6", "udp"];

/// Heartbeat's directives that take a whole line. It counts them as media when it looks whether `baud` comes too late.
const WHOLE_LINE: [&str; 5] = ["stonith", "stonith_host", "respawn", "failfast", "apiauth"];

/// Heartbeat's other directives.
const OTHER: [&str; 36] = [
    "ping",
    "ping6",
    "ping_group",
    "hbaping",
    "deadping",
    "nice_failback",
    "env",
    "watchdog",
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
    matches!(word, "serial" | "bcast") || OTHER_LINKS.contains(&word) || WHOLE_LINE.contains(&word)
}

/// Every word that Heartbeat accepts at the beginning of a line.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    READ.iter().copied().chain(others())
}

fn others() -> impl Iterator<Item = &'static str> {
    OTHER_LINKS.iter().chain(&WHOLE_LINE).chain(&OTHER).copied()
}
