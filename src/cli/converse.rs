//! `-i`: commands from standard input, one a line, until `exit` or the end of the input.

use super::client::obey;
use super::editor::{self, Line};
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
    let mut editor = editor::at_a_terminal().then(Line::default);
    while let Some(line) = ask(editor.as_mut(), world) {
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
fn ask(editor: Option<&mut Line>, world: &mut World<'_>) -> Option<String> {
    if let Some(editor) = editor {
        // Whatever the terminal has against it is the end of the input.
        return editor.read(PROMPT, world.input, world.out).ok().flatten();
    }
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
