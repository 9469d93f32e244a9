// Runs when somebody invokes it, by its id or on a schedule. The input's payload is whatever the
// caller sends, the result is what the caller gets back.

function lambda(input, callback) {
  const name = input.payload?.name ?? "World";

  // First the error (null: there is none), then the result.
  callback(null, `Hello ${name}!`);
}
