//! A file's name as the customer's program gives it, made fit to be shown and suggested.

/// Longest name that is shown, in characters.
const LONGEST: usize = 120;

/// The name without folders, control characters and marks that turn the direction of text around.
pub(super) fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|character| !is_treacherous(*character)).take(LONGEST).collect();
    let clean = clean.trim_matches([' ', '.']);
    if clean.is_empty() { "file".into() } else { clean.into() }
}

/// Invisible characters: `gpj.exe` could look like `exe.jpg` (Unicode Technical Report 36, 2.2).
fn is_treacherous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn names_lose_what_could_deceive() {
        for (name, expected) in [
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\a.txt", "a.txt"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\nb\0c", "abc"),
            ("..", "file"),
            ("", "file"),
            ("Größe – naïve 文件.txt", "Größe – naïve 文件.txt"),
        ] {
            assert_eq!(shown(name), expected, "{name:?}");
        }
        assert_eq!(shown(&"x".repeat(300)).len(), 120);
    }
}
