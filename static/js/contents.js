// The list beside a page of a manual scrolls by itself: what is open lies in its middle.

for (const list of document.querySelectorAll(".manual-contents")) {
  const here = list.querySelector(".manual-pages [aria-current]");
  if (here) list.scrollTop = here.offsetTop - list.clientHeight / 2;
}
