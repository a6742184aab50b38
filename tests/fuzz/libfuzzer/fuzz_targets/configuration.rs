#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lubdub_fuzz::configuration(data));
