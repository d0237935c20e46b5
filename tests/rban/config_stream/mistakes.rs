//! Trees that must fail: what fail2ban gives up on costs us one jail, and is told with its place.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// What a mistake comes to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cost {
    /// fail2ban leaves the jail out, and so do we.
    Jail,
    /// fail2ban does not start at all; we leave the jail out.
    Start,
    /// fail2ban does not start at all; we leave the line or the file out.
    Line,
    /// fail2ban's test finds nothing, but its server stops at it; we leave the jail out.
    Late,
}
use Cost::{Jail, Late, Line, Start};

/// A mistake: what it costs, the file it is in, the text that is added there, and where it is told.
/// Files that are not there are made.
type Mistake = (Cost, &'static str, &'static str, &'static str);

/// What is in the tree before; lines that are added to `jail.local` begin with 6, to the others
/// with 3.
const TREE: &[(&str, &str)] = &[
    ("fail2ban.conf", "[Definition]\nloglevel = INFO\n"),
    (
        "jail.conf",
        "[good]\nenabled = true\nbackend = auto\nfilter = good\nlogpath = /dev/null\naction = good\n",
    ),
    (
        "jail.local",
        "[bad]\nenabled = true\nbackend = auto\nfilter = f\nlogpath = /dev/null\n",
    ),
    (
        "filter.d/good.conf",
        "[Definition]\nfailregex = ^x <HOST>\n",
    ),
    ("action.d/good.conf", "[Definition]\nactionban = x\n"),
    ("filter.d/f.conf", "[Definition]\nfailregex = ^x <HOST>\n"),
    ("action.d/a.conf", "[Definition]\nactionban = x\n"),
];

const MISTAKES: &[Mistake] = &[
    // name[option=value]
    (Jail, "@filter", "nowhere", "jail.local:4"),
    (Jail, "@filter", "sub/nowhere", "jail.local:4"),
    (Jail, "@filter", "f[mode]", "jail.local:4"),
    (Jail, "@filter", "f[mode=\"1\" x=2]", "jail.local:4"),
    (Jail, "@filter", "f[x=[1]]", "jail.local:4"),
    (Jail, "@filter", "f[x=1", "jail.local:4"),
    (Jail, "@filter", "f[x=1]]", "jail.local:4"),
    (Jail, "@filter", "f[=1]", "jail.local:4"),
    (Jail, "@filter", "f[x=1, ?]", "jail.local:4"),
    (Jail, "@filter", "[x=1]", "jail.local:4"),
    (Jail, "@filter", "f g", "jail.local:4"),
    (Jail, "jail.local", "action = nowhere\n", "jail.local:6"),
    (Jail, "jail.local", "action = a[x]\n", "jail.local:6"),
    (Jail, "jail.local", "action = a[x=1\n", "jail.local:6"),
    (Jail, "jail.local", "action = a[x=[1]]\n", "jail.local:6"),
    (
        Jail,
        "jail.local",
        "action = a[x=\"1\" y=\"2\"]\n",
        "jail.local:6",
    ),
    (
        Jail,
        "jail.local",
        "action = good\n  a[x=1]b\n",
        "jail.local:6",
    ),
    (Jail, "jail.local", "action = a[a b] good\n", "jail.local:6"),
    (Jail, "jail.local", "action = a, good\n", "jail.local:6"),
    // %(…)s
    (Start, "jail.local", "bantime = %(x)s\n", "jail.local:6"),
    (
        Start,
        "jail.local",
        "bantime = %(nowhere/bantime)s\n",
        "jail.local:6",
    ),
    (
        Start,
        "jail.local",
        "failregex = %(known/nothing)s\n",
        "jail.local:6",
    ),
    (Start, "jail.local", "bantime = 100%\n", "jail.local:6"),
    (Start, "jail.local", "bantime = %(x\n", "jail.local:6"),
    (
        Start,
        "jail.local",
        "bantime = %(findtime)d\nfindtime = 1\n",
        "jail.local:6",
    ),
    (Start, "jail.local", "bantime = %()s\n", "jail.local:6"),
    (
        Start,
        "jail.local",
        "bantime = %(bantime)s\n",
        "jail.local:6",
    ),
    (
        Start,
        "jail.local",
        "bantime = %(x)s\nx = %(y)s\ny = %(x)s\n",
        "jail.local:",
    ),
    (
        Start,
        "jail.local",
        "bantime = %(a)s\na = %(b)s\nb = %(c)s\nc = %(d)s\nd = %(e)s\ne = %(f)s\nf = %(g)s\n\
         g = %(h)s\nh = %(i)s\ni = %(j)s\nj = %(k)s\nk = 1\n",
        "jail.local:",
    ),
    (
        Start,
        "jail.local",
        "bantime = %(x)s\nx = %(known/x)s\n",
        "jail.local:7",
    ),
    (Start, "jail.local", "ignoreip = %(mine)s\n", "jail.local:6"),
    (
        Start,
        "jail.local",
        "action = %(action_mine)s\n",
        "jail.local:6",
    ),
    (Start, "@filter", "%(nothing)s", "jail.local:4"),
    (
        Start,
        "jail.d/x.local",
        "[bad]\nenabled = %(maybe)s\n",
        "x.local:2",
    ),
    (
        Start,
        "jail.d/x.local",
        "[bad]\nbackend = %(sshd_backend)s\n",
        "x.local:2",
    ),
    (
        Start,
        "jail.d/x.local",
        "[bad]\nlogpath = %(no_log)s\n",
        "x.local:2",
    ),
    (
        Start,
        "filter.d/f.conf",
        "ignoreregex = %(x)s\n",
        "f.conf:3",
    ),
    (
        Start,
        "filter.d/f.conf",
        "datepattern = %Y-%m\n",
        "f.conf:3",
    ),
    (Start, "filter.d/f.conf", "[Init]\nx = %(y)s\n", "f.conf:4"),
    (
        Start,
        "filter.d/f.local",
        "[Definition]\nfailregex = %(known/x)s\n",
        "f.local:2",
    ),
    (
        Start,
        "action.d/a.conf",
        "actionstart = date +%s\n",
        "a.conf:3",
    ),
    (Start, "action.d/a.conf", "[Init]\nx = %(y)s\n", "a.conf:4"),
    // <tags>
    (
        Start,
        "filter.d/f.conf",
        "ignoreregex = <x>\nx = <y>\ny = <x>\n",
        "f.conf:",
    ),
    (
        Start,
        "filter.d/f.conf",
        "ignoreregex = <ignoreregex>\n",
        "f.conf:",
    ),
    (
        Start,
        "action.d/a.conf",
        "actionstart = <x>\n[Init]\nx = <actionstart>\n",
        "a.conf:",
    ),
    // The lines themselves.
    (
        Start,
        "jail.local",
        "bantime = 1\nbantime = 2\n",
        "jail.local:7",
    ),
    (Start, "jail.local", "bantime\n", "jail.local:6"),
    (Start, "jail.local", "= 5\n", "jail.local:6"),
    (
        Start,
        "jail.local",
        "[other]\n[bad]\nbantime = 5\n",
        "jail.local:7",
    ),
    (
        Start,
        "jail.local",
        "journalmatch = _COMM='x\n",
        "jail.local:6",
    ),
    (
        Start,
        "filter.d/f.conf",
        "journalmatch = _COMM=x\\\n",
        "f.conf:3",
    ),
    (Start, "filter.d/f.conf", "failregex = y\n", "f.conf:3"),
    (Start, "filter.d/f.conf", "no value\n", "f.conf:3"),
    (Start, "filter.d/f.conf", "[Definition]\n", "f.conf:3"),
    (Start, "filter.d/f.local", "ignoreregex = x\n", "f.local:1"),
    (Start, "action.d/a.conf", "actionban = y\n", "a.conf:3"),
    (
        Start,
        "action.d/a.conf",
        "[Init?family=inet6]\nx = 1\n[Init?family=inet6]\nx = 2\n",
        "a.conf:5",
    ),
    (Line, "jail.d/x.conf", "bantime = 5\n", "x.conf:1"),
    (Line, "jail.d/x.conf", "[DEFAULT]\nbantime\n", "x.conf:2"),
    (
        Line,
        "jail.d/x.conf",
        "[DEFAULT]\nbantime = 5\nBanTime = 6\n",
        "x.conf:3",
    ),
    (Line, "jail.d/x.conf", "[other\nbantime = 5\n", "x.conf:1"),
    (
        Line,
        "jail.d/x.conf",
        "[INCLUDES]\nbefore = %(x)s\n",
        "x.conf:2",
    ),
    (
        Line,
        "fail2ban.conf",
        "loglevel = DEBUG\n",
        "fail2ban.conf:3",
    ),
    (
        Line,
        "fail2ban.conf",
        "dbpurgeage = %(x)s\n",
        "fail2ban.conf:3",
    ),
    (
        Line,
        "fail2ban.local",
        "[Definition]\nloglevel = LOUD\n",
        "fail2ban.local:2",
    ),
    (
        Line,
        "fail2ban.local",
        "loglevel = INFO\n",
        "fail2ban.local:1",
    ),
    // What its client does not look at.
    (Late, "jail.local", "maxretry = five\n", "jail.local:6"),
    (Late, "jail.local", "bantime = soon\n", "jail.local:6"),
    (Late, "jail.local", "backend = magic\n", "jail.local:6"),
    (Late, "jail.local", "failregex = ^(\n", "jail.local:6"),
    (Late, "jail.local", "action = a\n  a\n", "jail.local:6"),
];

fn write(folder: &Path, mistake: &Mistake) {
    let (_, file, text, _) = mistake;
    let put = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    for (name, before) in TREE {
        let text = match *file {
            "@filter" if *name == "jail.local" => {
                before.replace("filter = f", &format!("filter = {text}"))
            }
            _ if name == file => format!("{before}{text}"),
            _ => (*before).to_owned(),
        };
        let needs_action = *name == "jail.local" && !text.contains("action = ");
        let text = match needs_action {
            // Before the section of its own that a mistake may begin.
            true => text
                .replace("enabled = true", "enabled = true\naction = a")
                .replace("\nbackend = auto", ""),
            false => text,
        };
        put(name, &text);
    }
    if !file.starts_with('@') && TREE.iter().all(|(name, _)| name != file) {
        put(file, text);
    }
}

#[expect(clippy::disallowed_methods, reason = "both programs are asked")]
fn run(program: &str, words: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(words.split_last().map_or(&[][..], |(_, before)| before));
    command.arg("-c").arg(folder).args(words.last());
    command.output().expect("a program")
}

#[test]
fn what_fail2ban_gives_up_on_costs_one_jail_and_is_told() {
    const OURS: &str = env!("CARGO_BIN_EXE_rban");
    const THEIRS: &str = "/usr/bin/fail2ban-client";
    let reference = Path::new(THEIRS).exists();
    let mut wrong = Vec::new();
    for (number, mistake) in MISTAKES.iter().enumerate() {
        // What is printed prettily is read as the rest is: a few times are enough.
        let forms: &[&str] = match number % 9 {
            0 => &["-d", "--dp"],
            _ => &["-d"],
        };
        let (cost, file, text, place) = mistake;
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), mistake);
        let mut say = |what: String| wrong.push(format!("{cost:?} {file} {text:?}: {what}"));
        let test = run(OURS, &["client", "-t"], folder.path());
        let told = String::from_utf8_lossy(&test.stderr).into_owned();
        if test.status.code() != Some(255) {
            say(format!("-t ends with {:?}", test.status.code()));
        }
        if !told
            .lines()
            .any(|line| line.contains(place) && line.contains("ERROR"))
        {
            say(format!("no {place} in\n{told}"));
        }
        for form in forms {
            let dump = run(OURS, &["client", form], folder.path());
            let stream = String::from_utf8_lossy(&dump.stdout);
            // A pattern is looked at by the test and by the server, not by the stream.
            let drops = !matches!(cost, Line) && !text.contains("^(");
            if dump.status.code() != Some(0)
                || !stream.contains("'start', 'good'")
                || stream.contains("'start', 'bad'") == drops
            {
                say(format!("{:?}: {stream}", dump.status.code()));
            }
        }
        if !reference {
            continue;
        }
        let code = |form: &&str| run(THEIRS, &[form], folder.path()).status.code();
        let theirs: Vec<_> = std::iter::once(&"-t").chain(forms).map(code).collect();
        let expected = match cost {
            Jail => [Some(255), Some(0), Some(0)],
            Start | Line => [Some(255); 3],
            Late => [Some(0); 3],
        };
        if theirs != expected[..theirs.len()] {
            say(format!("fail2ban ends with {theirs:?}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        MISTAKES.len(),
        wrong.join("\n")
    );
    assert!(MISTAKES.len() > 40);
}
