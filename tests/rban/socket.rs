//! The control socket of a running server: hostile, slow and many clients, and nobody else is
//! harmed; what fails comes as the objects fail2ban sends.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rban::protocol::frame::{END, LIMIT};
use rban::protocol::{Value, pickle};

use crate::client::{COMMANDS, REAL_SERVER, Real, lines};
use crate::reference;

const OURS: &[&str] = &[env!("CARGO_BIN_EXE_rban"), "server"];
/// How long an answer may take on a machine that is busy with other tests.
const IN_TIME: Duration = Duration::from_secs(10);

fn connect(socket: &Path) -> UnixStream {
    let stream = UnixStream::connect(socket).expect("a server");
    stream.set_read_timeout(Some(IN_TIME)).expect("a limit");
    stream.set_write_timeout(Some(IN_TIME)).expect("a limit");
    stream
}

/// What comes back for some bytes, up to the end of one answer or of the connection.
fn answer(stream: &mut UnixStream, bytes: &[u8]) -> Option<Value> {
    // A server that has heard enough reads no more.
    let _ = stream.write_all(bytes);
    let mut heard = Vec::new();
    let mut byte = [0; 4096];
    while !heard.ends_with(END) {
        match stream.read(&mut byte) {
            Ok(0) | Err(_) => return None,
            Ok(length) => heard.extend_from_slice(&byte[..length]),
        }
    }
    heard.truncate(heard.len() - END.len());
    Some(pickle::decode(&heard).expect("a pickle"))
}

fn message(pickle: &[u8]) -> Vec<u8> {
    [pickle, END].concat()
}

fn ping() -> Vec<u8> {
    message(&pickle::encode(&Value::list(["ping"])))
}

fn pong() -> Value {
    Value::Tuple(vec![0i64.into(), "pong".into()])
}

/// Resident memory in KiB.
fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let words = line.expect("its memory").split_whitespace();
    words
        .filter_map(|word| word.parse().ok())
        .next()
        .expect("a number")
}

/// Lists in lists, a hundred thousand deep; and a list that doubles 64 times by its memo.
fn deep() -> Vec<u8> {
    let mut bytes = b"\x80\x04".to_vec();
    bytes.extend([b']'; 100_000]);
    bytes.extend([b'a'; 99_999]);
    bytes.push(b'.');
    bytes
}

fn laughing() -> Vec<u8> {
    let mut bytes = b"\x80\x04]\x94".to_vec();
    for level in 0..64u8 {
        // A new list that holds the last one twice.
        bytes.extend([b']', 0x94, b'(', b'h', level, b'h', level, b'e']);
    }
    bytes.push(b'.');
    bytes
}

#[test]
fn hostile_bytes_get_an_error_and_the_connection_goes_on() {
    let Some(server) = Real::start_with(OURS) else {
        return;
    };
    let socket = server.path("sock");
    let mark = server.path("mark");
    let evil = format!("cposix\nsystem\n(S'touch {}'\ntR.", mark.display());
    let whole = pickle::encode(&Value::list(["get", "one", "bantime"]));
    let mut bystander = connect(&socket);
    let mut stream = connect(&socket);
    let before = memory(server.server.id());
    let mut hostile: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"\x00".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        evil.into_bytes(),
        b"cos\nsystem\n.".to_vec(),
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.".to_vec(),
        b"\x80\x06].".to_vec(),
        b"\x80\x04]r\xff\xff\xff\xff.".to_vec(),
        b"\x80\x04X\xff\xff\xff\xffabc".to_vec(),
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff]".to_vec(),
        b"L99999999999999999999999999999999999999999x\n.".to_vec(),
        deep(),
        laughing(),
    ];
    hostile.extend((0..whole.len()).map(|length| whole[..length].to_vec()));
    for bytes in &hostile {
        let told = answer(&mut stream, &message(bytes));
        let told =
            told.unwrap_or_else(|| panic!("no answer to {:?}", &bytes[..bytes.len().min(40)]));
        assert!(
            told.as_str()
                .is_some_and(|text| text.starts_with("ERROR: ")),
            "{told:?} to {:?}",
            &bytes[..bytes.len().min(40)]
        );
        assert_eq!(answer(&mut bystander, &ping()), Some(pong()));
    }
    // What is a pickle and no command is refused as a command.
    for value in [
        Value::None,
        Value::Int(3),
        Value::str("ping"),
        Value::List(Vec::new()),
        Value::list([[0u8; 3].len().to_string().as_str()]),
    ] {
        let told = answer(&mut stream, &message(&pickle::encode(&value)));
        let Some(Value::Tuple(pair)) = told else {
            panic!("{told:?} to {value:?}")
        };
        assert_eq!(pair[0], Value::Int(1), "{value:?}");
    }
    assert_eq!(answer(&mut stream, &ping()), Some(pong()));
    assert!(!mark.exists(), "a message ran a command");
    let grown = memory(server.server.id()).saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB");
}

