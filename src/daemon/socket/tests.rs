use super::*;
use std::sync::mpsc;

fn ask(stream: &mut UnixStream, bytes: &[u8]) -> Value {
    stream.write_all(bytes).unwrap();
    stream.write_all(END).unwrap();
    hear(stream)
}

fn hear(stream: &mut UnixStream) -> Value {
    let mut splitter = Splitter::default();
    let mut buffer = [0; 4096];
    loop {
        if let Some(message) = splitter.next_message() {
            return pickle::decode(&message).unwrap();
        }
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0, "the server hung up");
        splitter.push(&buffer[..length]).unwrap();
    }
}

fn serving(folder: &Path) -> (Server, PathBuf) {
    let path = folder.join("run/rban.sock");
    let (server, stale) = Server::bind(&path, Opening::default()).unwrap();
    assert!(!stale);
    server
        .serve(|command| Ok(Value::Tuple(vec!["heard".into(), command])))
        .unwrap();
    (server, path)
}

#[test]
fn a_connection_carries_many_commands() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let mut stream = UnixStream::connect(&path).unwrap();
    for word in ["ping", "status"] {
        let heard = Value::Tuple(vec!["heard".into(), Value::list([word])]);
        let expected = Value::Tuple(vec![0i64.into(), heard]);
        assert_eq!(
            ask(&mut stream, &pickle::encode(&Value::list([word]))),
            expected
        );
    }
    stream.write_all(&[CLOSE, END].concat()).unwrap();
    assert_eq!(
        stream.read(&mut [0; 8]).unwrap(),
        0,
        "goodbye is answered by hanging up"
    );
}

#[test]
fn nonsense_is_answered_and_the_connection_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let mut stream = UnixStream::connect(&path).unwrap();
    assert_eq!(
        ask(&mut stream, b"\x80\x04]"),
        Value::str("ERROR: pickle data was truncated")
    );
    assert!(
        ask(&mut stream, &pickle::encode(&Value::list(["ping"])))
            .items()
            .is_some()
    );
}

#[test]
fn a_silent_client_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let mut silent: Vec<UnixStream> = (0..100)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    silent[0].write_all(b"half a mess").unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    assert!(
        ask(&mut stream, &pickle::encode(&Value::list(["ping"])))
            .items()
            .is_some()
    );
}

#[test]
fn a_second_server_is_refused_and_a_stale_socket_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (server, path) = serving(folder.path());
    assert!(matches!(
        Server::bind(&path, Opening::default()),
        Err(BindError::Taken(_))
    ));
    drop(server);
    assert!(!path.exists(), "the socket goes with its server");
    drop(UnixListener::bind(&path).unwrap());
    let (server, stale) = Server::bind(&path, Opening::default()).unwrap();
    assert!(stale, "a file nobody listens on is replaced");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(server);
}

#[test]
fn a_server_that_stops_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let (server, _) = Server::bind(&path, Opening::default()).unwrap();
    let (send, commands) = mpsc::channel();
    server
        .serve(move |command| {
            send.send(command).unwrap();
            Ok(Value::None)
        })
        .unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    ask(&mut stream, &pickle::encode(&Value::list(["stop"])));
    commands.recv().unwrap();
    drop(server);
    assert_eq!(
        ask(&mut stream, &pickle::encode(&Value::list(["ping"]))),
        Value::list(["SHUTDOWN"])
    );
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwd");
    fs::write(&path, "precious").unwrap();
    assert!(matches!(
        Server::bind(&path, Opening::default()),
        Err(BindError::NoSocket(_))
    ));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_successors_socket_survives_its_predecessor() {
    let folder = tempfile::tempdir().unwrap();
    let (server, path) = serving(folder.path());
    fs::remove_file(&path).unwrap();
    let (successor, _) = Server::bind(&path, Opening::default()).unwrap();
    drop(server);
    assert!(path.exists(), "the file is the successor's");
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn who_comes_to_a_full_house_gets_the_place_of_the_longest_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let mut early: Vec<UnixStream> = (0..CLIENTS)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let ping = pickle::encode(&Value::list(["ping"]));
    early.iter_mut().for_each(|stream| drop(ask(stream, &ping)));
    // One that takes its time over a message, and one that has just been heard.
    early[1].write_all(b"half").unwrap();
    let mut late = UnixStream::connect(&path).unwrap();
    assert!(ask(&mut late, &ping).items().is_some());
    // The first has gone; nobody else had to.
    assert_eq!(early[0].read(&mut [0]).unwrap(), 0);
    for stream in &mut early[2..] {
        assert!(ask(stream, &ping).items().is_some());
    }
}

#[test]
fn a_thousand_idle_connections_hold_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let ping = pickle::encode(&Value::list(["ping"]));
    // In pieces: this process, which is both ends here, may have 1024 descriptors.
    for _ in 0..4 {
        let idle: Vec<UnixStream> = (0..250)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        let mut stream = UnixStream::connect(&path).unwrap();
        assert!(ask(&mut stream, &ping).items().is_some());
        drop(idle);
    }
}

