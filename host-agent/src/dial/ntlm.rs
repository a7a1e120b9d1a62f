//! The two messages of NTLM that a client sends (MS-NLMP), version 2 alone.
//!
//! The cryptography is `ntlmclient`'s. The challenge is read here: the library's reader panics on flags that it does not know.

use data_encoding::BASE64;
use nearhand_desktop::proxy::Credentials;
use ntlmclient::{
    AuthenticateMessage, Credentials as NtlmCredentials, Flags, Message, NegotiateMessage, OsVersion,
    get_ntlm_time, respond_challenge_ntlm_v2,
};

/// What we offer: version 2, and texts as UTF-16.
const OFFERED: Flags = Flags::NEGOTIATE_UNICODE
    .union(Flags::REQUEST_TARGET)
    .union(Flags::NEGOTIATE_NTLM)
    .union(Flags::NEGOTIATE_ALWAYS_SIGN)
    .union(Flags::NEGOTIATE_NTLM2_KEY)
    .union(Flags::NEGOTIATE_TARGET_INFO);
/// `AvId` of the end of the target's information and of its clock, MS-NLMP 2.2.2.1.
const END: u16 = 0;
const TIMESTAMP: u16 = 7;
/// A target's information is a few names; MS-NLMP itself allows 64 kB.
const LONGEST_INFORMATION: usize = 4096;

/// The first message, as base64.
pub(super) fn negotiate() -> Option<String> {
    let message = Message::Negotiate(NegotiateMessage {
        flags: OFFERED,
        supplied_domain: String::new(),
        supplied_workstation: String::new(),
        os_version: OsVersion::default(),
    });
    Some(BASE64.encode(&message.to_bytes().ok()?))
}

/// The answer to the challenge, both as base64; `None`: it is no such challenge.
pub(super) fn authenticate(challenge: &str, credentials: &Credentials) -> Option<String> {
    let challenge = Challenge::read(&BASE64.decode(challenge.as_bytes()).ok()?)?;
    let (domain, name) = credentials.name.split_once('\\').unwrap_or(("", &credentials.name));
    let credentials = NtlmCredentials {
        username: name.to_owned(),
        password: credentials.password.clone(),
        domain: domain.to_owned(),
    };
    let time = challenge.time().unwrap_or_else(get_ntlm_time);
    let response = respond_challenge_ntlm_v2(challenge.nonce, &challenge.information, time, &credentials);
    let message = Message::Authenticate(AuthenticateMessage {
        // A server that says its time wants no answer of the older kind, MS-NLMP 3.1.5.1.2.
        lm_response: if challenge.time().is_some() { vec![0; 24] } else { response.lm_response },
        ntlm_response: response.ntlm_response,
        domain_name: credentials.domain,
        user_name: credentials.username,
        workstation_name: String::new(),
        // Empty without a key exchange, which is never offered.
        session_key: Vec::new(),
        flags: OFFERED & (Flags::from_bits_truncate(challenge.flags) | Flags::NEGOTIATE_UNICODE),
        os_version: OsVersion::default(),
    });
    Some(BASE64.encode(&message.to_bytes().ok()?))
}

/// What is needed of a CHALLENGE_MESSAGE, MS-NLMP 2.2.1.2.
struct Challenge {
    flags: u32,
    nonce: [u8; 8],
    information: Vec<u8>,
}

impl Challenge {
    fn read(message: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(message.get(at..at + 4)?.try_into().ok()?));
        if message.get(..8)? != b"NTLMSSP\0" || u32_at(8)? != 2 {
            return None;
        }
        let flags = u32_at(20)?;
        let nonce = message.get(24..32)?.try_into().ok()?;
        // Old servers know of none, and have something else at its place.
        let information = (|| {
            let length = usize::from(u16::from_le_bytes(message.get(40..42)?.try_into().ok()?));
            let start = usize::try_from(u32_at(44)?).ok()?;
            message.get(start..start.checked_add(length.min(LONGEST_INFORMATION + 1))?)
        })();
        let information = information.filter(|found| found.len() <= LONGEST_INFORMATION).unwrap_or_default();
        Some(Self { flags, nonce, information: information.to_vec() })
    }

    /// The server's own time, in units of 100 ns since 1601.
    fn time(&self) -> Option<i64> {
        let mut rest = &self.information[..];
        loop {
            let (id, after) = rest.split_at_checked(2)?;
            let (length, after) = after.split_at_checked(2)?;
            let (value, after) =
                after.split_at_checked(usize::from(u16::from_le_bytes(length.try_into().ok()?)))?;
            match u16::from_le_bytes(id.try_into().ok()?) {
                END => return None,
                TIMESTAMP => return Some(i64::from_le_bytes(value.try_into().ok()?)),
                _ => rest = after,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(name: &str) -> Credentials {
        Credentials { name: name.into(), password: "geheim".into() }
    }

    /// A challenge as a server with this information about itself sends it.
    fn challenge(information: &[u8]) -> Vec<u8> {
        let mut message = b"NTLMSSP\0\x02\0\0\0".to_vec();
        message.extend([0; 8]);
        // Every flag, known or not.
        message.extend([0xff; 4]);
        message.extend(b"nonce678");
        message.extend([0; 8]);
        let length = u16::try_from(information.len()).unwrap().to_le_bytes();
        message.extend(length);
        message.extend(length);
        message.extend(48_u32.to_le_bytes());
        message.extend(information);
        message
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn contains(message: &str, part: &[u8]) -> bool {
        BASE64.decode(message.as_bytes()).unwrap().windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn an_answer_names_the_person_and_repeats_the_information() {
        let mut information = vec![7, 0, 8, 0];
        information.extend(0x01d0_1234_5678_9abc_i64.to_le_bytes());
        information.extend([0; 4]);
        let challenge = challenge(&information);
        assert_eq!(Challenge::read(&challenge).unwrap().time(), Some(0x01d0_1234_5678_9abc));
        let answer = authenticate(&BASE64.encode(&challenge), &credentials("CORP\\me")).unwrap();
        assert!(contains(&answer, b"NTLMSSP\0\x03\0\0\0"));
        assert!(contains(&answer, &utf16("CORP")) && contains(&answer, &utf16("me")));
        assert!(contains(&answer, &information));
        assert!(!contains(&answer, b"geheim") && !contains(&answer, &utf16("geheim")));
        assert!(BASE64.decode(negotiate().unwrap().as_bytes()).unwrap().starts_with(b"NTLMSSP\0\x01\0\0\0"));
    }

    #[test]
    fn what_is_no_challenge() {
        let good = challenge(&[1, 0, 2, 0, b'a', 0, 0, 0, 0, 0]);
        assert_eq!(Challenge::read(&good).unwrap().information.len(), 10);
        assert!(Challenge::read(&good[..32]).is_some_and(|old| old.information.is_empty()), "an old one");
        for cut in 0..32 {
            assert!(Challenge::read(&good[..cut]).is_none(), "{cut}");
        }
        let mut far = good.clone();
        far[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Challenge::read(&far).unwrap().information.is_empty());
        assert!(authenticate("%%%", &credentials("me")).is_none());
    }

    proptest! {
        #[test]
        fn no_challenge_panics(noise in proptest::collection::vec(any::<u8>(), 0..200), flips in proptest::collection::vec((0..70_usize, any::<u8>()), 0..6)) {
            let _ = authenticate(&BASE64.encode(&noise), &credentials("me"));
            let mut message = challenge(&noise);
            for (at, byte) in flips {
                if let Some(place) = message.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = authenticate(&BASE64.encode(&message), &credentials("D\\me"));
        }
    }
}
