//! NixOS: the module, the package, the machines' test and the flake evaluate with nixpkgs' own lib,
//! and what comes of them works: the files are read by rban, the unit by systemd, the package is
//! installed, the machines' script runs.
//!
//! Where nix or that lib is missing, every test here says so on the terminal.

#![expect(clippy::disallowed_methods, reason = "tests run the real programs")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::packaging::{KEPT, repository, run};
use crate::support::{has, skipped};

/// Where Nix would have the program.
const PROGRAM: &str = "/nix/store/rban/bin/rban";

/// Options of nixpkgs' services.fail2ban and their types, as that module has them.
const FAIL2BANS: &[(&str, &str)] = &[
    ("actions", "attribute set of INI"),
    ("banaction", "string"),
    ("banaction-allports", "string"),
    ("bantime", "string"),
    ("bantime-increment.enable", "boolean"),
    ("bantime-increment.factor", "null or string"),
    ("bantime-increment.formula", "null or string"),
    ("bantime-increment.maxtime", "null or string"),
    ("bantime-increment.multipliers", "null or string"),
    ("bantime-increment.overalljails", "null or boolean"),
    ("bantime-increment.rndtime", "null or string"),
    ("daemonSettings", "INI"),
    ("enable", "boolean"),
    ("extraPackages", "list of package"),
    ("filters", "attribute set of INI"),
    ("ignoreIP", "list of string"),
    (
        "jails",
        "attribute set of (strings concatenated with \"\\n\" or (submodule))",
    ),
    ("maxretry", "unsigned integer, meaning >=0"),
    ("package", "package"),
    ("packageFirewall", "package"),
];
/// Of one jail.
const FAIL2BANS_JAIL: &[(&str, &str)] = &[
    ("enabled", "boolean"),
    ("filter", "null or string or INI"),
    ("settings", "attribute set of VALUE"),
];
/// What nixpkgs' formats call what INI files hold.
const INI_VALUE: &str = "(null or boolean or signed integer or floating point number or string)";

/// What `part` of nix/evaluate.nix comes to; `None`, and a loud word, where it cannot be evaluated.
fn evaluated(part: &str, settings: &str) -> Option<Value> {
    let lib = nixpkgs_lib().filter(|lib| lib.join("default.nix").exists());
    let (Some(lib), true) = (lib, has(&["nix-instantiate"])) else {
        skipped(
            "Nix was not evaluated: apt-get install nix-bin, and set RBAN_NIXPKGS_LIB to the folder \
             lib/ of nixpkgs",
        );
        return None;
    };
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "-A", part])
        .arg(repository().join("nix/evaluate.nix"))
        .args(["--arg", "lib", &format!("import {}", lib.display())])
        .args(["--arg", "settings", settings])
        .output()
        .expect("nix-instantiate runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

/// The module with these options of services.rban.
fn module(options: &str) -> Option<Value> {
    evaluated("module", &format!("{{ services.rban = {{ {options} }}; }}"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by its environment where nixpkgs' lib is"
)]
fn nixpkgs_lib() -> Option<PathBuf> {
    let kept = PathBuf::from(KEPT).join("nixpkgs.lib/lib");
    let told = std::env::var_os("RBAN_NIXPKGS_LIB").map(PathBuf::from);
    told.or_else(|| kept.exists().then_some(kept))
}

/// The files of a configuration the module wrote, where rban can read them.
fn written(told: &Value) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in told["files"].as_object().expect("files") {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text.as_str().expect("text")).expect("written");
    }
    folder
}

/// `rban client OPTION` over them and our own tree, as on NixOS.
fn client(folder: &TempDir, option: &str) -> (bool, String) {
    run(Command::new(env!("CARGO_BIN_EXE_rban"))
        .args(["client", "-c"])
        .arg(folder.path())
        .arg("--vendor")
        .arg(repository().join("config"))
        .arg(option))
}

