//! How we sign in at an HTTP proxy: Digest, NTLM or Basic (RFC 9110, section 11; RFC 7616, RFC 7617, MS-NTHT).
//!
//! Pure: challenges go in, the next `Proxy-Authorization` comes out.

use http_auth::{DigestClient, PasswordParams, parse_challenges};
use nearhand_desktop::proxy::Credentials;

use super::ntlm;

/// What is known of a proxy that let us in, for the next connection.
#[derive(Debug)]
pub(super) enum Known {
    Basic,
    /// Counts its nonce's uses.
    Digest(Box<DigestClient>),
    Ntlm,
}

/// Why a proxy that asks for credentials gets no others.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// We have none.
    NoCredentials,
    /// It does not take ours.
    WrongCredentials,
    /// It knows none of our ways; its own, in its words.
    NoCommonScheme(String),
    /// It does not keep to the rules of its own way.
    BadChallenge,
}

/// One attempt to get in.
#[derive(Debug)]
pub(super) struct Login<'a> {
    credentials: Option<&'a Credentials>,
    state: State,
    /// The state is a guess from last time: a challenge only says that it is out of date.
    is_guess: bool,
}

#[derive(Debug)]
enum State {
    /// Nothing is said yet. No password goes to somebody who has not asked for one.
    Silent,
    Basic,
    Digest(Box<DigestClient>),
    /// The first message of NTLM.
    Negotiate,
    /// Its last message, an answer to this challenge.
    Authenticate(String),
}

impl<'a> Login<'a> {
    pub(super) fn new(credentials: Option<&'a Credentials>, known: Option<Known>) -> Self {
        let state = match known {
            None => State::Silent,
            Some(Known::Basic) => State::Basic,
            Some(Known::Digest(client)) => State::Digest(client),
            Some(Known::Ntlm) => State::Negotiate,
        };
        Self { credentials, is_guess: !matches!(state, State::Silent), state }
    }

    /// The value of `Proxy-Authorization` for the next request to this authority.
    pub(super) fn authorization(&mut self, authority: &str) -> Result<Option<String>, Refusal> {
        let Some(credentials) = self.credentials else { return Ok(None) };
        let value = match &mut self.state {
            State::Silent => return Ok(None),
            State::Basic => http_auth::basic::encode_credentials(&credentials.name, &credentials.password),
            State::Digest(client) => client
                .respond(&PasswordParams {
                    username: &credentials.name,
                    password: &credentials.password,
                    uri: authority,
                    method: "CONNECT",
                    body: None,
                })
                .map_err(|_| Refusal::BadChallenge)?,
            State::Negotiate => format!("NTLM {}", ntlm::negotiate().ok_or(Refusal::BadChallenge)?),
            State::Authenticate(challenge) => {
                let answer = ntlm::authenticate(challenge, credentials).ok_or(Refusal::BadChallenge)?;
                format!("NTLM {answer}")
            }
        };
        Ok(Some(value))
    }

    /// The proxy said 407, with these values of `Proxy-Authenticate`: another request is worth it, or never will be.
    pub(super) fn challenged(&mut self, challenges: &[&str]) -> Result<(), Refusal> {
        if self.credentials.is_none() {
            return Err(Refusal::NoCredentials);
        }
        let was_guess = std::mem::take(&mut self.is_guess);
        self.state = match &self.state {
            State::Negotiate => match ntlm_challenge(challenges) {
                Some(challenge) => State::Authenticate(challenge.to_owned()),
                // Today it may want something else.
                None if was_guess => choose(challenges)?,
                None => return Err(Refusal::BadChallenge),
            },
            State::Digest(_) => match choose(challenges)? {
                // Right credentials, old nonce: RFC 7616, section 3.3.
                State::Digest(client) if client.stale() && !was_guess => State::Digest(client),
                state if was_guess => state,
                _ => return Err(Refusal::WrongCredentials),
            },
            State::Silent => choose(challenges)?,
            State::Basic if was_guess => choose(challenges)?,
            State::Basic | State::Authenticate(_) => return Err(Refusal::WrongCredentials),
        };
        Ok(())
    }

    /// Whether the next request counts on this very connection only.
    pub(super) const fn is_bound_to_connection(&self) -> bool {
        matches!(self.state, State::Authenticate(_))
    }

    /// It let us in.
    pub(super) fn into_known(self) -> Option<Known> {
        match self.state {
            State::Silent => None,
            State::Basic => Some(Known::Basic),
            State::Digest(client) => Some(Known::Digest(client)),
            State::Negotiate | State::Authenticate(_) => Some(Known::Ntlm),
        }
    }
}

/// The way that gives away least: Digest and NTLM do not show the password, and Digest needs no second answer.
fn choose(challenges: &[&str]) -> Result<State, Refusal> {
    let digest = challenges.iter().find_map(|challenge| {
        let challenges = parse_challenges(challenge).ok()?;
        challenges.iter().find_map(|challenge| DigestClient::try_from(challenge).ok())
    });
    if let Some(client) = digest {
        return Ok(State::Digest(Box::new(client)));
    }
    let mut schemes: Vec<&str> = challenges.iter().flat_map(|challenge| schemes(challenge)).collect();
    if schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("NTLM")) {
        return Ok(State::Negotiate);
    }
    if schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case("Basic")) {
        return Ok(State::Basic);
    }
    schemes.truncate(4);
    Err(Refusal::NoCommonScheme(schemes.join(", ")))
}

