// Says in the page why the browser gave no passkey; allauth's own script only logs it.
document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const place = document.querySelector("#passkey-error");
  const name = event.detail.exception?.name;
  place.textContent = name === "InvalidStateError"
    ? "Cannot add the passkey: this device has one for you already"
    : name === "NotAllowedError"
    ? "Cannot use a passkey: it was cancelled or took too long, try again"
    : "Cannot use a passkey: the browser refused, open Houston by its proper address under https";
  place.hidden = false;
});
