//! fail2ban's tags in regular expressions (`<HOST>`, `<F-USER>…</F-USER>`, …) → Python's `re`.
//!
//! One table of the fixed tags; the rest is built by name. Sources: fail2ban § 4.2.

const IP4: &str = r"(?:::f{4,6}:)?(?P<ip4>(?:\d{1,3}\.){3}\d{1,3})";
const IP6: &str = r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}(?:[0-9a-fA-F]{1,4}|(?<=:):))";
const DNS: &str = r"(?P<dns>[\w\-.^_]*\w)";
const CIDR: &str = r"(?P<cidr>\d+)";

/// A piece of an expansion.
#[derive(Clone, Copy)]
enum Piece {
    Text(&'static str),
    Address,
}

use Piece::{Address, Text};

/// Tags that always mean the same.
const TAGS: &[(&[&str], &[Piece])] = &[
    (&["IP4", "F-IP4/"], &[Text(IP4)]),
    (&["IP6", "F-IP6/"], &[Text(IP6)]),
    (&["DNS", "F-DNS/"], &[Text(DNS)]),
    (&["ADDR", "F-ADDR/"], &[Text(r"\[?"), Address, Text(r"\]?")]),
    (&["CIDR", "F-CIDR/"], &[Text(CIDR)]),
    (
        &["SUBNET", "F-SUBNET/"],
        &[
            Text(r"\[?"),
            Address,
            Text("(?:/"),
            Text(CIDR),
            Text(r")?\]?"),
        ],
    ),
    (&["F-ID/"], &[Text(r"(?P<fid>\S+)")]),
    (&["F-PORT/"], &[Text(r"(?P<fport>\w+)")]),
];

/// `<HOST>`: an address or a name; an address alone where names are not wanted.
const HOST: &[Piece] = &[
    Text(r"(?:\[?"),
    Address,
    Text(r"\]?|"),
    Text(DNS),
    Text(")"),
];
const HOST_IS_ADDRESS: &[Piece] = &[Text(r"\[?"), Address, Text(r"\]?")];

fn write(out: &mut String, pieces: &[Piece]) {
    for piece in pieces {
        match piece {
            Text(text) => out.push_str(text),
            Address => {
                for text in ["(?:", IP4, "|", IP6, ")"] {
                    out.push_str(text);
                }
            }
        }
    }
}

/// Replaces the tags of `source`. `addresses_only`: `<HOST>` is no host name (usedns = no).
pub(super) fn expand(source: &str, addresses_only: bool) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut open = Vec::new();
    let mut skips = 0;
    let mut rest = source;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some(name) = tag(rest) else {
            out.push('<');
            rest = &rest[1..];
            continue;
        };
        let whole = name.len() + 2;
        if name == "HOST" {
            write(
                &mut out,
                if addresses_only {
                    HOST_IS_ADDRESS
                } else {
                    HOST
                },
            );
        } else if name == "SKIPLINES" {
            out.push_str(&format!(r"\n(?P<skiplines{skips}>(?:(?:.*\n)*?))"));
            skips += 1;
        } else if let Some((_, pieces)) = TAGS.iter().find(|(names, _)| names.contains(&name)) {
            write(&mut out, pieces);
        } else if let Some(name) = custom(name) {
            open.push(name);
            out.push_str("(?P<");
            out.push_str(&group_name(name));
            out.push('>');
        } else if name
            .strip_prefix('/')
            .and_then(custom)
            .is_some_and(|name| open.contains(&name))
        {
            out.push(')');
        } else {
            out.push_str(&rest[..whole]);
        }
        rest = &rest[whole..];
    }
    out.push_str(rest);
    out
}

/// The name of the tag at the start of `text`: `</?[\w\-]+/?>` without its brackets.
fn tag(text: &str) -> Option<&str> {
    let inner = &text[1..];
    let name = &inner[..inner.find('>')?];
    let word = name.strip_prefix('/').unwrap_or(name);
    let word = word.strip_suffix('/').unwrap_or(word);
    let legal = |c: char| c == '-' || super::unicode::is_word(c);
    (!word.is_empty() && word.chars().all(legal)).then_some(name)
}

/// The operator's own name in `F-NAME`, upper case only.
fn custom(name: &str) -> Option<&str> {
    let name = name.strip_prefix("F-")?;
    let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    (!name.is_empty() && name.bytes().all(legal)).then_some(name)
}

