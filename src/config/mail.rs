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
    // fail2ban's, of 0.10 to 1.1.1.
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
    ("fd0d32eff2ea4efba178971c82ddba8ed35b6602", "plain"),
    ("90c7660263935b0e0817dbbc91fabce1599a9711", "whois"),
    ("60a9fc287048c23b4d16715bdf0f8407f3956429", "buffered"),
    ("54fc0b40d516240cafeffaad0556c19e71162fa1", "plain"),
    ("477305095862067523441af41a027923e80524aa", "whois"),
    ("43b5a718af21dff4c3706ffb8bd2af48f68dc905", "whois-lines"),
    ("10a5b110ebc517e7393c4f0fe9ae54e508b51ef9", "whois-matches"),
    (
        "ea1068562146c6e9368dbb12cf96e22938f069c2",
        "whois-ipmatches",
    ),
    (
        "226877c8deaa67e3449f55be7f6a18db7a60cbf8",
        "whois-ipjailmatches",
    ),
    ("e3e982ea6d179c4fe653cd9dad33abdf8c85954d", "geoip-lines"),
    ("37de181f9ff503231688a54fac18a5b5ed2a1292", "buffered"),
    ("09643308a9ac4bbd69f5b68666dda27cedbcc113", "whois-lines"),
    ("8c745e0855b5a22c7eb15d9445372cd129cd1ed5", "whois-lines"),
    ("042e3541ad5839243cfa3658f81e41a2d8f2a603", "geoip-lines"),
    ("ea52b6ab3b106e05e177b69c97d3502427ad755c", "plain"),
    ("7bea0e637e528853f904f008278414408d161bb8", "whois"),
    ("527474d62ad94f763f2ba727c56ce5a257b0e731", "whois-lines"),
    ("c5e05b6b0ab96e9b422a23ff389ba79d4c211df7", "plain"),
    ("f3f52448058ea1ce64a8e239eb072d8739a0d2aa", "whois"),
    ("4a87070a54c4788baf56e688f7978f36c96d0b4c", "whois-lines"),
    ("690d16fa15539b13e03ea61ec5e95b626a677483", "whois-matches"),
    (
        "fcccbc0b951cfcac0a6a0bb3bcb9d85ef95d0cdc",
        "whois-ipmatches",
    ),
    (
        "ac138518bb809171ce1a22c1bef8d0414dcf8d5f",
        "whois-ipjailmatches",
    ),
    ("47e3bf4eb8364d0ca1f23d4b6f19a74010a90c60", "geoip-lines"),
    ("f4b89cf2557809e2321d041747d84c58d263a70a", "buffered"),
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
    "75b99d968d153aa80cd521ada5d863de85d93b84",
    "e17b74c84e1953ba0f71a432b55105d447c841ed",
    "12a88a95fa51f4560ee42e3842f293e97b82b41e",
    "dae2ede13b486e6f26ce87cc3dc0482a337663cc",
    "6a733c0e971eb721c4a5fac7ef3a10c003ffce49",
    "0ee88f55091b9d937cb5ab2219924e85b9118eb4",
    "eea035edb673964bf0106aab9dd65425ac852915",
    "fd4cd018bf8cce2a7bbfbbb049ba6b191eb60937",
    "9ef9a54835d83f831debfb23b9582cffe5e473b0",
    "866e63684560e481708afe8ec2cb2ed08f8fd0ab",
    "d2a3f922cdefac9eabec3261dfd080abe7407b12",
    "993a98d1fe992ea311b01c6aa85bf2f2c587a288",
    "3606b43f89d479792d95f55a91f823f56452dd01",
    "3179708b902d5b99df0c345e318d06584a20cde0",
    "bf8f869158f1eed24a30c067c048367fc46f446e",
    "9ab50ab21480dfc0cc2effbc61b458a4cdfc980f",
    "1f0ffdcaef49f3ea3cf62b88bb8235208d5a1356",
    "65940401c02694646d855d2c9284bfc4c0ab87c6",
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
