//! Who is a technician, and how a request proves it.
//!
//! There is one person so far, the operator, who signs in with the token that the server was started with. Everything
//! else asks for a [`PersonId`] and does not know that.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::key::{ServerKey, Signer};

pub mod ticket;
mod token;

pub use ticket::Tickets;
pub use token::OperatorToken;

/// How long a sign-in lasts.
pub const SIGNED_IN_FOR: Duration = Duration::from_hours(12);

/// A person who may sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PersonId(u32);

impl PersonId {
    /// The one person there is until there are accounts.
    pub const OPERATOR: Self = Self(0);
}

/// What a cookie says; the signature around it makes it true.
#[derive(Serialize, Deserialize)]
struct SignIn {
    person: PersonId,
    /// Seconds since 1970.
    until: u64,
}

/// Checks tokens and cookies.
pub struct Accounts {
    token: [u8; 32],
    cookies: Signer,
}

impl Accounts {
    /// Cookies are bound to the token: another token signs everybody out.
    pub fn new(token: &OperatorToken, key: &ServerKey) -> Self {
        let token = digest(token.expose());
        Self { cookies: key.signer("sign-in", &token), token }
    }

    /// Whose token this is. The comparison takes the same time wherever they differ, and however long it is.
    pub fn by_token(&self, token: &str) -> Option<PersonId> {
        bool::from(digest(token).ct_eq(&self.token)).then_some(PersonId::OPERATOR)
    }

    /// Whose cookie this is, if it still holds.
    pub fn by_cookie(&self, value: &str, now: SystemTime) -> Option<PersonId> {
        let sign_in: SignIn = postcard::from_bytes(&self.cookies.open(value)?).ok()?;
        (unix_seconds(now) < sign_in.until).then_some(sign_in.person)
    }

    /// A cookie for this person.
    pub fn cookie(&self, person: PersonId, now: SystemTime) -> String {
        let until = unix_seconds(now) + SIGNED_IN_FOR.as_secs();
        self.cookies.seal(&postcard::to_stdvec(&SignIn { person, until }).unwrap_or_default())
    }
}

/// Seconds since 1970, zero before.
pub fn unix_seconds(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_and_its_cookie_name_the_operator() {
        let key = ServerKey::generate().unwrap();
        let token: OperatorToken = "correct horse battery".parse().unwrap();
        let accounts = Accounts::new(&token, &key);
        assert_eq!(accounts.by_token("correct horse battery"), Some(PersonId::OPERATOR));
        for wrong in ["", "correct horse batter", "correct horse battery ", "Correct horse battery"] {
            assert_eq!(accounts.by_token(wrong), None, "{wrong:?}");
        }

        let now = SystemTime::now();
        let cookie = accounts.cookie(PersonId::OPERATOR, now);
        assert_eq!(accounts.by_cookie(&cookie, now), Some(PersonId::OPERATOR));
        assert_eq!(Accounts::new(&token, &key).by_cookie(&cookie, now), Some(PersonId::OPERATOR));
        assert_eq!(accounts.by_cookie(&cookie, now + SIGNED_IN_FOR), None);
        let other: OperatorToken = "another token of some length".parse().unwrap();
        assert_eq!(Accounts::new(&other, &key).by_cookie(&cookie, now), None);
        assert_eq!(accounts.by_cookie("", now), None);
    }
}
