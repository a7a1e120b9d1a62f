//! What people read, in their language: a flat list of texts by their keys, one file for each language.
//!
//! The host's window, the session tab and the pages of the server take their words from `static/languages/`. A text may
//! have places for values, `{name}`, and forms for numbers, named as in CLDR: `{ "one": …, "other": … }`; then the value
//! that is a count chooses. CONTRIBUTING tells how to add a text and a language.

mod plural;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

pub use plural::{Category, categories, category};

/// Each language of `static/languages/`, as its tag (BCP 47) and the text of its file, sorted by tag.
pub const LANGUAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The language whose words stand in for those that another one lacks.
pub const FALLBACK: &str = "en";

/// Largest file of a language, in bytes.
pub const MAX_LEN: usize = 512 * 1024;
/// Most texts of a language.
pub const MAX_TEXTS: usize = 4000;

/// The key of what a language says of itself: its own name, and which way it is written.
const ITSELF: &str = "";
/// The key of the mark between a number's whole part and the rest.
const DECIMAL_MARK: &str = "number.decimal";

/// Where the lines of a language begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// At the left.
    #[default]
    LeftToRight,
    /// At the right.
    RightToLeft,
}

impl Direction {
    /// As the attribute `dir` of HTML has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeftToRight => "ltr",
            Self::RightToLeft => "rtl",
        }
    }
}

/// A text as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// One form for everything.
    One(String),
    /// Forms by the category of a count; what the language says of itself has this shape, too.
    Forms(Vec<(String, String)>),
}

impl Entry {
    /// The form with this name.
    pub fn form(&self, name: &str) -> Option<&str> {
        match self {
            Self::One(_) => None,
            Self::Forms(forms) => forms.iter().find(|(of, _)| of == name).map(|(_, text)| text.as_str()),
        }
    }
}

/// Something to put into a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text, perhaps another's: a name, a path. It can't turn the rest of the sentence round.
    Text(&'a str),
    /// A number that may choose the form.
    Count(u64),
}

/// Why a file is no catalogue.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// It is larger than any language needs.
    #[error("{0} bytes of words are more than {MAX_LEN}")]
    TooLarge(usize),
    /// So many texts there are not.
    #[error("{0} texts are more than {MAX_TEXTS}")]
    TooMany(usize),
    /// Its keys are not in order, or one of them stands there twice.
    #[error("the words are not sorted by their keys")]
    Unsorted,
    /// It is no flat JSON object of texts.
    #[error("the words can't be read")]
    Json(#[from] serde_json::Error),
    /// Neither `ltr` nor `rtl`.
    #[error("the direction {0:?} is neither ltr nor rtl")]
    Direction(String),
}

/// The words of one language.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    language: String,
    direction: Direction,
    /// Sorted by key.
    words: Vec<(String, Entry)>,
    fallback: Option<Arc<Catalogue>>,
}

