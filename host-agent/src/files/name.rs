//! Names that strangers gave, made safe for a folder of the customer: never a path, never a device, never hidden.

use sanitize_filename::{Options, sanitize_with_options};

/// Longest name that is made, in bytes: room for ` (999)` within the 255 of usual file systems.
const LONGEST: usize = 240;
/// Longest extension that is kept, in bytes.
const LONGEST_EXTENSION: usize = 20;

/// A name that can only ever be a visible file of the folder it is joined to; `None` where nothing is left of it.
pub(super) fn safe(name: &str) -> Option<String> {
    // What stands before the last separator of any system is a folder, and none of ours.
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    // Marks that turn the direction of text make `gpj.exe` of `exe.jpg`; invisible characters make two names look alike.
    let name: String = name.chars().filter(|c| !c.is_control() && !is_invisible(*c)).collect();
    let dots = |c: char| c.is_whitespace() || c == '.';
    let options = Options { windows: true, truncate: false, replacement: "_" };
    let name = sanitize_with_options(name.trim_matches(dots), options);
    let name = name.trim_matches(dots);
    if name.is_empty() || name.chars().all(|c| c == '_') {
        return None;
    }
    let name = shorten(name, LONGEST);
    // Asked again, so that no rule is outrun by another.
    let again = sanitize_with_options(&name, Options { windows: true, truncate: false, replacement: "_" });
    (again == name).then_some(name)
}

/// Cuts the stem, so that stem and extension together have at most so many bytes.
fn shorten(name: &str, longest: usize) -> String {
    if name.len() <= longest {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let mut end = longest - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{extension}", stem[..end].trim_end())
}

/// The name with a number: `report (2).pdf`.
pub(super) fn numbered(name: &str, number: u32) -> String {
    let (stem, extension) = split(name);
    format!("{stem} ({number}){extension}")
}

/// Stem, and extension with its dot where it has one of a usual length.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= LONGEST_EXTENSION => name.split_at(at),
        _ => (name, ""),
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay() {
        for name in [
            "report.pdf",
            "Bericht für Ada (2).docx",
            "смета.xlsx",
            "日本語.txt",
            "Makefile",
            "a b",
            "x.tar.gz",
        ] {
            assert_eq!(safe(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn hostile_names_are_made_harmless() {
        for (name, safe_name) in [
            ("../../etc/passwd", Some("passwd")),
            ("/etc/shadow", Some("shadow")),
            ("..\\..\\boot.ini", Some("boot.ini")),
            ("C:\\Windows\\evil.dll", Some("evil.dll")),
            ("C:evil.dll", Some("C_evil.dll")),
            ("file.txt:stream", Some("file.txt_stream")),
            ("a\0b.txt", Some("ab.txt")),
            ("trailing... ", Some("trailing")),
            (".bashrc", Some("bashrc")),
            ("..", None),
            ("...", None),
            ("", None),
            ("/", None),
            ("dir/", None),
            ("invoice\u{202e}gpj.exe", Some("invoicegpj.exe")),
            ("a\u{200b}b.txt", Some("ab.txt")),
            ("line\nbreak\u{1b}[31m.txt", Some("linebreak[31m.txt")),
            ("a*b?c|d<e>f\"g.txt", Some("a_b_c_d_e_f_g.txt")),
        ] {
            assert_eq!(safe(name).as_deref(), safe_name, "{name:?}");
        }
        for device in ["CON", "nul", "COM1", "LPT9.txt", "aux.tar.gz", "PRN", "con.txt"] {
            let name = safe(device);
            let stem = name.as_deref().unwrap_or("").split('.').next().unwrap_or("").to_ascii_lowercase();
            assert!(
                !["con", "nul", "com1", "lpt9", "aux", "prn"].contains(&stem.as_str()),
                "{device}: {name:?}"
            );
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = safe(&format!("{}.pdf", "é".repeat(148))).unwrap();
        assert!(name.len() <= LONGEST && Path::new(&name).extension().unwrap() == "pdf", "{}", name.len());
        assert!(safe(&"x".repeat(300)).unwrap().len() <= LONGEST);
        assert!(numbered(&name, 999).len() <= 255);
    }

    #[test]
    fn numbers_go_before_the_extension() {
        assert_eq!(numbered("a.txt", 1), "a (1).txt");
        assert_eq!(numbered("Makefile", 2), "Makefile (2)");
        assert_eq!(numbered("x.tar.gz", 1), "x.tar (1).gz");
    }

    proptest! {
        /// Whatever the name: it stays in the folder, is visible, and fits.
        #[test]
        fn a_name_is_one_component(name in "(?s).{0,300}") {
            if let Some(name) = safe(&name) {
                let components: Vec<_> = Path::new(&name).components().collect();
                prop_assert!(matches!(components[..], [Component::Normal(_)]), "{:?}", name);
                prop_assert!(!name.starts_with('.') && name.len() <= LONGEST && !name.contains(['/', '\\', '\0', ':']));
                let again = safe(&name);
                prop_assert_eq!(again.as_deref(), Some(name.as_str()));
            }
        }
    }
}
