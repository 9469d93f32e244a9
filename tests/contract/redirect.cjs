// node --require redirect.cjs: LivePerson's hosts, and those of Houston's that its service directory
// names, are ports of this machine; every other host is a port that nobody listens on.
// HTTP and HTTPS say which. Source: liveperson-contract.md §1.7.
const { Socket } = require("node:net");

const OURS = /(^|\.)(liveperson\.net|lpcloud\.io|lprnd\.net|houston\.test)$/;
const LOOPBACK = /^(127\.0\.0\.1|localhost)$/;
const { HTTP, HTTPS } = process.env;
const connect = Socket.prototype.connect;

Socket.prototype.connect = function (...args) {
  const to = Array.isArray(args[0]) ? args[0][0] : args[0];
  if (typeof to?.host === "string" && !LOOPBACK.test(to.host)) {
    to.port = !OURS.test(to.host) ? "9" : String(to.port) === "80" ? HTTP : HTTPS;
    to.host = "127.0.0.1";
    delete to.lookup;
  }
  return connect.apply(this, args);
};