fn holds(said: &str, expected: &[&str]) {
    for one in expected {
        assert!(said.contains(one), "{one} is not in {said}");
    }
}

#[test]
fn the_module_has_fail2bans_options_under_their_names_and_types() {
    let Some(told) = module("enable = true; checkConfig = false;") else {
        return;
    };
    let ini = format!("attribute set of attribute set of {INI_VALUE}");
    let spelled = |kind: &str| kind.replace("INI", &ini).replace("VALUE", INI_VALUE);
    for (name, kind) in FAIL2BANS {
        assert_eq!(told["options"][name], spelled(kind), "{name}");
    }
    let jail: BTreeMap<_, _> = FAIL2BANS_JAIL
        .iter()
        .map(|(name, kind)| (*name, spelled(kind)))
        .collect();
    assert_eq!(told["jail"], json!(jail));
    // Ours are beside them, and no other's.
    for name in told["options"].as_object().expect("options").keys() {
        let ours = ["checkConfig", "settings", "mail.", "metrics."];
        assert!(
            FAIL2BANS.iter().any(|(known, _)| known == name)
                || ours.iter().any(|start| name.starts_with(start)),
            "{name} is neither fail2ban's nor ours"
        );
    }
}

#[test]
fn the_module_starts_from_fail2bans_values() {
    let Some(told) = module("enable = true; checkConfig = false;") else {
        return;
    };
    let expected = json!({
        "bantime": "10m", "maxretry": 3, "ignoreIP": [], "extraPackages": [],
        "banaction": "iptables-multiport", "banaction-allports": "iptables-allports",
        "packageFirewall": "/nix/store/iptables",
        "increment": {
            "enable": false, "factor": null, "formula": null, "maxtime": null,
            "multipliers": null, "overalljails": null, "rndtime": null,
        },
        "daemonSettings": { "Definition": {
            "logtarget": "SYSLOG",
            "socket": "/run/fail2ban/fail2ban.sock",
            "pidfile": "/run/fail2ban/fail2ban.pid",
            "dbfile": "/var/lib/fail2ban/fail2ban.sqlite3",
        } },
    });
    assert_eq!(told["values"], expected);
    assert_eq!(told["sshd"]["LogLevel"], "VERBOSE");
    let (fine, said) = client(&written(&told), "-d");
    assert!(fine, "{said}");
    holds(
        &said,
        &[
            "['add', 'sshd', 'systemd']",
            "['set', 'sshd', 'addaction', 'iptables-multiport']",
        ],
    );
    let Some(nftables) = evaluated(
        "module",
        "{ networking.nftables.enable = true; services.rban.enable = true; }",
    ) else {
        return;
    };
    assert_eq!(nftables["values"]["banaction"], "nftables-multiport");
    assert_eq!(
        nftables["values"]["banaction-allports"],
        "nftables-allports"
    );
}

