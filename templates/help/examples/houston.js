// Leads LivePerson's npm client and lpf to Houston without a change to them:
//   NODE_OPTIONS="--require /path/to/houston.js"
const http = require("node:http");
const https = require("node:https");
const { syncBuiltinESMExports } = require("node:module");
const addresses = require("node:url");

const houston = new URL("{{ url }}");
const port = houston.port || (houston.protocol === "https:" ? 443 : 80);
// Where the clients ask which servers an account has. Houston answers: itself, for everything.
const asked =
  /^((api|adminlogin(-[a-z0-9-]+)?)\.liveperson\.net|csds-app\.qa\.int\.gw\.lpcloud\.io|lp-csds-qa\.dev\.lprnd\.net)$/;
const original = { http: { ...http }, https: { ...https }, format: addresses.format };

function read(args) {
  const url = typeof args[0] === "string" ? new URL(args[0]) : args[0];
  const rest = args.slice(1);
  if (!(url instanceof URL)) return [{ ...url }, rest];
  const options = rest[0] !== null && typeof rest[0] === "object" ? rest.shift() : {};
  return [{ ...addresses.urlToHttpOptions(url), ...options }, rest];
}

function lead(name, scheme) {
  return function (...args) {
    const [options, rest] = read(args);
    const host = options.hostname || options.host;
    const usual = scheme === "https" ? 443 : 80;
    const given = Number(options.port || usual);
    // This very server, but by https, which is all that the clients know.
    const isHere = host === houston.hostname && `${scheme}:` !== houston.protocol &&
      (given === usual ? "" : String(given)) === houston.port;
    if (!asked.test(host) && !isHere) return original[scheme][name](...args);
    Object.assign(options, {
      protocol: houston.protocol,
      host: houston.hostname,
      hostname: houston.hostname,
      port,
      agent: undefined,
      defaultPort: undefined,
    });
    return original[houston.protocol.slice(0, -1)][name](options, ...rest);
  };
}

for (const name of ["request", "get"]) {
  http[name] = lead(name, "http");
  https[name] = lead(name, "https");
}
// The npm client takes the name with its port for a name alone, and would get no address from it.
addresses.format = function (parts, ...rest) {
  const named = parts && !(parts instanceof URL) && parts.hostname === houston.host;
  return original.format(named ? { ...parts, host: houston.host } : parts, ...rest);
};
syncBuiltinESMExports();