/// The names of the ways in a list of challenges: words that no `=` follows.
fn schemes(challenges: &str) -> impl Iterator<Item = &str> {
    challenges.split(',').filter_map(|part| {
        let word = part.split_whitespace().next()?;
        // Words of somebody else, which go into a sentence of ours.
        let is_name =
            word.len() <= 20 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_name.then_some(word)
    })
}

fn ntlm_challenge<'c>(challenges: &[&'c str]) -> Option<&'c str> {
    challenges.iter().find_map(|challenge| {
        let (scheme, token) = challenge.trim().split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("NTLM") && !token.is_empty()).then_some(token)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGEST: &str = r#"Digest realm="squid", nonce="abc", qop="auth", stale=false, algorithm=MD5"#;
    const STALE: &str = r#"Digest realm="squid", nonce="def", qop="auth", stale=true"#;
    const BASIC: &str = r#"Basic realm="squid, the proxy""#;

    fn credentials() -> Credentials {
        Credentials { name: "Aladdin".into(), password: "open sesame".into() }
    }

    /// The authorizations of one attempt, challenged in turn, and how it went on after the last challenge.
    fn play(known: Option<Known>, challenges: &[&[&str]]) -> (Vec<Option<String>>, Result<(), Refusal>) {
        let credentials = credentials();
        let mut login = Login::new(Some(&credentials), known);
        let mut said = vec![login.authorization("h:443").unwrap()];
        for challenge in challenges {
            if let Err(refusal) = login.challenged(challenge) {
                return (said, Err(refusal));
            }
            said.push(login.authorization("h:443").unwrap());
        }
        (said, Ok(()))
    }

    fn begins(said: Option<&Option<String>>, with: &str) -> bool {
        said.is_some_and(|value| value.as_deref().is_some_and(|value| value.starts_with(with)))
    }

    #[test]
    fn nothing_is_said_before_it_is_asked() {
        let (said, _) = play(None, &[&[BASIC]]);
        // RFC 7617, section 2.
        assert_eq!(said, [None, Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".into())]);
        assert_eq!(Login::new(None, None).challenged(&[BASIC]), Err(Refusal::NoCredentials));
    }

    #[test]
    fn the_way_that_shows_least_is_taken() {
        for (offered, taken) in [
            (&[BASIC, DIGEST][..], "Digest "),
            (&[BASIC, "NTLM"], "NTLM "),
            (&["Negotiate, NTLM, Basic realm=\"x\""], "NTLM "),
            (&["Negotiate", "basic realm=x"], "Basic "),
            // One that is broken is not there.
            (&["Digest realm=\"x\"", BASIC], "Basic "),
        ] {
            let (said, result) = play(None, &[offered]);
            assert!(result.is_ok() && begins(said.get(1), taken), "{offered:?}: {said:?}");
        }
        for (offered, words) in [(&["Negotiate"][..], "Negotiate"), (&[], ""), (&["\u{1b}[31m"], "")] {
            assert_eq!(play(None, &[offered]).1, Err(Refusal::NoCommonScheme(words.into())), "{offered:?}");
        }
    }

    #[test]
    fn wrong_credentials_are_said_once() {
        for challenge in [BASIC, DIGEST] {
            assert_eq!(play(None, &[&[challenge], &[challenge]]).1, Err(Refusal::WrongCredentials));
        }
        assert_eq!(play(None, &[&["NTLM"], &["NTLM"]]).1, Err(Refusal::BadChallenge));
        let (said, result) = play(None, &[&[DIGEST], &[STALE]]);
        assert!(result.is_ok() && said[2].as_ref().is_some_and(|value| value.contains("def")), "{said:?}");
    }

    #[test]
    fn what_was_learnt_is_used_and_given_up() {
        let (said, result) = play(Some(Known::Basic), &[&[DIGEST], &[DIGEST]]);
        assert!(begins(said.first(), "Basic ") && begins(said.get(1), "Digest "), "{said:?}");
        assert_eq!(result, Err(Refusal::WrongCredentials));
        assert!(begins(play(Some(Known::Ntlm), &[&[BASIC]]).0.get(1), "Basic "));

        let credentials = credentials();
        let mut login = Login::new(Some(&credentials), None);
        login.challenged(&[DIGEST]).unwrap();
        assert!(login.authorization("h:1").unwrap().is_some_and(|value| value.contains("nc=00000001")));
        let mut next = Login::new(Some(&credentials), login.into_known());
        assert!(next.authorization("h:1").unwrap().is_some_and(|value| value.contains("nc=00000002")));
    }

    proptest! {
        #[test]
        fn no_challenge_panics_or_goes_on_for_ever(
            challenges in proptest::collection::vec(r#"(Digest|NTLM|Basic|digest)? ?[ -~]{0,60}|Digest realm="[ -~]{0,9}", nonce="[ -~]{0,9}"(, qop="auth(-int)?")?(, stale=true)?|NTLM TlRMTVNTUAACAAAA[A-Za-z0-9+/=]{0,80}"#, 0..4),
        ) {
            let credentials = credentials();
            let challenges: Vec<&str> = challenges.iter().map(String::as_str).collect();
            let mut login = Login::new(Some(&credentials), None);
            for _ in 0..4 {
                if let Ok(Some(value)) = login.authorization("h:443") {
                    prop_assert!(!value.contains(['\r', '\n']) && !value.contains("sesame"));
                }
                if login.challenged(&challenges).is_err() {
                    break;
                }
            }
        }
    }
}