impl Catalogue {
    /// Reads the file of a language, which is sorted by key; `language` is its tag.
    pub fn parse(language: &str, json: &str) -> Result<Self, CatalogueError> {
        if json.len() > MAX_LEN {
            return Err(CatalogueError::TooLarge(json.len()));
        }
        let Listed::<Entry>(words) = serde_json::from_str(json)?;
        if words.len() > MAX_TEXTS {
            return Err(CatalogueError::TooMany(words.len()));
        }
        // Sorting is what files are for; here it would be seven kilobytes of the session tab.
        if !words.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(CatalogueError::Unsorted);
        }
        let mut catalogue = Self { language: language.to_owned(), words, ..Self::default() };
        catalogue.direction = match catalogue.of_itself("direction") {
            None | Some("ltr") => Direction::LeftToRight,
            Some("rtl") => Direction::RightToLeft,
            Some(other) => return Err(CatalogueError::Direction(other.to_owned())),
        };
        Ok(catalogue)
    }

    /// The language that is built in and comes nearest to what is wanted, best first; English where none does.
    pub fn built_in<'a>(wanted: impl IntoIterator<Item = &'a str>) -> Self {
        let parsed = |tag: &str| {
            let (_, json) = LANGUAGES.iter().find(|(language, _)| *language == tag)?;
            // A test reads every file of the folder.
            Self::parse(tag, json).ok()
        };
        let english = parsed(FALLBACK).unwrap_or_default();
        let there: Vec<&str> = LANGUAGES.iter().map(|(language, _)| *language).collect();
        match choose(wanted, &there).filter(|tag| *tag != FALLBACK).and_then(parsed) {
            Some(language) => language.or(Arc::new(english)),
            None => english,
        }
    }

    /// These words, and those of another language where one is missing.
    #[must_use]
    pub fn or(self, fallback: Arc<Self>) -> Self {
        Self { fallback: Some(fallback), ..self }
    }

    /// Its tag (BCP 47).
    pub fn language(&self) -> &str {
        &self.language
    }

    /// What it calls itself, for a list to choose from.
    pub fn name(&self) -> &str {
        self.of_itself("language").unwrap_or(&self.language)
    }

    /// Where its lines begin.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// All texts of its own, without those of the language that stands in.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.words.iter().filter(|(key, _)| *key != ITSELF).map(|(key, entry)| (key.as_str(), entry))
    }

    /// The text with this key, and these values in their places. A key that there is not comes back as it is.
    ///
    /// Where a value could turn the order of a sentence round, because one of the two is written from right to left, it
    /// is set apart (Unicode's isolates, UAX 9).
    pub fn text(&self, key: &str, values: &[(&str, Value<'_>)]) -> String {
        let Some((entry, from)) = self.find(key) else {
            debug_assert!(false, "no text has the key {key}");
            return key.to_owned();
        };
        let form = match entry {
            Entry::One(text) => text,
            Entry::Forms(_) => {
                let count = values.iter().find_map(|(_, value)| match value {
                    Value::Count(count) => Some(*count),
                    Value::Text(_) => None,
                });
                let category = count.map_or(Category::Other, |count| category(&from.language, count));
                let form = entry.form(category.as_str()).or_else(|| entry.form(Category::Other.as_str()));
                let Some(form) = form else { return key.to_owned() };
                form
            }
        };
        fill(form, values, self.direction)
    }

    /// The text with this key, where nothing has to be put in.
    pub fn plain(&self, key: &str) -> String {
        self.text(key, &[])
    }

    /// A number with so many digits behind the mark that this language puts there.
    pub fn decimal(&self, value: f64, digits: usize) -> String {
        let number = format!("{value:.digits$}");
        match self.find(DECIMAL_MARK) {
            Some((Entry::One(mark), _)) if mark != "." => number.replacen('.', mark, 1),
            _ => number,
        }
    }

    /// A value that stands for itself, or beside others: set apart as those within a text are.
    pub fn apart(&self, value: &str) -> String {
        let mut whole = String::with_capacity(value.len());
        set_apart(&mut whole, value, self.direction);
        whole
    }

    fn find(&self, key: &str) -> Option<(&Entry, &Self)> {
        match self.own(key) {
            Some(entry) => Some((entry, self)),
            None => self.fallback.as_ref()?.find(key),
        }
    }

    fn own(&self, key: &str) -> Option<&Entry> {
        let at = self.words.binary_search_by(|(of, _)| of.as_str().cmp(key)).ok()?;
        Some(&self.words[at].1)
    }

    fn of_itself(&self, what: &str) -> Option<&str> {
        self.own(ITSELF)?.form(what)
    }
}

/// The best of the languages that are there, for somebody who wants these, best first (RFC 4647, 3.4, "lookup": `de-AT`
/// finds `de`).
pub fn choose<'a, 'w>(wanted: impl IntoIterator<Item = &'w str>, there: &[&'a str]) -> Option<&'a str> {
    wanted.into_iter().find_map(|wanted| {
        let mut range = wanted;
        loop {
            if let Some(found) = there.iter().find(|tag| tag.eq_ignore_ascii_case(range)) {
                return Some(*found);
            }
            range = range.rsplit_once('-')?.0;
            // A single letter introduces what follows, and goes with it.
            if let Some((shorter, single)) = range.rsplit_once('-')
                && single.len() == 1
            {
                range = shorter;
            }
        }
    })
}

/// The names of the places in a text.
pub fn places(text: &str) -> Vec<&str> {
    let parts = text.split('{').skip(1);
    parts.filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
}