#[test]
fn huge_slow_and_deaf_clients_harm_nobody_else() {
    let Some(server) = Real::start_with(OURS) else {
        return;
    };
    let socket = server.path("sock");
    let mut bystander = connect(&socket);
    // Longer than anyone has use for, in one piece and without an end.
    let mut huge = connect(&socket);
    let mut told = None;
    for _ in 0..=(LIMIT >> 20) {
        if huge.write_all(&vec![b'x'; 1 << 20]).is_err() {
            break;
        }
        assert_eq!(answer(&mut bystander, &ping()), Some(pong()));
    }
    let mut heard = Vec::new();
    // Where the server closed with bytes unread, its last words may be lost.
    if huge.read_to_end(&mut heard).is_ok() && heard.ends_with(END) {
        told = pickle::decode(&heard[..heard.len() - END.len()]).ok();
    }
    assert!(told.is_none_or(|told| told == Value::str("ERROR: message too long")));
    // Half a message, and nothing more.
    let mut slow = connect(&socket);
    slow.write_all(&ping()[..10]).expect("sent");
    // Questions upon questions, and no answer taken: 4 MiB of them.
    let mut deaf = connect(&socket);
    deaf.set_write_timeout(Some(Duration::from_millis(200)))
        .expect("a limit");
    let question = message(&pickle::encode(&Value::list(["get", "one", "failregex"])));
    let questions = question.repeat(4096);
    let stuck = (0..16).any(|_| deaf.write_all(&questions).is_err());
    assert!(stuck, "the server keeps answers nobody takes");
    for _ in 0..100 {
        assert_eq!(answer(&mut bystander, &ping()), Some(pong()));
    }
    // The slow one is in time after all.
    assert_eq!(answer(&mut slow, &ping()[10..]), Some(pong()));
}

#[test]
fn a_thousand_idle_connections_and_a_hundred_busy_ones_hold_up_nobody() {
    let Some(server) = Real::start_with(OURS) else {
        return;
    };
    let script = format!(
        "import json, resource, socket, time\n\
         from fail2ban.client.csocket import CSocket\n\
         soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)\n\
         resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))\n\
         idle = []\n\
         for number in range(1000):\n\
         \x20   link = socket.socket(socket.AF_UNIX); link.connect({0})\n\
         \x20   if number % 3 == 0: link.sendall(b'half a mess')\n\
         \x20   idle.append(link)\n\
         began = time.monotonic()\n\
         links = [CSocket({0}, timeout=20) for number in range(100)]\n\
         answers = [link.send(['ping'])[1] for link in links for again in range(3)]\n\
         took = time.monotonic() - began\n\
         again = CSocket({0}, timeout=20).send(['status'])[0]\n\
         print(json.dumps([answers.count('pong'), took, again]))\n",
        Value::Str(server.path("sock").display().to_string()).repr(),
    );
    let told = reference::python(&script).expect("answers");
    assert_eq!(
        (told[0].as_i64(), told[2].as_i64()),
        (Some(300), Some(0)),
        "{told}"
    );
    assert!(
        told[1].as_f64().expect("seconds") < IN_TIME.as_secs_f64(),
        "{told}"
    );
    assert!(memory(server.server.id()) < 64 * 1024);
}

/// Our own words for what Python would say of a bad pattern, time or JSON; the class is the same.
const OWN_WORDS: &[&str] = &[
    "set one addfailregex ^bad (",
    "set one action quiet start {bad",
];

/// What we take on purpose and fail2ban refuses, or the other way round.
const OTHERWISE: &[&str] = &[
    "status --all",
    "stats",
    "statistic",
    "statistics",
    "add one",
    "set one addlogpath /nonexistent/file",
    // A NameError of Python's eval, which we have not.
    "set one findtime abc",
];

#[test]
fn exceptions_are_the_objects_fail2ban_sends() {
    let Some(theirs) = Real::start_with(&[REAL_SERVER]) else {
        return;
    };
    let ours = Real::start_with(OURS).expect("our server");
    let said = |server: &Real| {
        let conf = server.conf();
        let commands = lines(COMMANDS, &conf).into_iter();
        let commands = commands.filter(|words| words[0] != "reload");
        let commands: Vec<Vec<String>> = commands.collect();
        let sent = commands
            .iter()
            .map(|words| Value::list(words.iter().map(String::as_str)));
        let script = format!(
            "import json, pickle, socket\n\
             END = b'<F2B_END_COMMAND>'\n\
             link = socket.socket(socket.AF_UNIX); link.connect({})\n\
             out = []\n\
             for command in {}:\n\
             \x20   link.sendall(pickle.dumps(command) + END)\n\
             \x20   data = b''\n\
             \x20   while not data.endswith(END): data += link.recv(4096)\n\
             \x20   code, payload = pickle.loads(data[:-len(END)])\n\
             \x20   kind = type(payload)\n\
             \x20   out.append([kind.__module__, kind.__qualname__, repr(payload), str(payload),\n\
             \x20              getattr(payload, 'errno', None), getattr(payload, 'filename', None)]\n\
             \x20       if code and isinstance(payload, BaseException) else [code])\n\
             print(json.dumps(out))\n",
            Value::Str(server.path("sock").display().to_string()).repr(),
            Value::List(sent.collect()).repr(),
        );
        let told = reference::python(&script).expect("answers");
        let told: Vec<String> = told
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one.to_string().replace(&conf, "DIR"))
            .collect();
        let names = commands
            .iter()
            .map(|words| words.join(" ").replace(&conf, "DIR"));
        names.zip(told).collect::<Vec<(String, String)>>()
    };
    let (ours, theirs) = (said(&ours), said(&theirs));
    let class = |told: &str| told.split(',').take(2).collect::<String>();
    let mut wrong = Vec::new();
    let mut raised = 0;
    for ((words, ours), (_, theirs)) in ours.iter().zip(&theirs) {
        raised += usize::from(theirs != "[0]");
        let alike = if OWN_WORDS.contains(&words.as_str()) {
            class(ours) == class(theirs)
        } else {
            ours == theirs
        };
        if alike == OTHERWISE.contains(&words.as_str()) {
            wrong.push(format!("{words}\n  fail2ban: {theirs}\n  rban:     {ours}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(raised > 50, "{raised}");
}
