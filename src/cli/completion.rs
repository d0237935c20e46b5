//! `rban completion SHELL` and the list of commands for manual pages, from the tables.

use super::{FAILED, options, short, world::World};
use crate::protocol::{COMMANDS, Scope};

/// What `rban` itself knows.
const PROGRAMS: &[&str] = &[
    "server",
    "client",
    "regex",
    "config",
    "completion",
    "mail",
    "start",
    "stop",
    "restart",
    "reload",
    "ping",
    "version",
];

/// Prints a shell's completion; the exit code.
pub(super) fn print(words: &[String], world: &mut World<'_>) -> u8 {
    let script = match words {
        [shell] => match shell.as_str() {
            "bash" => bash(),
            "zsh" => zsh(),
            "fish" => fish(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    if script.is_empty() {
        world.say_error("Usage: rban completion bash|zsh|fish");
        return FAILED;
    }
    world.say(script.trim_end());
    0
}

/// The words of a scope that are shown, each once.
fn words(scope: Scope) -> Vec<&'static str> {
    let rows = COMMANDS.iter();
    rows.filter(|row| row.scope == scope && !row.help.is_empty())
        .map(|row| row.word)
        .collect()
}

fn programs() -> Vec<&'static str> {
    let shorts = short::WORDS.iter().map(|(word, ..)| *word);
    shorts.chain(PROGRAMS.iter().copied()).collect()
}

fn client() -> Vec<&'static str> {
    let own = ["set", "get", "restart"];
    words(Scope::Basic).into_iter().chain(own).collect()
}

/// Jails are asked of the server, as it runs.
const JAILS: &str =
    "rban client status 2>/dev/null | sed -n 's/.*Jail list:[[:space:]]*//p' | tr -d ','";

fn bash() -> String {
    format!(
        r#"# rban for bash: rban completion bash > /etc/bash_completion.d/rban
_rban_jails() {{ {JAILS}; }}
_rban() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} words at=1
    local first=${{COMP_WORDS[1]}}
    case ${{COMP_WORDS[0]##*/}} in
        fail2ban-client) first=client; at=0 ;;
    esac
    if (( COMP_CWORD <= at )) && [[ $at == 1 ]]; then
        words="{programs}"
    elif [[ $first == client ]]; then
        case ${{COMP_WORDS[at + 1]}},$((COMP_CWORD - at)) in
            *,1) words="{client} {options}" ;;
            set,2) words="{set} $(_rban_jails)" ;;
            get,2) words="{get} $(_rban_jails)" ;;
            set,3) words="{set_jail}" ;;
            get,3) words="{get_jail}" ;;
            status,2 | start,2 | stop,2 | reload,2 | restart,2) words="--all $(_rban_jails)" ;;
        esac
    elif [[ $first == mail ]]; then
        case $COMP_CWORD in
            2) words="test" ;;
            *) words="--to -v -c --vendor $(_rban_jails)" ;;
        esac
    else
        words="--json --check --for --all $(_rban_jails)"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}}
complete -F _rban rban fail2ban-client
"#,
        programs = programs().join(" "),
        client = client().join(" "),
        options = options::long_names().join(" "),
        set = words(Scope::SetGlobal).join(" "),
        get = words(Scope::GetGlobal).join(" "),
        set_jail = words(Scope::SetJail).join(" "),
        get_jail = words(Scope::GetJail).join(" "),
    )
}

/// zsh runs bash's.
fn zsh() -> String {
    format!(
        "#compdef rban fail2ban-client\n\
         autoload -U +X bashcompinit && bashcompinit\n{}",
        bash()
    )
}

fn fish() -> String {
    let mut out =
        format!("# rban for fish\nfunction __rban_jails\n    {JAILS} | string split ' '\nend\n");
    let mut line = |condition: &str, word: &str, help: &str| {
        let help = help.replace('\'', "\\'");
        out.push_str(&format!(
            "complete -c rban -f -n '{condition}' -a '{word}' -d '{help}'\n"
        ));
    };
    for word in PROGRAMS {
        line("__fish_use_subcommand", word, "");
    }
    for (word, _, help) in short::WORDS {
        line("__fish_use_subcommand", word, help);
    }
    for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
        let condition = match row.scope {
            Scope::Basic => "__fish_seen_subcommand_from client",
            Scope::SetGlobal | Scope::SetJail => "__fish_seen_subcommand_from set",
            Scope::GetGlobal | Scope::GetJail => "__fish_seen_subcommand_from get",
        };
        line(condition, row.word, row.help);
    }
    line("__fish_seen_subcommand_from client", "set get", "");
    line("__fish_seen_subcommand_from mail", "test", "send one mail");
    line("__fish_seen_subcommand_from mail", "--to -v", "");
    let taking = "set get status ban stop start reload restart mail";
    line(
        &format!("__fish_seen_subcommand_from {taking}"),
        "(__rban_jails)",
        "jail",
    );
    out
}

/// The client's commands as troff, for its manual page: `rban help --man client`.
pub(super) fn troff() -> String {
    let escape = |text: &str| {
        text.replace('\\', "\\e")
            .replace('-', "\\-")
            .replace('\'', "\\(aq")
    };
    let mut out = String::new();
    for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
        let before = match row.scope {
            Scope::Basic => "",
            Scope::SetGlobal => "set ",
            Scope::GetGlobal => "get ",
            Scope::SetJail => "set JAIL ",
            Scope::GetJail => "get JAIL ",
        };
        out.push_str(&format!(
            ".TP\n.B {}{}\n",
            escape(before),
            escape(&format!("{} {}", row.word, row.arguments)).trim_end()
        ));
        out.push_str(&format!("{}.\n", escape(row.help)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_shown_is_completed_and_in_the_manual() {
        let (bash, fish, troff) = (bash(), fish(), troff());
        for row in COMMANDS.iter().filter(|row| !row.help.is_empty()) {
            for text in [&bash, &fish, &troff] {
                let mut found = text.split(|c: char| !c.is_alphanumeric() && !"-._".contains(c));
                assert!(
                    found.any(|word| word.trim_start_matches('-').replace("\\-", "-") == row.word),
                    "{} is missing",
                    row.word
                );
            }
        }
    }
}