fn fill(text: &str, values: &[(&str, Value<'_>)], direction: Direction) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        filled.push_str(before);
        match values.iter().find(|(of, _)| *of == name) {
            Some((_, Value::Text(value))) => set_apart(&mut filled, value, direction),
            Some((_, Value::Count(count))) => filled.push_str(&count.to_string()),
            None => {
                debug_assert!(false, "nothing was given for {name} in {text:?}");
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// Puts a value into a sentence, so that neither changes the order of the other.
fn set_apart(filled: &mut String, value: &str, direction: Direction) {
    if direction == Direction::LeftToRight && !value.chars().any(turns) {
        filled.push_str(value);
        return;
    }
    filled.push('\u{2068}');
    // What closes an isolate, or overrides it, would get out of this one.
    filled.extend(value.chars().filter(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')));
    filled.push('\u{2069}');
}

/// Whether it is written from right to left, or says which way others are (the blocks of UAX 9, table 4, roughly).
const fn turns(c: char) -> bool {
    matches!(c,
        '\u{590}'..='\u{8ff}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// What a JSON object lists, in its order.
struct Listed<T>(Vec<(String, T)>);

// By hand: what serde derives for "a text or a map of texts", and maps that sort themselves, are many kilobytes in the
// session tab.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Listed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListedVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListedVisitor<T> {
            type Value = Listed<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Listed<T>, A::Error> {
                listed(map).map(Listed)
            }
        }

        deserializer.deserialize_map(ListedVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntryVisitor;

        impl<'de> Visitor<'de> for EntryVisitor {
            type Value = Entry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or texts by the categories of a count")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Entry, E> {
                Ok(Entry::One(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Entry, A::Error> {
                listed(map).map(Entry::Forms)
            }
        }

        deserializer.deserialize_any(EntryVisitor)
    }
}

fn listed<'de, T: Deserialize<'de>, A: MapAccess<'de>>(mut map: A) -> Result<Vec<(String, T)>, A::Error> {
    let mut list = Vec::new();
    while let Some(entry) = map.next_entry()? {
        list.push(entry);
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = r#"{
        "": { "language": "Test", "direction": "ltr" },
        "asks": "{name} asks for {what}.",
        "files": { "one": "{count} file of {name}", "other": "{count} files of {name}" },
        "plain": "Yes, allow"
    }"#;

    fn words() -> Catalogue {
        Catalogue::parse("en", WORDS).unwrap()
    }

    #[test]
    fn values_stand_in_their_places() {
        let words = words();
        assert_eq!(words.plain("plain"), "Yes, allow");
        let values = [("what", Value::Text("it {name}")), ("name", Value::Text("Ada"))];
        assert_eq!(words.text("asks", &values), "Ada asks for it {name}.", "values are not filled in turn");
        for (count, text) in [(0, "0 files of Ada"), (1, "1 file of Ada"), (2, "2 files of Ada")] {
            let values = [("name", Value::Text("Ada")), ("count", Value::Count(count))];
            assert_eq!(words.text("files", &values), text);
        }
    }

    #[test]
    fn a_value_never_turns_the_sentence_round() {
        let text = |direction, value| {
            let json = WORDS.replace("ltr", direction);
            let words = Catalogue::parse("en", &json).unwrap();
            words.text("asks", &[("name", Value::Text(value)), ("what", Value::Text("it"))])
        };
        assert_eq!(text("ltr", "Ada"), "Ada asks for it.");
        assert_eq!(text("ltr", "عادة"), "\u{2068}عادة\u{2069} asks for it.");
        assert_eq!(text("ltr", "A\u{202e}da\u{2069}"), "\u{2068}Ada\u{2069} asks for it.");
        assert_eq!(text("rtl", "Ada"), "\u{2068}Ada\u{2069} asks for \u{2068}it\u{2069}.");
    }

    #[test]
    fn what_a_language_lacks_another_says_by_its_own_rules() {
        let japanese = Catalogue::parse("ja", r#"{ "plain": "はい" }"#).unwrap().or(Arc::new(words()));
        assert_eq!(japanese.plain("plain"), "はい");
        let values = [("name", Value::Text("Ada")), ("count", Value::Count(1))];
        assert_eq!(japanese.text("files", &values), "1 file of Ada");
    }

    #[test]
    fn numbers_have_the_mark_of_the_language() {
        let german = Catalogue::parse("de", r#"{ "number.decimal": "," }"#).unwrap();
        assert_eq!(german.decimal(1234.56, 1), "1234,6");
        assert_eq!((german.decimal(12.0, 0), words().decimal(0.25, 2)), ("12".into(), "0.25".into()));
    }

    #[test]
    fn the_nearest_language_is_chosen() {
        let there = ["de", "en", "pt-BR", "zh-Hant"];
        for (wanted, found) in [
            (&["de-AT", "en"][..], Some("de")),
            (&["fr", "EN-us"], Some("en")),
            (&["pt-br"], Some("pt-BR")),
            (&["pt"], None),
            (&["zh-Hant-TW"], Some("zh-Hant")),
            (&["de-x-kind"], Some("de")),
            (&["", "-", "*", "de-"], Some("de")),
            (&[], None),
        ] {
            assert_eq!(choose(wanted.iter().copied(), &there), found, "{wanted:?}");
        }
        assert_eq!(Catalogue::built_in(["de-CH"]).language(), "de");
        assert_eq!(Catalogue::built_in(["tlh"]).language(), "en");
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        for bad in [
            "",
            "[]",
            "{\"a\": 1}",
            "{\"a\": null}",
            "{\"b\": \"\", \"a\": \"\"}",
            "{\"a\": \"\", \"a\": \"\"}",
            "{\"a\": {\"one\": {}}}",
            "{\"\": {\"direction\": \"up\"}}",
        ] {
            assert!(Catalogue::parse("en", bad).is_err(), "{bad}");
        }
        let many: std::collections::BTreeMap<_, _> = (0..=MAX_TEXTS).map(|n| (n.to_string(), "")).collect();
        let many = serde_json::to_string(&many).unwrap();
        assert!(matches!(Catalogue::parse("en", &many), Err(CatalogueError::TooMany(_))));
        let long = format!("{{\"a\": \"{}\"}}", "a".repeat(MAX_LEN));
        assert!(matches!(Catalogue::parse("en", &long), Err(CatalogueError::TooLarge(_))));
    }
}
