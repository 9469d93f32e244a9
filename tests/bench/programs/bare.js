// A loop of reads and writes around a function, and nothing else: what Deno itself takes.
const inbox = new Uint8Array(65536), outbox = new Uint8Array(65536);
const lengthIn = new DataView(inbox.buffer), lengthOut = new DataView(outbox.buffer);
const encoder = new TextEncoder(), decoder = new TextDecoder();

function lambda(_input, callback) {
  callback(null, { type: "systemMessage", text: "Hello" });
}

for (;;) {
  let filled = 0;
  while (filled < 4 || filled < 4 + lengthIn.getUint32(0, true)) {
    const count = Deno.stdin.readSync(inbox.subarray(filled));
    if (!count) Deno.exit(0);
    filled += count;
  }
  const { id, event } = JSON.parse(decoder.decode(inbox.subarray(4, filled)));
  lambda(event, (_error, value) => {
    const { written } = encoder.encodeInto(JSON.stringify({ id, value }), outbox.subarray(4));
    lengthOut.setUint32(0, written, true);
    for (let sent = 0; sent < written + 4;) {
      sent += Deno.stdout.writeSync(outbox.subarray(sent, written + 4));
    }
  });
}
