//! What the page's address carries behind its `#`: browsers send none of it.
//!
//! Parts are parted by `&`, in any order: the last three digits of the code as they are, and `relay=only` or `relay=any`.

use nearhand_protocol::code::Secret;

/// What it says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fragment {
    /// The part of the code that the server does not know.
    pub secret: Option<Secret>,
    /// Whether only relayed paths are to be used, so that the two ends do not learn each other's address; `None` where it
    /// is not said.
    pub relay_only: Option<bool>,
}

impl Fragment {
    /// Reads it, with or without its `#`. What is not known is ignored.
    pub fn parse(text: &str) -> Self {
        let mut fragment = Self::default();
        for part in text.trim_start_matches('#').split('&') {
            match part.split_once('=') {
                None => fragment.secret = part.parse().ok().or(fragment.secret),
                Some(("relay", "only")) => fragment.relay_only = Some(true),
                Some(("relay", "any")) => fragment.relay_only = Some(false),
                Some(_) => {}
            }
        }
        fragment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_in_any_order_and_strangers_are_ignored() {
        let secret: Option<Secret> = "705".parse().ok();
        for (text, secret, relay_only) in [
            ("", None, None),
            ("#705", secret, None),
            ("705", secret, None),
            ("#relay=only", None, Some(true)),
            ("#705&relay=only", secret, Some(true)),
            ("#relay=any&705", secret, Some(false)),
            ("#70&relay=perhaps&x=y&", None, None),
        ] {
            assert_eq!(Fragment::parse(text), Fragment { secret, relay_only }, "{text}");
        }
    }
}
