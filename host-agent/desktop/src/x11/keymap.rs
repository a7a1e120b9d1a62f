//! The host's keyboard layout, pure once it is read: which keycode gives which character in which group, with which
//! modifiers (XKB protocol, chapters 5 and 12).

use x11rb::protocol::xkb::{ConnectionExt as _, GetMapReply, ID, MapPart, VMod};
use xkeysym::Keysym;

use super::{Server, reply_error};
use crate::Error;

/// Modifier bits of the core protocol.
pub(super) mod modifier {
    pub(crate) const SHIFT: u8 = 1 << 0;
    pub(crate) const LOCK: u8 = 1 << 1;
    pub(crate) const CONTROL: u8 = 1 << 2;
    pub(crate) const MOD1: u8 = 1 << 3;
    /// Num Lock, on every layout of today.
    pub(crate) const NUM_LOCK: u8 = 1 << 4;
    pub(crate) const MOD4: u8 = 1 << 6;
}

/// What a key comes to in the program that gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typing {
    /// This character.
    Character(char),
    /// The first half of one.
    Dead,
    /// No character: a function, or nothing at all.
    Nothing,
}

/// How to get a character: this key in this group, with exactly these of the modifiers that its type looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stroke {
    pub(super) keycode: u8,
    pub(super) group: u8,
    /// The modifiers that decide about the level…
    pub(super) looks_at: u8,
    /// …and which of them must be on.
    pub(super) needs: u8,
}

impl Stroke {
    /// Whether it gives its character as things are.
    pub(super) fn fits(self, group: u8, modifiers: u8) -> bool {
        self.group == group && modifiers & self.looks_at == self.needs
    }
}

/// `dead_grave` to the last dead key of `keysymdef.h`.
const DEAD: std::ops::RangeInclusive<u32> = 0xfe50..=0xfe93;

/// Symbols that switch a modifier: `ISO_Lock` to `ISO_Level5_Lock`, `Mode_switch`, `Shift_L` to `Hyper_R`.
const MODIFIERS: [std::ops::RangeInclusive<u32>; 3] = [0xfe01..=0xfe13, 0xff7e..=0xff7e, 0xffe1..=0xffee];

/// One level of a type: the modifiers that select it.
#[derive(Debug, Clone)]
struct Entry {
    level: usize,
    modifiers: u8,
}

#[derive(Debug, Clone, Default)]
struct Type {
    looks_at: u8,
    entries: Vec<Entry>,
}

impl Type {
    fn level(&self, modifiers: u8) -> usize {
        let modifiers = modifiers & self.looks_at;
        self.entries.iter().find(|entry| entry.modifiers == modifiers).map_or(0, |entry| entry.level)
    }

    /// The fewest modifiers that select the level; Caps Lock only where nothing else does.
    fn needs(&self, level: usize) -> Option<u8> {
        let listed = self.entries.iter().filter(|entry| entry.level == level).map(|entry| entry.modifiers);
        // Combinations that aren't listed give level 0; none at all is the one to use.
        let none = (level == 0 && self.level(0) == 0).then_some(0);
        listed.chain(none).min_by_key(|modifiers| (modifiers & modifier::LOCK, modifiers.count_ones()))
    }
}

#[derive(Debug, Clone, Default)]
struct Key {
    /// The type of each group.
    types: Vec<usize>,
    width: usize,
    symbols: Vec<u32>,
    modifiers: u8,
}

impl Key {
    fn symbol(&self, group: usize, level: usize) -> u32 {
        if level >= self.width {
            0
        } else {
            self.symbols.get(group * self.width + level).copied().unwrap_or(0)
        }
    }
}

/// A layout as the server told it.
#[derive(Debug, Clone, Default)]
pub(super) struct Keymap {
    first: u8,
    keys: Vec<Key>,
    types: Vec<Type>,
}

