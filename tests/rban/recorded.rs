//! Lives of actions under both servers, as the programs they call see them: on PATH stands a recorder
//! in place of each, and what it writes down has to be the same, in the same order.

#![expect(clippy::disallowed_methods, reason = "a test drives the real programs")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::reference;
use crate::support::{has, in_namespace, said, with_own_mounts};

/// What stock actions call, less what only reads or edits files.
const PROGRAMS: &[&str] = &[
    "abuse-sender",
    "apprise",
    "bash-sender",
    "csf",
    "curl",
    "date",
    "dig",
    "firewall-cmd",
    "geoiplookup",
    "ip",
    "ip6tables",
    "ipfw",
    "ipset",
    "iptables",
    "iptables-restore",
    "logger",
    "mail",
    "nc",
    "nft",
    "npfctl",
    "nsupdate",
    "nginx",
    "pfctl",
    "route",
    "sendmail",
    "service",
    "shorewall",
    "ssh",
    "apf",
    "ipf",
    "ufw",
    "uname",
    "wget",
    "whois",
    "afctl",
    "note",
];

/// The jail's own voice, behind the action that is looked at: where fail2ban is with it.
const MARK: &str = "[Definition]\n\
    actionstart = printf '%%s start\\036\\n' '<name>' >> $RECORD/marks\n\
    actionban = printf '%%s ban %%s\\036\\n' '<name>' \"<ip>\" >> $RECORD/marks\n\
    actionunban = printf '%%s unban %%s\\036\\n' '<name>' \"<ip>\" >> $RECORD/marks\n\
    actionreload = printf '%%s reload\\036\\n' '<name>' >> $RECORD/marks\n";

/// What is another moment's in another life.
const TIMES: &str = r"\b1[78]\d{8}(\.\d+)?\b|\b20\d\d-\d\d-\d\d[ +]\d\d:\d\d:\d\d\b";

/// So many servers of a kind at once: they mostly wait.
const SHARES: usize = 8;

/// A jail: its action, more lines of its section, what happens to it.
struct Life<'a> {
    name: String,
    action: String,
    more: &'a str,
    steps: Value,
}

/// Each jail's calls, step by step.
type Told = BTreeMap<String, Vec<Vec<String>>>;

struct World {
    folder: TempDir,
}

