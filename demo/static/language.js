// Changing the language without losing one's files: the link asks for a ticket, the other page shows it.
(() => {
  const PATIENCE_MS = 2500;  // then the page changes without what was given
  const MARK = "#moved=";
  let goal = "", ticket = "";

  function go(given) {
    if (!goal) return;
    const address = goal + (given ? MARK + encodeURIComponent(given) : "");
    goal = "";
    location.assign(address);
  }

  addEventListener("click", (event) => {
    const link = event.target.closest?.(".languages a");
    const button = document.querySelector("#move-leave button, button#move-leave");
    if (!link || link.hasAttribute("aria-current") || !button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goal = link.href;
    button.click();
    setTimeout(() => go(""), PATIENCE_MS);
  });

  if (location.hash.startsWith(MARK)) {
    ticket = decodeURIComponent(location.hash.slice(MARK.length));
    history.replaceState(null, "", location.pathname + location.search);
    const look = setInterval(() => {
      const button = document.querySelector("#move-arrive button, button#move-arrive");
      if (!button || !document.querySelector("#create")) return;
      clearInterval(look);
      button.click();
    }, 100);
  }

  window.candorMove = { go, ticket: () => ticket };
})();
