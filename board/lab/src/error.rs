//! What the lab says when something cannot be done.

use std::fmt;

/// A sentence for the person at the console. Its `Debug` form is the sentence too, so that `unwrap` in a test shows it.
pub struct Error(String);

/// The result of everything in the lab that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that reads as given.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<nix::errno::Errno> for Error {
    fn from(error: nix::errno::Errno) -> Self {
        Self(error.to_string())
    }
}

impl From<std::ffi::NulError> for Error {
    fn from(_: std::ffi::NulError) -> Self {
        Self("a path or word with a NUL byte".into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self(format!("JSON: {error}"))
    }
}

/// Says what was being done when something failed.
pub trait Context<T> {
    /// The error then reads "cannot WHAT: why".
    fn context(self, what: &str) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, what: &str) -> Result<T> {
        self.map_err(|error| Error(format!("cannot {what}: {error}")))
    }
}
