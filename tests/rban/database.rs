//! The database in trouble, end to end: a full disk, a lock, damage, a file that is gone, too new or
//! not to be written. Bans go on, it is told once, and what can be put right is.

use std::fs;
use std::os::unix::fs::FileExt;

use rusqlite::Connection;

use crate::life::{Home, Program};
use crate::reference;
use crate::support::{said, with_own_mounts};

/// A home whose database has a folder of its own.
fn home(jail: &str) -> Home {
    let home = Home::new("", &format!("action = note\n{jail}"));
    let conf = home.path("fail2ban.conf");
    let text = fs::read_to_string(&conf).expect("a configuration");
    assert!(text.contains("/db\n"), "{text}");
    fs::write(conf, text.replace("/db\n", "/state/db\n")).expect("written");
    fs::create_dir(home.path("state")).expect("a folder");
    home
}

fn log(home: &Home) -> String {
    fs::read_to_string(home.path("log")).unwrap_or_default()
}

fn times(home: &Home, text: &str) -> usize {
    log(home).matches(text).count()
}

/// Addresses an action was told to ban.
fn acted(home: &Home) -> Vec<String> {
    let acts = fs::read_to_string(home.path("acts")).unwrap_or_default();
    let bans = acts.lines().filter_map(|line| line.strip_prefix("ban "));
    bans.map(str::to_owned).collect()
}

fn wait_acted(home: &Home, address: &str) {
    home.wait(address, |home| {
        acted(home).iter().any(|ban| ban == address).then_some(())
    });
}

fn wait_logged(home: &Home, text: &str) {
    home.wait(text, |home| log(home).contains(text).then_some(()));
}

/// `ip bancount` of the database, in order; none while it cannot be read.
fn kept(home: &Home) -> Vec<String> {
    let read = || -> rusqlite::Result<Vec<String>> {
        let connection = Connection::open(home.path("state/db"))?;
        connection
            .prepare("SELECT ip || ' ' || bancount FROM bips ORDER BY ip")?
            .query_map([], |row| row.get(0))?
            .collect()
    };
    read().unwrap_or_default()
}

fn wait_kept(home: &Home, rows: &[&str]) {
    home.wait(&format!("{rows:?} kept"), |home| {
        (kept(home) == rows).then_some(())
    });
}

/// What stands in the database's folder.
fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path("state")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    names
}

#[test]
fn a_full_disk_costs_no_ban_and_what_waited_is_written_when_there_is_room() {
    with_own_mounts(|| {
        let mut home = home("");
        let state = home.path("state").display().to_string();
        said(&format!("mount -t tmpfs -o size=400k tmpfs {state}"));
        home.start(Program::Rban);
        home.failures("198.51.100.1", 3);
        wait_kept(&home, &["198.51.100.1 1"]);
        said(&format!(
            "cat /dev/zero > {state}/fill 2> /dev/null || true"
        ));
        for address in ["198.51.100.2", "198.51.100.3", "198.51.100.4"] {
            home.failures(address, 3);
            wait_acted(&home, address);
        }
        wait_logged(&home, "no space left on its disk");
        fs::remove_file(home.path("state/fill")).expect("room");
        let all = [
            "198.51.100.1 1",
            "198.51.100.2 1",
            "198.51.100.3 1",
            "198.51.100.4 1",
        ];
        wait_kept(&home, &all);
        wait_logged(&home, "written to again; nothing was lost");
        assert_eq!(times(&home, "bans go on without it"), 1, "{}", log(&home));
        home.stop();
    });
}

#[test]
fn a_disk_full_at_start_costs_nothing_either() {
    with_own_mounts(|| {
        let mut home = home("");
        let state = home.path("state").display().to_string();
        said(&format!("mount -t tmpfs -o size=400k tmpfs {state}"));
        said(&format!(
            "cat /dev/zero > {state}/fill 2> /dev/null || true"
        ));
        home.start(Program::Rban);
        home.failures("198.51.100.1", 3);
        wait_acted(&home, "198.51.100.1");
        fs::remove_file(home.path("state/fill")).expect("room");
        wait_kept(&home, &["198.51.100.1 1"]);
        assert_eq!(times(&home, "bans go on without it"), 1, "{}", log(&home));
        home.stop();
    });
}

#[test]
fn a_lock_held_for_long_delays_no_ban_and_loses_nothing() {
    let mut home = home("");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_kept(&home, &["198.51.100.1 1"]);
    let other = Connection::open(home.path("state/db")).expect("a database");
    other.execute_batch("BEGIN EXCLUSIVE").expect("locked");
    for address in ["198.51.100.2", "198.51.100.3"] {
        home.failures(address, 3);
        wait_acted(&home, address);
    }
    wait_logged(&home, "locked by another program");
    other.execute_batch("COMMIT").expect("unlocked");
    wait_kept(
        &home,
        &["198.51.100.1 1", "198.51.100.2 1", "198.51.100.3 1"],
    );
    wait_logged(&home, "written to again; nothing was lost");
    assert_eq!(times(&home, "bans go on without it"), 1, "{}", log(&home));
    home.stop();
}

