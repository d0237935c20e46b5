use super::{PickleError, decode, encode};
use crate::protocol::value::{Exception, Value};
use proptest::prelude::*;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// Runs Python with `input` as its standard input.
fn python(script: &str, input: &[u8]) -> Vec<u8> {
    #[expect(
        clippy::disallowed_methods,
        reason = "Python is the oracle of this test"
    )]
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "python failed");
    output.stdout
}

fn samples() -> Value {
    Value::List(vec![
        Value::None,
        true.into(),
        false.into(),
        0i64.into(),
        255i64.into(),
        65536i64.into(),
        (-1i64).into(),
        i64::MIN.into(),
        i64::MAX.into(),
        Value::Float(1.5),
        Value::Float(-0.25),
        "".into(),
        "sshd".into(),
        "é\u{1f600}\\u0041\n'\"".into(),
        "x".repeat(300).into(),
        Value::Bytes(b"\x00\xff raw".to_vec()),
        Value::Tuple(vec![]),
        Value::Tuple(vec![1i64.into()]),
        Value::Tuple(vec![1i64.into(), 2i64.into(), 3i64.into(), 4i64.into()]),
        Value::Dict(vec![(
            "a".into(),
            Value::List(vec!["b".into(), "b".into()]),
        )]),
        Value::Set(vec!["only".into()]),
    ])
}

#[test]
fn every_protocol_of_pythons_is_read() {
    for protocol in 0..=5 {
        let script = format!(
            "import ast,pickle,sys; sys.stdout.buffer.write(pickle.dumps(\
             ast.literal_eval(sys.stdin.buffer.read().decode('utf-8')), {protocol}))"
        );
        let bytes = python(&script, samples().repr().as_bytes());
        assert_eq!(decode(&bytes).unwrap(), samples(), "protocol {protocol}");
    }
}

#[test]
fn python_reads_what_we_write() {
    let script = "import pickle,sys; sys.stdout.buffer.write(\
                  repr(pickle.loads(sys.stdin.buffer.read())).encode('utf-8'))";
    let shown = String::from_utf8(python(script, &encode(&samples()))).unwrap();
    assert_eq!(shown, samples().repr());
}

#[test]
fn exceptions_are_objects_to_python_and_data_to_us() {
    let exception = Value::Exception(Exception::builtin("ValueError", vec!["bad".into()]));
    let script = "import pickle,sys; e=pickle.loads(sys.stdin.buffer.read()); \
                  assert isinstance(e, ValueError); sys.stdout.buffer.write(pickle.dumps(e))";
    let back = python(script, &encode(&exception));
    assert_eq!(decode(&back).unwrap(), exception);
}

#[test]
fn addresses_arrive_as_the_text_they_are() {
    let bytes = b"\x80\x04cbuiltins\nstr\n\x8c\x09192.0.2.5\x85R.";
    assert_eq!(decode(bytes).unwrap(), Value::str("192.0.2.5"));
}

#[test]
fn nothing_but_data_is_ever_made() {
    for evil in [
        b"cos\nsystem\n(S'true'\ntR.".as_slice(),
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"cposix\nsystem\n.",
        b"(S'true'\nios\nsystem\n.",
    ] {
        let error = decode(evil).unwrap_err();
        assert!(
            matches!(error, PickleError::Class(_) | PickleError::Opcode(_)),
            "{error:?}"
        );
    }
}

#[test]
fn bombs_are_refused() {
    let deep = [vec![b']'; 100_000], vec![b'a'; 99_999], vec![b'.']].concat();
    assert_eq!(decode(&deep), Err(PickleError::TooDeep));
    // Each step doubles the list by recalling it twice.
    let mut double = b"]q\x00(K\x01e".to_vec();
    for _ in 0..60 {
        double.extend(b"q\x000](h\x00h\x00e");
    }
    double.push(b'.');
    assert!(matches!(
        decode(&double),
        Err(PickleError::TooMany | PickleError::TooDeep)
    ));
}

proptest! {
    #[test]
    fn bytes_of_any_kind_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn texts_survive(texts in proptest::collection::vec(any::<String>(), 0..8)) {
        let value = Value::list(texts);
        prop_assert_eq!(decode(&encode(&value)).unwrap(), value);
    }

    #[test]
    fn a_cut_message_is_an_error(cut in 0usize..200) {
        let bytes = encode(&samples());
        prop_assert!(decode(&bytes[..cut.min(bytes.len() - 1)]).is_err());
    }
}
