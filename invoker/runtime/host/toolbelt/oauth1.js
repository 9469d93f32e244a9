// Signs requests of the first generation: OAuth 1.0a with HMAC-SHA1, RFC 5849.
import OAuth from "oauth-1.0a";

// The header for a request; `form` is the text of a body that is form-encoded, else "".
export async function sign(method, url, form, { consumerKey, consumerSecret, token, tokenSecret }) {
  const oauth = new OAuth({
    consumer: { key: consumerKey, secret: consumerSecret },
    signature_method: "HMAC-SHA1",
    hash_function: hmac,
  });
  oauth.getNonce = () => crypto.randomUUID(); // its own can be guessed
  // Read here, because the library leaves names as they are encoded in the address.
  const data = Object.create(null);
  for (const [name, value] of [...url.searchParams, ...new URLSearchParams(form)]) {
    (data[name] ??= []).push(value);
  }
  const request = { method, url: url.origin + url.pathname, data };
  const fields = oauth.authorize(request, { key: token, secret: tokenSecret });
  // Still a promise: what hashes at once is node:crypto, and Deno's Node layer takes 40 ms to start.
  fields.oauth_signature = await fields.oauth_signature;
  return oauth.toHeader(fields).Authorization;
}

async function hmac(text, key) {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(key), algorithm, false, [
    "sign",
  ]);
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
  return btoa(String.fromCharCode(...bytes));
}
