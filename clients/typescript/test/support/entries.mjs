export const CONVERSATION = "01890000-0000-7000-8000-00000000000c";
export const ME = "01890000-0000-7000-8000-000000000001";
export const OTHER = "01890000-0000-7000-8000-000000000002";
export const DEVICE = "01890000-0000-7000-8000-0000000000d1";

/** @param {number} number */
export function messageId(number) {
  return `01890000-0000-7000-8000-${number.toString(16).padStart(12, "0")}`;
}

/** @param {number} seq @param {object} [fields] @returns {import("../../src/types.js").Entry} */
export function entry(seq, fields = {}) {
  return {
    kind: "new_message",
    conversation_id: CONVERSATION,
    seq,
    message_id: messageId(seq),
    sender_id: OTHER,
    sent_at: 1_700_000_000_000 + seq,
    content: { text: { text: `message ${seq}` } },
    ...fields,
  };
}

/** The frame form of an entry. @param {number} seq @param {object} [fields] */
export function entryBody(seq, fields = {}) {
  const { kind: _kind, ...body } = entry(seq, fields);
  return body;
}

/** @param {object} [fields] */
export function welcomeBody(fields = {}) {
  return {
    user_id: ME,
    device_id: DEVICE,
    connection_id: messageId(900),
    node: messageId(901),
    server_time: 1_700_000_000_000,
    heartbeat_ms: 30_000,
    limits: { frame_bytes_max: 131_072, text_bytes_max: 65_536, history_page_max: 200, sends_per_second: 10, sends_burst: 20 },
    conversations: [],
    ...fields,
  };
}
