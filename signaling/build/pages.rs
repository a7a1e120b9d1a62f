//! Writes the pages of `static/pages/` in each language: texts go where their keys stand in double braces.
//!
//! | in a page | becomes |
//! |---|---|
//! | `{{page.desk.title}}` | the text with this key; `*words*` in it stand out, `[Ctrl]` in it is a key to press |
//! | `{{page.desk.empty_tell host=<b></b>}}` | the same, with HTML in the place `{host}` of the text |
//! | `{{words script.desk. number.}}` | these texts as JSON, for the page's scripts; a name with `.` or `_` at its end means all that begin so |
//! | `{{language}}` `{{direction}}` | for `lang` and `dir` |
//! | `{{languages}}` | the choice of another language |
//!
//! The server's build uses this, and so does whatever writes the session page for another origin.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

/// The language whose words stand in for those that another one lacks.
const FALLBACK: &str = "en";
/// The key of what a language says of itself.
const ITSELF: &str = "";

/// The words of a language, complete.
pub(crate) struct Language {
    /// Its tag (BCP 47).
    pub(crate) tag: String,
    words: BTreeMap<String, Value>,
}

/// Every language of the folder, sorted by tag.
pub(crate) fn read(folder: &Path) -> Result<Vec<Language>> {
    let mut languages = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let tag = path.file_stem().and_then(|name| name.to_str()).context("a language's name is no text")?;
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        languages.push(Language::parse(tag, &text)?);
    }
    languages.sort_by(|a, b| a.tag.cmp(&b.tag));
    let english = languages.iter().find(|language| language.tag == FALLBACK);
    let english = english.with_context(|| format!("{FALLBACK} is not among the languages"))?.words.clone();
    for language in &mut languages {
        for (key, text) in &english {
            language.words.entry(key.clone()).or_insert_with(|| text.clone());
        }
    }
    Ok(languages)
}

impl Language {
    fn parse(tag: &str, json: &str) -> Result<Self> {
        let words =
            serde_json::from_str(json).with_context(|| format!("the words of {tag} can't be read"))?;
        Ok(Self { tag: tag.to_owned(), words })
    }

    fn text(&self, key: &str) -> Result<&str> {
        let text = self.words.get(key).with_context(|| format!("no text has the key {key}"))?;
        text.as_str().with_context(|| format!("{key} has forms for numbers; only scripts can choose one"))
    }

