// Keeps a token of the API where LivePerson's instructions for its command line look for it: in the
// session storage, as `houston.<account id>`. It belongs to one session of one person: on the first
// page of another, or of none, all of them are taken away.
// Source: liveperson-contract.md §1.8.

const MARK = "houston:session";
const LEFT_MS = 4 * 3600 * 1000;
const { session, account, tokenUrl } = document.body.dataset;

function forget() {
  for (const key of Object.keys(sessionStorage)) {
    if (/^houston\.[A-Za-z0-9]+$/.test(key)) sessionStorage.removeItem(key);
  }
}

function isGood(kept) {
  try {
    const claims = JSON.parse(kept).glob.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).exp * 1000 > Date.now() + LEFT_MS;
  } catch {
    return false;
  }
}

async function keep() {
  const key = `houston.${account}`;
  if (isGood(sessionStorage.getItem(key))) return;
  const headers = JSON.parse(document.body.getAttribute("hx-headers"));
  // A session that has ended leads to the sign-in page, and that is nothing to keep.
  const answer = await fetch(tokenUrl, { method: "POST", headers, redirect: "manual" });
  if (answer.ok) sessionStorage.setItem(key, JSON.stringify(await answer.json()));
}

try {
  if (sessionStorage.getItem(MARK) !== session) {
    forget();
    sessionStorage.setItem(MARK, session);
  }
  if (tokenUrl) await keep();
} catch {
  // Without a network, or where a browser keeps nothing, there is no token: nothing else needs it.
}
