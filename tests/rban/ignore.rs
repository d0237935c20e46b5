//! Who is never banned, end to end: files, names, commands and their cache.

use std::fs;

use crate::life::{Home, Program};
use crate::support::{has, in_namespace, said, with_own_mounts};

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap_or_default()
}

fn wait_times(home: &Home, text: &str, times: usize) {
    home.wait(&format!("{times} × {text}"), |home| {
        (log(home).matches(text).count() >= times).then_some(())
    });
}

#[test]
fn a_file_of_the_ignored_is_read_again_when_it_changes() {
    let mut home = Home::new("", "");
    let list = home.path("friends");
    fs::write(&list, "# friends\n198.51.100.1, 198.51.100.64/26\n").expect("written");
    let jail = fs::read_to_string(home.path("jail.conf")).expect("a configuration");
    let ignored = format!("{jail}ignoreip = file:{}\n", list.display());
    fs::write(home.path("jail.conf"), ignored).expect("written");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    home.failures("198.51.100.70", 3);
    home.failures("198.51.100.2", 3);
    home.wait_banned("198.51.100.2");
    wait_times(&home, "[door] Ignore 198.51.100.1 by file:/", 3);
    wait_times(&home, "[door] Ignore 198.51.100.70 by file:/", 3);
    // Replaced, as editors do; a look may be a second off.
    let fresh = home.path("friends.new");
    fs::write(&fresh, "198.51.100.3\n").expect("written");
    fs::rename(&fresh, &list).expect("replaced");
    home.wait("the change", |home| {
        home.failures("198.51.100.1", 1);
        let banned = home.ask(&["get", "door", "banip"]);
        banned.contains("198.51.100.1").then_some(())
    });
    home.failures("198.51.100.3", 3);
    wait_times(&home, "[door] Ignore 198.51.100.3 by file:/", 3);
    // Gone: what was in it still counts, and that is said once.
    fs::remove_file(&list).expect("gone");
    home.wait("the loss", |home| {
        home.failures("198.51.100.3", 1);
        log(home)
            .contains("what was read of it before still counts")
            .then_some(())
    });
    home.failures("198.51.100.3", 3);
    home.failures("198.51.100.4", 3);
    home.wait_banned("198.51.100.4");
    assert!(!home.ask(&["get", "door", "banip"]).contains("198.51.100.3"));
    assert_eq!(
        log(&home).matches("still counts").count(),
        1,
        "{}",
        log(&home)
    );
    home.stop();
}

/// A name server of our own, in namespaces of its own: it knows one name.
struct NameServer(std::process::Child);

impl NameServer {
    #[expect(clippy::disallowed_methods, reason = "a test drives real programs")]
    fn start(address: &str, ttl: u32) -> Self {
        let server = std::process::Command::new("dnsmasq")
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
            ])
            .args(["--pid-file=", "--user=root", "--listen-address=127.0.0.1"])
            .arg(format!("--host-record=friend.example.com,{address},{ttl}"))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("a name server");
        Self(server)
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_ignored_name_is_asked_for_again_when_its_time_to_live_is_over() {
    if !has(&["dnsmasq"]) {
        return;
    }
    let story = || {
        let mut home = Home::new("", "ignoreip = friend.example.com");
        home.write("resolv.conf", "nameserver 127.0.0.1\n");
        let conf = home.path("resolv.conf").display().to_string();
        said(&format!("mount --bind {conf} /etc/resolv.conf"));
        let server = NameServer::start("198.51.100.1", 5);
        home.wait("the name server", |_| {
            let answer = crate::support::sh("getent hosts friend.example.com");
            answer.status.success().then_some(())
        });
        home.start(Program::Rban);
        home.failures("198.51.100.1", 3);
        wait_times(&home, "[door] Ignore 198.51.100.1 by dns", 3);
        drop(server);
        let server = NameServer::start("198.51.100.2", 5);
        home.wait("the other address", |home| {
            home.failures("198.51.100.1", 1);
            let banned = home.ask(&["get", "door", "banip"]);
            banned.contains("198.51.100.1").then_some(())
        });
        home.failures("198.51.100.2", 3);
        wait_times(&home, "[door] Ignore 198.51.100.2 by dns", 3);
        home.stop();
        drop(server);
    };
    in_namespace(|| with_own_mounts(story));
}