impl Keymap {
    /// As it is at this moment.
    pub(super) fn read(server: &Server) -> Result<Self, Error> {
        let all = MapPart::KEY_TYPES | MapPart::KEY_SYMS | MapPart::MODIFIER_MAP;
        let none = MapPart::default();
        let reply = server
            .conn
            .xkb_get_map(
                ID::USE_CORE_KBD.into(),
                all,
                none,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                VMod::default(),
                0,
                0,
                0,
                0,
                0,
                0,
            )?
            .reply()
            .map_err(reply_error("tell the keyboard's layout"))?;
        Ok(Self::from_reply(&reply))
    }

    /// From a reply that has types, symbols and the modifier map of all keys.
    fn from_reply(reply: &GetMapReply) -> Self {
        let types = reply.map.types_rtrn.iter().flatten().map(|kind| Type {
            looks_at: u16::from(kind.mods_mask) as u8,
            entries: kind
                .map
                .iter()
                .filter(|entry| entry.active)
                .map(|entry| Entry { level: entry.level.into(), modifiers: u16::from(entry.mods_mask) as u8 })
                .collect(),
        });
        let mut keys: Vec<Key> = reply
            .map
            .syms_rtrn
            .iter()
            .flatten()
            .map(|key| {
                let groups = usize::from(key.group_info & 0x0f).min(key.kt_index.len());
                Key {
                    types: key.kt_index[..groups].iter().map(|kind| usize::from(*kind)).collect(),
                    width: key.width.into(),
                    symbols: key.syms.clone(),
                    modifiers: 0,
                }
            })
            .collect();
        for modifier in reply.map.modmap_rtrn.iter().flatten() {
            let index = usize::from(modifier.keycode.saturating_sub(reply.first_key_sym));
            if let Some(key) = keys.get_mut(index) {
                key.modifiers |= u16::from(modifier.mods) as u8;
            }
        }
        let mut keymap = Self { first: reply.first_key_sym, keys, types: types.collect() };
        keymap.share_modifiers();
        keymap
    }

    /// A key without a line in the modifier map may switch a modifier on by its action, as the right Alt key does on
    /// most layouts; another, virtual key with the same symbol then has the line.
    fn share_modifiers(&mut self) {
        let own: Vec<(u32, u8)> = self
            .keys
            .iter()
            .filter(|key| key.modifiers != 0)
            .flat_map(|key| key.symbols.iter().map(|symbol| (*symbol, key.modifiers)))
            .filter(|(symbol, _)| MODIFIERS.iter().any(|range| range.contains(symbol)))
            .collect();
        for key in &mut self.keys {
            if key.modifiers == 0 {
                let symbol = key.symbol(0, 0);
                key.modifiers = own
                    .iter()
                    .filter(|(other, _)| *other == symbol)
                    .fold(0, |modifiers, (_, more)| modifiers | more);
            }
        }
    }

    /// Which modifiers the key switches on while it is held.
    pub(super) fn modifiers(&self, keycode: u8) -> u8 {
        self.key(keycode).map_or(0, |key| key.modifiers)
    }

    /// What the key types as things are.
    pub(super) fn typing(&self, keycode: u8, group: u8, modifiers: u8) -> Typing {
        let Some((symbol, raise)) = self.symbol(keycode, group, modifiers) else { return Typing::Nothing };
        if DEAD.contains(&symbol) {
            return Typing::Dead;
        }
        match Keysym::new(symbol).key_char().filter(|character| !character.is_control()) {
            Some(character) if raise => Typing::Character(upper(character)),
            Some(character) => Typing::Character(character),
            None => Typing::Nothing,
        }
    }

    /// The keysym as things are, and whether Caps Lock raises it though it has no level for that (XKB protocol, 12.3).
    fn symbol(&self, keycode: u8, group: u8, modifiers: u8) -> Option<(u32, bool)> {
        let key = self.key(keycode)?;
        let group = Self::effective_group(key, group)?;
        let kind = self.types.get(key.types[group])?;
        let raise = modifiers & modifier::LOCK != 0 && kind.looks_at & modifier::LOCK == 0;
        Some((key.symbol(group, kind.level(modifiers)), raise))
    }

    /// The best way to get the character: as things are, else in the group that is on, else in any.
    pub(super) fn find(&self, character: char, group: u8, modifiers: u8) -> Option<Stroke> {
        self.strokes(character).min_by_key(|stroke| {
            let changes = (modifiers & stroke.looks_at ^ stroke.needs).count_ones();
            (!stroke.fits(group, modifiers), stroke.group != group, changes, stroke.keycode)
        })
    }