#[test]
fn what_the_module_writes_is_what_rban_reads() {
    let Some(told) = module(
        r#"
        enable = true; checkConfig = false; bantime = "1h"; ignoreIP = [ "192.0.2.0/24" ];
        maxretry = 4; banaction = "nftables-multiport"; banaction-allports = "nftables-allports";
        bantime-increment = { enable = true; maxtime = "48h"; overalljails = true; };
        daemonSettings.Definition.dbpurgeage = "2d";
        metrics.enable = true;
        jails.DEFAULT.settings.findtime = "20m";
        jails.text = "enabled = true\nfilter = sshd\nbackend = polling\nlogpath = /etc/hostname";
        jails.own = {
          filter.Definition.failregex = "no from <HOST>$";
          settings = { backend = "polling"; logpath = "/etc/hostname"; maxretry = 9; };
        };
        jails.named = { filter = "theirs"; settings = { backend = "polling"; logpath = "/etc/hostname"; action = "theirs"; }; };
        jails.off.enabled = false;
        jails.sshd.settings.backend = "polling";
        filters.theirs.Definition.failregex = "bad from <HOST>$";
        actions.theirs.Definition.actionban = "echo <ip>";
        "#,
    ) else {
        return;
    };
    assert_eq!(told["failed"], json!([]));
    assert_eq!(
        told["etc"],
        json!([
            "fail2ban/action.d/theirs.local",
            "fail2ban/fail2ban.local",
            "fail2ban/filter.d/nixos-own.local",
            "fail2ban/filter.d/theirs.local",
            "fail2ban/jail.local",
        ])
    );
    let folder = written(&told);
    let (fine, said) = client(&folder, "-t");
    assert!(fine, "{said}");
    let (fine, said) = client(&folder, "-d");
    assert!(fine, "{said}");
    holds(
        &said,
        &[
            "['set', 'dbpurgeage', '2d']",
            "['set', 'own', 'maxretry', 9]",
            "['set', 'own', 'findtime', '20m']",
            "['set', 'sshd', 'maxretry', 4]",
            "['set', 'sshd', 'bantime', '1h']",
            "['set', 'sshd', 'addignoreip', '127.0.0.1/8', '::1', '192.0.2.0/24']",
            "['set', 'sshd', 'bantime.maxtime', '48h']",
            "['set', 'sshd', 'bantime.overalljails', True]",
            "['set', 'sshd', 'addaction', 'nftables-multiport']",
            "['add', 'text', 'polling']",
            "['set', 'named', 'addaction', 'theirs']",
            "bad from ",
            "no from ",
        ],
    );
    assert!(!said.contains("['add', 'off'"), "{said}");
    let server = &told["files"]["fail2ban.local"];
    assert!(
        server
            .as_str()
            .is_some_and(|text| text.contains("metrics = 127.0.0.1:9191"))
    );
}

#[test]
fn the_modules_mail_goes_to_a_server_or_to_sendmail() {
    let Some(told) = module(
        r#"
        enable = true; checkConfig = false;
        mail = {
          enable = true; lines = true; to = [ "a@example.com" "b@example.com" ];
          from = "rban@example.com"; fromName = "rban at work"; html = true;
          host = "mail.example.com"; port = 465; tls = "implicit"; caFile = "/etc/ssl/own.pem";
          user = "rban"; passwordFile = "/run/secrets/mail";
          perHour = 12; digest = "1h"; retry = "2m"; giveUp = "3d";
        };
        jails.sshd.settings.backend = "polling";
        "#,
    ) else {
        return;
    };
    assert_eq!(told["failed"], json!([]));
    // The password is systemd's to hand over; its place is in no file of ours.
    assert_eq!(
        told["unit"]["serviceConfig"]["LoadCredential"],
        json!(["mail:/run/secrets/mail"])
    );
    assert!(
        !told["files"].to_string().contains("/run/secrets"),
        "{told}"
    );
    let (fine, said) = client(&written(&told), "-d");
    assert!(fine, "{said}");
    holds(
        &said,
        &[
            "['set', 'sshd', 'addaction', 'sendmail-whois-lines']",
            "['smtp', 'mail.example.com:465']",
            "['tls', 'implicit']",
            "['cafile', '/etc/ssl/own.pem']",
            "['user', 'rban']",
            "['credential', 'mail']",
            "['dest', 'a@example.com, b@example.com']",
            "['sender', 'rban@example.com']",
            "['sendername', 'rban at work']",
            "['maxmails', '12']",
            "['digest', '1h']",
            "['retry', '2m']",
            "['giveup', '3d']",
            "['html', 'on']",
        ],
    );
    let plain = module("enable = true; checkConfig = false; mail.enable = true;")
        .expect("it was evaluated above");
    assert_eq!(plain["unit"]["serviceConfig"]["LoadCredential"], json!([]));
    let (fine, said) = client(&written(&plain), "-d");
    assert!(fine, "{said}");
    holds(
        &said,
        &[
            "['set', 'sshd', 'addaction', 'sendmail-whois']",
            "/run/wrappers/bin/sendmail -f",
            "['dest', 'root@localhost']",
        ],
    );
}

