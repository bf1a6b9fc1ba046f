//! Documents that are nearly always events, with hostile values: what reaches the database.

#![no_main]

use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = etl_fuzz::document::made_of(&mut Unstructured::new(bytes)) {
        etl_fuzz::check(&document);
    }
});
