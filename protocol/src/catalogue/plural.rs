//! Which form of a text a whole number takes (CLDR 48, cardinal plural rules).

/// A form, by CLDR's names. What it stands for is each language's own affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// As for 0 in Arabic.
    Zero,
    /// As for 1 in English.
    One,
    /// As for 2 in Hebrew.
    Two,
    /// As for 2 to 4 in Czech.
    Few,
    /// As for 5 and more in Polish.
    Many,
    /// Every other number; each language has it.
    Other,
}

impl Category {
    /// CLDR's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::One => "one",
            Self::Two => "two",
            Self::Few => "few",
            Self::Many => "many",
            Self::Other => "other",
        }
    }
}

/// The form that a number takes in a language; languages that are not named here have one for 1 and one for the rest.
pub fn category(language: &str, count: u64) -> Category {
    use Category::{Few, Many, One, Other, Two, Zero};
    let (tens, hundreds) = (count % 10, count % 100);
    let teen = (11..=19).contains(&hundreds);
    match primary(language) {
        "id" | "ja" | "ko" | "lo" | "ms" | "my" | "th" | "vi" | "yue" | "zh" => Other,
        "am" | "as" | "bn" | "fa" | "fr" | "gu" | "hi" | "hy" | "kn" | "pt" | "zu" if count <= 1 => One,
        "ar" => match (count, hundreds) {
            (0, _) => Zero,
            (1, _) => One,
            (2, _) => Two,
            (_, 3..=10) => Few,
            (_, 11..=99) => Many,
            _ => Other,
        },
        "he" if count == 2 => Two,
        "cs" | "sk" if (2..=4).contains(&count) => Few,
        "sl" => match hundreds {
            1 => One,
            2 => Two,
            3 | 4 => Few,
            _ => Other,
        },
        "pl" => match (count, tens) {
            (1, _) => One,
            (_, 2..=4) if !(12..=14).contains(&hundreds) => Few,
            _ => Many,
        },
        slavic @ ("be" | "bs" | "hr" | "ru" | "sr" | "uk") => match tens {
            1 if hundreds != 11 => One,
            2..=4 if !(12..=14).contains(&hundreds) => Few,
            _ if matches!(slavic, "be" | "ru" | "uk") => Many,
            _ => Other,
        },
        "lt" => match tens {
            1 if !teen => One,
            2..=9 if !teen => Few,
            _ => Other,
        },
        "lv" => match tens {
            0 => Zero,
            _ if teen => Zero,
            1 => One,
            _ => Other,
        },
        "ro" if count == 0 || count != 1 && (1..=19).contains(&hundreds) => Few,
        _ if count == 1 => One,
        _ => Other,
    }
}

/// All forms that whole numbers take in a language.
pub fn categories(language: &str) -> Vec<Category> {
    use Category::{Few, Many, One, Other, Two, Zero};
    // Numbers up to here have every form that there is.
    let there: Vec<Category> = (0..=200).map(|count| category(language, count)).collect();
    // Fractions take `other` in every language, and it stands in for what a text lacks.
    [Zero, One, Two, Few, Many, Other]
        .into_iter()
        .filter(|category| *category == Other || there.contains(category))
        .collect()
}

fn primary(language: &str) -> &str {
    language.split('-').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_the_forms_of_cldr() {
        // The samples of CLDR 48, plurals.xml.
        for (language, samples) in [
            ("en", &[(0, "other"), (1, "one"), (2, "other"), (11, "other")][..]),
            ("de-AT", &[(0, "other"), (1, "one"), (21, "other")]),
            ("fr", &[(0, "one"), (1, "one"), (2, "other")]),
            ("ja", &[(0, "other"), (1, "other")]),
            (
                "ar",
                &[
                    (0, "zero"),
                    (1, "one"),
                    (2, "two"),
                    (3, "few"),
                    (110, "few"),
                    (11, "many"),
                    (100, "other"),
                ],
            ),
            ("he", &[(0, "other"), (1, "one"), (2, "two"), (3, "other")]),
            ("cs", &[(0, "other"), (1, "one"), (4, "few"), (5, "other")]),
            ("sl", &[(101, "one"), (102, "two"), (104, "few"), (5, "other"), (0, "other")]),
            ("pl", &[(1, "one"), (22, "few"), (12, "many"), (5, "many"), (21, "many")]),
            ("ru", &[(21, "one"), (11, "many"), (24, "few"), (14, "many"), (0, "many")]),
            ("hr", &[(21, "one"), (11, "other"), (24, "few")]),
            ("lt", &[(21, "one"), (11, "other"), (9, "few"), (10, "other")]),
            ("lv", &[(0, "zero"), (11, "zero"), (21, "one"), (2, "other")]),
            ("ro", &[(0, "few"), (1, "one"), (19, "few"), (20, "other"), (101, "few")]),
        ] {
            for (count, name) in samples {
                assert_eq!(category(language, *count).as_str(), *name, "{count} in {language}");
            }
        }
    }

    #[test]
    fn every_language_has_other() {
        let names = |language| categories(language).into_iter().map(Category::as_str).collect::<Vec<_>>();
        assert_eq!(names("de"), ["one", "other"]);
        assert_eq!(names("ja"), ["other"]);
        assert_eq!(names("ru"), ["one", "few", "many", "other"]);
        assert_eq!(names("ar"), ["zero", "one", "two", "few", "many", "other"]);
    }
}
