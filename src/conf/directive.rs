//! The first words of the lines of ha.cf.

/// The directives that lubdub reads.
pub(super) const READ: [&str; 12] = [
    "node", "serial", "baud", "bcast", "udpport", "keepalive", "deadtime", "warntime", "initdead", "auto_failback",
    "logfacility", "debug",
];

/// Heartbeat's other media: each carries beats, or stands in for a member (`ping`). `udp` is its old name of `bcast`.
const OTHER_MEDIA: [&str; 9] =
    ["mcast", "mcast6", "ucast", "ucast6", "udp", "ping", "ping6", "ping_group", "hbaping"];

/// Heartbeat's other directives, those of one line first.
const OTHER: [&str; 40] = [
    "stonith", "stonith_host", "respawn", "failfast", "apiauth", "deadping", "nice_failback", "env", "watchdog",
    "use_apphbd", "logfile", "debugfile", "use_logd", "conn_logd_time", "syslogmsgfmt", "log_badpack", "coredumps",
    "coreroot", "realtime", "rtprio", "memreserve", "hopfudge", "hbgenmethod", "uuidfrom", "autojoin", "cluster",
    "msgfmt", "compression", "compression_threshold", "traditional_compression", "max_rexmit_delay", "normalpoll",
    "crm", "pacemaker", "crm_daemon_dir", "crmd_spawns_pengine", "record_config_changes", "record_pengine_inputs",
    "enable_config_writes", "quorum_server",
];

/// How many of [`OTHER`] Heartbeat counts as media when it asks whether `udpport` and `baud` come too late.
const LATE_AFTER: usize = 5;

/// Whether Heartbeat knows `word` and lubdub does not read it yet.
pub(super) fn is_other(word: &str) -> bool {
    others().any(|other| other == word)
}

/// Whether `word` makes links that lubdub does not have yet.
pub(super) fn is_other_link(word: &str) -> bool {
    matches!(word, "mcast" | "mcast6" | "ucast" | "ucast6" | "udp")
}

/// Whether Heartbeat refuses or ignores a `baud` or `udpport` that comes after `word`.
pub(super) fn is_medium(word: &str) -> bool {
    matches!(word, "serial" | "bcast") || OTHER_MEDIA.contains(&word) || OTHER[..LATE_AFTER].contains(&word)
}

/// Every word that Heartbeat accepts at the beginning of a line.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    READ.into_iter().chain(others())
}

fn others() -> impl Iterator<Item = &'static str> {
    OTHER_MEDIA.into_iter().chain(OTHER)
}