#[test]
fn a_command_that_panics_costs_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let (server, _) = Server::bind(&path, Opening::default()).unwrap();
    server
        .serve(|command| {
            assert_ne!(command, Value::str("panic"));
            Ok(Value::None)
        })
        .unwrap();
    for _ in 0..=CLIENTS {
        let mut stream = UnixStream::connect(&path).unwrap();
        let message = pickle::encode(&Value::str("panic"));
        stream.write_all(&[&message, END].concat()).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0, "hung up");
    }
    let mut stream = UnixStream::connect(&path).unwrap();
    let fine = Value::Tuple(vec![0i64.into(), Value::None]);
    assert_eq!(ask(&mut stream, &pickle::encode(&Value::None)), fine);
}

#[test]
fn an_answer_under_way_is_written_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let (server, _) = Server::bind(&path, Opening::default()).unwrap();
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let may_go_on = Mutex::new(may_go_on);
    server
        .serve(move |_| {
            begun.send(()).unwrap();
            may_go_on.lock().unwrap().recv().unwrap();
            Ok("done".into())
        })
        .unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    let message = pickle::encode(&Value::list(["stop"]));
    stream.write_all(&[&message, END].concat()).unwrap();
    has_begun.recv().unwrap();
    let hall = Arc::clone(&server.hall);
    let end = thread::spawn(move || drop(server));
    // The end has begun; only now is the answer there.
    let closed = |_: &mut Crowd| !hall.is_closed();
    drop(hall.changed.wait_while(hall.crowd(), closed).unwrap());
    go_on.send(()).unwrap();
    end.join().unwrap();
    assert_eq!(hall.crowd().answers, 0, "the end waited for the answer");
    let done = Value::Tuple(vec![0i64.into(), "done".into()]);
    assert_eq!(hear(&mut stream), done);
}

#[test]
fn many_clients_at_once_each_get_their_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    thread::scope(|scope| {
        for client in 0..100i64 {
            let path = &path;
            scope.spawn(move || {
                let mut stream = UnixStream::connect(path).unwrap();
                for turn in 0..10i64 {
                    let command = Value::list([client, turn]);
                    let heard = Value::Tuple(vec!["heard".into(), command.clone()]);
                    let expected = Value::Tuple(vec![0i64.into(), heard]);
                    assert_eq!(ask(&mut stream, &pickle::encode(&command)), expected);
                }
            });
        }
    });
}

/// The installed fail2ban's own client, asked to say some words to a server of ours.
fn fail2bans_client(socket: &Path, words: &[&str]) -> Option<(i32, String, String)> {
    const CLIENT: &str = "/usr/bin/fail2ban-client";
    if !Path::new(CLIENT).exists() {
        eprintln!("skipped, fail2ban is not installed");
        return None;
    }
    #[expect(
        clippy::disallowed_methods,
        reason = "the real client is this test's other half"
    )]
    let mut client = std::process::Command::new(CLIENT);
    let output = client
        .args(["-s", &socket.to_string_lossy()])
        .args(words)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    ))
}

/// What a server might answer, with everything a pickle of ours can hold.
fn canned(command: &Value) -> Answer {
    let pair = |name: &str, value: Value| Value::Tuple(vec![name.into(), value]);
    let words: Vec<String> = command
        .items()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Ok(match words.as_slice() {
        ["ping"] => "pong".into(),
        ["status"] => Value::List(vec![
            pair("Number of jail", 2i64.into()),
            pair("Jail list", "sshd, wéb".into()),
        ]),
        ["status", "sshd"] => Value::List(vec![
            pair(
                "Filter",
                Value::List(vec![
                    pair("Currently failed", 0i64.into()),
                    pair("Total failed", i64::MAX.into()),
                    pair("File list", Value::list(["/var/log/auth.log"])),
                ]),
            ),
            pair(
                "Actions",
                Value::List(vec![pair(
                    "Banned IP list",
                    Value::list(["192.0.2.5", "2001:db8::1"]),
                )]),
            ),
        ]),
        ["status", jail] => return Err(Exception::unknown_jail(jail)),
        ["add", jail] => return Err(Exception::duplicate_jail(jail)),
        ["get", "sshd", "bantime"] => (-1i64).into(),
        ["get", "sshd", "findtime"] => Value::Float(0.25),
        ["get", "sshd", "prefregex"] => Value::Bytes(vec![0, 255]),
        ["get", "thread"] => Value::Dict(vec![("stacksize".into(), 0i64.into())]),
        ["get", "sshd", "datepattern"] => {
            Value::Tuple(vec![Value::None, "Default Detectors".into()])
        }
        ["banned"] => Value::List(vec![Value::Dict(vec![(
            "sshd".into(),
            Value::Set(vec!["x".into()]),
        )])]),
        ["echo", ..] => Value::list(words[1..].iter().copied()),
        ["stop"] => Value::None,
        ["get"] => return Err(protocol::index_error()),
        ["flushlogs"] => {
            let missing = vec![2i64.into(), "No such file".into(), "/x".into()];
            return Err(Exception::builtin("FileNotFoundError", missing));
        }
        _ => {
            return Err(Exception::builtin(
                "Exception",
                vec!["Invalid command".into()],
            ));
        }
    })
}