#[test]
fn a_database_locked_at_start_is_taken_up_when_it_is_free() {
    let mut home = home("bantime.increment = true");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_kept(&home, &["198.51.100.1 1"]);
    let ends = home.ends();
    home.stop();
    let other = Connection::open(home.path("state/db")).expect("a database");
    // Who comes back was banned three times before.
    other
        .execute_batch(
            "INSERT INTO bips SELECT '198.51.100.9', jail, timeofban - 90000, 60, 3, data FROM bips;
             BEGIN EXCLUSIVE",
        )
        .expect("locked");
    home.start(Program::Rban);
    home.failures("198.51.100.2", 3);
    home.failures("198.51.100.9", 3);
    wait_acted(&home, "198.51.100.2");
    wait_acted(&home, "198.51.100.9");
    assert_eq!(times(&home, "Restore Ban"), 0);
    other.execute_batch("COMMIT").expect("unlocked");
    home.wait("the old ban", |home| {
        let now = home.ends();
        (now.len() == 3 && ends.is_subset(&now)).then_some(())
    });
    wait_kept(
        &home,
        &["198.51.100.1 1", "198.51.100.2 1", "198.51.100.9 4"],
    );
    assert_eq!(
        times(&home, "locked by another program"),
        1,
        "{}",
        log(&home)
    );
    home.stop();
    let positions = "SELECT path FROM logs";
    let connection = Connection::open(home.path("state/db")).expect("a database");
    let path: String = connection
        .query_row(positions, [], |row| row.get(0))
        .expect("a position");
    assert!(path.ends_with("/door.log"), "{path}");
}

/// Destroys all pages from the `from`th on that hold rows of bips, in a file that is in use or not.
fn damage(home: &Home) {
    let connection = Connection::open(home.path("state/db")).expect("a database");
    let root: i64 = connection
        .query_row(
            "SELECT rootpage FROM sqlite_master WHERE name = 'bips'",
            [],
            |row| row.get(0),
        )
        .expect("a table");
    let page: i64 = connection
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .expect("a size");
    let file = fs::OpenOptions::new()
        .write(true)
        .open(home.path("state/db"))
        .expect("the file");
    let nonsense = vec![0xAB; page as usize];
    file.write_all_at(&nonsense, ((root - 1) * page) as u64)
        .expect("damaged");
    // The counter of changes, by which others know that what they remember is old.
    file.write_all_at(&[0xAB; 4], 24).expect("counted");
}

fn damaged_files(home: &Home) -> usize {
    let files = files(home);
    let aside = |name: &&String| name.starts_with("db.2") && !name.ends_with("-journal");
    files.iter().filter(aside).count()
}

#[test]
fn damage_done_while_it_is_in_use_is_mended_from_memory() {
    let mut home = home("");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_kept(&home, &["198.51.100.1 1"]);
    damage(&home);
    home.failures("198.51.100.2", 3);
    wait_acted(&home, "198.51.100.2");
    wait_kept(&home, &["198.51.100.1 1", "198.51.100.2 1"]);
    assert_eq!(damaged_files(&home), 1, "kept aside: {:?}", files(&home));
    assert_eq!(times(&home, "bans go on without it"), 1, "{}", log(&home));
    home.stop();
    let ends = kept(&home);
    home.start(Program::Rban);
    home.wait("both back", |home| (home.ends().len() == 2).then_some(()));
    home.stop();
    assert_eq!(kept(&home), ends);
}

#[test]
fn damage_found_at_start_is_set_aside_and_the_rest_is_saved() {
    let mut home = home("");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_kept(&home, &["198.51.100.1 1"]);
    home.stop();
    damage(&home);
    home.start(Program::Rban);
    home.failures("198.51.100.2", 3);
    wait_acted(&home, "198.51.100.2");
    home.wait("kept", |home| {
        kept(home)
            .contains(&"198.51.100.2 1".to_owned())
            .then_some(())
    });
    home.stop();
    assert_eq!(damaged_files(&home), 1, "kept aside: {:?}", files(&home));
    // The table of positions was whole.
    let connection = Connection::open(home.path("state/db")).expect("a database");
    let count = |sql: &str| -> i64 {
        let row = connection.query_row(sql, [], |row| row.get(0));
        row.expect("a number")
    };
    assert_eq!(count("SELECT count(*) FROM logs"), 1);
    assert_eq!(
        count("SELECT count(*) FROM bans"),
        2,
        "the history was whole"
    );
}

