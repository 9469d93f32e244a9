// Frames of the channel: a little-endian u32 length and JSON.
import {
  Bytes,
  copyInto,
  decode,
  encodeInto,
  exit,
  indexOf,
  moveWithin,
  parse,
  readBeside,
  readSync,
  slice,
  writeSync,
} from "./kept.js";

// Buffers are kept, because a new one for each frame would take as long as all the rest of it.
let room = 65536;
let inbox = new Bytes(room);
let filled = 0;
let outroom = 65536;
let outbox = new Bytes(outroom);
let outbody = new Bytes(outbox.buffer, 4);

export function readFrame() {
  for (;;) {
    const frame = takeFrame();
    if (frame !== null) return frame;
    arrived(readSync(filled === 0 ? inbox : new Bytes(inbox.buffer, filled)));
  }
}

// A frame that has come in whole, or null.
export function takeFrame() {
  if (filled < 4) return null;
  const size = 4 +
    ((inbox[0] | inbox[1] << 8 | inbox[2] << 16 | inbox[3] << 24) >>> 0);
  if (room < size) {
    const larger = new Bytes(size);
    copyInto(larger, inbox);
    inbox = larger;
    room = size;
  }
  if (filled < size) return null;
  const text = decode(new Bytes(inbox.buffer, 4, size - 4));
  if (filled > size) moveWithin(inbox, 0, size, filled);
  filled -= size;
  return parse(text);
}

// Resolves to how many bytes have arrived beside the code that runs.
export function readMore() {
  return readBeside(new Bytes(inbox.buffer, filled));
}

export function arrived(count) {
  if (!count) exit(0); // the client is gone
  filled += count;
}

// Half of a character cannot be said in UTF-8, but cutting a text makes some. JSON.stringify
// escapes just those with \ud8…, and a backslash with another one.
function whole(json) {
  if (indexOf(json, "\\ud") < 0) return json;
  let kept = "", from = 0;
  for (let at = indexOf(json, "\\"); at >= 0; at = indexOf(json, "\\", at)) {
    if (json[at + 1] === "u" && json[at + 2] === "d") {
      kept += slice(json, from, at) + "\ufffd";
      from = at += 6;
    } else at += 2;
  }
  return kept + slice(json, from);
}

export function writeFrame(text) {
  const body = whole(text);
  const most = 4 + 3 * body.length;
  if (outroom < most) {
    outroom = most;
    outbox = new Bytes(most);
    outbody = new Bytes(outbox.buffer, 4);
  }
  const { written } = encodeInto(body, outbody);
  outbox[0] = written;
  outbox[1] = written >>> 8;
  outbox[2] = written >>> 16;
  outbox[3] = written >>> 24;
  const size = written + 4;
  for (let sent = 0; sent < size;) {
    sent += writeSync(new Bytes(outbox.buffer, sent, size - sent));
  }
}
