//! Every interleaving of two real [`lubdub::node::Node`]s and one group, up to a bound.
//!
//! A state of the [`World`] is both nodes, the frames on their way, the resources, and what may still go wrong. From each
//! state every act that could come next is tried, and the laws are checked after each; a state seen before is not
//! entered again. What is found is therefore not a matter of luck, and what is not found is not there within the bound.
//!
//! Time goes in ticks of half a keepalive. Within a tick everything happens in every order; a tick ends when every node
//! that runs has read what it was sent and was woken where it asked for it. A stalled node does neither.

pub mod act;
pub mod canon;
pub mod crew;
pub mod fair;
pub mod frame;
pub mod laws;
pub mod pace;
pub mod search;
pub mod side;
pub mod states;
pub mod story;
pub mod world;

pub use act::{Act, Kinds};
pub use laws::Violation;
pub use search::{Found, Search};
pub use world::{Config, World};
