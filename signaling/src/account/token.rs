//! The operator's token, which never prints itself.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

/// What the operator signs in with.
#[derive(Clone)]
pub struct OperatorToken(Zeroizing<String>);

impl OperatorToken {
    /// Fewest characters. Sixteen random letters and digits have more than 80 bits.
    pub const MIN_LEN: usize = 16;
    /// Most bytes that are looked at.
    pub const MAX_LEN: usize = 1024;

    /// Stands where no token could be read and the server won't start.
    pub(crate) fn placeholder() -> Self {
        Self(Zeroizing::default())
    }

    /// The token itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// Why a text can't be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It could be guessed.
    #[error("it has {0} characters, but must have at least {min}: openssl rand -hex 16 makes a good one", min = OperatorToken::MIN_LEN)]
    Short(usize),
    /// Nobody types that.
    #[error("it has more than {max} bytes", max = OperatorToken::MAX_LEN)]
    Long,
    /// One character, over and over, or a line break or the like in it.
    #[error("it is one character repeated, or has control characters or spaces at its ends")]
    Unsound,
}

impl FromStr for OperatorToken {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        let count = text.chars().count();
        if count < Self::MIN_LEN {
            return Err(TokenError::Short(count));
        }
        if text.len() > Self::MAX_LEN {
            return Err(TokenError::Long);
        }
        let first = text.chars().next();
        let repeated = text.chars().all(|character| Some(character) == first);
        if repeated || text.trim() != text || text.chars().any(char::is_control) {
            return Err(TokenError::Unsound);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for OperatorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OperatorToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_tokens_are_refused() {
        for (text, problem) in [
            ("", TokenError::Short(0)),
            ("secret", TokenError::Short(6)),
            ("ääääääää", TokenError::Short(8)),
            ("aaaaaaaaaaaaaaaaaaaa", TokenError::Unsound),
            ("0123456789abcdef\n", TokenError::Unsound),
            (" 0123456789abcdef", TokenError::Unsound),
        ] {
            assert_eq!(text.parse::<OperatorToken>().unwrap_err(), problem, "{text:?}");
        }
        assert_eq!("ab".repeat(513).parse::<OperatorToken>().unwrap_err(), TokenError::Long);
        let token: OperatorToken = "0123456789abcdef".parse().unwrap();
        assert_eq!(format!("{token:?}"), "OperatorToken(…)");
    }
}
