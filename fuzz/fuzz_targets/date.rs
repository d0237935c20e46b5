//! libFuzzer's way to the target `date`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/rban/fuzz/bodies.rs"]
mod bodies;

fuzz_target!(|data: &[u8]| bodies::run("date", data));
