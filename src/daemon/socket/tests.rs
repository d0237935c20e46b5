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
