//! Which windows belong to the one that is shared: its dialogs and menus, or all of its program.

use std::collections::{BTreeMap, BTreeSet};

use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _, InputFocus, MapState, Window, WindowClass};

use super::Server;
use super::props::{Atoms, MAX_WINDOWS, ask, client, gone, managed, tops};
use super::stack::Stack;
use crate::Error;

/// Longest way from a dialog of a dialog to its window.
const MAX_CHAIN: usize = 8;

/// What a window says about whose it is. All of it is the program's own word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// The child of the root that it is or lies in.
    pub(super) top: Window,
    /// It is shown, if perhaps covered.
    pub(super) viewable: bool,
    client: u32,
    transient_for: Option<Window>,
    leader: Option<Window>,
    group: Option<Window>,
    process: Option<(u32, Vec<u8>)>,
    /// A dialog or a tool window.
    dialog: bool,
    override_redirect: bool,
}

/// All windows that could belong to one.
#[derive(Debug, Default)]
pub(super) struct Families {
    root: Window,
    facts: BTreeMap<Window, Facts>,
    /// The window that gets the keys, and what it lies in.
    focus: Vec<Window>,
}

impl Families {
    /// As things are.
    pub(super) fn read(server: &Server, atoms: &Atoms, stack: &Stack) -> Result<Self, Error> {
        let listed = managed(server, atoms)?.unwrap_or_default();
        let around = tops(server, &listed)?;
        let mut windows: Vec<(Window, Window)> =
            listed.into_iter().zip(around).filter_map(|(window, top)| Some((window, top?))).collect();
        let framed: BTreeSet<Window> = windows.iter().map(|(_, top)| *top).collect();
        // Menus, and everything where there is no window manager.
        let others = stack.mapped().map(|(window, _)| window).filter(|window| !framed.contains(window));
        windows.extend(others.map(|window| (window, window)));
        windows.truncate(MAX_WINDOWS as usize);

        let mut asked = Vec::with_capacity(windows.len());
        for (window, top) in windows {
            let attributes = server.conn.get_window_attributes(window)?;
            let properties = [
                ask(server, window, AtomEnum::WM_TRANSIENT_FOR, 1)?,
                ask(server, window, atoms.WM_CLIENT_LEADER, 1)?,
                ask(server, window, AtomEnum::WM_HINTS, 9)?,
                ask(server, window, atoms._NET_WM_PID, 1)?,
                ask(server, window, AtomEnum::WM_CLIENT_MACHINE, 64)?,
                ask(server, window, atoms._NET_WM_WINDOW_TYPE, 16)?,
            ];
            asked.push((window, top, attributes, properties));
        }
        let mut facts = BTreeMap::new();
        for (window, top, attributes, properties) in asked {
            let [transient_for, leader, hints, pid, machine, kind] = properties;
            let attributes = gone(attributes.reply(), "describe a window")?;
            let (transient_for, leader, hints) =
                (transient_for.number()?, leader.number()?, hints.numbers()?);
            let (pid, machine, kind) = (pid.number()?, machine.bytes()?, kind.numbers()?);
            let Some(attributes) = attributes.filter(|told| told.class == WindowClass::INPUT_OUTPUT) else {
                continue;
            };
            // ICCCM 4.1.2.4: the group is meant where bit 6 of the flags says so.
            let group = hints.first().filter(|flags| *flags & 1 << 6 != 0).and_then(|_| hints.get(8));
            let dialogs = [atoms._NET_WM_WINDOW_TYPE_DIALOG, atoms._NET_WM_WINDOW_TYPE_UTILITY];
            let told = Facts {
                top,
                viewable: attributes.map_state == MapState::VIEWABLE,
                client: client(server, window),
                transient_for,
                leader,
                group: group.copied().filter(|group| *group != x11rb::NONE),
                process: pid.map(|pid| (pid, machine)),
                dialog: kind.iter().any(|kind| dialogs.contains(kind)),
                override_redirect: attributes.override_redirect,
            };
            facts.insert(window, told);
        }
        Ok(Self { root: server.root(), facts, focus: focus(server)? })
    }

