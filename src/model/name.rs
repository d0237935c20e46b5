//! What came of a host name.

use std::fmt;
use std::net::IpAddr;

use super::Span;

/// Why a host name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameProblem {
    NoSuchName,
    /// The name is there; an address is not.
    NoAddress,
    /// Nobody answered, or with an error: it may be there a minute later.
    NoAnswer,
}

/// As fail2ban logs them, which quotes the C library.
impl fmt::Display for NameProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchName => "[Errno -2] Name or service not known",
            Self::NoAddress => "[Errno -5] No address associated with hostname",
            Self::NoAnswer => "[Errno -3] Temporary failure in name resolution",
        })
    }
}

/// A host name's addresses, each once; none when there is a problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAnswer {
    pub addresses: Vec<IpAddr>,
    pub problem: Option<NameProblem>,
    /// How long it is good for.
    pub age: Span,
    /// Told before: nobody was asked this time.
    pub remembered: bool,
}
