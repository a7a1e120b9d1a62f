//! The session tab as static files for another origin than the server's: one script, one module, every one of them known by
//! its hash (Subresource Integrity), and one sum over all.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256, Sha384};

use crate::pages::{self, Language};
use crate::viewer::{MODULE, SCRIPT};
use crate::workspace::Workspace;

/// The script of the static page: the glue and the loader in one, since nothing checks what a script imports.
const WHOLE_SCRIPT: &str = "viewer.js";
/// The sums of all other files; its own sum is the viewer's.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// Where the viewer may connect to, where nobody said: any server by TLS, or one on the same machine.
const ANY_SERVER: &str = "wss: ws://127.0.0.1:* ws://localhost:*";

/// The language of the page at the root; the others have folders of their own.
const ROOT_LANGUAGE: &str = "en";

/// Files by their path below the folder.
type Files = BTreeMap<String, Vec<u8>>;

/// Writes the files, and says where and what.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let folder = build(workspace, None)?;
    let sums = std::fs::read(folder.join(SUMS)).with_context(|| format!("reading {SUMS}"))?;
    println!("as static files: {}, SHA-256 over all of them {}", folder.display(), sha256(&sums));
    Ok(())
}

/// Writes the files into target/static-viewer, anew.
///
/// `server` is the only origin that the page may connect to, for whoever builds it for one server.
pub(crate) fn build(workspace: &Workspace, server: Option<&str>) -> Result<PathBuf> {
    let files = files(workspace, server)?;
    let folder = workspace.target.join("static-viewer");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for (name, content) in &files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(folder)
}

/// Packs a folder; the same files give the same bytes, whoever packs them and when.
pub(crate) fn pack(folder: &Path, name: &str, archive: &Path) -> Result<()> {
    let file = std::fs::File::create(archive).with_context(|| format!("creating {}", archive.display()))?;
    // `GzBuilder` writes no time unless told to.
    let gzip = flate2::GzBuilder::new().write(file, flate2::Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for path in paths_below(folder)? {
        let content = std::fs::read(folder.join(&path)).with_context(|| format!("reading {path}"))?;
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        tar.append_data(&mut header, format!("{name}/{path}"), content.as_slice())?;
    }
    tar.into_inner()?.finish().with_context(|| format!("writing {}", archive.display()))?;
    Ok(())
}

/// All files below a folder, by their paths with slashes, sorted.
fn paths_below(folder: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let entry = entry?;
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                folders.push((entry.path(), format!("{name}/")));
            } else {
                paths.push(name);
            }
        }
    }
    paths.sort();
    Ok(paths)
}

fn files(workspace: &Workspace, server: Option<&str>) -> Result<Files> {
    let read =
        |path: PathBuf| std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()));
    let template = read(workspace.root.join("static/pages/session.html"))?;
    let languages = pages::read(&workspace.root.join("static/languages"))?;
    let loader = read(workspace.root.join("static/session.js"))?;
    let glue = read(workspace.viewer().join(SCRIPT))?;
    let module = workspace.viewer().join(MODULE);
    let module = std::fs::read(&module).with_context(|| format!("reading {}", module.display()))?;

    let mut files = Files::new();
    let script = whole_script(&glue, &chooser(&languages), &loader, &integrity(&module))?;
    files.insert(WHOLE_SCRIPT.into(), script.into_bytes());
    files.insert(MODULE.into(), module);
    let with_licence = static_files(&template).into_iter().chain(["icons-LICENSE.txt".to_owned()]);
    for name in with_licence {
        let path = workspace.root.join("static").join(&name);
        let content = std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        files.insert(format!("static/{name}"), content);
    }
    let mut translated = Vec::new();
    for language in &languages {
        let (name, root) = place(language);
        let page = pages::page(&template, language, &languages)?;
        translated.push((name, page_elsewhere(&page, &files, &root, server)?.into_bytes()));
    }
    files.extend(translated);
    files.insert("README.txt".into(), README.as_bytes().to_vec());
    let sums = sums(&files);
    files.insert(SUMS.into(), sums.into_bytes());
    Ok(files)
}

