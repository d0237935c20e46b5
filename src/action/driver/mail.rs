//! Mail, sent by rban itself: through the system's sendmail or to an SMTP server.

use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message, SmtpTransport, Transport as _};

use super::{Bench, Driver, Operation, Outcome};
use crate::action::process::Run;
use crate::action::said;
use crate::mail::{self, Letter, Part, Transport, lines, whois};

/// How long an SMTP server may take for each of its answers.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Mail;

impl Driver for Mail {
    fn apply(&mut self, batch: &[Operation], bench: &mut Bench<'_>) -> Vec<Outcome> {
        let one = |operation: &Operation| match operation {
            Operation::Mail(letter) => send(letter, bench).unwrap_or_else(Outcome::Failed),
            Operation::Script(_)
            | Operation::Element(_)
            | Operation::Rule(_)
            | Operation::Entry(_) => Outcome::Declined("no mail".to_owned()),
        };
        batch.iter().map(one).collect()
    }
}

fn send(letter: &Letter, bench: &mut Bench<'_>) -> Result<Outcome, String> {
    let message = mail::wire(letter, &text(letter)).map_err(|error| error.to_string())?;
    match &letter.transport {
        Transport::Program(words) => program(words, &message, letter, bench),
        Transport::Smtp { host, port, login } => {
            let mut server = SmtpTransport::builder_dangerous(host.as_str())
                .port(*port)
                .timeout(Some(ANSWER.min(bench.limit)));
            if let Some((user, password)) = login {
                server = server.credentials(Credentials::new(user.clone(), password.clone()));
            }
            let envelope: &Envelope = message.envelope();
            match server.build().send_raw(envelope, &message.formatted()) {
                Ok(_) => Ok(Outcome::Done),
                Err(error) => Err(format!("{host}:{port}: {error}")),
            }
        }
    }
}

/// Hands the message to a program, lines ended as Unix programs expect.
fn program(
    words: &[String],
    message: &Message,
    letter: &Letter,
    bench: &mut Bench<'_>,
) -> Result<Outcome, String> {
    let words: Vec<String> = words
        .iter()
        .map(|word| word.replace("<fq-hostname>", &letter.host))
        .collect();
    let (program, arguments) = words.split_first().ok_or("mailcmd is empty")?;
    let input = String::from_utf8_lossy(&message.formatted()).replace("\r\n", "\n");
    let run = Run {
        program,
        arguments,
        input: input.as_bytes(),
        path: bench.path,
        limit: bench.limit,
    };
    Ok(said::run(&run, &words.join(" "), bench))
}

/// The whole text, what must be looked up included. What cannot be found says so.
fn text(letter: &Letter) -> String {
    let mut text = String::new();
    for part in &letter.parts {
        match part {
            Part::Text(part) => text.push_str(part),
            Part::Whois(address, server) => match whois::ask(*address, server.as_deref()) {
                Ok(answer) => text.push_str(&answer),
                Err(error) => text.push_str(&format!("(no answer: {error})\n")),
            },
            Part::Log(logs, word, most) => text.push_str(&lines::about(logs, word, *most)),
        }
    }
    text
}
