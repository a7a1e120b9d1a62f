//! Lists the languages of `static/languages/`, so that a new one is a new file and nothing else.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

fn main() {
    let manifest =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package's folder"));
    let folder = manifest.join("../static/languages");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("reading {}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry of the folder of languages").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    let mut list = String::from("&[\n");
    for path in files {
        let path = path.canonicalize().expect("a file that was listed is there");
        let language = path.file_stem().and_then(|name| name.to_str()).expect("a language's name is text");
        let path = path.to_str().expect("a file's path is text");
        // Writing to a string can't fail.
        let _ = writeln!(list, "    ({language:?}, include_str!({path:?})),");
    }
    list.push(']');
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo names a folder for what is generated"));
    fs::write(out.join("languages.rs"), list).expect("writing the list of languages");
}
