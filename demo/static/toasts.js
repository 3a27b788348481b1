// The framework's own messages speak English and name no next step: they are said again in the words of the page.
(() => {
  const words = () => JSON.parse(document.querySelector("footer.foot")?.dataset.words ?? "null");
  const files = (text) => [...text.matchAll(/"([^"]+)"/g)].map((match) => match[1]).join(", ");
  const RULES = [
    [/exceed the maximum allowed size/, (w, text) => w.large.replace("{files}", files(text))],
    [/^Invalid file types?: (.*?)\. Only/, (w, text, match) => w.type.replace("{files}", match[1])],
    [/access to the microphone/, (w) => w.microphone],
    [/access to the webcam/, (w) => w.camera],
    [/Connection to the server was lost/, (w) => w.lost],
    [/Connection errored out|Failed to fetch/, (w) => w.broken],
    [/currently busy|Queue is full/, (w) => w.busy],
    [/^HTTP \d+: (.+)/s, (w, text, match) => match[1]],  // our own refusals are said in the page's language already
  ];

  function say(toast) {
    toast.dataset.said = "1";
    const book = words(), text = toast.textContent.trim();
    const rule = book && RULES.find(([pattern]) => pattern.test(text));
    if (rule) toast.textContent = rule[1](book, text, text.match(rule[0]));
    const title = toast.closest(".toast-body")?.querySelector(".toast-title-row span")?.firstChild;
    const name = title && book?.titles[title.nodeValue.trim()];
    if (name) title.nodeValue = `${name} `;
  }

  new MutationObserver(() => {
    document.querySelectorAll("[data-testid=toast-text]:not([data-said])").forEach(say);
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