#[test]
fn a_file_that_vanishes_is_written_anew_from_memory() {
    let mut home = home("bantime.increment = true");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_kept(&home, &["198.51.100.1 1"]);
    home.stop();
    let connection = Connection::open(home.path("state/db")).expect("a database");
    let past =
        "INSERT INTO bips SELECT '198.51.100.9', jail, timeofban - 90, 60, 5, data FROM bips";
    connection.execute_batch(past).expect("a past ban");
    drop(connection);
    home.start(Program::Rban);
    home.wait("the old ban", |home| (home.ends().len() == 1).then_some(()));
    let ends = home.ends();
    // The whole folder, as an operator's tidying does it.
    fs::remove_dir_all(home.path("state")).expect("gone");
    home.failures("198.51.100.2", 3);
    wait_acted(&home, "198.51.100.2");
    wait_kept(
        &home,
        &["198.51.100.1 1", "198.51.100.2 1", "198.51.100.9 5"],
    );
    assert_eq!(times(&home, "deleted or replaced"), 1, "{}", log(&home));
    // Gone again, and nothing happens until the end.
    fs::remove_file(home.path("state/db")).expect("gone");
    home.stop();
    wait_kept(
        &home,
        &["198.51.100.1 1", "198.51.100.2 1", "198.51.100.9 5"],
    );
    home.start(Program::Rban);
    home.wait("the same end", |home| {
        ends.is_subset(&home.ends()).then_some(())
    });
    let status = home.ask(&["status", "door"]);
    assert!(
        status.contains("Total failed:\t0"),
        "not read twice: {status}"
    );
    home.stop();
}

#[test]
fn a_database_of_a_newer_version_is_not_touched_and_bans_go_on() {
    let mut home = home("");
    home.start(Program::Rban);
    home.stop();
    let connection = Connection::open(home.path("state/db")).expect("a database");
    connection
        .execute_batch("UPDATE fail2banDb SET version = 5")
        .expect("newer");
    drop(connection);
    let before = fs::read(home.path("state/db")).expect("the file");
    home.start(Program::Rban);
    home.failures("198.51.100.1", 3);
    wait_acted(&home, "198.51.100.1");
    home.stop();
    assert!(fs::read(home.path("state/db")).expect("the file") == before);
    assert_eq!(
        times(&home, "made by a newer fail2ban"),
        1,
        "{}",
        log(&home)
    );
    let left: Vec<String> = files(&home);
    assert_eq!(
        left.iter()
            .filter(|name| name.starts_with("db") && !name.ends_with("-journal"))
            .count(),
        1
    );
}

#[test]
fn a_database_that_cannot_be_written_is_read_and_written_when_it_can_be() {
    with_own_mounts(|| {
        let mut home = home("");
        home.start(Program::Rban);
        home.failures("198.51.100.1", 3);
        wait_kept(&home, &["198.51.100.1 1"]);
        let ends = home.ends();
        home.stop();
        let state = home.path("state").display().to_string();
        said(&format!(
            "mount --bind {state} {state} && mount -o remount,ro,bind {state}"
        ));
        home.start(Program::Rban);
        home.wait("the old ban", |home| (home.ends() == ends).then_some(()));
        home.failures("198.51.100.2", 3);
        wait_acted(&home, "198.51.100.2");
        wait_logged(&home, "cannot be written");
        said(&format!("mount -o remount,rw,bind {state}"));
        wait_kept(&home, &["198.51.100.1 1", "198.51.100.2 1"]);
        wait_logged(&home, "written to again; nothing was lost");
        assert_eq!(times(&home, "cannot be written"), 1, "{}", log(&home));
        assert_eq!(times(&home, "Connected to"), 2, "{}", log(&home));
        home.stop();
    });
}

/// Reads a database over and over until a file says that it is enough; prints how often it could,
/// and what went wrong. Each waits for a lock of ours, as Python's readers do by themselves.
const READERS: &str = r#"
import json, os, sqlite3, subprocess, sys
sys.argv = json.load(sys.stdin)
path, enough, how = sys.argv
def python():
    base = sqlite3.connect(path, timeout=0)
    rows = base.execute("SELECT ip, timeofban, data FROM bips").fetchall()
    base.close()
    return len(rows)
def tool():
    sql = "SELECT count(*) FROM bips JOIN jails ON name = jail"
    told = subprocess.run(["sqlite3", path, sql], capture_output=True, text=True)
    if told.returncode or told.stderr:
        raise OSError(told.stderr)
    return int(told.stdout.split()[-1])
