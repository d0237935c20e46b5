//! A letter as an RFC 5322 message.
//!
//! lettre encodes headers and text; what goes into a header is an operator's parameter or has no
//! control characters left.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::letter::{Letter, clean};

/// Why a letter is no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MailError {
    /// A `dest` or `sender` that is no address.
    Address(String),
    Message(String),
}

impl fmt::Display for MailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(text) => write!(
                f,
                "'{text}' is no mail address; see dest and sender of the action"
            ),
            Self::Message(why) => write!(f, "the mail cannot be written: {why}"),
        }
    }
}

impl std::error::Error for MailError {}

/// The message, with CRLF line ends. The same letter is the same message, so that one sent twice is
/// known by its ID.
///
/// # Errors
/// When an address is none.
pub fn wire(letter: &Letter, id: &str) -> Result<Message, MailError> {
    let micros = u64::try_from(letter.time.micros()).unwrap_or(0);
    let id = format!("<{id}.rban@{}>", domain(&letter.host));
    let from_name = clean(&letter.from_name, false);
    let mut builder = Message::builder()
        .from(mailbox(&letter.from, Some(from_name), &letter.host)?)
        .subject(clean(&letter.subject, false))
        .date(UNIX_EPOCH + Duration::from_micros(micros))
        .message_id(Some(id));
    for to in &letter.to {
        builder = builder.to(mailbox(to, None, &letter.host)?);
    }
    let generated = HeaderValue::new(
        HeaderName::new_from_ascii_str("Auto-Submitted"),
        "auto-generated".to_owned(),
    );
    let builder = builder.raw_header(generated);
    // The message's own end of line follows.
    let text = clean(letter.text().trim_end(), true);
    let message = if letter.html {
        let both = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, text.clone()))
            .singlepart(part(ContentType::TEXT_HTML, html(&letter.subject, &text)));
        builder.multipart(both)
    } else {
        builder.singlepart(part(ContentType::TEXT_PLAIN, text))
    };
    message.map_err(|error| MailError::Message(error.to_string()))
}

fn part(kind: ContentType, text: String) -> SinglePart {
    SinglePart::builder().header(kind).body(text)
}

/// The text as a page: nothing in it is markup.
fn html(title: &str, text: &str) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{}</title></head>\n\
         <body><pre>{}</pre></body></html>\n",
        escape(&clean(title, false)),
        escape(text)
    )
}

/// Who has the letter still to get, as addresses; and from whom it is.
///
/// # Errors
/// When one of them is no address.
pub fn envelope(letter: &Letter) -> Result<(Address, Vec<Address>), MailError> {
    let one = |address: &String| Ok(mailbox(address, None, &letter.host)?.email);
    let to = if letter.left.is_empty() {
        &letter.to
    } else {
        &letter.left
    };
    let to = to.iter().map(one).collect::<Result<_, _>>()?;
    Ok((one(&letter.from)?, to))
}

/// An address; a local one is completed with the host's name, as an MTA does.
fn mailbox(address: &str, name: Option<String>, host: &str) -> Result<Mailbox, MailError> {
    let address = address.trim();
    let whole = if address.contains('@') {
        address.to_owned()
    } else {
        format!("{address}@{}", domain(host))
    };
    let wrong = |_| MailError::Address(address.to_owned());
    Ok(Mailbox::new(name, whole.parse().map_err(wrong)?))
}

/// The host's name as a domain; what is no plain one is of no use in an address.
pub(super) fn domain(host: &str) -> &str {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(fits) {
        "localhost"
    } else {
        host
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{About, Part, Transport};
    use crate::model::Time;

    fn letter() -> Letter {
        Letter {
            jail: "sshd".into(),
            action: "sendmail".into(),
            name: "SSH".into(),
            about: About::Start,
            left: Vec::new(),
            html: false,
            transport: Transport::Program(Vec::new()),
            from: "fail2ban".into(),
            from_name: "Wächter".into(),
            to: vec!["root".into(), "admin@example.com".into()],
            subject: "banned x\r\nBcc: evil@example.com".into(),
            host: "web.example.com".into(),
            time: Time::from_secs(1_700_000_000),
            parts: vec![Part::Text("Grüße\n.\nFrom x\n".into())],
        }
    }

    #[test]
    fn headers_are_complete_and_nobody_adds_to_them() {
        let message = wire(&letter(), "1-1").unwrap().formatted();
        let text = String::from_utf8(message).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        for part in [
            "<fail2ban@web.example.com>",
            "root@web.example.com",
            "admin@example.com",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Message-ID: <1-1.rban@web.example.com>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "Content-Type: text/plain; charset=utf-8",
            "Subject: ",
        ] {
            assert!(headers.contains(part), "{part}\n{headers}");
        }
        assert!(headers.is_ascii(), "{headers}");
        assert!(!headers.contains("\nBcc:"), "{headers}");
    }

    #[test]
    fn what_is_no_address_is_named() {
        let mut letter = letter();
        letter.to = vec!["a b@example.com\n".into()];
        let error = wire(&letter, "1").unwrap_err().to_string();
        assert!(error.contains("'a b@example.com'"), "{error}");
    }

    /// Names of the headers, and whether any line is none.
    fn headers(message: &str) -> Vec<String> {
        let (headers, _) = message.split_once("\r\n\r\n").expect("a body");
        let mut names = Vec::new();
        for line in headers.split("\r\n") {
            assert!(!line.contains(['\r', '\n']), "{line:?}");
            if !line.starts_with([' ', '\t']) {
                let (name, _) = line.split_once(": ").expect("a header");
                names.push(name.to_owned());
            }
        }
        names
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_log_says_no_header_is_added_and_no_line_is_long(
            id in "(\\PC|[\\x00-\\x1f\u{85}\u{2028}]){0,80}",
            name in "(\\PC|\\r\\nBcc: x|\\n\\n){0,20}",
            matches in "(\\PC|[\\x00-\\x1f]|\\r\\n\\.\\r\\n){0,300}",
            html in proptest::bool::ANY,
        ) {
            let mut letter = letter();
            letter.subject = format!("[Fail2Ban] {name}: banned {id} from web");
            letter.parts = vec![Part::Text(matches)];
            letter.html = html;
            let message = String::from_utf8(wire(&letter, "1").unwrap().formatted()).unwrap();
            proptest::prop_assert!(message.is_ascii());
            proptest::prop_assert!(message.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n')));
            let mut names = headers(&message);
            names.retain(|name| name != "Content-Transfer-Encoding");
            names.sort();
            let expected = ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version",
                "Message-ID", "Subject", "To"];
            proptest::prop_assert_eq!(names, expected);
        }
    }
}
