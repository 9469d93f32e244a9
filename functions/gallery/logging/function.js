// Writes one line at each level. Find them under Logs, or below the result of a test.

function lambda(input, callback) {
  const startedAt = Date.now();

  // Whatever comes after the text is kept with the line and can be opened in the log.
  console.debug("For you while you build it", input.headers);
  console.info("For whoever wants to know what happened", Object.keys(input.payload ?? {}));
  console.warn("For what should not happen but can", { tookMs: Date.now() - startedAt });
  console.error("For what went wrong", new Error("An example, nothing is broken"));

  // Keep personal data out of the log: whoever may read the account's logs will see it.
  callback(null, "ok");
}