    /// What the window says, where it is there.
    pub(super) fn get(&self, window: Window) -> Option<&Facts> {
        self.facts.get(&window)
    }

    /// The window, its dialogs and its menus.
    pub(super) fn of_window(&self, window: Window) -> BTreeSet<Window> {
        let mut members = BTreeSet::from([window]);
        let Some(own) = self.facts.get(&window) else { return BTreeSet::new() };
        for (other, facts) in &self.facts {
            let transient = self.leads_to(*other, |parent| parent == window);
            // A dialog that names no window, or all of its program.
            let unbound = facts.transient_for.is_none_or(|parent| parent == self.root)
                && facts.dialog
                && facts.client == own.client
                && facts.leader.is_some()
                && facts.leader == own.leader;
            if transient || unbound {
                members.insert(*other);
            }
        }
        self.with_menus(members)
    }

    /// All windows of the program that the window belongs to.
    pub(super) fn of_application(&self, window: Window) -> BTreeSet<Window> {
        let Some(own) = self.facts.get(&window) else { return BTreeSet::new() };
        let same = |facts: &Facts| {
            facts.client == own.client
                || facts.leader.is_some() && facts.leader == own.leader
                || facts.group.is_some() && facts.group == own.group
                || facts.process.is_some() && facts.process == own.process
        };
        let kin: BTreeSet<Window> =
            self.facts.iter().filter(|(_, facts)| same(facts)).map(|(other, _)| *other).collect();
        let guests = self.facts.keys().filter(|other| self.leads_to(**other, |parent| kin.contains(&parent)));
        guests.copied().chain(kin.iter().copied()).collect()
    }

    /// Menus and tooltips that name no window belong to the one that has the focus.
    fn with_menus(&self, members: BTreeSet<Window>) -> BTreeSet<Window> {
        if !self.focus.iter().any(|window| members.contains(window)) {
            return members;
        }
        let clients: BTreeSet<u32> =
            members.iter().filter_map(|member| self.facts.get(member)).map(|facts| facts.client).collect();
        let menus = self.facts.iter().filter(|(_, facts)| {
            facts.override_redirect && facts.transient_for.is_none() && clients.contains(&facts.client)
        });
        menus.map(|(window, _)| *window).chain(members.iter().copied()).collect()
    }

