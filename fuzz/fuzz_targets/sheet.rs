//! Any table of recordings that is read is written and read back the same, but for what was repaired.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use vibrissa::corpus::mabe::sheet::Sheet;

fuzz_target!(|bytes: &[u8]| {
    let Ok(sheet) = Sheet::parse(bytes, Path::new("train.csv")) else { return };
    let file = std::env::temp_dir().join(format!("vibrissa-fuzz-sheet-{}.csv", std::process::id()));
    sheet.write(&file).unwrap();
    let again = Sheet::read(&file).unwrap();
    assert_eq!(again.repairs, [""; 0]);
    assert_eq!(again.rows.len(), sheet.rows.len());
    again.write(&file).unwrap();
    assert_eq!(Sheet::read(&file).unwrap(), again);
});