    /// Keys that nothing uses: their places can be borrowed for characters that the layout lacks.
    pub(super) fn spare_keycodes(&self) -> impl Iterator<Item = u8> {
        let spare = self
            .keys
            .iter()
            .enumerate()
            .filter(|(_, key)| key.modifiers == 0 && key.symbols.iter().all(|symbol| *symbol == 0));
        spare.map(|(index, _)| self.first + index as u8)
    }

    fn strokes(&self, character: char) -> impl Iterator<Item = Stroke> {
        let wanted = symbol_of(character);
        self.keys.iter().enumerate().flat_map(move |(index, key)| {
            let keycode = self.first + index as u8;
            key.types.iter().enumerate().flat_map(move |(group, kind)| {
                let kind = self.types.get(*kind);
                (0..key.width).filter_map(move |level| {
                    let kind = kind?;
                    if !same(key.symbol(group, level), wanted, character) {
                        return None;
                    }
                    let mut looks_at = kind.looks_at;
                    let needs = kind.needs(level)?;
                    // Caps Lock must be off where it would raise the letter.
                    if upper(character) != character {
                        looks_at |= modifier::LOCK;
                    }
                    Some(Stroke { keycode, group: group as u8, looks_at, needs })
                })
            })
        })
    }

    fn key(&self, keycode: u8) -> Option<&Key> {
        self.keys.get(usize::from(keycode.checked_sub(self.first)?))
    }

    /// A key with fewer groups than the one that is on wraps around, as the servers' default is.
    fn effective_group(key: &Key, group: u8) -> Option<usize> {
        usize::from(group).checked_rem(key.types.len())
    }
}

/// The keysym of a character; control characters are the keys that make them.
pub(super) fn symbol_of(character: char) -> u32 {
    match character {
        '\n' | '\r' => 0xff0d,
        '\t' => 0xff09,
        '\u{8}' => 0xff08,
        '\u{1b}' => 0xff1b,
        '\u{7f}' => 0xffff,
        _ => Keysym::from_char(character).raw(),
    }
}

/// Layouts name a character by its legacy keysym or by its Unicode one.
fn same(symbol: u32, wanted: u32, character: char) -> bool {
    symbol == wanted
        // The keypad's digits depend on Num Lock: the row above the letters is meant.
        || (symbol != 0 && !(0xff80..=0xffbd).contains(&symbol) && Keysym::new(symbol).key_char() == Some(character))
}

