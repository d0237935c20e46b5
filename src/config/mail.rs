//! Which mail actions are known by their text: fail2ban's own, unedited, and ours.
//!
//! Known are digests of the commands as the files say them, parameters apart. A file that says
//! anything else is run as it is written; one that says nothing at start or stop is still known.

use sha1::{Digest, Sha1};

/// What makes a ban's mail what it is: the commands, and the texts they are made of by tags.
const BAN: &[&str] = &[
    "actioncheck",
    "actionban",
    "actionunban",
    "_header",
    "_summary",
    "_whois",
    "_grep_logs",
];

/// Digest of [`BAN`] → what such mails hold (`mail::content` has the names).
const KNOWN: &[(&str, &str)] = &[
    // fail2ban's, as Debian has them: 1.0.2.
    ("f8c5a1b2baedea05d8e8aade9994ebc44595bff9", "plain"),
    ("e171d3ae30f243a90c4dfd8eab10f513b82f2931", "whois"),
    ("874fba01b976d90cb760f139cece60aef4580b8e", "whois-lines"),
    ("4d914187d36926a95e83e844b85fb049f9e584e1", "buffered"),
    ("b9ccad73cc0d61b8bea015bcb53f4c6eeeb03938", "plain"),
    ("5c9b2af25aa08cfe28c379ba95f821ff0349fd91", "whois"),
    ("d2de9dbbcb933ad96078ec72a929d005de94ad5f", "whois-lines"),
    ("8bea2cabcc62515d4d5db76a20699ff854d8f334", "whois-matches"),
    (
        "d7bacbc46c9d4b4616d47744dc4e01a84655c49e",
        "whois-ipmatches",
    ),
    (
        "b78983f6d70a1c4c38d2d43061bcbf181339d0ba",
        "whois-ipjailmatches",
    ),
    ("b21f45e88d79569fa8b7a4927ccd4351088e0c49", "geoip-lines"),
    ("2f9b39bccd4c404378d07cb452af08260ae645e1", "buffered"),
    // Ours.
    ("5b6c36d01ed0b1a80a768254b7c04131171f092b", "plain"),
    ("44759021f8bb7ac128360b2e836291390b038b08", "whois"),
    ("4b65c2c21b4aa7089c81d9763c87e0120d3acd76", "whois-lines"),
    ("c1675738f756ab78551d75873723c289454ac49b", "buffered"),
    ("a8dbbde840d14cef78e41194c0a34cdd7e6023ad", "plain"),
    ("3d652e539b114ecc30f974f5a552434b31d108d1", "whois"),
    ("a89fca283a84b4e81385714786984a44272ee61c", "whois-lines"),
    ("e3d8eaba21a14908c4d92b30f075c062a58dd251", "whois-matches"),
    (
        "43101f197d2ddc8ed08e7ba942d2ccd50a8c11a8",
        "whois-ipmatches",
    ),
    (
        "f891e147c3d798fdb628a64c6595caffb6310fdc",
        "whois-ipjailmatches",
    ),
    ("16bac87dc6d7e1dc5bb059da5de610fd10355ba2", "geoip-lines"),
    ("de485ef5ee10f904150e70bc66c48570a9c17598", "buffered"),
];

/// What may be said at start and stop: their digests.
const EDGES: &[&str] = &[
    // fail2ban's.
    "fa354f43d679c07eef59563d84e24deb69d21865",
    "58de729043465e17592cb1c56138d35cf78bd030",
    "9d0be4de5e4e736277665ab5cb27d12bd0571bdf",
    "409ea18d7919d0ad14477986fd337bc8966ded50",
    "95e067250aed923a47c22749a16e24b1a6e16d24",
    "0f227eca4d5c512f6e49c2b4cfc5ee796f9e0d87",
    "627183f1af47030e091fe797fba58f9a1bc63052",
    "c7b49926b4409cc9e94d1b10bbfda2a6ad17fb95",
    "3b590f05897c238c154324b9de58f674e0410222",
    "ec42b004892558ad2acfd2bfb3cc799266f76bd5",
    // Ours.
    "d01143799a0d564f21b1ce4f36d007d643a2bcd9",
    "b5b7b26df6a496f1da4b733878331f7d09240cd1",
    "a619d002baa897ad68033975099c6ba1834e1901",
];

/// What mails of this action hold, where it is a known one.
pub(super) fn content(option: &dyn Fn(&str) -> Option<String>) -> Option<&'static str> {
    let edges_known = ["actionstart", "actionstop"].iter().all(|name| {
        let text = option(name).unwrap_or_default();
        text.trim().is_empty() || EDGES.contains(&digest(&[name], option).as_str())
    });
    let digest = digest(BAN, option);
    let (_, content) = KNOWN.iter().find(|(known, _)| *known == digest)?;
    edges_known.then_some(*content)
}

/// Of some options, runs of white space taken for one.
fn digest(names: &[&str], option: &dyn Fn(&str) -> Option<String>) -> String {
    let mut hash = Sha1::new();
    for name in names {
        for word in option(name).unwrap_or_default().split_whitespace() {
            hash.update(word);
            hash.update(" ");
        }
        hash.update("\n");
    }
    let digest = hash.finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