/// Where the page in a language stands, and how the root is reached from there.
fn place(language: &Language) -> (String, String) {
    if language.tag == ROOT_LANGUAGE {
        ("index.html".into(), String::new())
    } else {
        (format!("{}/index.html", language.tag), "../".into())
    }
}

/// What leads to the page in the language that the desk names in the fragment, or else in one that the browser prefers.
/// Only then the session begins.
fn chooser(languages: &[Language]) -> String {
    let tags: Vec<&str> = languages.iter().map(|language| language.tag.as_str()).collect();
    format!(
        r#"{{
  const languages = {tags:?};
  const named = new URLSearchParams(location.hash.slice(1)).get("language");
  let wanted = navigator.languages;
  try {{
    if (languages.includes(named)) sessionStorage.setItem("nearhand.language", named);
    wanted = [sessionStorage.getItem("nearhand.language") ?? "", ...wanted];
  }} catch {{
    // Without a memory the browser's own languages count.
  }}
  const found = wanted.flatMap((tag) => languages.filter((there) => `${{tag}}-`.startsWith(`${{there}}-`)));
  const language = found[0] ?? "{ROOT_LANGUAGE}";
  if (language !== document.documentElement.lang) {{
    const page = language === "{ROOT_LANGUAGE}" ? "./" : `${{language}}/index.html`;
    location.replace(new URL(page + location.hash, import.meta.url));
    await new Promise(() => {{}});
  }}
}}
"#
    )
}

/// The names of what the page refers to below `/static/`, but its script.
fn static_files(page: &str) -> Vec<String> {
    let mut names: Vec<_> = page
        .split("\"/static/")
        .skip(1)
        .filter_map(|rest| rest.split(['"', '#']).next())
        .filter(|name| !has_ending(name, "js"))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

fn has_ending(name: &str, ending: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == ending)
}

/// Glue, the choice of a language, and the loader in one; the module is taken only if it is the one that belongs to them.
fn whole_script(glue: &str, chooser: &str, loader: &str, module: &str) -> Result<String> {
    let import = format!("import init, {{ start }} from \"/viewer/{SCRIPT}\";\n");
    let fetched = format!(
        "await __wbg_init({{ module_or_path: fetch(new URL(\"{MODULE}\", import.meta.url), {{ integrity: \"{module}\" }}) }});"
    );
    let loader = replace_once(loader, &import, "")?;
    let loader = replace_once(&loader, "await init();", &fetched)?;
    // The way back is known once the module runs; before, it would lead to a desk that this origin does not have.
    let loader = replace_once(&loader, ", \"to-desk\"]", "]")?;
    ensure!(
        glue.contains("function start()") && glue.contains("__wbg_init as default"),
        "the glue of {SCRIPT} is not as it was: it should export `start` and `__wbg_init`"
    );
    ensure!(!glue.contains("\nimport "), "the glue of {SCRIPT} imports something that nothing would check");
    Ok(format!("{glue}\n{chooser}{loader}"))
}

