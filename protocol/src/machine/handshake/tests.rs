//! An honest pair, a pair with different codes, and somebody in the middle.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const SESSION: SessionId = SessionId::new(Uuid::from_u128(0x6ba7_b810_9dad_41d1_80b4_00c0_4fd4_30c8));

fn code(text: &str) -> Code {
    text.parse().unwrap()
}

/// Runs the exchange between two ends with these codes.
fn exchange(viewer: Code, host: Code) -> (Key, Key) {
    let (viewer, viewers) = Exchange::begin(Seat::Viewer, SESSION, viewer, [1; SEED_LEN]);
    let (host, hosts) = Exchange::begin(Seat::Host, SESSION, host, [2; SEED_LEN]);
    (viewer.finish(&hosts).unwrap(), host.finish(&viewers).unwrap())
}

fn binding() -> Binding {
    Binding { epoch: Epoch(7), host: Fingerprint([3; 32]), viewer: Fingerprint([4; 32]) }
}

#[test]
fn two_ends_with_the_same_code_prove_each_other() {
    let (viewer, host) = exchange(code("482913705"), code("482 913 705"));
    assert_eq!(viewer.expose(), host.expose());
    assert_eq!(viewer.words(), host.words());
    assert_eq!(host.verify(&binding(), &viewer.prove(&binding())), Ok(()));
    assert_eq!(viewer.verify(&binding(), &host.prove(&binding())), Ok(()));
}

#[test]
fn a_wrong_code_is_noticed_by_both() {
    let (viewer, host) = exchange(code("482913705"), code("482913706"));
    assert_ne!(viewer.expose(), host.expose());
    assert_eq!(host.verify(&binding(), &viewer.prove(&binding())), Err(HandshakeError::BadProof));
    assert_eq!(viewer.verify(&binding(), &host.prove(&binding())), Err(HandshakeError::BadProof));
}

#[test]
fn swapped_fingerprints_are_noticed_by_both() {
    let (viewer, host) = exchange(code("482913705"), code("482913705"));
    let evil = Fingerprint([9; 32]);
    let hosts = Binding { viewer: evil, ..binding() };
    let viewers = Binding { host: evil, ..binding() };
    assert_eq!(host.verify(&hosts, &viewer.prove(&viewers)), Err(HandshakeError::BadProof));
    assert_eq!(viewer.verify(&viewers, &host.prove(&hosts)), Err(HandshakeError::BadProof));
}

#[test]
fn a_proof_holds_for_one_end_and_one_peer_connection() {
    let (viewer, host) = exchange(code("482913705"), code("482913705"));
    let proof = viewer.prove(&binding());
    assert_eq!(viewer.verify(&binding(), &proof), Err(HandshakeError::BadProof), "reflected");
    let later = Binding { epoch: Epoch(8), ..binding() };
    assert_eq!(host.verify(&later, &proof), Err(HandshakeError::BadProof), "replayed");
    let turned = Binding { host: binding().viewer, viewer: binding().host, ..binding() };
    assert_eq!(host.verify(&turned, &proof), Err(HandshakeError::BadProof), "turned round");
    let restored = Key::restore(viewer.expose(), SESSION, Seat::Viewer);
    assert_eq!(restored.prove(&later), viewer.prove(&later));
    let other = Key::restore(viewer.expose(), SessionId::new(Uuid::from_u128(8)), Seat::Viewer);
    assert_eq!(
        host.verify(&binding(), &other.prove(&binding())),
        Err(HandshakeError::BadProof),
        "other session"
    );
}

#[test]
fn a_share_of_the_wrong_side_or_no_point_is_refused() {
    let begin = || Exchange::begin(Seat::Viewer, SESSION, code("482913705"), [1; SEED_LEN]);
    let (viewer, own) = begin();
    assert_eq!(viewer.finish(&own).unwrap_err(), HandshakeError::BadShare, "reflected");
    // Half of all numbers are no first coordinate of a point.
    let refused = (2..40).filter(|y| {
        let mut share = [0; SHARE_LEN];
        (share[0], share[1]) = (b'B', *y);
        begin().0.finish(&Share::from_bytes(share)).is_err_and(|error| error == HandshakeError::BadShare)
    });
    assert!((5..35).contains(&refused.count()));
}

#[test]
fn nothing_secret_prints_itself() {
    let (key, _) = exchange(code("482913705"), code("482913705"));
    let (exchange, share) = Exchange::begin(Seat::Viewer, SESSION, code("482913705"), [1; SEED_LEN]);
    let printed = format!("{key:?} {exchange:?} {share:?} {:?}", key.prove(&binding()));
    assert!(!printed.contains("482913705") && !printed.contains('['), "{printed}");
}

