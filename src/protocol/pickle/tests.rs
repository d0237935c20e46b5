use super::{PickleError, decode, encode};
use crate::protocol::{Exception, Value};
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
fn what_is_shared_is_there_wherever_it_is_referred_to() {
    let shared = "x = []; y = {}; v = [x, x, (x, y), y, {'a': x, 'b': y}]; x.append(1); y['k'] = x";
    let one = || Value::list([1i64]);
    let entry = || Value::Dict(vec![("k".into(), one())]);
    let expected = Value::List(vec![
        one(),
        one(),
        Value::Tuple(vec![one(), entry()]),
        entry(),
        Value::Dict(vec![("a".into(), one()), ("b".into(), entry())]),
    ]);
    for protocol in 0..=5 {
        let script = format!(
            "import pickle,sys; {shared}; sys.stdout.buffer.write(pickle.dumps(v, {protocol}))"
        );
        assert_eq!(
            decode(&python(&script, b"")).unwrap(),
            expected,
            "protocol {protocol}"
        );
    }
}

#[test]
fn classes_that_stand_for_data_are_data() {
    let script = "import pickle,sys,collections; o=collections.OrderedDict; \
                  v=[o([('b', 1), ('a', 2)]), frozenset(['x']), set(), bytearray([255]), b'', \
                  {1: 'a', True: 'b'}, -2**63-1, 2**64, 2**200, (1 << 63) - 1, -2**63]; \
                  sys.stdout.buffer.write(pickle.dumps(v, PROTOCOL))";
    let expected = Value::List(vec![
        Value::Dict(vec![("b".into(), 1i64.into()), ("a".into(), 2i64.into())]),
        Value::Set(vec!["x".into()]),
        Value::Set(vec![]),
        Value::Bytes(vec![0xff]),
        Value::Bytes(vec![]),
        Value::Dict(vec![(1i64.into(), "b".into())]),
        Value::Float(-(2f64.powi(63))),
        Value::Float(2f64.powi(64)),
        Value::Float(2f64.powi(200)),
        i64::MAX.into(),
        i64::MIN.into(),
    ]);
    for protocol in 0..=5 {
        let script = script.replace("PROTOCOL", &protocol.to_string());
        assert_eq!(
            decode(&python(&script, b"")).unwrap(),
            expected,
            "protocol {protocol}"
        );
    }
}

#[test]
fn exceptions_of_any_module_are_names_and_arguments() {
    let script = "import pickle,sys,json\n\
                  try: json.loads('{bad')\n\
                  except Exception as error: error.extra = 1; e = error\n\
                  sys.stdout.buffer.write(pickle.dumps((1, e), PROTOCOL))";
    for protocol in 0..=5 {
        let script = script.replace("PROTOCOL", &protocol.to_string());
        let Value::Tuple(reply) = decode(&python(&script, b"")).unwrap() else {
            panic!("no reply")
        };
        let Value::Exception(exception) = &reply[1] else {
            panic!("no exception")
        };
        assert_eq!(exception.class, "JSONDecodeError", "protocol {protocol}");
    }
}

#[test]
fn bombs_are_refused() {
    let deep = [vec![b']'; 100_000], vec![b'a'; 99_999], vec![b'.']].concat();
    assert_eq!(decode(&deep), Err(PickleError::TooDeep));
    // A list that holds itself.
    assert_eq!(decode(b"]q\x00h\x00a."), Err(PickleError::TooDeep));
    // Each level refers to the one below twice.
    let mut doubling = b"]q\x00".to_vec();
    for level in 0..40u8 {
        doubling.extend([b']', b'q', level + 1, b'(', b'h', level, b'h', level, b'e']);
    }
    doubling.push(b'.');
    assert_eq!(decode(&doubling), Err(PickleError::TooMany));
    // A long text that is referred to over and over, and a long list that is copied so.
    let long = "x".repeat(1 << 20);
    let mut texts = [
        b"]X".as_slice(),
        &(1u32 << 20).to_le_bytes(),
        long.as_bytes(),
        b"q\x00a",
    ]
    .concat();
    texts.extend(b"h\x00a".repeat(100_000));
    texts.push(b'.');
    assert_eq!(decode(&texts), Err(PickleError::TooMany));
    let mut copies = [b"]q\x00(".as_slice(), &b"N".repeat(10_000), b"e0"].concat();
    copies.extend(b"cbuiltins\nlist\nh\x00\x85R0".repeat(10_000));
    copies.extend(b"N.");
    assert_eq!(decode(&copies), Err(PickleError::TooMany));
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