    fn of_itself(&self, what: &str) -> &str {
        self.words.get(ITSELF).and_then(|said| said.get(what)).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A page in one language.
pub(crate) fn page(template: &str, language: &Language, all: &[Language]) -> Result<String> {
    let mut page = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let (marker, behind) = after.split_once("}}").context("a marker has no end")?;
        let (name, arguments) = marker.split_once(' ').unwrap_or((marker, ""));
        match name {
            "language" => page.push_str(&language.tag),
            "direction" => page.push_str(language.of_itself("direction")),
            "languages" => page.push_str(&choice(language, all)?),
            "words" => page.push_str(&words(language, arguments)?),
            key => {
                let in_tag = page.rfind('<') > page.rfind('>');
                let text = text(language.text(key)?, arguments, in_tag)
                    .with_context(|| format!("{key} in {}", language.tag))?;
                page.push_str(&text);
            }
        }
        rest = behind;
    }
    page.push_str(rest);
    Ok(page)
}

fn text(text: &str, argument: &str, in_tag: bool) -> Result<String> {
    let mut html = escape(text);
    if !in_tag {
        html = keys(&emphasis(&html)?)?;
    }
    ensure!(!html.contains(['*', '[', ']']), "what stands out, and keys, can't be in an attribute");
    if let Some((name, value)) = argument.split_once('=') {
        let place = format!("{{{name}}}");
        ensure!(html.contains(&place), "the text has no place {place}");
        html = html.replace(&place, value);
    }
    ensure!(!html.contains(['{', '}']), "something is missing for a place of the text");
    Ok(html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// `*words*` stand out.
fn emphasis(text: &str) -> Result<String> {
    let parts: Vec<&str> = text.split('*').collect();
    ensure!(parts.len() % 2 == 1, "an asterisk has no other");
    let mut html = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 1 {
            html.extend(["<strong>", part, "</strong>"]);
        } else {
            html.push_str(part);
        }
    }
    Ok(html)
}

/// `[Ctrl]` is a key; keys that follow one another, `[Ctrl] + [C]`, stay on one line, and in this order in every script.
fn keys(text: &str) -> Result<String> {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        html.push_str(before);
        html.push_str("<span class=\"nowrap\" dir=\"ltr\">");
        let mut after = after;
        loop {
            let (key, behind) = after.split_once(']').context("a bracket is not closed")?;
            html.extend(["<kbd>", key, "</kbd>"]);
            rest = behind;
            let next =
                [" + [", " ["].into_iter().find_map(|joint| Some((joint, behind.strip_prefix(joint)?)));
            let Some((joint, behind)) = next else { break };
            html.push_str(joint.trim_end_matches('['));
            after = behind;
        }
        html.push_str("</span>");
    }
    html.push_str(rest);
    Ok(html)
}

/// Texts for scripts, as a block of JSON that no text can end.
fn words(language: &Language, names: &str) -> Result<String> {
    // Sorted, as the session tab wants them.
    let mut picked = BTreeMap::new();
    for name in names.split_whitespace() {
        let begins = name.ends_with(['.', '_']);
        let before = picked.len();
        for (key, text) in &language.words {
            if key == name || begins && key.starts_with(name) {
                picked.insert(key.as_str(), text);
            }
        }
        if picked.len() == before {
            bail!("no text begins with {name}");
        }
    }
    if let Some(said) = language.words.get(ITSELF) {
        picked.insert(ITSELF, said);
    }
    Ok(serde_json::to_string(&picked)?.replace('<', "\\u003c"))
}

/// Each language by its own name. It works without scripts.
fn choice(language: &Language, all: &[Language]) -> Result<String> {
    let label = escape(language.text("page.shared.languages")?);
    let mut html = format!(
        "<form class=\"languages\" method=\"post\" action=\"/language\" aria-label=\"{label}\">\
         <svg class=\"icon\" aria-hidden=\"true\"><use href=\"/static/icons.svg#languages\"></use></svg>"
    );
    for other in all {
        let (tag, name) = (&other.tag, escape(other.of_itself("language")));
        let facts = format!("lang=\"{tag}\" dir=\"{}\"", other.of_itself("direction"));
        let choice = if other.tag == language.tag {
            format!("<span {facts} aria-current=\"true\">{name}</span>")
        } else {
            format!("<button name=\"language\" value=\"{tag}\" {facts}>{name}</button>")
        };
        html.push_str(&choice);
    }
    html.push_str("</form>");
    Ok(html)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = r#"{
        "": { "language": "English", "direction": "ltr" },
        "a.press": "Press [Ctrl] + [C]; *now* & here.",
        "a.tell": "Go to {host}",
        "a.title": "\"One\" <two>",
        "b.count": { "one": "</script>", "other": "{count}" },
        "page.shared.languages": "Language"
    }"#;

    fn languages() -> Vec<Language> {
        let german = WORDS.replace("English", "Deutsch").replace("Press", "Drücken Sie");
        vec![Language::parse("de", &german).unwrap(), Language::parse("en", WORDS).unwrap()]
    }

    fn english(template: &str) -> Result<String> {
        let all = languages();
        page(template, &all[1], &all)
    }

    #[test]
    fn texts_stand_where_their_keys_stood() {
        for (template, expected) in [
            ("<html lang=\"{{language}}\" dir=\"{{direction}}\">", "<html lang=\"en\" dir=\"ltr\">"),
            ("<b title=\"{{a.title}}\">", "<b title=\"&quot;One&quot; &lt;two&gt;\">"),
            (
                "<p>{{a.press}}</p>",
                "<p>Press <span class=\"nowrap\" dir=\"ltr\"><kbd>Ctrl</kbd> + <kbd>C</kbd></span>; <strong>now</strong> &amp; here.</p>",
            ),
            ("{{a.tell host=<b class=\"x\"></b>}}", "Go to <b class=\"x\"></b>"),
            ("no {marker}", "no {marker}"),
        ] {
            assert_eq!(english(template).unwrap(), expected);
        }
    }

