// Times that say how long ago something was go on saying it, in the words of the server's.

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const DATE_AFTER_S = 8 * 86400;
const EVERY_MS = 10_000;

function relative(moment) {
  const age = (Date.now() - moment) / 1000;
  if (age < 5) return "just now";
  const [unit, length] = UNITS.find(([, seconds]) => age >= seconds);
  return `${Math.floor(age / length)} ${unit} ago`;
}

setInterval(() => {
  if (document.visibilityState !== "visible") return;
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const moment = Date.parse(time.dateTime);
    const age = (Date.now() - moment) / 1000;
    // Clocks differ, and what is long ago is a date that stays right.
    if (age >= 0 && age < DATE_AFTER_S) time.textContent = relative(moment);
  }
}, EVERY_MS);