/// The page with its own paths, from where `root` leads up to all files, the hash of everything that has one, and the
/// policy that a header would set.
fn page_elsewhere(page: &str, files: &Files, root: &str, server: Option<&str>) -> Result<String> {
    let mut page =
        replace_once(page, &format!("    <link rel=\"modulepreload\" href=\"/viewer/{SCRIPT}\">\n"), "")?;
    let hash = |name: &str| files.get(name).map(|content| integrity(content)).context("a file is missing");
    let script = format!(
        "<script type=\"module\" src=\"{root}{WHOLE_SCRIPT}\" integrity=\"{}\"></script>",
        hash(WHOLE_SCRIPT)?
    );
    page = replace_once(&page, "<script type=\"module\" src=\"/static/session.js\"></script>", &script)?;
    for name in files.keys().filter(|name| has_ending(name, "css")) {
        let from = format!("<link rel=\"stylesheet\" href=\"/{name}\">");
        let to = format!("<link rel=\"stylesheet\" href=\"{root}{name}\" integrity=\"{}\">", hash(name)?);
        page = replace_once(&page, &from, &to)?;
    }
    let connect = match server {
        Some(server) => websocket(server)?,
        None => ANY_SERVER.to_owned(),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data: blob:; \
         media-src 'self' blob: mediastream:; font-src 'self'; form-action 'self'; base-uri 'none'; \
         connect-src 'self' {connect}"
    );
    // Before anything that it is about.
    let head = "    <meta charset=\"utf-8\">\n";
    let with_policy = format!(
        "{head}    <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n    \
         <meta name=\"referrer\" content=\"no-referrer\">\n"
    );
    page = replace_once(&page, head, &with_policy)?;
    let page = page.replace("\"/static/", &format!("\"{root}static/"));
    ensure!(!page.contains("\"/viewer/"), "the page refers to something that is not among its files");
    Ok(page)
}

/// What a page has to name to reach this server.
fn websocket(server: &str) -> Result<String> {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    match server.split_once("://") {
        Some((scheme @ ("https" | "http"), place)) if !place.is_empty() && place.chars().all(sound) => {
            Ok(format!("{}://{place}", if scheme == "https" { "wss" } else { "ws" }))
        }
        _ => bail!("{server:?} is no origin; write for example https://help.example.com"),
    }
}

fn replace_once(text: &str, from: &str, to: &str) -> Result<String> {
    match text.matches(from).count() {
        1 => Ok(text.replacen(from, to, 1)),
        count => bail!("{from:?} stands {count} times where it should stand once"),
    }
}

/// As the attribute `integrity` has it (Subresource Integrity, 3.1).
fn integrity(content: &[u8]) -> String {
    format!("sha384-{}", data_encoding::BASE64.encode(&Sha384::digest(content)))
}

/// One line for each file, as sha256sum writes and checks them.
fn sums(files: &Files) -> String {
    let mut sums = String::new();
    for (name, content) in files {
        // Writing to a string can't fail.
        let _ = writeln!(sums, "{}  {name}", sha256(content));
    }
    sums
}

