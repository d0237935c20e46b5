//! `-i`: commands from standard input, one a line, until `exit` or the end of the input.

use super::client::obey;
use super::{Options, Program, help, world::World};
use crate::config::shell_words;
use crate::model::Level;

/// fail2ban's, which scripts that drive it wait for.
const PROMPT: &str = "fail2ban> ";

/// Talks until there is nothing more to say; words behind `-i` are the first command.
pub(super) fn converse(options: &Options, world: &mut World<'_>) -> bool {
    if !options.words.is_empty() && !obey(options, &options.words, world) {
        return false;
    }
    let version = help::version();
    world.say(&format!("{version}\nhelp lists all commands, exit ends.\n"));
    while let Some(line) = ask(world) {
        match line.trim() {
            "" => {}
            "exit" | "quit" => return true,
            "help" => world.say(help::full(Program::Client).trim_end()),
            line => match shell_words(line) {
                Ok(words) => {
                    obey(options, &words, world);
                }
                Err(error) => world.log(Level::Error, error),
            },
        }
    }
    world.say("");
    true
}

/// The next line; `None` at the end of the input.
fn ask(world: &mut World<'_>) -> Option<String> {
    // A prompt that cannot be written will not be missed.
    let _ = write!(world.out, "{PROMPT}");
    let _ = world.out.flush();
    let mut line = String::new();
    match world.input.read_line(&mut line) {
        Ok(0) => None,
        Ok(_) => Some(line),
        Err(error) => {
            world.log(Level::Error, &format!("cannot read a command: {error}"));
            None
        }
    }
}