    #[test]
    fn what_a_text_lacks_is_noticed() {
        for bad in [
            "{{a.none}}",
            "{{a.press",
            "<b title=\"{{a.press}}\">",
            "{{a.tell}}",
            "{{a.tell where=x}}",
            "{{b.count}}",
            "{{words c.}}",
        ] {
            assert!(english(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn scripts_get_texts_that_can_not_end_their_block() {
        let block = english("{{words b. a.tell}}").unwrap();
        assert!(!block.contains('<'), "{block}");
        let words: BTreeMap<String, Value> = serde_json::from_str(&block).unwrap();
        assert_eq!(words.keys().collect::<Vec<_>>(), ["", "a.tell", "b.count"]);
        assert_eq!(words["b.count"]["one"], "</script>");
    }

    #[test]
    fn every_language_can_be_chosen_but_the_one_that_is() {
        let html = english("{{languages}}").unwrap();
        assert!(
            html.contains("<button name=\"language\" value=\"de\" lang=\"de\" dir=\"ltr\">Deutsch</button>"),
            "{html}"
        );
        assert!(
            html.contains("aria-current=\"true\">English</span>") && !html.contains("value=\"en\""),
            "{html}"
        );
    }

    /// A made-up language, longer and from right to left: nothing that a page shows is left in English.
    #[test]
    fn pages_take_every_word_from_the_catalogue() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../static");
        let mut all = read(&folder.join("languages")).unwrap();
        let english = all.iter().find(|language| language.tag == FALLBACK).unwrap();
        let words = english.words.iter().map(|(key, text)| (key.clone(), made_up(key, text))).collect();
        all.push(Language { tag: "he-XB".into(), words });
        let made_up = all.last().unwrap();
        for entry in std::fs::read_dir(folder.join("pages")).unwrap() {
            let path = entry.unwrap().path();
            let template = std::fs::read_to_string(&path).unwrap();
            let html = page(&template, made_up, &all)
                .unwrap_or_else(|error| panic!("{}: {error:#}", path.display()));
            assert!(html.contains("<html lang=\"he-XB\" dir=\"rtl\">"), "{}", path.display());
            let shown = shown(&html);
            let words = shown.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
            // Names, and a unit.
            let left: Vec<_> =
                words.filter(|word| !matches!(*word, "Nearhand" | "English" | "Deutsch" | "ms")).collect();
            assert!(left.is_empty(), "{} says {left:?}", path.display());
        }
    }

    /// Other letters, and more of them; places and marks stay.
    fn made_up(key: &str, text: &Value) -> Value {
        match text {
            Value::String(text) => {
                let mut long = String::new();
                let mut in_place = false;
                for c in text.chars() {
                    in_place = (in_place || c == '{') && c != '}';
                    if in_place || !c.is_ascii_alphabetic() {
                        long.push(c);
                        continue;
                    }
                    let letter = char::from_u32(0x5d0 + u32::from(c) % 27).unwrap();
                    long.extend(std::iter::repeat_n(
                        letter,
                        if matches!(c, 'a' | 'e' | 'o') { 2 } else { 1 },
                    ));
                }
                Value::String(long)
            }
            Value::Object(_) if key == ITSELF => serde_json::json!({ "language": "שפה", "direction": "rtl" }),
            Value::Object(forms) => {
                forms.iter().map(|(name, text)| (name.clone(), made_up(name, text))).collect()
            }
            other => other.clone(),
        }
    }

    /// What stands between the tags, and in attributes that are read out; without comments and scripts.
    fn shown(html: &str) -> String {
        let mut bare = html.to_owned();
        for (begin, end) in [("<!--", "-->"), ("<script", "</script>")] {
            while let Some(from) = bare.find(begin) {
                let to = from + bare[from..].find(end).unwrap() + end.len();
                bare.replace_range(from..to, "");
            }
        }
        let mut shown = String::new();
        for part in bare.split('<') {
            let (tag, text) = part.split_once('>').unwrap_or_default();
            shown.extend([text, " "]);
            for name in ["alt", "aria-label", "placeholder", "title"] {
                let value =
                    tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest.split('"').next().unwrap());
                shown.extend([value.unwrap_or_default(), " "]);
            }
        }
        shown
    }
}