fn upper(character: char) -> char {
    let mut upper = character.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => one,
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::modifier::{LOCK, SHIFT};
    use super::*;

    const ALT_GR: u8 = 1 << 7;

    fn symbols(text: &str) -> Vec<u32> {
        text.chars().map(|character| if character == '·' { 0 } else { symbol_of(character) }).collect()
    }

    fn key(types: &[usize], text: &str) -> Key {
        let symbols = symbols(text);
        Key { types: types.to_vec(), width: symbols.len() / types.len().max(1), symbols, modifiers: 0 }
    }

    /// German with Russian as the second group, a modifier key and two spare ones.
    fn keymap() -> Keymap {
        let entry = |level, modifiers| Entry { level, modifiers };
        let one = Type::default();
        let two = Type { looks_at: SHIFT, entries: vec![entry(1, SHIFT)] };
        let letter = Type { looks_at: SHIFT | LOCK, entries: vec![entry(1, SHIFT), entry(1, LOCK)] };
        let four = Type {
            looks_at: SHIFT | ALT_GR,
            entries: vec![entry(1, SHIFT), entry(2, ALT_GR), entry(3, SHIFT | ALT_GR)],
        };
        let mut shift = key(&[0], "·");
        shift.modifiers = SHIFT;
        Keymap {
            first: 8,
            keys: vec![
                key(&[2, 2], "qQйЙ"),
                key(&[3], "qQ@Ω"),
                key(&[1], "7/"),
                key(&[3], "e·€·"),
                shift,
                key(&[], ""),
                Key { types: vec![0], width: 1, symbols: vec![0], modifiers: 0 },
                Key { types: vec![0], width: 1, symbols: vec![0xffb7], modifiers: 0 },
                Key { types: vec![0], width: 1, symbols: vec![0xfe51], modifiers: 0 },
            ],
            types: vec![one, two, letter, four],
        }
    }

    #[test]
    fn what_a_key_types() {
        let keymap = keymap();
        let typing = |keycode, group, modifiers| match keymap.typing(keycode, group, modifiers) {
            Typing::Character(character) => Some(character),
            Typing::Dead | Typing::Nothing => None,
        };
        assert_eq!(typing(8, 0, 0), Some('q'));
        assert_eq!(typing(8, 0, LOCK), Some('Q'));
        assert_eq!(typing(8, 1, SHIFT), Some('Й'));
        assert_eq!(typing(9, 1, ALT_GR), Some('@'), "a key with one group wraps");
        assert_eq!(typing(9, 0, LOCK), Some('Q'), "Caps Lock raises without a level for it");
        assert_eq!(typing(10, 0, LOCK), Some('7'));
        assert_eq!(typing(12, 0, 0), None);
        assert_eq!(typing(7, 0, 0), None);
        assert_eq!(typing(255, 0, 0), None);
        assert_eq!(keymap.typing(16, 0, 0), Typing::Dead);
        assert_eq!(keymap.modifiers(12), SHIFT);
    }

    #[test]
    fn how_to_get_a_character() {
        let keymap = keymap();
        let find = |character, group, modifiers| keymap.find(character, group, modifiers);
        let slash = find('/', 0, 0).unwrap();
        assert_eq!((slash.keycode, slash.needs, slash.fits(0, 0)), (10, SHIFT, false));
        let seven = find('7', 0, SHIFT).unwrap();
        assert_eq!((seven.keycode, seven.needs, seven.looks_at), (10, 0, SHIFT));
        assert_eq!(find('€', 0, 0).unwrap().needs, ALT_GR);
        assert_eq!(find('Ω', 0, 0).unwrap().needs, SHIFT | ALT_GR);
        let short_i = find('й', 0, 0).unwrap();
        assert_eq!((short_i.group, short_i.needs), (1, 0));
        let q = find('q', 0, LOCK).unwrap();
        assert!(!q.fits(0, LOCK) && q.needs & LOCK == 0, "Caps Lock has to be off");
        for character in "qQ@Ω7/e€йЙ".chars() {
            for (group, modifiers) in [(0, 0), (0, LOCK), (1, SHIFT), (0, ALT_GR | LOCK)] {
                let stroke = find(character, group, modifiers).unwrap();
                let modifiers = modifiers & !stroke.looks_at | stroke.needs;
                let typed = keymap.typing(stroke.keycode, stroke.group, modifiers);
                assert_eq!(typed, Typing::Character(character), "by {stroke:?}");
            }
        }
        assert_eq!(find('é', 0, 0), None);
    }

    #[test]
    fn a_key_has_the_modifiers_of_its_twin() {
        let level3 = |modifiers| Key { types: vec![0], width: 1, symbols: vec![0xfe03], modifiers };
        let mut keymap = keymap();
        keymap.keys.push(level3(0));
        keymap.keys.push(level3(ALT_GR));
        keymap.share_modifiers();
        assert_eq!((keymap.modifiers(17), keymap.modifiers(18)), (ALT_GR, ALT_GR));
        assert_eq!(keymap.modifiers(8), 0);
        assert_eq!(keymap.modifiers(12), SHIFT);
    }

    #[test]
    fn spare_keys_are_those_without_symbols_and_duty() {
        assert_eq!(keymap().spare_keycodes().collect::<Vec<_>>(), [13, 14]);
    }

    #[test]
    fn characters_have_their_keysyms() {
        assert_eq!(symbol_of('a'), 0x61);
        assert_eq!(symbol_of('\n'), 0xff0d);
        for character in ['é', 'ß', '€', '@', 'ж', '漢', '😀'] {
            assert_eq!(Keysym::new(symbol_of(character)).key_char(), Some(character));
        }
    }
}
