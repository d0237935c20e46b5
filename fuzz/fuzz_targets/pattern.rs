//! libFuzzer's way to the target `pattern`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/rban/fuzz/bodies.rs"]
mod bodies;

fuzz_target!(|data: &[u8]| bodies::run("pattern", data));