/// In hexadecimal digits.
pub(crate) fn sha256(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

const README: &str = "\
The technician's session tab of Nearhand, as static files for an origin of their own.

1. Check them. SHA256SUMS names every file; its own SHA-256 is the viewer's, and stands in the release notes:
     sha256sum --check SHA256SUMS && sha256sum SHA256SUMS
2. Serve this folder as the root of an origin that whoever runs the Nearhand server can't change, by HTTPS, with these headers
   (the first names your server, and nothing else will be connected to):
     Content-Security-Policy: connect-src 'self' wss://help.example.com; frame-ancestors 'none'
     Cross-Origin-Opener-Policy: same-origin
     X-Content-Type-Options: nosniff
     Strict-Transport-Security: max-age=31536000
   The type of .wasm is application/wasm, that of .js text/javascript.
3. Start the server with --viewer-origin https://viewer.example.com.

The page's scripts, its style sheets and its WASM module are taken by browsers only if their hashes are those that index.html
(one for each language) and viewer.js name. The pages themselves have nothing that vouches for them but you.
";

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<head>\n    <meta charset=\"utf-8\">\n    <link rel=\"icon\" href=\"/static/a.svg\">\n    \
        <link rel=\"stylesheet\" href=\"/static/base.css\">\n    \
        <link rel=\"modulepreload\" href=\"/viewer/nearhand_viewer.js\">\n    \
        <script type=\"module\" src=\"/static/session.js\"></script>\n</head><use href=\"/static/a.svg#x\"><a href=\"/desk\">";

    #[test]
    fn everything_that_runs_or_styles_has_its_hash() {
        assert_eq!(static_files(PAGE), ["a.svg", "base.css"]);
        let files = Files::from([
            ("static/base.css".to_owned(), b"css".to_vec()),
            (WHOLE_SCRIPT.to_owned(), b"js".to_vec()),
        ]);
        let page = page_elsewhere(PAGE, &files, "", Some("https://help.example.com")).unwrap();
        assert!(page.contains(&format!("href=\"static/base.css\" integrity=\"{}\"", integrity(b"css"))));
        assert!(page.contains(&format!("src=\"viewer.js\" integrity=\"{}\"", integrity(b"js"))));
        assert!(page.contains("connect-src 'self' wss://help.example.com\""), "{page}");
        assert!(
            page.contains("\"static/a.svg#x\"") && !page.contains("\"/static/") && !page.contains("preload")
        );
        let open = page_elsewhere(PAGE, &files, "../", None).unwrap();
        assert!(open.contains("connect-src 'self' wss: ws://127.0.0.1:*"), "{open}");
        assert!(open.contains("src=\"../viewer.js\"") && open.contains("\"../static/a.svg#x\""), "{open}");
        assert!(open.contains("href=\"../static/base.css\" integrity="), "{open}");
        assert!(page_elsewhere(&PAGE.replace("base.css", "more.css"), &files, "", None).is_err());
        for bad in ["help.example.com", "https://a b", "https://a; script-src *", "ws://a", "https://"] {
            assert!(page_elsewhere(PAGE, &files, "", Some(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_script_is_whole_and_names_its_module() {
        let glue = "export function start() {}\nexport { initSync, __wbg_init as default };\n";
        let loader = "import init, { start } from \"/viewer/nearhand_viewer.js\";\ntry {\n  await init();\n  start();\n} \
            catch { show([\"reload\", \"to-desk\"]); }";
        let script = whole_script(glue, "choose();\n", loader, "sha384-x").unwrap();
        assert!(script.starts_with(glue) && !script.contains("import init"));
        assert!(script.contains("integrity: \"sha384-x\""), "{script}");
        assert!(script.find("choose();") < script.find("try {"), "{script}");
        assert!(whole_script("", "", loader, "sha384-x").is_err());
        assert!(whole_script(&format!("{glue}\nimport x from \"y\";"), "", loader, "sha384-x").is_err());
        assert!(whole_script(glue, "", "await init();", "sha384-x").is_err());
    }

    #[test]
    fn sums_are_those_of_the_tools() {
        // FIPS 180-2, B.1 and D.1.
        assert!(sha256(b"abc").starts_with("ba7816bf8f01cfea"));
        assert_eq!(
            integrity(b"abc"),
            "sha384-ywB1P0WjXou1oD1pmsZQBycsMqsO3tFjGotgWkP/W+2AhgcroefMI1i67KE0yCWn"
        );
        let files = Files::from([("b".to_owned(), b"abc".to_vec()), ("a".to_owned(), Vec::new())]);
        let sums = sums(&files);
        assert!(sums.starts_with("e3b0c442") && sums.ends_with("f20015ad  b\n"), "{sums}");
    }

    #[test]
    fn the_same_files_make_the_same_archive() {
        let folder = tempfile::tempdir().unwrap();
        let (files, one, two) =
            (folder.path().join("files"), folder.path().join("one"), folder.path().join("two"));
        std::fs::create_dir_all(files.join("static")).unwrap();
        std::fs::write(files.join("static/b"), "b").unwrap();
        std::fs::write(files.join("a"), "a").unwrap();
        pack(&files, "viewer-1", &one).unwrap();
        std::fs::write(files.join("a"), "a").unwrap();
        pack(&files, "viewer-1", &two).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let gzip = flate2::read::GzDecoder::new(std::fs::File::open(&one).unwrap());
        let mut archive = tar::Archive::new(gzip);
        let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
        let names: Vec<_> = names.collect();
        assert_eq!(names, [Path::new("viewer-1/a"), Path::new("viewer-1/static/b")]);
    }
}
