// Reads a secret and changes it. An admin creates secrets under Settings; functions cannot.
const { Toolbelt, SecretError } = require("lp-faas-toolbelt");

const secrets = Toolbelt.SecretClient();
const KEY = "orders-token";

async function lambda(input, callback) {
  try {
    const secret = await secrets.readSecret(KEY);

    // A secret of type JSON is an object. Never log a value: the log is for everybody to read.
    console.info("Read a secret", { key: secret.key, type: typeof secret.value });

    if (input.payload.newValue !== undefined) {
      await secrets.updateSecret({ key: KEY, value: input.payload.newValue });
    }
    callback(null, "done");
  } catch (error) {
    if (error instanceof SecretError && error.code.endsWith("secret.not-found")) {
      console.warn(`There is no secret "${KEY}" yet: an admin can add it under Settings`);
      callback(null, "no secret");
      return;
    }
    callback(error);
  }
}
