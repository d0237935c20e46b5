//! Files of any kind at all: never a panic, every complaint one line.

use super::*;
use proptest::prelude::*;

/// Pieces that make files which are almost right.
fn scrap() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "[sshd]\n",
        "[DEFAULT]\n",
        "[Init]\n",
        "[Definition]\n",
        "[Init?family=inet6]\n",
        "[INCLUDES]\n",
        "before = a.conf\n",
        "after = a.local\n",
        "enabled = true\n",
        "filter = sshd[x=<y>]\n",
        "action = rules[port=\"%(x)s\"]\n",
        "x = %(known/x)s\n",
        "y = <x> <y-<x>>\n",
        "y-1 = %(default/x)s%%\n",
        "failregex = <known/failregex> %(y)s\n",
        "bantime = 1h+%(x)s\n",
        "  deeper <HOST>\n",
        "\n",
        "; c\n",
        "stray\n",
        "= 1\n",
        "x = 1\n",
        "[",
        "]",
        "%",
        "(",
        "\"",
        "'",
        "<",
        ">",
        "\r",
        "\t",
        "\0",
        "é",
        "=",
    ];
    let piece = prop_oneof![4 => proptest::sample::select(PIECES).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    proptest::collection::vec(piece, 0..25).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_files_make_it_panic_and_every_complaint_is_one_line(
        local in scrap(), filter in scrap(), action in scrap(), included in scrap(), server in scrap(),
    ) {
        let story = Story::new()
            .local(&local)
            .file("/etc/filter.d/sshd.local", &filter)
            .file("/etc/action.d/rules.local", &action)
            .file("/etc/a.conf", &included)
            .file("/etc/filter.d/a.conf", &included)
            .file("/etc/fail2ban.conf", &server);
        let loaded = story.load();
        for complaint in &loaded.complaints {
            let line = complaint.to_string();
            prop_assert!(!line.contains(['\n', '\r']), "{line:?}");
        }
        for jail in &loaded.dropped {
            prop_assert!(
                loaded.complaints.iter().any(|c| c.jail.as_ref() == Some(jail)),
                "nothing said about '{jail}'"
            );
        }
        let _ = dump(&stream(&loaded, &story.tree));
        if let Ok(config) = story.read() {
            let _ = config.explain(None);
            let _ = config.explain(Some("sshd"));
        }
    }
}