/// The command that judges a configuration while a system is built, run for real.
fn judged(options: &str) -> Option<(bool, String)> {
    let folder = written(&module(&format!("{options} checkConfig = false;"))?);
    let told = module(options)?;
    let out = tempfile::tempdir().expect("a folder");
    let vendor = repository().join("config").display().to_string();
    let script = told["check"]
        .as_str()
        .expect("a check")
        .replace("/nix/store/rban/share/rban", &vendor)
        .replace(PROGRAM, env!("CARGO_BIN_EXE_rban"))
        .replace(
            "/nix/store/rban-configuration",
            &folder.path().display().to_string(),
        );
    assert!(!script.contains("/nix/store"), "{script}");
    let result = run(Command::new("bash")
        .args(["-euc", &script])
        .env("out", out.path().join("checked")));
    assert_eq!(out.path().join("checked").exists(), result.0);
    Some(result)
}

#[test]
fn a_mistake_ends_the_systems_build_and_not_the_system() {
    let Some((fine, said)) = judged("enable = true; mail.enable = true;") else {
        return;
    };
    assert!(fine, "{said}");
    for (wrong, word) in [
        ("jails.broken.settings.logpath = \"/x\";", "broken"),
        ("jails.sshd.settings.bantime = \"a while\";", "bantime"),
        ("settings.JAIL__SSHD__MAXRETRY = \"few\";", "MAXRETRY"),
    ] {
        let (fine, said) = judged(&format!("enable = true; {wrong}")).expect("as above");
        assert!(!fine, "{wrong} was taken");
        assert!(
            said.to_lowercase().contains(&word.to_lowercase()),
            "{wrong}: {said}"
        );
    }
}

#[test]
fn the_module_refuses_what_cannot_be() {
    let refused = |settings: &str| -> Option<Vec<String>> {
        let told = evaluated("module", settings)?;
        let failed = told["failed"].as_array().expect("a list").iter();
        Some(
            failed
                .map(|one| one.as_str().expect("text").to_owned())
                .collect(),
        )
    };
    for (settings, words) in [
        ("services.fail2ban.enable = true;", "services.fail2ban"),
        (
            "services.rban.bantime-increment = { formula = \"1\"; multipliers = \"1 2\"; };",
            "formula and multipliers",
        ),
        (
            "services.rban.mail = { host = \"mail.example.com\"; user = \"u\"; };",
            "user and passwordFile",
        ),
        (
            "services.rban.mail = { user = \"u\"; passwordFile = \"/run/p\"; };",
            "give its host",
        ),
        (
            "services.rban.mail = { host = \"h\"; user = \"u\"; passwordFile = \"/nix/store/p\"; };",
            "in the store",
        ),
    ] {
        let Some(failed) = refused(&format!("{{ services.rban.enable = true; {settings} }}"))
        else {
            return;
        };
        assert_eq!(failed.len(), 1, "{settings}: {failed:?}");
        assert!(failed[0].contains(words), "{failed:?}");
    }
    let told = evaluated(
        "module",
        "{ services.rban.enable = true; networking.firewall.enable = false; }",
    )
    .expect("it was evaluated above");
    assert_eq!(told["warnings"].as_array().map(Vec::len), Some(1), "{told}");
    let off = evaluated("module", "{ }").expect("it was evaluated above");
    assert_eq!(off["etc"], json!([]), "{off}");
    assert_eq!(off["unit"], Value::Null, "{off}");
}