#[test]
fn the_real_client_understands_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let (server, _) = Server::bind(&path, Opening::default()).unwrap();
    server.serve(|command| canned(&command)).unwrap();
    let cases: &[(&str, i32, &str, &str)] = &[
        ("ping", 0, "Server replied: pong\n", ""),
        (
            "status",
            0,
            "Status\n|- Number of jail:\t2\n`- Jail list:\tsshd, wéb\n",
            "",
        ),
        (
            "status sshd",
            0,
            "Status for the jail: sshd\n|- Filter\n|  |- Currently failed:\t0\n\
             |  |- Total failed:\t9223372036854775807\n|  `- File list:\t/var/log/auth.log\n\
             `- Actions\n   `- Banned IP list:\t192.0.2.5 2001:db8::1\n",
            "",
        ),
        (
            "status nope",
            255,
            "Sorry but the jail 'nope' does not exist\n",
            "NOK: ('nope',)",
        ),
        (
            "add sshd",
            255,
            "The jail 'sshd' already exists\n",
            "NOK: ('sshd',)",
        ),
        ("get sshd bantime", 0, "-1\n", ""),
        ("get sshd findtime", 0, "0.25\n", ""),
        ("get sshd prefregex", 0, "b'\\x00\\xff'\n", ""),
        ("get thread", 0, "{'stacksize': 0}\n", ""),
        (
            "get sshd datepattern",
            0,
            "Current date pattern set to: Default Detectors\n",
            "",
        ),
        ("banned", 0, "[{'sshd': {'x'}}]\n", ""),
        ("echo a é 'b", 0, "a é 'b\n", ""),
        (
            "get",
            255,
            "Sorry but the command is invalid\n",
            "NOK: ('list index out of range',)",
        ),
        (
            "flushlogs",
            255,
            "[Errno 2] No such file: '/x'\n",
            "NOK: (2, 'No such file')",
        ),
        (
            "nonsense",
            255,
            "Invalid command\n",
            "NOK: ('Invalid command',)",
        ),
        ("stop", 0, "Shutdown successful\n", ""),
    ];
    for (words, code, out, err) in cases {
        let words: Vec<&str> = words.split(' ').collect();
        let Some(said) = fail2bans_client(&path, &words) else {
            return;
        };
        assert_eq!(
            (said.0, said.1.as_str()),
            (*code, *out),
            "{words:?}: {}",
            said.2
        );
        assert!(said.2.contains(err), "{words:?}: {}", said.2);
    }
}

#[test]
fn a_socket_of_systemds_is_served_and_listens_on_when_we_have_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let systemds = UnixListener::bind(&path).unwrap();
    let opening = Opening {
        inherited: Some(systemds.try_clone().unwrap()),
        group: None,
        mode: None,
    };
    let (server, _) = Server::bind(&path, opening).unwrap();
    server.serve(Ok).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    let heard = Value::Tuple(vec![0i64.into(), Value::list(["ping"])]);
    assert_eq!(
        ask(&mut stream, &pickle::encode(&Value::list(["ping"]))),
        heard
    );
    drop((server, stream));
    assert!(UnixStream::connect(&path).is_ok());
}

#[test]
fn who_may_only_look_changes_nothing() {
    let says = |words: &[&str], may| {
        let command = pickle::encode(&Value::list(words.iter().copied()));
        let Value::Tuple(pair) = reply(&command, may, &|_| Ok(Value::None)) else {
            panic!("{words:?} has no answer")
        };
        pair[0] == Value::Int(0)
    };
    let looks: [&[&str]; 6] = [
        &["ping"],
        &["status"],
        &["status", "sshd"],
        &["banned"],
        &["get", "sshd", "bantime"],
        &["rban-report"],
    ];
    let changes: [&[&str]; 8] = [
        &["stop"],
        &["unban", "--all"],
        &["set", "sshd", "bantime", "1"],
        &["set", "loglevel", "DEBUG"],
        &["get", "sshd", "action", "mail", "password"],
        &["sleep", "9"],
        &["flushlogs"],
        &["add", "x"],
    ];
    for words in looks {
        assert!(says(words, May::Look), "{words:?}");
    }
    for words in changes {
        assert!(!says(words, May::Look), "{words:?}");
        assert!(says(words, May::Everything), "{words:?}");
    }
}

#[test]
fn a_group_gets_a_socket_it_can_reach() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run/sock");
    let group = Group::from_gid(nix::unistd::getegid()).unwrap().unwrap();
    let opening = |group: &str, mode| Opening {
        inherited: None,
        group: Some(group.to_owned()),
        mode,
    };
    let (server, _) = Server::bind(&path, opening(&group.name, None)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o770, 0o711));
    drop(server);
    let (server, _) = Server::bind(&path, opening(&group.name, Some(0o660))).unwrap();
    assert_eq!(mode(&path), 0o660);
    drop(server);
    assert!(matches!(
        Server::bind(&path, opening("no such group", None)),
        Err(BindError::NoGroup(_))
    ));
}
