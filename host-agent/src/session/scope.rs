//! What of the desktop is shared, as far as this technician is concerned: what they are told of it, and what follows when
//! it changes or closes.

use nearhand_protocol::control::{MAX_SHARED_NAME, Notice, Shared, ToViewer};
use nearhand_protocol::grant::{Deed, Right, Scope};
use nearhand_protocol::version::Capabilities;

use super::{Choice, Effect, News, Session};

impl Session {
    /// The customer shares something else from now on.
    pub(super) fn narrow(&mut self, choice: Choice, out: &mut Vec<Effect>) {
        let scope = choice.scope;
        self.shared_name = choice.name;
        let rulings = self.rule(&Deed::Narrowed(scope));
        self.follow(&rulings, out);
    }

    /// Something else is shared: whoever captures and acts does so by new proofs, and by no old one.
    pub(super) fn aim(&mut self, scope: Scope, out: &mut Vec<Effect>) {
        let choice = Choice { scope, name: self.shared_name.clone() };
        let was_seen = self.sharing;
        self.stop_video(out);
        if self.grants.kept().has(Right::Control) {
            out.push(Effect::ReleaseAll);
        }
        out.push(Effect::Aim(choice));
        if was_seen {
            self.send_shared(out);
            self.start_video(out);
        }
    }

    /// What was shared is not there any more.
    pub(super) fn scope_closed(&mut self, out: &mut Vec<Effect>) {
        if self.grants.scope().is_none() {
            return;
        }
        self.notice(Notice::ScopeClosed, out);
        out.push(Effect::Tell(News::ScopeClosed));
        self.shared_name.clear();
        self.take(&Deed::ScopeClosed, nearhand_protocol::grant::Rights::only(Right::View), out);
    }

    pub(super) fn scope_hidden(&self, hidden: bool, out: &mut Vec<Effect>) {
        self.notice(if hidden { Notice::WindowHidden } else { Notice::WindowBack }, out);
    }

    /// Something about the picture, for who sees it and knows what it means.
    fn notice(&self, notice: Notice, out: &mut Vec<Effect>) {
        if self.trusts() && self.theirs.has(Capabilities::SCOPE) && self.grants.has(Right::View) {
            out.push(Effect::Send(ToViewer::Notice(notice)));
        }
    }

    /// Says to the technician what is shared with them.
    pub(super) fn send_shared(&self, out: &mut Vec<Effect>) {
        if self.trusts()
            && self.theirs.has(Capabilities::SCOPE)
            && self.grants.has(Right::View)
            && let Some(scope) = self.grants.scope()
        {
            let mut name = self.shared_name.clone();
            let mut end = name.len().min(MAX_SHARED_NAME);
            while !name.is_char_boundary(end) {
                end -= 1;
            }
            name.truncate(end);
            out.push(Effect::Send(ToViewer::Shared(Shared { what: scope.into(), name })));
        }
    }
}
