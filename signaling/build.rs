//! Collects what the server serves, `static/` and the built session page, writes each page in each language, compresses
//! all of it, and writes the table that `src/assets.rs` includes.

#[path = "build/pages.rs"]
mod pages;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// What `cargo xtask viewer` makes.
const VIEWER: [&str; 2] = ["nearhand_viewer.js", "nearhand_viewer_bg.wasm"];

/// Content by its address.
type Files = BTreeMap<String, Vec<u8>>;

fn main() -> Result<()> {
    let manifest = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-env-changed=NEARHAND_VIEWER_DIR");

    let mut files = Files::new();
    let folder = manifest.join("../static");
    println!("cargo::rerun-if-changed={}", folder.display());
    collect(&folder, "/static", &mut files)?;
    let languages = pages::read(&folder.join("languages"))?;
    translate(&mut files, &languages)?;

    let viewer = std::env::var_os("NEARHAND_VIEWER_DIR")
        .map_or_else(|| manifest.join("../target/viewer"), PathBuf::from);
    for name in VIEWER {
        let path = viewer.join(name);
        // Named also where it is missing: then the build looks again each time.
        println!("cargo::rerun-if-changed={}", path.display());
        match std::fs::read(&path) {
            Ok(content) => {
                files.insert(format!("/viewer/{name}"), content);
            }
            Err(_) => println!(
                "cargo::warning=the session page will not work: {name} is not built (cargo xtask viewer)"
            ),
        }
    }
    version_references(&mut files);
    let tags: Vec<&str> = languages.iter().map(|language| language.tag.as_str()).collect();
    let table = format!("static LANGUAGES: &[&str] = &{tags:?};\n{}", table(&files, &out)?);
    std::fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Each page once for each language: `/pages/desk.html` becomes `/pages/de/desk.html`, and so on.
fn translate(files: &mut Files, languages: &[pages::Language]) -> Result<()> {
    for (address, template) in
        files.extract_if(.., |address, _| address.starts_with("/pages/")).collect::<Vec<_>>()
    {
        let template = String::from_utf8(template).with_context(|| format!("{address} is no text"))?;
        for language in languages {
            let page = pages::page(&template, language, languages).with_context(|| address.clone())?;
            files.insert(
                address.replacen("/pages/", &format!("/pages/{}/", language.tag), 1),
                page.into_bytes(),
            );
        }
    }
    Ok(())
}

/// Every file below a folder, but hidden ones. `pages/` are no assets: they are found under `/pages/`, which no route
/// serves as such. Nor are the words of `languages/`: they stand in the pages.
fn collect(folder: &Path, address: &str, files: &mut Files) -> Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{} is no text", entry.path().display()))?;
        if name.starts_with('.')
            || matches!(name, "tests" | "languages")
            || Path::new(name).extension().is_some_and(|extension| extension == "md")
        {
            continue;
        }
        let address = if address == "/static" && name == "pages" {
            "/pages".into()
        } else {
            format!("{address}/{name}")
        };
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &address, files)?;
        } else {
            files.insert(address, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}

/// Writes the hash of what is referred to into references from pages and style sheets, so that browsers may keep it for
/// ever. Scripts stay as they are: a module with two addresses would be loaded, and run, twice.
fn version_references(files: &mut Files) {
    for of in ["css", "html"] {
        let addresses: Vec<_> = files.keys().filter(|address| extension(address) == of).cloned().collect();
        for address in addresses {
            let Some(mut text) =
                files.get(&address).and_then(|content| String::from_utf8(content.clone()).ok())
            else {
                continue;
            };
            for (target, content) in files.iter() {
                if !target.starts_with("/static/") || matches!(extension(target), "js" | "html") {
                    continue;
                }
                for end in ['"', '\'', ')', '#'] {
                    text = text
                        .replace(&format!("{target}{end}"), &format!("{target}?v={}{end}", hash(content)));
                }
            }
            files.insert(address, text.into_bytes());
        }
    }
}

fn table(files: &Files, out: &Path) -> Result<String> {
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (address, content) in files {
        let hash = hash(content);
        let raw = format!("{hash}.raw");
        std::fs::write(out.join(&raw), content)?;
        let brotli = compressed(content, out, format!("{hash}.br"), brotli)?;
        let gzip = compressed(content, out, format!("{hash}.gz"), gzip)?;
        writeln!(
            table,
            "    Asset {{ address: {address:?}, mime: {:?}, hash: {hash:?}, raw: {}, brotli: {}, gzip: {} }},",
            mime(address),
            include(&raw),
            optional(brotli.as_deref()),
            optional(gzip.as_deref()),
        )?;
    }
    table.push_str("];\n");
    Ok(table)
}

fn include(name: &str) -> String {
    format!("include_bytes!(concat!(env!(\"OUT_DIR\"), \"/{name}\"))")
}

fn optional(name: Option<&str>) -> String {
    name.map_or_else(|| "None".to_owned(), |name| format!("Some({})", include(name)))
}

/// The name of the file with the compressed content, where compressing is worth it. The hash of the content is part of
/// it, so an older run may have made the file already.
fn compressed(
    content: &[u8],
    out: &Path,
    name: String,
    compress: fn(&[u8]) -> Result<Vec<u8>>,
) -> Result<Option<String>> {
    if content.len() < 256 {
        return Ok(None);
    }
    let path = out.join(&name);
    if !path.is_file() {
        // Written beside and renamed when whole: an interrupted build must not leave half a file to the next one.
        let fresh = out.join(format!("{name}.new"));
        std::fs::write(&fresh, compress(content)?)?;
        std::fs::rename(fresh, &path)?;
    }
    let worth_it = std::fs::metadata(&path)?.len() * 10 < content.len() as u64 * 9;
    Ok(worth_it.then_some(name))
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let params = ::brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    ::brotli::BrotliCompress(&mut &*content, &mut out, &params)?;
    Ok(out)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

/// Eighty bits: enough to tell versions apart, short enough for an address.
fn hash(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content)[..10])
}

fn extension(address: &str) -> &str {
    address.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn mime(address: &str) -> &'static str {
    match extension(address) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
