//! The words of `static/languages/`: complete in every language, used everywhere, and nothing said without them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nearhand_protocol::catalogue::{
    Catalogue, Category, Direction, Entry, FALLBACK, LANGUAGES, categories, places,
};

/// Folders whose files take their words from the catalogue.
const ROOMS: [&str; 7] = [
    "host-agent/src",
    "host-agent/window",
    "signaling/build",
    "signaling/src",
    "static",
    "viewer-wasm/src",
    "xtask/src",
];
const ENDINGS: [&str; 4] = ["html", "js", "rs", "slint"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn all() -> Vec<Catalogue> {
    let parsed = LANGUAGES.iter().map(|(tag, json)| {
        Catalogue::parse(tag, json).unwrap_or_else(|error| panic!("{tag}.json: {error:?}"))
    });
    parsed.collect()
}

fn english() -> Catalogue {
    all().into_iter().find(|catalogue| catalogue.language() == FALLBACK).expect("there is English")
}

fn forms(entry: &Entry) -> Vec<(&str, &str)> {
    match entry {
        Entry::One(text) => vec![("", text)],
        Entry::Forms(forms) => forms.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect(),
    }
}

#[test]
fn english_and_german_are_there() {
    let names: Vec<_> = all().iter().map(|catalogue| catalogue.name().to_owned()).collect();
    assert!(names.contains(&"English".to_owned()) && names.contains(&"Deutsch".to_owned()), "{names:?}");
    let german = Catalogue::built_in(["de"]);
    assert_eq!(german.direction(), Direction::LeftToRight);
    assert_eq!(german.decimal(1.5, 1), "1,5");
}

#[test]
fn every_language_has_the_same_keys_and_places() {
    let english = english();
    let expected: BTreeMap<&str, &Entry> = english.texts().collect();
    for catalogue in all() {
        let language = catalogue.language().to_owned();
        let there: BTreeMap<&str, &Entry> = catalogue.texts().collect();
        let keys =
            |texts: &BTreeMap<&str, &Entry>| texts.keys().map(ToString::to_string).collect::<BTreeSet<_>>();
        let (has, wants) = (keys(&there), keys(&expected));
        let lacks: Vec<_> = wants.difference(&has).collect();
        let extra: Vec<_> = has.difference(&wants).collect();
        assert!(
            lacks.is_empty() && extra.is_empty(),
            "{language} lacks {lacks:?} and has too much: {extra:?}"
        );
        for (key, entry) in there {
            let all_places = |entry: &Entry| {
                forms(entry)
                    .iter()
                    .flat_map(|(_, text)| places(text))
                    .map(str::to_owned)
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(all_places(entry), all_places(expected[key]), "the places of {key} in {language}");
            match (entry, expected[key]) {
                (Entry::One(_), Entry::One(_)) => {}
                (Entry::Forms(forms), Entry::Forms(_)) => {
                    let names: BTreeSet<_> = forms.iter().map(|(name, _)| name.as_str()).collect();
                    let needed: BTreeSet<_> =
                        categories(&language).into_iter().map(Category::as_str).collect();
                    assert_eq!(names, needed, "the forms of {key} in {language}");
                    // Only where a form stands for one number it may leave the number out.
                    assert!(
                        entry.form("other").is_some_and(|other| places(other).contains(&"count")),
                        "{key} in {language} counts nothing"
                    );
                }
                _ => panic!("{key} has forms in one of {language} and {FALLBACK} only"),
            }
        }
    }
}

#[test]
fn texts_are_plain() {
    for (tag, _) in LANGUAGES {
        let sound =
            tag.split('-').all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()));
        assert!(sound, "{tag} is no tag of a language");
    }
    for catalogue in all() {
        let language = catalogue.language().to_owned();
        for (key, entry) in catalogue.texts() {
            let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
            assert!(key.len() < 100 && key.contains('.') && key.chars().all(sound), "the key {key:?}");
            for (_, text) in forms(entry) {
                let what = format!("{key} in {language}: {text:?}");
                assert!(!text.is_empty() && text.len() < 600, "{what}");
                // Around a list's comma there is a blank.
                assert!(text == text.trim() || key == "script.shared.comma", "{what}");
                assert!(
                    !text.contains(['<', '>', '\\', '"', '\'']),
                    "typographic marks only, and no HTML: {what}"
                );
                let isolates = '\u{2066}'..='\u{2069}';
                assert!(text.chars().all(|c| !c.is_control() || isolates.contains(&c)), "{what}");
                assert_eq!(text.matches('{').count(), places(text).len(), "{what}");
                assert!(text.matches('*').count().is_multiple_of(2), "{what}");
                assert_eq!(text.matches('[').count(), text.matches(']').count(), "{what}");
                for place in places(text) {
                    assert!(place.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{what}");
                }
            }
        }
    }
}

/// Sorted, one text on each line: then two people can add texts at the same time.
#[test]
fn files_are_sorted_with_a_text_on_each_line() {
    for (tag, json) in LANGUAGES {
        let keys: Vec<&str> = json
            .lines()
            .filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": ").map(|(key, _)| key))
            .collect();
        let parsed = Catalogue::parse(tag, json).unwrap();
        // What the language says of itself comes first.
        assert_eq!(keys.len(), parsed.texts().count() + 1, "{tag}.json has not one text on each line");
        let unsorted = keys.windows(2).find(|two| two[0] >= two[1]);
        assert_eq!(unsorted, None, "{tag}.json is not sorted, or has a key twice");
        assert!(json.ends_with("}\n"), "{tag}.json has no line end at its end");
    }
}

