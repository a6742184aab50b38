//! What keeps a silent node from being a second owner.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// How exclusive ownership is made sure of. The default is nothing but deadtime.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Guard {
    /// L, the length of this node's lease on its VIPs (see [`crate::lease`]); none: they stay until they are removed.
    pub lease: Option<Duration>,
    /// Takeover by silence waits until the peer's lease has run out, not only for deadtime (`exclusive auto` and `on`).
    pub outlast: bool,
    /// The shell asks for VIPs on the service LAN when it is told to, so that silence there is demanded (L9).
    pub probes: bool,
    /// Takeover by silence needs a confirmed fencing.
    pub fencing: bool,
}