impl World {
    fn new(actions: &[(&str, &str)], lives: &[Life<'_>]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let world = Self { folder };
        let at = world.folder.path().display().to_string();
        world.write(
            "empty/fail2ban.conf",
            &format!(
                "[Definition]\nloglevel = INFO\nlogtarget = {at}/log\nsocket = {at}/sock\n\
                 pidfile = {at}/pid\ndbfile = {at}/db\ndbpurgeage = 1d\nnative = off\nallowipv6 = true\n\
                 dbmaxmatches = 10\n"
            ),
        );
        world.write("empty/jail.conf", "[DEFAULT]\n");
        let from = world.folder.path().join("empty/fail2ban.conf");
        world.write(
            "full/fail2ban.conf",
            &fs::read_to_string(from).expect("a file"),
        );
        world.write(
            "full/filter.d/lab.conf",
            "[Definition]\nfailregex = ^bad <HOST> user <F-USER>.*</F-USER>$\n\
             datepattern = {NONE}\n",
        );
        world.write(
            "full/filter.d/name.conf",
            "[Definition]\nfailregex = ^bad id <F-ID>.+?</F-ID> user .*$\ndatepattern = {NONE}\n",
        );
        world.write("full/action.d/mark.conf", MARK);
        for action in fs::read_dir("/etc/fail2ban/action.d").expect("stock actions") {
            let action = action.expect("an entry");
            let to = world
                .folder
                .path()
                .join("full/action.d")
                .join(action.file_name());
            fs::copy(action.path(), to).expect("copied");
        }
        for (name, text) in actions {
            world.write(&format!("full/action.d/{name}.conf"), text);
        }
        let mut jails =
            "[DEFAULT]\nbackend = polling\nfilter = lab\nbantime = 1h\nfindtime = 10m\n\
                         maxretry = 1\nusedns = no\nignoreself = no\nenabled = true\n"
                .to_owned();
        for life in lives {
            let Life {
                name, action, more, ..
            } = life;
            world.write(&format!("{name}.log"), "");
            let _ = write!(
                jails,
                "[{name}]\nlogpath = {at}/{name}.log\naction = {action}\n         mark[name={name}]\n{more}\n"
            );
        }
        world.write("full/jail.conf", &jails);
        let recorder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rban/oracle/recorder");
        world.write(
            "bin/recorder",
            &fs::read_to_string(recorder).expect("the recorder"),
        );
        let bin = world.folder.path().join("bin");
        fs::set_permissions(bin.join("recorder"), fs::Permissions::from_mode(0o755))
            .expect("chmod");
        for program in PROGRAMS {
            symlink("recorder", bin.join(program)).expect("a link");
        }
        world
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    /// All lives under one server, which is started and ended for it.
    fn told(&self, server: &[&str], client: &str, lives: &[Life<'_>], counts: &Value) -> Told {
        let at = self.folder.path();
        for life in lives {
            self.write(&format!("{}.log", life.name), "");
        }
        for file in ["db", "fail", "marks", "record"] {
            let _ = fs::remove_file(at.join(file));
        }
        let path = format!("{}/bin:/usr/sbin:/usr/bin:/sbin:/bin", at.display());
        let server = Server(
            Command::new(server[0])
                .args(&server[1..])
                .args(["-f", "-x", "-c", &format!("{}/empty", at.display())])
                .args(["-s", &format!("{}/sock", at.display())])
                .args(["-p", &format!("{}/pid", at.display())])
                .arg("start")
                .env("PATH", path)
                .env("RECORD", at)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("a server"),
        );
        let full = format!("{}/full", at.display());
        let mut dump = vec![client.to_owned()];
        if client.ends_with("rban") {
            dump.push("client".into());
        }
        dump.extend(["-c".to_owned(), full, "-d".to_owned()]);
        let steps: BTreeMap<&str, &Value> = lives
            .iter()
            .map(|life| (life.name.as_str(), &life.steps))
            .collect();
        let question = json!({
            "socket": at.join("sock"), "folder": at, "dump": dump, "lives": steps, "counts": counts,
        });
        let answer = reference::ask(include_str!("oracle/lives.py"), &question).expect("fail2ban");
        drop(server);
        serde_json::from_value(answer).expect("lines")
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What differs, jail by jail.
fn differences(actions: &[(&str, &str)], lives: &[Life<'_>]) -> Vec<String> {
    in_namespace(|| {
        with_own_mounts(|| {
            let etc = tempfile::tempdir().expect("a folder");
            let etc = etc.path().display();
            said(&format!(
                "cp -a /etc {etc}/etc && mount --bind {etc}/etc /etc && touch /etc/hosts.deny && \
             cp /etc/hosts.deny /etc/hosts.deny.lab && mount -t tmpfs tmpfs /run"
            ));
            let shares: Vec<&[Life<'_>]> = lives.chunks(lives.len().div_ceil(SHARES)).collect();
            let worlds: Vec<World> = shares
                .iter()
                .map(|lives| World::new(actions, lives))
                .collect();
            let under = |server: &[&str], client: &str, counts: &Value| -> Told {
                // What one left is none of the other's business.
                said(
                    "cp -a /etc/hosts.deny.lab /etc/hosts.deny
                     rm -rf /run/fail2ban && mkdir /run/fail2ban",
                );
                thread::scope(|scope| {
                    let share = |(world, lives): (&'_ World, &&[Life<'_>])| {
                        world.told(server, client, lives, counts)
                    };
                    let at_work: Vec<_> = worlds
                        .iter()
                        .zip(&shares)
                        .map(|pair| scope.spawn(move || share(pair)))
                        .collect();
                    let told = at_work
                        .into_iter()
                        .map(|told| told.join().expect("no panic"));
                    told.flatten().collect()
                })
            };
            let theirs = under(&["fail2ban-server"], "fail2ban-client", &json!({}));
            let counts: BTreeMap<&String, Vec<usize>> = theirs
                .iter()
                .map(|(jail, steps)| (jail, steps.iter().map(Vec::len).collect()))
                .collect();
            let rban = env!("CARGO_BIN_EXE_rban");
            let ours = under(&[rban, "server"], rban, &json!(counts));
            let times = regex::Regex::new(TIMES).expect("a pattern");
            let plain = |steps: &[Vec<String>]| -> Vec<String> {
                let lines = steps.iter().flatten();
                let line = |line: &String| times.replace_all(line, "TIME").into_owned();
                lines.map(line).collect()
            };
            let mut wrong = Vec::new();
            for (jail, theirs) in &theirs {
                let (ours, theirs) = (plain(&ours[jail]), plain(theirs));
                let stuck = theirs.iter().any(|line| line.starts_with("! "));
                if ours != theirs || stuck {
                    wrong.push(format!("[{jail}]\n ours: {ours:#?}\n theirs: {theirs:#?}"));
                }
            }
            wrong
        })
    })
}

/// Start, bans of both families, an end, a flush, and all of it once more before the stop.
fn usual() -> Value {
    json!([
        ["start"],
        ["mark", "start"],
        ["set", "JAIL", "banip", "192.0.2.1"],
        ["mark", "ban 192.0.2.1"],
        ["set", "JAIL", "banip", "2001:db8::1"],
        ["mark", "ban 2001:db8::1"],
        ["set", "JAIL", "banip", "198.51.100.0/24"],
        ["mark", "ban 198.51.100.0/24"],
        ["set", "JAIL", "unbanip", "192.0.2.1"],
        ["mark", "unban 192.0.2.1"],
        ["reload"],
        ["mark", "reload"],
        ["set", "JAIL", "banip", "192.0.2.2"],
        ["mark", "ban 192.0.2.2"],
        ["unban", "--all"],
        ["mark", "unban 192.0.2.2"],
        ["set", "JAIL", "banip", "192.0.2.3"],
        ["mark", "ban 192.0.2.3"],
        ["stop", "JAIL"],
    ])
}

/// The same for an action by name.
fn usual_of(action: &str) -> Value {
    let mut steps = usual();
    if let Some((_, without)) = SHORTER.iter().find(|(known, _)| *known == action) {
        let steps = steps.as_array_mut().expect("steps");
        steps.retain(|step| !step.to_string().contains(without));
    }
    steps
}

/// What fail2ban does wrong in the usual life of an action; docs/differences.md has them too.
const SHORTER: &[(&str, &str)] = &[
    // One flush for both families runs at the first flush only.
    ("iptables-ipset-proto4", "192.0.2.3"),
    ("pf", "192.0.2.3"),
    // A network's reversed form is `0/24.100.51.198.`.
    ("tags", "/24"),
    ("complain", "/24"),
    ("xarf-login-attack", "/24"),
];

#[test]
fn stock_actions_call_the_same_programs_under_both_servers() {
    if !has(&["fail2ban-client", "python3"]) {
        return;
    }
    let options = "port=\"ssh,2222\", protocol=tcp, dest=you@example.com, sender=f2b@example.com";
    let lives: Vec<Life<'_>> = crate::oracle::stock_actions()
        .into_iter()
        .map(|name| {
            // The one it calls by its path may not be there.
            let sendmail = if name.starts_with("sendmail") {
                ", mailcmd=\"sendmail -f <sender> <dest>\""
            } else {
                ""
            };
            let steps = usual_of(&name);
            Life {
                name: format!("l-{name}"),
                // Two actions keep one file by default, and lives go on side by side.
                action: format!(
                    "{name}[name=l, {options}{sendmail}, tmpfile=/run/fail2ban/tmp-{name}]"
                ),
                more: "",
                steps,
            }
        })
        .collect();
    assert!(lives.len() > 50, "only {} actions", lives.len());
    let wrong = differences(&[], &lives);
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// Actions of our own making, each legal and none of them nice.
const ODD: &[(&str, &str)] = &[
    // Every tag, quoted and not, where values hold all that a shell might read.
    (
        "tags",
        "[Definition]\n\
         actionstart = note start <name> <actname> '<family>' '<ip>' <bantime> <timeout>\n\
         actionstop = note stop '<ip>|<fid>|<failures>|<bancount>|<restored>|<matches>'\n\
         actionban = note ban <ip> <fid> <family> <ip-rev> <failures> <bancount> <restored> <bantime>\n\
         \x20  note \"<matches>\" <matches> '<matches>' \"<F-USER>\" <F-USER> x<F-USER>y \"<F-NONE>\" <F-user>\n\
         \x20  note \"<ipmatches>\" <ipfailures> \"<ipjailmatches>\" <ipjailfailures>\n\
         \x20  note <unknown> <br>note <sp> two<sp>words\n\
         \x20  for i in 1 2; do note $i ${i} \"`echo <ip>`\" $(echo \"<F-USER>\"); done\n\
         actionunban = note unban <ip> \"<matches>\" \"<F-USER>\" <bancount>\n",
    ),
    // Families, each with its own commands, tags and sections.
    (
        "families",
        "[Definition]\nactionstart = note start <what> <where>\nactionstop = note stop <what>\n\
         actionflush = note flush <what>\nactioncheck = note check <what>\n\
         actionban = note ban <what> <ip> <inner>\nactionunban = note unban <what> <ip>\n\
         actionban?family=inet6 = note six <ip> <what>\nactionreload = note reload <what> <family>\n\
         [Init]\nwhat = four\nwhere = here\ninner = <what>-<where>\n\
         [Init?family=inet6]\nwhat = six\n",
    ),
    // One start and stop for both families, commands of its own.
    (
        "shared",
        "[Definition]\nactionstart = note start\nactionstop = note stop\nactionban = note ban <how> <ip>\n\
         actionunban = note unban <how> <ip>\n[Init]\nhow = four\n[Init?family=inet6]\nhow = six\n",
    ),
    (
        "eager",
        "[Definition]\nactionstart_on_demand = false\nactionstart = note start <how> <family>\n\
         actionstop = note stop <how> <family>\nactionban = note ban <how> <ip>\n\
         actionunban = note unban <how> <ip>\nactionflush = note flush <how>\n\
         [Init]\nhow = four\n[Init?family=inet6]\nhow = six\n",
    ),
    (
        "lazy",
        "[Definition]\nactionstart_on_demand = true\nactionstart = note start <family>\n\
         actionstop = note stop <family>\nactionban = note ban <family> <ip>\n\
         actionunban = note unban <family> <ip>\n",
    ),
    // A script of many lines with a here-document, comments and a case.
    (
        "script",
        "[Definition]\nactionban = if [ \"<family>\" = inet6 ]; then\n\
         \x20    note six <ip>\n\
         \x20 else\n\
         \x20    cat <<-EOF | note\n\
         \x20       text for <ip>, 50%% of $HOME_OF_NOBODY \\$x\n\
         \x20    EOF\n\
         \x20 fi\n\
         \x20 case \"<F-USER>\" in r*) note root;; *) note other;; esac\n\
         actionunban = note unban <ip> 2>&1 >/dev/null </dev/null\n",
    ),
    // Tags that lead to tags, and tags made of tags.
    (
        "nested",
        "[Definition]\nactionstart = note start <begin-<mode>>\nactionban = <run> ban <ip> <<a><b>> <<nix>>\n\
         actionunban = <actionban> undone\nactionreban = <actionban> again\n\
         [Init]\nmode = one\nbegin-one = <run> <mode> <name>\nrun = note <chain>\nchain = c-<mode>\n\
         a = mo\nb = de\nname = n\n",
    ),
    (
        "norestored",
        "[Definition]\nnorestored = 1\nactionstart = note start\nactionstop = note stop\n\
         actionban = note ban <ip> <restored> <bancount>\nactionunban = note unban <ip>\n",
    ),
    (
        "restored",
        "[Definition]\nactionstart = note start\nactionstop = note stop\n\
         actionban = note ban <ip> <restored> <bancount> <failures> \"<matches>\"\nactionunban = note unban <ip>\n",
    ),
    // Check, repair and what is done when they fail.
    (
        "repair",
        "[Definition]\nactionstart = note start\nactionstop = note stop\nactioncheck = note check\n\
         actionrepair = note repair\nactionban = note ban <ip>\nactionunban = note unban <ip>\n\
         actionflush = note flush\n",
    ),
    (
        "restart",
        "[Definition]\nactionstart = note start\nactionstop = note stop\nactioncheck = note check\n\
         actionban = note ban <ip>\nactionunban = note unban <ip>\nactionrepair_on_unban = true\n\
         actionstart_on_demand = true\n",
    ),
    (
        "mended",
        "[Definition]\nactionstart = note start <family>\nactionstop = note stop <family>\n\
         actioncheck = note check <family>\nactionrepair = note repair <family>\nactionban = note ban <ip>\n\
         actionunban = note unban <ip>\nactionrepair_on_unban = yes\nactionreban = note reban <ip>\n\
         [Init?family=inet6]\nsix = 1\n",
    ),
    // What is no address, and what the words in brackets may hold.
    (
        "words",
        "[Definition]\nactionstart = note start <one> <two> '<three>' <four>\n\
         actionban = note ban <fid> <ip> <family> <bantime> <one><two> %(local)s <known/one>\n\
         actionunban = note unban <fid> <actname> <banaction>\nactionstop = note stop <port> <protocol>\n\
         local = percent %%\n[Init]\none = 1\ntwo = 2\nthree = 3\nfour = 4\n",
    ),
    // What a script finds around it.
    (
        "around",
        "[Definition]\n\
         actionstart = note umask $(umask) in $(pwd)\n\
         \x20  note signals $(grep ^SigBlk /proc/self/status)\n\
         \x20  note limits $(ulimit -Sn) $(ulimit -Hn) $(ulimit -c)\n\
         \x20  note who $(id -u) $(nice) input $(readlink /proc/self/fd/0) $(cat | wc -c)\n\
         \x20  note environment $(env | cut -d= -f1 | sort)\n\
         actionban = note $0 $# \"$@\"\n\
         \x20  note \"<F-USER>\"; note $0 $#\n\
         \x20  ( yes | head -1 ) && note pipe $?\n\
         \x20  f() { note function \"$1\"; }; f <ip>; f \"<F-USER>\"\n\
         \x20  set -- <matches>; note $#\n\
         \x20  exit 0\n\
         \x20  note never\n\
         actionunban = { note first <ip>; note second; } > /dev/null 2>&1; note third & wait\n",
    ),
    // An action's own words in the place of a ban's.
    (
        "own",
        "[Definition]\nactionstart = note start <ip> <matches> <family> <bantime>\n\
         actionban = note ban <ip> <fid> \"<matches>\" <family> <F-USER> <failures> <bantime> <actionunban>\n\
         actionunban = note unban <fid> <name> <restored>\nactionstop = note stop <fid>\n\
         [Init]\nip = an address\nmatches = a;b $x\nfamily = mine\nbantime = 7\nfailures = <fid>\n",
    ),
    // Tags that are nearly some.
    (
        "nearly",
        "[Definition]\nactionban = note ban '<IP>' '<ip >' '< ip>' '<ip><ip>' '<<ip>>' '<f-user>' '<F-USER' '<F->' \\\n\
         \x20  '<F-a b>' '<ip/>' '</ip>' '<F-USER/>' '<matches>' '<ip-REV>' '<F-NO-SUCH_1>' '<=x' '<a.b>' '<é>' '<>'\n\
         actionunban = note unban <name>< /dev/null '<ip>x' x<ip> '<br>' \"<sp>\"\n",
    ),
    (
        "prolong",
        "[Definition]\nactionban = note ban <ip> <bantime>\nactionunban = note unban <ip>\n\
         actionprolong = note prolong <ip> <bantime>\n",
    ),
];

/// Values with everything a shell might read.
const WICKED: &[&str] = &[
    "root",
    "a`note run`b$(note run);note run|note run&note run",
    "it's \"quoted\" \\ \\n $HOME ${x} <ip> <F-USER> %s %%s * ? [a] {b} ~ # !x ^",
    "  blanks   at both  ends  ",
    "-n --option",
    "tab\there, é, \u{2028}, \u{1F600}",
];

#[test]
fn odd_actions_call_the_same_programs_under_both_servers() {
    if !has(&["fail2ban-client", "python3"]) {
        return;
    }
    let life = |name: &str, more: &'static str, steps: Value| Life {
        name: format!("l-{name}"),
        action: format!("{name}[name=l]"),
        more,
        steps,
    };
    let plain = [
        "families",
        "shared",
        "eager",
        "lazy",
        "nested",
        "norestored",
        "prolong",
        "tags",
        "script",
        "around",
        "own",
        "nearly",
    ];
    let mut lives: Vec<Life<'_>> = plain
        .iter()
        .map(|name| life(name, "", usual_of(name)))
        .collect();
    let mut said = vec![json!(["start"]), json!(["mark", "start"])];
    for (number, wicked) in (1..).zip(WICKED) {
        let address = format!("203.0.113.{number}");
        said.push(json!(["log", format!("bad {address} user {wicked}")]));
        said.push(json!(["mark", format!("ban {address}")]));
        said.push(json!([
            "set",
            "JAIL",
            "attempt",
            format!("2001:db8::{number}"),
            wicked,
            "more"
        ]));
        said.push(json!(["mark", format!("ban 2001:db8::{number}")]));
    }
    said.push(json!(["stop", "JAIL"]));
    for (name, action) in [
        ("l-said", "tags"),
        ("l-told", "script"),
        ("l-said-around", "around"),
        ("l-said-own", "own"),
    ] {
        lives.push(Life {
            name: name.to_owned(),
            action: format!("{action}[name=l]"),
            more: "",
            steps: Value::Array(said.clone()),
        });
    }
    // What is banned is banned again after a restart, or not where that is not wanted.
    for name in ["norestored", "restored"] {
        lives.push(Life {
            name: format!("l-{name}-back"),
            action: format!("{name}[name=l]"),
            more: "",
            steps: json!([
                ["start"],
                ["mark", "start"],
                ["log", "bad 203.0.113.1 user it's; x"],
                ["mark", "ban 203.0.113.1"],
                ["rows", "1"],
                ["stop", "JAIL"],
                ["start"],
                ["mark", "start"],
                ["mark", "ban 203.0.113.1"],
                ["set", "JAIL", "banip", "203.0.113.2"],
                ["mark", "ban 203.0.113.2"],
                ["set", "JAIL", "unbanip", "203.0.113.1"],
                ["mark", "unban 203.0.113.1"],
                ["stop", "JAIL"],
            ]),
        });
    }
    // So many programs fail in a row: the ban, the check, the repair, and all that follows.
    for name in ["repair", "restart", "mended"] {
        for fail in ["1", "2", "3", "4", "5", "6"] {
            lives.push(Life {
                name: format!("l-{name}-{fail}"),
                action: format!("{name}[name=l]"),
                more: "",
                steps: json!([
                    ["start"],
                    ["mark", "start"],
                    ["set", "JAIL", "banip", "203.0.113.9"],
                    ["mark", "ban 203.0.113.9"],
                    ["set", "JAIL", "unbanip", "203.0.113.9"],
                    ["mark", "unban 203.0.113.9"],
                    ["write", "fail", fail],
                    ["set", "JAIL", "banip", "203.0.113.1"],
                    ["mark", "ban 203.0.113.1"],
                    ["write", "fail", "0"],
                    ["set", "JAIL", "unbanip", "203.0.113.1"],
                    ["mark", "unban 203.0.113.1"],
                    ["set", "JAIL", "banip", "203.0.113.2"],
                    ["mark", "ban 203.0.113.2"],
                    ["stop", "JAIL"],
                ]),
            });
        }
        // fail2ban leaves an action that starts on demand stopped here, with all who are banned.
        let most = if name == "restart" { 1 } else { 4 };
        for fail in &["1", "2", "3", "4"][..most] {
            lives.push(Life {
                name: format!("l-{name}-un-{fail}"),
                action: format!("{name}[name=l]"),
                more: "",
                steps: json!([
                    ["start"],
                    ["mark", "start"],
                    ["set", "JAIL", "banip", "203.0.113.1"],
                    ["mark", "ban 203.0.113.1"],
                    ["write", "fail", fail],
                    ["set", "JAIL", "unbanip", "203.0.113.1"],
                    ["mark", "unban 203.0.113.1"],
                    ["write", "fail", "0"],
                    ["set", "JAIL", "banip", "203.0.113.2"],
                    ["mark", "ban 203.0.113.2"],
                    ["stop", "JAIL"],
                ]),
            });
        }
    }
    lives.push(Life {
        name: "l-words".to_owned(),
        action: "words[name=l, one=\"a b; c\", two='x,y', three=\"it's\", four=<two>]".to_owned(),
        more: "filter = name\nbantime = -1\nport = 80,443\n",
        steps: json!([
            ["start"],
            ["mark", "start"],
            ["log", "bad id one,two [x] user root"],
            ["mark", "ban one,two [x]"],
            ["log", "bad id 203.0.113.1/24 user root"],
            ["mark", "ban 203.0.113.0/24"],
            ["log", "bad id 2001:DB8:0::1 user root"],
            ["mark", "ban 2001:db8::1"],
            ["set", "JAIL", "unbanip", "one,two [x]"],
            ["mark", "unban one,two [x]"],
            ["stop", "JAIL"],
        ]),
    });
    // An end that comes by itself.
    lives.push(Life {
        name: "l-short".to_owned(),
        action: "lazy[name=l]".to_owned(),
        // fail2ban does not ban for what would be over by then.
        more: "bantime = 4\n",
        steps: json!([
            ["start"],
            ["mark", "start"],
            ["log", "bad 203.0.113.1 user root"],
            ["mark", "ban 203.0.113.1"],
            ["mark", "unban 203.0.113.1"],
            ["log", "bad 203.0.113.1 user root"],
            ["mark", "ban 203.0.113.1"],
            ["mark", "unban 203.0.113.1"],
            ["stop", "JAIL"],
        ]),
    });
    // Not one start on demand works.
    lives.push(Life {
        name: "l-down".to_owned(),
        action: "mended[name=l]".to_owned(),
        more: "",
        steps: json!([
            ["start"],
            ["mark", "start"],
            ["write", "fail", "9"],
            ["set", "JAIL", "banip", "203.0.113.1"],
            ["mark", "ban 203.0.113.1"],
            ["write", "fail", "0"],
            ["set", "JAIL", "banip", "203.0.113.2"],
            ["mark", "ban 203.0.113.2"],
            ["set", "JAIL", "unbanip", "203.0.113.1"],
            ["mark", "unban 203.0.113.1"],
            ["stop", "JAIL"],
        ]),
    });
    let wrong = differences(ODD, &lives);
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
