#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chartsync::fuzzing::hold("settings", bytes));
