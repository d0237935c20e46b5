//! What a mail asks the world about an address. Answers may take long and may fail: the mail says
//! so then, and goes out.

use std::net::IpAddr;

/// Who answers. Called on a courier's thread, never on one that bans.
pub trait LookUp: Send + Sync {
    /// The address's name, on one line; or that it has none, or why nobody knows.
    fn name(&self, address: IpAddr) -> String;

    /// What whois has; `server` (`host` or `host:port`) is asked instead of the registries.
    ///
    /// # Errors
    /// Why there is no answer, in words for the mail.
    fn whois(&self, address: IpAddr, server: Option<&str>) -> Result<String, String>;

    /// Lines with country and network; or one that says why not.
    fn country(&self, address: IpAddr) -> String;

    /// The files that a `logpath` stands for: a path or a pattern.
    fn logs(&self, pattern: &str) -> Vec<String>;
}
