//! What the browser reports by RTCP: keyframe requests, loss, its own estimate.
//!
//! Read inside the stack's interceptor chain and handed on as counters and one flag, rather than as packets to the
//! application (`Attribute::DeliverToApplication`): a flag merges a burst of requests, and cannot be full.

use super::stats::Shared;
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::payload_feedbacks::receiver_estimated_maximum_bitrate::ReceiverEstimatedMaximumBitrate;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Notify;

/// Next to the application: every interceptor has seen the RTCP before it.
pub(super) const SLOT: Slot = Slot::Custom(14_000);

/// Observes inbound RTCP.
pub(super) struct FeedbackTap {
    shared: Arc<Shared>,
    keyframe: Arc<Notify>,
    read: VecDeque<TaggedPacket>,
    write: VecDeque<TaggedPacket>,
}

impl FeedbackTap {
    pub(super) fn new(shared: Arc<Shared>, keyframe: Arc<Notify>) -> Self {
        Self { shared, keyframe, read: VecDeque::new(), write: VecDeque::new() }
    }

    fn observe(&self, packet: &dyn rtc::rtcp::Packet) {
        let packet = packet.as_any();
        if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
            self.shared.count_keyframe_request();
            self.keyframe.notify_one();
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            if let Some(worst) = report.reports.iter().map(|report| report.fraction_lost).max() {
                self.shared.set_reported_loss(f32::from(worst) / 256.0);
            }
            // There is one stream.
            if let Some(report) = report.reports.first() {
                self.shared.set_reported_to(report.last_sequence_number);
            }
        } else if let Some(estimate) = packet.downcast_ref::<ReceiverEstimatedMaximumBitrate>() {
            self.shared.set_remb(estimate.bitrate as u32);
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for FeedbackTap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, message: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &message.message.packet {
            for packet in packets {
                self.observe(packet.as_ref());
            }
        }
        self.read.push_back(message);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, message: TaggedPacket) -> Result<(), Error> {
        self.write.push_back(message);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.write.pop_front()
    }
}

impl Interceptor for FeedbackTap {
    fn bind_local_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _info: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _info: &StreamInfo) {}
}
