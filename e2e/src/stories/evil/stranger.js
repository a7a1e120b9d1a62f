// A peer connection of somebody who should not have one: offers or answers, keeps every message that comes on any data
// channel, and says what it is told to say.
const stranger = (window.stranger = { out: [], got: [], open: [], error: null });
const [labels] = arguments;
let peer = null;
let epoch = 0;
const channels = new Map();

const say = (message) => stranger.out.push(JSON.stringify({ type: "negotiate", epoch, ...message }));

const hold = (channel) => {
  channel.binaryType = "arraybuffer";
  channels.set(channel.label, channel);
  channel.onmessage = ({ data }) => stranger.got.push([channel.label, [...new Uint8Array(data)]]);
  const opened = () => stranger.open.push(channel.label);
  if (channel.readyState === "open") opened();
  else channel.onopen = opened;
};

const begin = (number) => {
  peer?.close();
  channels.clear();
  Object.assign(stranger, { got: [], open: [] });
  epoch = number;
  peer = new RTCPeerConnection();
  peer.ondatachannel = ({ channel }) => hold(channel);
  peer.onicecandidate = ({ candidate }) => {
    if (candidate === null) return;
    const { sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index } = candidate;
    say({ kind: "candidate", candidate: { candidate: candidate.candidate, sdp_mid, sdp_m_line_index } });
  };
};

const handle = async (message) => {
  if (message.kind === "offer") {
    begin(message.epoch);
    await peer.setRemoteDescription({ type: "offer", sdp: message.sdp });
    await peer.setLocalDescription();
    say({ kind: "answer", sdp: peer.localDescription.sdp });
  } else if (message.epoch !== epoch) {
    return;
  } else if (message.kind === "answer") {
    await peer.setRemoteDescription({ type: "answer", sdp: message.sdp });
  } else if (message.kind === "candidate") {
    const { candidate, sdp_mid, sdp_m_line_index } = message.candidate;
    await peer.addIceCandidate({ candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_m_line_index }).catch(() => {});
  }
};

let last = Promise.resolve();
const next = (work) => {
  last = last.then(work).catch((error) => {
    stranger.error = String(error);
  });
};
stranger.take = (message) => next(() => handle(message));
stranger.offer = (number) =>
  next(async () => {
    begin(number);
    peer.addTransceiver("video", { direction: "recvonly" });
    for (const [label, options] of labels) hold(peer.createDataChannel(label, options));
    await peer.setLocalDescription();
    say({ kind: "offer", sdp: peer.localDescription.sdp });
  });
stranger.send = (label, bytes) => channels.get(label).send(new Uint8Array(bytes));
stranger.sdps = () => [peer.localDescription.sdp, peer.remoteDescription.sdp];
stranger.bytesOfVideo = async () => {
  let bytes = 0;
  for (const report of (await peer.getStats()).values()) {
    if (report.type === "inbound-rtp") bytes += report.bytesReceived;
  }
  return bytes;
};
