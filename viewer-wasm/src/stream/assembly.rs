//! Frames that come in parts over a data channel become whole again.

use nearhand_protocol::frame::FrameChunk;

/// A whole frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coded {
    pub(super) timestamp: u32,
    pub(super) keyframe: bool,
    pub(super) annex_b: Vec<u8>,
}

/// What became of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// More parts follow.
    More,
    /// It was the last one.
    Whole(Coded),
    /// It does not follow the one before: that frame is lost, and this part too, unless it begins another.
    Gap,
}

/// The parts of one frame. The protocol bounds a part and their number, so it holds 8 MiB at most.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    parts: Option<(FrameHead, Vec<u8>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FrameHead {
    timestamp: u32,
    keyframe: bool,
    count: u16,
    next: u16,
}

impl Assembly {
    /// The next part; the protocol has checked its bounds.
    pub(super) fn take(&mut self, chunk: &FrameChunk<'_>) -> Taken {
        let head = FrameHead {
            timestamp: chunk.timestamp,
            keyframe: chunk.keyframe,
            count: chunk.count,
            next: chunk.index,
        };
        let before = self.parts.take();
        let broken = before.is_some() == (chunk.index == 0);
        let (mut awaited, mut bytes) = match before {
            Some((awaited, bytes)) if awaited == head => (awaited, bytes),
            _ if chunk.index == 0 => (head, Vec::new()),
            _ => return Taken::Gap,
        };
        bytes.extend_from_slice(chunk.bytes);
        awaited.next += 1;
        if awaited.next < awaited.count {
            self.parts = Some((awaited, bytes));
            return if broken { Taken::Gap } else { Taken::More };
        }
        if broken && !awaited.keyframe {
            return Taken::Gap;
        }
        Taken::Whole(Coded { timestamp: awaited.timestamp, keyframe: awaited.keyframe, annex_b: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn part(timestamp: u32, index: u16, count: u16, bytes: &[u8]) -> FrameChunk<'_> {
        FrameChunk { timestamp, keyframe: index == 0 && timestamp == 1, index, count, bytes }
    }

    #[test]
    fn parts_become_frames() {
        let mut assembly = Assembly::default();
        let keyframe = |index, bytes| FrameChunk { keyframe: true, ..part(1, index, 2, bytes) };
        assert_eq!(assembly.take(&keyframe(0, &[1, 2])), Taken::More);
        let whole = Coded { timestamp: 1, keyframe: true, annex_b: vec![1, 2, 3] };
        assert_eq!(assembly.take(&keyframe(1, &[3])), Taken::Whole(whole));
        let next = Coded { timestamp: 2, keyframe: false, annex_b: vec![4] };
        assert_eq!(assembly.take(&part(2, 0, 1, &[4])), Taken::Whole(next));
    }

    #[test]
    fn what_does_not_follow_is_a_gap() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&part(5, 1, 2, &[1])), Taken::Gap, "it never began");
        assert_eq!(assembly.take(&part(6, 0, 3, &[1])), Taken::More);
        assert_eq!(assembly.take(&part(6, 2, 3, &[1])), Taken::Gap, "a part is missing");
        assert_eq!(assembly.take(&part(7, 0, 2, &[1])), Taken::More);
        assert_eq!(assembly.take(&part(8, 0, 2, &[1])), Taken::Gap, "another one begins, and is kept");
        let coded = Coded { timestamp: 8, keyframe: false, annex_b: vec![1, 2] };
        assert_eq!(assembly.take(&part(8, 1, 2, &[2])), Taken::Whole(coded));
        assert_eq!(assembly.take(&part(9, 0, 2, &[1])), Taken::More);
        assert_eq!(
            assembly.take(&part(10, 0, 1, &[1])),
            Taken::Gap,
            "it can't be decoded without the one before"
        );
        assert_eq!(assembly.take(&part(9, 0, 2, &[1])), Taken::More);
        assert_eq!(assembly.take(&part(9, 1, 3, &[1])), Taken::Gap, "it says another count");
    }
}