/// `<F-ID>` and `<F-PORT>` have groups of their own names.
fn group_name(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "id" => "fid".into(),
        "port" => "fport".into(),
        other => other.into(),
    }
}

/// `((?i)…` and `(?:(?i)…` → `(?i:…`: what older Pythons read as flags for the whole pattern is
/// meant for the group.
pub(super) fn flags_made_local(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    let mut escaped = false;
    while let Some(c) = rest.chars().next() {
        if c == '('
            && !escaped
            && let Some((flags, after)) = flags_in_group(&rest[1..])
        {
            out.push_str(flags);
            out.push(':');
            rest = after;
            escaped = false;
            continue;
        }
        // As fail2ban: any backslash before counts, even one that is itself escaped.
        escaped = c == '\\';
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// `(?flags)` after an opening parenthesis and perhaps `?:`: the flags up to the closing
/// parenthesis, and what follows it.
fn flags_in_group(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("?:").unwrap_or(text);
    let letters = text.strip_prefix("(?")?;
    let count = letters.bytes().take_while(u8::is_ascii_lowercase).count();
    let after = letters[count..].strip_prefix(')')?;
    (count > 0).then_some((&text[..2 + count], after))
}

#[cfg(test)]
mod tests {
    use super::{expand, flags_made_local};

    #[test]
    fn every_tag_becomes_its_group() {
        for (tag, start) in [
            ("<HOST>", r"(?:\[?(?:(?:::f{4,6}:)?(?P<ip4>"),
            ("<ADDR>", r"\[?(?:(?:::f{4,6}:)?(?P<ip4>"),
            ("<F-ADDR/>", r"\[?(?:(?:::f{4,6}:)?(?P<ip4>"),
            ("<IP4>", r"(?:::f{4,6}:)?(?P<ip4>"),
            ("<F-IP6/>", r"(?P<ip6>(?:[0-9a-fA-F]{1,4}::?|:){1,7}"),
            ("<DNS>", r"(?P<dns>[\w\-.^_]*\w)"),
            ("<CIDR>", r"(?P<cidr>\d+)"),
            ("<F-ID/>", r"(?P<fid>\S+)"),
            ("<F-PORT/>", r"(?P<fport>\w+)"),
            ("<F-USER>", "(?P<user>"),
            ("<F-ID>", "(?P<fid>"),
            ("<F-PORT>", "(?P<fport>"),
            ("<F-ALT_USER_1>", "(?P<alt_user_1>"),
        ] {
            let expanded = expand(tag, false);
            assert!(expanded.starts_with(start), "{tag} became {expanded}");
        }
        assert!(expand("<SUBNET>", false).ends_with(r")(?:/(?P<cidr>\d+))?\]?"));
    }

    #[test]
    fn without_names_a_host_is_an_address() {
        assert_eq!(expand("<HOST>", true), expand("<ADDR>", false));
    }

    #[test]
    fn a_closing_tag_counts_only_after_its_opening() {
        assert_eq!(
            expand("</F-USER><F-USER>x</F-USER>", false),
            "</F-USER>(?P<user>x)"
        );
    }

    #[test]
    fn what_is_no_tag_stays() {
        for text in [
            "<",
            "<>",
            "<a b>",
            "<host>",
            "<F-user>",
            "<F-USER/>",
            "</HOST>",
            "a<b",
            r"\<x\>",
            "<<",
        ] {
            assert_eq!(expand(text, false), text);
        }
        assert!(expand("<<HOST>>", false).starts_with("<(?:"));
    }

    #[test]
    fn skipped_lines_are_numbered() {
        assert_eq!(
            expand("a<SKIPLINES>b<SKIPLINES>c", false),
            r"a\n(?P<skiplines0>(?:(?:.*\n)*?))b\n(?P<skiplines1>(?:(?:.*\n)*?))c"
        );
    }

    #[test]
    fn flags_within_groups_become_local() {
        for (before, after) in [
            ("((?i)LOGIN|x)", "(?i:LOGIN|x)"),
            ("(?:(?i)expn|vrfy)", "(?i:expn|vrfy)"),
            (r"\((?i)x", r"\((?i)x"),
            ("(?i)x", "(?i)x"),
            ("((?:x))", "((?:x))"),
            ("(((?is)x))", "((?is:x))"),
            ("((?I)x)", "((?I)x)"),
        ] {
            assert_eq!(flags_made_local(before), after);
        }
    }
}