    /// Whether the way from a dialog to what it belongs to passes a window like this.
    fn leads_to(&self, window: Window, like: impl Fn(Window) -> bool) -> bool {
        let mut at = window;
        for _ in 0..MAX_CHAIN {
            match self.facts.get(&at).and_then(|facts| facts.transient_for) {
                Some(parent) if like(parent) => return true,
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }
}

/// The window that gets the keys, and all that it lies in.
fn focus(server: &Server) -> Result<Vec<Window>, Error> {
    let told = gone(server.conn.get_input_focus()?.reply(), "tell the focus")?;
    let Some(mut at) = told.map(|told| told.focus) else { return Ok(Vec::new()) };
    if at == u32::from(u8::from(InputFocus::POINTER_ROOT)) {
        // Without a window manager: the window under the pointer.
        let pointer = gone(server.conn.query_pointer(server.root())?.reply(), "tell where the pointer is")?;
        at = pointer.map_or(x11rb::NONE, |pointer| pointer.child);
    }
    let mut windows = Vec::new();
    while at != x11rb::NONE && at != server.root() && windows.len() < MAX_CHAIN {
        windows.push(at);
        at = gone(server.conn.query_tree(at)?.reply(), "tell what is around a window")?
            .map_or(x11rb::NONE, |tree| tree.parent);
    }
    Ok(windows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: Window = 1;
    const MAIN: Window = 0x100;
    const OTHER: Window = 0x101;

    fn facts(client: u32, change: impl FnOnce(&mut Facts)) -> Facts {
        let mut facts = Facts { client, viewable: true, ..Facts::default() };
        change(&mut facts);
        facts
    }

    /// A program with two windows, and whatever the test adds.
    fn families(focus: Window, more: &[(Window, Facts)]) -> Families {
        let plain = |leader| facts(0x100, |facts| facts.leader = Some(leader));
        let mut told = BTreeMap::from([(MAIN, plain(0x1ff)), (OTHER, plain(0x1ff))]);
        told.extend(more.iter().cloned());
        Families { root: ROOT, facts: told, focus: vec![focus + 0x1000, focus] }
    }

    #[test]
    fn whose_a_window_is() {
        let transient = |client, parent| facts(client, |facts| facts.transient_for = Some(parent));
        let dialog = |change: &dyn Fn(&mut Facts)| {
            facts(0x100, |facts| {
                (facts.dialog, facts.leader) = (true, Some(0x1ff));
                change(facts);
            })
        };
        let menu = |client| facts(client, |facts| facts.override_redirect = true);
        let table = [
            // window, of the window, of the program, why
            (transient(0x100, MAIN), true, true, "its dialog"),
            (transient(0x100, OTHER), false, true, "the other window's dialog"),
            (transient(0x200, MAIN), true, true, "a dialog that another program shows for it"),
            (dialog(&|facts| facts.transient_for = Some(ROOT)), true, true, "a dialog of the whole program"),
            (dialog(&|_| ()), true, true, "a dialog that names nobody"),
            (dialog(&|facts| facts.leader = None), false, true, "a dialog without a leader"),
            (dialog(&|facts| facts.client = 0x200), false, true, "another client's dialog with its leader"),
            (transient(0x100, ROOT), false, true, "a plain window for the whole program"),
            (menu(0x100), true, true, "a menu while its window has the focus"),
            (menu(0x200), false, false, "another program's menu"),
            (facts(0x200, |_| ()), false, false, "another program"),
        ];
        for (told, window, application, why) in table {
            let families = families(MAIN, &[(0x142, told)]);
            assert_eq!(families.of_window(MAIN).contains(&0x142), window, "{why}");
            assert_eq!(families.of_application(MAIN).contains(&0x142), application, "{why}");
            assert!(
                !families.of_window(MAIN).contains(&OTHER) && families.of_application(MAIN).contains(&OTHER)
            );
        }
        let elsewhere = families(OTHER, &[(0x142, menu(0x100))]);
        assert!(!elsewhere.of_window(MAIN).contains(&0x142), "a menu while the other window has the focus");
    }

    #[test]
    fn chains_end() {
        let transient = |parent| facts(0x300, |facts| facts.transient_for = Some(parent));
        let chain = |length: u32| -> Vec<(Window, Facts)> {
            (0..length).map(|n| (0x300 + n, transient(if n == 0 { MAIN } else { 0x300 + n - 1 }))).collect()
        };
        assert!(families(MAIN, &chain(8)).of_window(MAIN).contains(&0x307));
        assert!(!families(MAIN, &chain(9)).of_window(MAIN).contains(&0x308));
        // A circle leads nowhere.
        let circle = [(0x300, transient(0x301)), (0x301, transient(0x300))];
        assert_eq!(families(MAIN, &circle).of_window(MAIN), BTreeSet::from([MAIN]));
    }

    #[test]
    fn programs_are_known_by_what_they_say_in_common() {
        let process = |pid| facts(0x500, |facts| facts.process = Some((pid, b"host".to_vec())));
        let more = [(0x500, process(7)), (0x501, process(7)), (0x502, process(8))];
        for (window, facts) in &more {
            let mut facts = facts.clone();
            facts.client = *window;
            let families = families(MAIN, &[(0x500, process(7)), (*window + 0x10, facts)]);
            let same = families.of_application(0x500).contains(&(*window + 0x10));
            assert_eq!(same, *window != 0x502);
        }
        assert!(families(MAIN, &[]).of_application(0x999).is_empty());
    }
}