def fail2ban():
    from fail2ban.server.database import Fail2BanDb
    class Jail:
        name = "door"
        def __hash__(self): return 1
    base = Fail2BanDb(path)
    bans = base.getBans(jail=Jail())
    base.close()
    return len(bans)
read = {"python": python, "sqlite3": tool, "fail2ban": fail2ban}[how]
times, most, errors = 0, 0, []
while True:
    last = os.path.exists(enough)
    try:
        most = max(most, read())
    except Exception as error:
        errors.append(repr(error))
    times += 1
    if last:
        break
print(json.dumps([times, most, errors[:3]]))
"#;

/// `dbfile = None` keeps nothing, `:memory:` keeps it until the end: either way bans survive a reload
/// and nothing comes to the disk.
#[test]
fn without_a_file_bans_survive_a_reload_and_nothing_is_on_the_disk() {
    for dbfile in ["None", ":memory:"] {
        let mut home = Home::new("", "action = note");
        let conf = fs::read_to_string(home.path("fail2ban.conf")).expect("a configuration");
        let file = format!("dbfile = {}/db", home.path("").display());
        assert!(conf.contains(&file), "{conf}");
        let conf = conf.replace(&file, &format!("dbfile = {dbfile}"));
        home.write("fail2ban.conf", &conf);
        home.start(Program::Rban);
        home.failures("192.0.2.10", 3);
        home.failures("192.0.2.11", 2);
        wait_acted(&home, "192.0.2.10");
        home.ask(&["set", "door", "banip", "2001:db8::1"]);
        wait_acted(&home, "2001:db8::1");
        let ends = home.ends();
        let at = home.path("").display().to_string();
        for reload in [&["-c", &at, "reload"][..], &["-c", &at, "reload", "door"]] {
            assert_eq!(home.ask(reload), "OK\n", "{dbfile}");
            assert_eq!(home.ends(), ends, "{dbfile}");
        }
        // Failures are kept too, and the log is not read again.
        home.failures("192.0.2.11", 1);
        wait_acted(&home, "192.0.2.11");
        assert_eq!(acted(&home).len(), 3, "{dbfile}");
        // A jail that is restarted reads its log again; by-hand bans come back of memory alone.
        home.ask(&["-c", &at, "reload", "--restart", "door"]);
        let kept = if dbfile == "None" { 2 } else { 3 };
        home.wait("what is kept", |home| {
            (home.ends().len() == kept).then_some(())
        });
        let shown = home.ask(&["get", "dbfile"]);
        let expected = match dbfile {
            "None" => "Database currently disabled\n",
            _ => "Current database file is:\n`- :memory:\n",
        };
        assert_eq!(shown, expected);
        home.stop();
        let entries = fs::read_dir(home.path("")).expect("a folder");
        let mut names: Vec<String> = entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        let expected = "action.d acts door.log fail2ban.conf filter.d jail.conf log";
        assert_eq!(names.join(" "), expected, "{dbfile}");
        // A new start knows nothing of it, but for what the log's lines of the last minutes say.
        home.start(Program::Rban);
        home.wait("what the log says", |home| {
            (home.ends().len() == 2).then_some(())
        });
        home.stop();
    }
}

#[test]
fn who_reads_the_database_meanwhile_never_fails_and_holds_up_nobody() {
    if reference::python("print('null')").is_some() {
        // One after the other: readers without any patience may keep each other out as they leave.
        for how in ["python", "sqlite3", "fail2ban"] {
            read_while_bans_are_written(how);
        }
    }
}

fn read_while_bans_are_written(how: &'static str) {
    const BANS: usize = 100;
    let mut home = home("");
    home.start(Program::Rban);
    let paths = [home.path("state/db"), home.path("enough")];
    let [path, enough] = paths.map(|path| path.display().to_string());
    let question = serde_json::json!([path, enough, how]);
    let reader = std::thread::spawn(move || reference::ask(READERS, &question));
    for number in 0..BANS {
        let address = format!("198.51.100.{number}");
        home.failures(&address, 3);
        wait_acted(&home, &address);
    }
    home.wait("all kept", |home| (kept(home).len() == BANS).then_some(()));
    home.write("enough", "");
    let told = reader.join().expect("its end").expect("an answer");
    assert_eq!(told[2], serde_json::json!([]), "{how} {told}");
    assert_eq!(told[1], BANS, "{how}");
    assert!(told[0].as_u64() > Some(5), "{how}: {told}");
    // Nothing had to be told.
    let text = log(&home);
    let told = text.replace("WARNING New database created", "");
    assert!(
        !told.contains("ERROR") && !told.contains("WARNING"),
        "{told}"
    );
    home.stop();
}
