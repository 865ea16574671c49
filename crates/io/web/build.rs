//! Generates a constant for every file under `web/`. Its path has a hash of the content, so that browsers may cache it
//! for a year.

use std::path::Path;
use std::{env, error, fmt::Write as _, fs};

fn main() -> Result<(), Box<dyn error::Error>> {
    println!("cargo::rerun-if-changed=web");
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("web");
    let mut files: Vec<_> = fs::read_dir(&folder)?.collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut code = String::new();
    for file in files {
        let name = file.file_name().to_string_lossy().into_owned();
        let (stem, kind) = name.rsplit_once('.').ok_or("a file under web/ needs an extension")?;
        let constant = name.to_uppercase().replace(['.', '-'], "_");
        let hash = fnv1a(&fs::read(file.path())?);
        writeln!(code, "/// `web/{name}`.")?;
        writeln!(code, "pub const {constant}: Asset = Asset {{")?;
        writeln!(code, "    path: \"/assets/{stem}-{hash:016x}.{kind}\",")?;
        writeln!(code, "    bytes: include_bytes!({:?}),\n}};", file.path())?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("assets.rs"), code)?;
    Ok(())
}

/// 64-bit FNV-1a: distinguishes versions of our own files; not cryptographic.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
