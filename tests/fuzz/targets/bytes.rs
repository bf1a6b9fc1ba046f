//! Bytes as they come: what no program wrote.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| etl_fuzz::check(bytes));