#[test]
fn every_key_that_is_used_exists_and_every_key_is_used() {
    let english = english();
    let keys: BTreeSet<&str> = english.texts().map(|(key, _)| key).collect();
    let rooms: BTreeSet<&str> =
        keys.iter().filter_map(|key| key.split_once('.')).map(|(room, _)| room).collect();
    let mut used = BTreeSet::new();
    for (path, source) in sources() {
        for mention in mentions(&source, &rooms) {
            let begins = mention.key.ends_with(['.', '_']);
            let meant: Vec<&str> = keys
                .iter()
                .filter(|key| if begins { key.starts_with(&mention.key) } else { **key == mention.key })
                .copied()
                .collect();
            assert!(!meant.is_empty(), "{} uses {:?}, which is no key", path.display(), mention.key);
            if !mention.passed_on {
                used.extend(meant);
            }
        }
    }
    let unused: Vec<_> = keys.difference(&used).collect();
    assert!(unused.is_empty(), "nothing uses {unused:?}");
}

#[test]
fn nothing_is_said_past_the_catalogue() {
    for (path, source) in sources() {
        let name = path.to_string_lossy().replace('\\', "/");
        let said = if name.contains("static/pages/") {
            visible(&source)
        } else if name.contains("viewer-wasm/src/words") || name.contains("static/") {
            literals(&source)
        } else {
            continue;
        };
        assert!(said.is_empty(), "{name} says {said:?}, which is in no catalogue");
    }
}

/// The sources that may name keys, without tests.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> =
        ROOMS.iter().map(|room| root().join(room)).filter(|room| room.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "tests" | "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|ending| ENDINGS.iter().any(|known| ending == *known)) {
                let source = std::fs::read_to_string(&path).unwrap();
                let source = source.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned();
                found.push((path, source));
            }
        }
    }
    assert!(found.len() > 50, "only {} sources were found", found.len());
    found
}

struct Mention {
    key: String,
    /// A page hands it to scripts; whether they use it is seen there.
    passed_on: bool,
}

/// Keys in quotes and in the markers of pages.
fn mentions(source: &str, rooms: &BTreeSet<&str>) -> Vec<Mention> {
    let mut mentions = Vec::new();
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    let mut add = |text: &str, passed_on: bool| {
        let key: String = text.chars().take_while(|c| is_part(*c)).collect();
        let after = text[key.len()..].chars().next();
        let whole = matches!(after, None | Some('"' | '`' | '\'' | '}' | ' ' | '{' | '$'));
        if whole && key.split_once('.').is_some_and(|(room, _)| rooms.contains(room)) {
            mentions.push(Mention { key, passed_on });
        }
    };
    for (at, mark) in source.match_indices(['"', '`', '\'']) {
        add(&source[at + mark.len()..], false);
    }
    for (at, _) in source.match_indices("{{") {
        let marker = source[at + 2..].split("}}").next().unwrap_or_default();
        match marker.strip_prefix("words ") {
            Some(names) => names.split_whitespace().for_each(|name| add(name, true)),
            None => add(marker, false),
        }
    }
    mentions
}

/// What a page shows of its own: texts, and attributes that are read out, without the names that are the same everywhere.
fn visible(page: &str) -> Vec<String> {
    let mut bare = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!--") {
        bare.push_str(before);
        rest = after.split_once("-->").expect("a comment ends").1;
    }
    bare.push_str(rest);
    let texts = bare.split('>').skip(1).map(|part| part.split('<').next().unwrap_or_default().trim());
    let attributes = ["alt=\"", "aria-label=\"", "placeholder=\"", "title=\"", "content=\""]
        .into_iter()
        .flat_map(|name| {
            bare.match_indices(name)
                .map(|(at, name)| bare[at + name.len()..].split('"').next().unwrap_or_default())
        });
    texts
        .chain(attributes)
        .filter(|text| !text.contains("{{") && text.chars().any(char::is_alphabetic))
        .filter(|text| {
            // A name, a unit, and what browsers read.
            !matches!(
                *text,
                "Nearhand"
                    | "ms"
                    | "noindex"
                    | "light dark"
                    | "same-origin"
                    | "width=device-width, initial-scale=1"
            )
        })
        .map(str::to_owned)
        .collect()
}

/// Literals that look like the beginning of a sentence.
fn literals(source: &str) -> Vec<String> {
    let code = source.lines().filter(|line| !line.trim_start().starts_with(['/', '*']));
    let literals = code.flat_map(|line| line.split(['"', '`']).skip(1).step_by(2));
    literals
        .filter(|text| {
            let mut words = text.split(' ');
            let begins = |word: &str| word.starts_with(char::is_uppercase) && word.len() > 1;
            words.next().is_some_and(begins)
                && words.next().is_some_and(|word| word.starts_with(char::is_lowercase))
        })
        .map(str::to_owned)
        .collect()
}
