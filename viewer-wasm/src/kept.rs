//! What this tab keeps of the key exchange, so that a reload neither asks for the code again nor begins a second one; and
//! what the technician prefers, which the browser keeps.

use data_encoding::HEXLOWER;
use js_sys::{Array, Uint8Array};
use nearhand_protocol::code::{Code, Secret};
use nearhand_protocol::id::{Seat, SessionId};
use nearhand_protocol::invitation::{Invitation, InvitationId, InvitationSecret};
use nearhand_protocol::machine::handshake::Key;

use crate::dom::{self, Missing};
use crate::signal::Memory;
use crate::state::{Known, Seed};

/// What is known when the page is opened.
pub(crate) fn known(session: SessionId) -> Result<Known, Missing> {
    let memory = Memory::of(session);
    let key = memory.get("key").and_then(|text| bytes(&text));
    Ok(Known {
        session,
        secret: memory.secret(),
        key: key.map(|secret| Key::restore(secret, session, Seat::Viewer)),
        begun: memory.get("seed").and_then(|text| begun(&text)),
        fresh: fresh()?,
    })
}

/// An exchange begins.
pub(crate) fn keep_seed(memory: &Memory, code: Code, seed: &Seed) {
    memory.set("seed", &format!("{}/{}", code.expose(), HEXLOWER.encode(&seed.0)));
}

/// It led to a key.
pub(crate) fn keep_key(memory: &Memory, key: &Key) {
    memory.set("key", &HEXLOWER.encode(&key.expose()));
    memory.forget("seed");
}

/// This tab comes by an invitation: what it proves is known from the start. A tab that is in the session already, in
/// whatever way, stays who it is.
pub(crate) fn be_invited(memory: &Memory, session: SessionId, invitation: &Invitation) {
    if ["resume", "key", "seed"].iter().all(|what| memory.get(what).is_none()) {
        memory.set("invitation", &invitation.id.0.to_string());
        keep_key(memory, &Key::invited(invitation, session, Seat::Viewer));
    }
}

/// By what this tab came in, if it was invited.
pub(crate) fn invited(memory: &Memory) -> Option<InvitationId> {
    memory.get("invitation")?.parse().ok().map(InvitationId)
}

/// A new invitation for somebody else.
pub(crate) fn draw_invitation() -> Result<Invitation, Missing> {
    let id = InvitationId(u32::from_be_bytes(random()?));
    Ok(Invitation { id, secret: InvitationSecret::from_random(random()?) })
}

fn begun(text: &str) -> Option<(Code, Seed)> {
    let (code, seed) = text.split_once('/')?;
    Some((code.parse().ok()?, Seed(bytes(seed)?)))
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

/// The part of the code that the server does not know, where this tab is the one to make it.
pub(crate) fn draw_secret() -> Result<Secret, Missing> {
    random().map(|bytes| Secret::from_random(u64::from_be_bytes(bytes)))
}

/// What the technician prefers, as this browser remembers it beyond the session.
pub(crate) fn preference(what: &str) -> Option<String> {
    dom::browser_storage()?.get_item(&preference_name(what)).ok().flatten()
}

/// Remembers it; a browser that forbids it forgets.
pub(crate) fn prefer(what: &str, choice: &str) {
    if let Some(storage) = dom::browser_storage() {
        let _ = storage.set_item(&preference_name(what), choice);
    }
}

fn preference_name(what: &str) -> String {
    format!("nearhand.prefer.{what}")
}

fn fresh() -> Result<Seed, Missing> {
    random().map(Seed)
}

fn random<const N: usize>() -> Result<[u8; N], Missing> {
    let missing = || Missing::new("a source of random numbers");
    let place = Uint8Array::new_with_length(N as u32);
    let crypto = dom::global("crypto").ok_or_else(missing)?;
    dom::call(&crypto, "getRandomValues", &Array::of1(&place)).ok_or_else(missing)?;
    let mut random = [0; N];
    place.copy_to(&mut random);
    Ok(random)
}

#[cfg(test)]
mod tests {
    use nearhand_protocol::machine::handshake::SEED_LEN;

    use super::*;

    #[test]
    fn an_exchange_is_taken_up_with_the_code_it_began_with() {
        let text = format!("482 913 705/{}", "0a".repeat(SEED_LEN));
        let code = "482913705".parse().unwrap();
        assert_eq!(begun(&text), Some((code, Seed([10; SEED_LEN]))));
        for damaged in ["", "/", "482 913 705/0a", &text[1..], &text[..text.len() - 1]] {
            assert_eq!(begun(damaged), None, "{damaged}");
        }
    }
}
