//! One connection of the client to the service. No clock and no socket in here.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use lubdub_lab::arp::Mac;

/// Who served a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The real server that has the request.
    pub server: Ipv4Addr,
    /// The MAC of the node that forwarded it.
    pub via: Mac,
    /// When it had it.
    pub at: Instant,
}

/// What is to be sent for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A SYN.
    Open,
    /// The request.
    Ask,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    step: Step,
    due: Instant,
    server: Option<Ipv4Addr>,
    served: Option<Served>,
}

impl Connection {
    /// One that is to be opened.
    pub fn new(due: Instant) -> Self {
        Self { step: Step::Open, due, server: None, served: None }
    }

    /// What to send now; the same again after `again`.
    pub fn due(&mut self, now: Instant, again: Duration) -> Option<Step> {
        if self.served.is_some() || now < self.due {
            return None;
        }
        self.due = now + again;
        Some(self.step)
    }

    /// A packet of it has reached a real server, which answers the client directly: the client has it at once. A request
    /// for a connection that was opened at another server is refused there, as the real one's kernel would.
    pub fn arrived(&mut self, server: Ipv4Addr, via: Mac, asks: bool, at: Instant) {
        if !asks {
            self.server = Some(server);
            self.step = Step::Ask;
            self.due = at;
        } else if self.server == Some(server) {
            self.served = Some(Served { server, via, at });
        }
    }

    /// Who served it.
    pub fn served(&self) -> Option<Served> {
        self.served
    }
}