#[test]
fn fingerprints_are_read_from_descriptions() {
    let value = ["AB"; 32].join(":");
    let line =
        format!("v=0\r\na=fingerprint:sha-256 {value}\r\nm=video\r\na=fingerprint:SHA-256 {value}\r\n");
    assert_eq!(Fingerprint::from_sdp(&line), Some(Fingerprint([0xab; 32])));
    let two = format!("{line}a=fingerprint:sha-256 {}\r\n", ["AC"; 32].join(":"));
    let weak = format!("{line}a=fingerprint:sha-1 AB:CD\r\n");
    let short = format!("a=fingerprint:sha-256 {}", ["AB"; 31].join(":"));
    let long = format!("a=fingerprint:sha-256 {}", ["AB"; 33].join(":"));
    for bad in ["", "a=fingerprint:sha-256", &two, &weak, &short, &long] {
        assert_eq!(Fingerprint::from_sdp(bad), None, "{bad}");
    }
}

/// The vectors of PROTOCOL.md: another implementation must come to the same bytes.
#[test]
fn test_vectors() {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let (viewer, viewers) = Exchange::begin(Seat::Viewer, SESSION, code("482913705"), [1; SEED_LEN]);
    let (host, hosts) = Exchange::begin(Seat::Host, SESSION, code("482913705"), [2; SEED_LEN]);
    let key = viewer.finish(&hosts).unwrap();
    let host = host.finish(&viewers).unwrap();
    let vectors = [
        ("viewer's share", hex(viewers.as_bytes())),
        ("host's share", hex(hosts.as_bytes())),
        ("key", hex(&key.expose())),
        ("viewer's proof", hex(&key.prove(&binding()).0)),
        ("host's proof", hex(&host.prove(&binding()).0)),
        ("words", key.words().join(" ")),
    ];
    let prose = include_str!("../../../PROTOCOL.md");
    for (name, value) in vectors {
        assert!(prose.contains(&value), "PROTOCOL.md lacks the {name}: {value}");
    }
}

proptest! {
    /// Any share that is no honest one: refused, or a key that proves nothing.
    #[test]
    fn any_share_is_survived(mut bytes in prop::array::uniform32(any::<u8>()), side in any::<u8>()) {
        let (host, _) = Exchange::begin(Seat::Host, SESSION, code("482913705"), [2; SEED_LEN]);
        let mut share = [0; SHARE_LEN];
        share[0] = if side > 9 { b'A' } else { side };
        bytes[31] &= 0x7f;
        share[1..].copy_from_slice(&bytes);
        if let Ok(key) = host.finish(&Share::from_bytes(share)) {
            prop_assert!(key.verify(&binding(), &Proof(bytes)).is_err());
        }
    }

    /// Of a thousand guesses of the secret exactly one is right.
    #[test]
    fn a_guess_is_one_in_a_thousand(right in 0..1000_u16, guess in 0..1000_u16) {
        let with = |secret| Code {
            nameplate: crate::code::Nameplate::from_number(482_913).unwrap(),
            secret: crate::code::Secret::from_number(secret).unwrap(),
        };
        let (viewer, host) = exchange(with(right), with(guess));
        prop_assert_eq!(host.verify(&binding(), &viewer.prove(&binding())).is_ok(), right == guess);
    }
}

#[test]
fn an_invitation_proves_both_its_ends_and_no_other() {
    use crate::invitation::{InvitationId, InvitationSecret};
    let invitation = Invitation {
        id: InvitationId(5),
        secret: InvitationSecret::from_random(core::array::from_fn(|n| n as u8)),
    };
    let [viewer, host] = [Seat::Viewer, Seat::Host].map(|seat| Key::invited(&invitation, SESSION, seat));
    assert_eq!(host.verify(&binding(), &viewer.prove(&binding())), Ok(()));
    assert_eq!(viewer.verify(&binding(), &host.prove(&binding())), Ok(()));
    assert_eq!(
        viewer.verify(&binding(), &viewer.prove(&binding())),
        Err(HandshakeError::BadProof),
        "reflected"
    );
    let other_number = Invitation { id: InvitationId(6), ..invitation };
    let other_secret = Invitation { secret: InvitationSecret::from_random([0; 16]), ..invitation };
    for other in [
        Key::invited(&other_number, SESSION, Seat::Viewer),
        Key::invited(&other_secret, SESSION, Seat::Viewer),
        Key::invited(&invitation, SessionId::new(Uuid::from_u128(1)), Seat::Viewer),
        exchange(code("482913705"), code("482913705")).0,
    ] {
        assert_eq!(host.verify(&binding(), &other.prove(&binding())), Err(HandshakeError::BadProof));
    }
    let swapped = Binding { viewer: Fingerprint([9; 32]), ..binding() };
    assert_eq!(host.verify(&swapped, &viewer.prove(&binding())), Err(HandshakeError::BadProof));
    // As `PROTOCOL.md` has it.
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    assert_eq!(hex(&viewer.expose()), "b245a1d85f3fc3f8ae245de0bf5b1d14ca340335aa533fa1661bf5b5c4885d27");
    let proof = "d2574b91120f0827a6aed5a3d8d9e74c52158956d6fd7a6a200285968891bdf3";
    assert_eq!(hex(&viewer.prove(&binding()).0), proof);
}
