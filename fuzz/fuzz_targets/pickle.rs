//! libFuzzer's way to the target `pickle`.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/rban/fuzz/bodies.rs"]
mod bodies;

fuzz_target!(|data: &[u8]| bodies::run("pickle", data));
