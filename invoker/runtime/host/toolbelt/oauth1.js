// Signs requests of the first generation: OAuth 1.0a with HMAC-SHA1, RFC 5849.
import { percent } from "./http.js";

// The header for a request; `form` is the text of a body that is form-encoded, else "".
export async function sign(method, url, form, credentials) {
  const { consumerKey, consumerSecret, token, tokenSecret } = credentials;
  const own = {
    oauth_consumer_key: consumerKey,
    oauth_nonce: crypto.randomUUID().replaceAll("-", ""),
    oauth_signature_method: "HMAC-SHA1",
    oauth_timestamp: String(Math.floor(Date.now() / 1000)),
    oauth_token: token,
    oauth_version: "1.0",
  };
  const parameters = [
    ...Object.entries(own),
    ...url.searchParams,
    ...new URLSearchParams(form),
  ].map(([name, value]) => [percent(name), percent(value)])
    .sort(([oneName, oneValue], [name, value]) =>
      oneName === name ? compare(oneValue, value) : compare(oneName, name)
    )
    .map((pair) => pair.join("="));
  const base = [method, url.origin + url.pathname, parameters.join("&")].map(percent).join("&");
  const signature = await hmac(`${percent(consumerSecret)}&${percent(tokenSecret)}`, base);
  const fields = Object.entries({ ...own, oauth_signature: signature })
    .map(([name, value]) => `${name}="${percent(value)}"`);
  return `OAuth ${fields.join(", ")}`;
}

// By code units, as the signature's rules want it: the language's own comparison knows languages.
function compare(one, other) {
  return one < other ? -1 : Number(one > other);
}

async function hmac(key, text) {
  const encoder = new TextEncoder();
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const imported = await crypto.subtle.importKey("raw", encoder.encode(key), algorithm, false, [
    "sign",
  ]);
  const bytes = new Uint8Array(await crypto.subtle.sign("HMAC", imported, encoder.encode(text)));
  return btoa(String.fromCharCode(...bytes));
}