#[test]
fn the_modules_unit_is_the_packages_with_nixos_places() {
    let Some(told) = module(
        r#"
        enable = true; checkConfig = false; settings = { LOGLEVEL = "DEBUG"; ALLOWIPV6 = true; };
        mail = { host = "mail.example.com"; user = "u"; passwordFile = "/run/secrets/mail"; enable = true; };
        "#,
    ) else {
        return;
    };
    let unit = &told["unit"];
    assert_eq!(
        unit["environment"],
        json!({ "RBAN_LOGLEVEL": "DEBUG", "RBAN_ALLOWIPV6": "true" })
    );
    assert_eq!(unit["wantedBy"], json!(["multi-user.target"]));
    assert_eq!(unit["partOf"], json!(["firewall.service"]));
    assert_eq!(
        unit["path"],
        json!(["/nix/store/iptables", "/nix/store/iproute2"])
    );
    assert_eq!(
        told["logrotate"]["/var/log/fail2ban/*.log"]["create"],
        "0640 root root"
    );
    if !has(&["systemd-analyze"]) {
        return;
    }
    // As NixOS lays it out: the package's unit, and what the module says over it.
    let folder = tempfile::tempdir().expect("a folder");
    let program = env!("CARGO_BIN_EXE_rban");
    let base = fs::read_to_string(repository().join("systemd/rban.service")).expect("a unit");
    fs::write(
        folder.path().join("rban.service"),
        base.replace("/usr/bin/rban", program),
    )
    .expect("written");
    let mut text = String::from("[Service]\n");
    for (name, value) in unit["serviceConfig"].as_object().expect("settings") {
        for line in value.as_array().expect("lines") {
            text += &format!(
                "{name}={}\n",
                line.as_str().expect("text").replace(PROGRAM, program)
            );
        }
    }
    let over = folder.path().join("rban.service.d");
    fs::create_dir(&over).expect("made");
    fs::write(over.join("overrides.conf"), &text).expect("written");
    let (fine, said) = run(Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--generators=no"])
        .arg(folder.path().join("rban.service")));
    assert!(fine && !said.contains("rban.service"), "{said}{text}");
    holds(
        &text,
        &[
            "ExecStart=\n",
            "server -c /etc/fail2ban --vendor /nix/store/rban/share/rban",
        ],
    );
}

#[test]
fn the_package_installs_what_the_module_asks_of_it() {
    let Some(told) = evaluated("package", "{ }") else {
        return;
    };
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["license"], json!(["MIT", "Apache-2.0"]));
    assert_eq!(told["lock"], true);
    // A source as the builder sees it, with a program that is built.
    let source = tempfile::tempdir().expect("a folder");
    for name in told["kept"].as_array().expect("a list") {
        let name = name.as_str().expect("text");
        let (fine, said) = run(Command::new("cp")
            .arg("-r")
            .arg(repository().join(name))
            .arg(source.path()));
        assert!(fine, "{said}");
    }
    let built = source.path().join("target/release");
    fs::create_dir_all(&built).expect("made");
    fs::copy(env!("CARGO_BIN_EXE_rban"), built.join("rban")).expect("a copy");
    let (fine, said) = run(Command::new("cargo")
        .args(["metadata", "--no-deps", "--offline", "--format-version=1"])
        .current_dir(source.path()));
    assert!(
        fine,
        "cargo does not take the source without what was left out: {said}"
    );

    let out = tempfile::tempdir().expect("a folder");
    let script = format!(
        "runHook() {{ :; }}\n{}\n{}",
        told["postPatch"].as_str().expect("a script"),
        told["installPhase"].as_str().expect("a script")
    );
    let (fine, said) = run(Command::new("bash")
        .args(["-euc", &script])
        .env("out", out.path())
        .current_dir(source.path()));
    assert!(fine, "{said}");
    for (file, mode) in [
        ("bin/rban", 0o755),
        ("bin/fail2ban-client", 0o755),
        ("bin/fail2ban-server", 0o755),
        ("bin/fail2ban-regex", 0o755),
        ("share/rban/jail.conf", 0o644),
        ("share/rban/filter.d/sshd.conf", 0o644),
        ("share/rban/action.d/sendmail-common.conf", 0o644),
        ("share/man/man1/rban.1", 0o644),
        ("share/man/man8/rban-server.8", 0o644),
        ("share/bash-completion/completions/rban", 0o644),
        ("share/zsh/site-functions/_rban", 0o644),
        ("share/fish/vendor_completions.d/rban.fish", 0o644),
        ("lib/systemd/system/rban.service", 0o644),
        ("lib/systemd/system/rban.socket", 0o644),
    ] {
        let there =
            fs::metadata(out.path().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(there.permissions().mode() & 0o777, mode, "{file}");
    }
    let unit =
        fs::read_to_string(out.path().join("lib/systemd/system/rban.service")).expect("text");
    let starts = format!("ExecStart={}/bin/rban server", out.path().display());
    assert!(
        unit.contains(&starts) && !unit.contains("/usr/bin/"),
        "{unit}"
    );
    escaped(out.path());
}

