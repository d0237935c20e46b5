//! A letter as an RFC 5322 message.
//!
//! lettre encodes headers and text; what goes into a header is an operator's parameter or has no
//! control characters left.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, SinglePart};

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

/// The message, with CRLF line ends; `text` is the letter's with all gaps filled.
///
/// # Errors
/// When an address is none.
pub fn wire(letter: &Letter, text: &str) -> Result<Message, MailError> {
    // Tells apart mails of one moment.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let micros = u64::try_from(letter.time.micros()).unwrap_or(0);
    let id = format!(
        "<{micros:x}.{:x}.{count:x}@{}>",
        std::process::id(),
        domain(&letter.host)
    );
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
    let part = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(clean(text, true));
    builder
        .raw_header(generated)
        .singlepart(part)
        .map_err(|error| MailError::Message(error.to_string()))
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

fn domain(host: &str) -> &str {
    if host.is_empty() { "localhost" } else { host }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Part, Transport};
    use crate::model::Time;

    fn letter() -> Letter {
        Letter {
            transport: Transport::Program(Vec::new()),
            from: "fail2ban".into(),
            from_name: "Wächter".into(),
            to: vec!["root".into(), "admin@example.com".into()],
            subject: "banned x\r\nBcc: evil@example.com".into(),
            host: "web.example.com".into(),
            time: Time::from_secs(1_700_000_000),
            parts: vec![Part::Text("x".into())],
        }
    }

    #[test]
    fn headers_are_complete_and_nobody_adds_to_them() {
        let message = wire(&letter(), "Grüße\n.\nFrom x\n").unwrap().formatted();
        let text = String::from_utf8(message).unwrap();
        let (headers, _) = text.split_once("\r\n\r\n").unwrap();
        for part in [
            "<fail2ban@web.example.com>",
            "root@web.example.com",
            "admin@example.com",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Message-ID: <",
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
        let error = wire(&letter, "").unwrap_err().to_string();
        assert!(error.contains("'a b@example.com'"), "{error}");
    }
}
