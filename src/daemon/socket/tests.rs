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
    let (server, stale) = Server::bind(&path).unwrap();
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
    assert!(matches!(Server::bind(&path), Err(BindError::Taken(_))));
    drop(server);
    assert!(!path.exists(), "the socket goes with its server");
    drop(UnixListener::bind(&path).unwrap());
    let (server, stale) = Server::bind(&path).unwrap();
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
    let (server, _) = Server::bind(&path).unwrap();
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
    assert!(matches!(Server::bind(&path), Err(BindError::NoSocket(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_successors_socket_survives_its_predecessor() {
    let folder = tempfile::tempdir().unwrap();
    let (server, path) = serving(folder.path());
    fs::remove_file(&path).unwrap();
    let (successor, _) = Server::bind(&path).unwrap();
    drop(server);
    assert!(path.exists(), "the file is the successor's");
    drop(successor);
    assert!(!path.exists());
}

#[test]
fn more_clients_than_places_are_served_in_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, path) = serving(folder.path());
    let mut early: Vec<UnixStream> = (0..CLIENTS)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    let ping = pickle::encode(&Value::list(["ping"]));
    early.iter_mut().for_each(|stream| drop(ask(stream, &ping)));
    let mut late = UnixStream::connect(&path).unwrap();
    late.write_all(&[&ping, END].concat()).unwrap();
    drop(early.pop());
    assert!(hear(&mut late).items().is_some());
}

#[test]
fn a_command_that_panics_costs_one_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sock");
    let (server, _) = Server::bind(&path).unwrap();
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
    let (server, _) = Server::bind(&path).unwrap();
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