/// No link of an installed tree leads out of it.
fn escaped(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_symlink() {
            let to = fs::read_link(&path).expect("a link");
            assert!(to.is_relative(), "{} -> {}", path.display(), to.display());
        } else if path.is_dir() {
            escaped(&path);
        }
    }
}

/// Machines that say yes to everything; what fails must fail, and all are asked what they are asked.
const STAND_INS: &str = r#"
import contextlib, json, re, sys
told = []
class Machine:
    def __init__(self, name): self.name = name
    def __getattr__(self, word):
        def do(*given):
            told.append([self.name, word, *map(str, given)])
            return ""
        return do
subtest = lambda name: contextlib.nullcontext(told.append(["", "subtest", name]))
names = json.loads(sys.argv[1])
world = {name: Machine(name) for name in names}
world |= {"subtest": subtest, "start_all": lambda: None}
exec(compile(sys.stdin.read(), "testScript", "exec"), world)
json.dump(told, sys.stdout)
"#;

#[test]
fn the_machines_test_evaluates_and_its_script_runs() {
    let Some(told) = evaluated("test", "{ }") else {
        return;
    };
    let machine = |nftables, rban| json!({ "failed": [], "warnings": [], "nftables": nftables, "rban": rban });
    assert_eq!(
        told["machines"],
        json!({
            "old": machine(false, true), "new": machine(true, true), "attacker": machine(false, false),
        })
    );
    if !has(&["python3"]) {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    fs::write(&script, told["script"].as_str().expect("a script")).expect("written");
    let output = Command::new("python3")
        .args(["-c", STAND_INS, r#"["old", "new", "attacker"]"#])
        .stdin(fs::File::open(script).expect("a script"))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let steps: Vec<Vec<String>> = serde_json::from_slice(&output.stdout).expect("JSON");
    for machine in ["old", "new"] {
        let does = |word: &str, text: &str| {
            assert!(
                steps.iter().any(|step| step[0] == machine
                    && step[1] == word
                    && step[2..].iter().any(|given| given.contains(text))),
                "{machine} is not asked {word} {text}: {steps:?}"
            );
        };
        does("wait_for_unit", "rban.service");
        does(
            "wait_until_succeeds",
            "rban status sshd | grep -w 192.0.2.1",
        );
        does("succeed", "logrotate -f");
        does("wait_until_succeeds", "Ban 192.0.2.200");
        does(
            "succeed",
            if machine == "old" {
                "iptables-save"
            } else {
                "nft list ruleset"
            },
        );
        for word in ["shutdown", "start"] {
            assert!(
                steps
                    .iter()
                    .any(|step| step[0] == machine && step[1] == word),
                "{steps:?}"
            );
        }
    }
}

#[test]
fn the_flake_offers_package_module_and_checks() {
    let Some(told) = evaluated("flake", "{ }") else {
        return;
    };
    let systems = json!(["aarch64-linux", "x86_64-linux"]);
    assert_eq!(told["packages"], systems);
    assert_eq!(told["checks"], systems);
    assert_eq!(told["nixosModules"], json!(["default", "rban"]));
}
