// Everything on the page within reach of the keyboard and of screen readers.
(() => {
  const SCROLLED = "mjx-container, pre, table.checklist, .math, .output, .cell_output, .pst-scrollable-table-container";

  // What is wider than the column scrolls by the arrow keys, once Tab can get there.
  function letScroll() {
    for (const part of document.querySelectorAll(SCROLLED)) {
      const scrolls = part.scrollWidth > part.clientWidth && getComputedStyle(part).overflowX !== "visible";
      if (scrolls && !part.hasAttribute("tabindex")) part.tabIndex = 0;
    }
  }

  // The theme calls a button "Search" that shows "Search Ctrl+K", and every folded cell the same:
  // what is shown is the name.
  function nameAsShown() {
    document.querySelectorAll(".search-button-field, details > summary")
      .forEach((part) => part.removeAttribute("aria-label"));
    // The arrow beside a page of the menu shows nothing that could be read: it has the page's name.
    for (const arrow of document.querySelectorAll("nav summary:has(> .toctree-toggle)")) {
      arrow.setAttribute("aria-label", `Pages of ${arrow.closest("li").querySelector("a").textContent}`);
    }
  }

  // A list of references whose entries do not say that they are items of a list is none.
  function dropFalseLists() {
    document.querySelectorAll(".citation-list[role=list]")
      .forEach((list) => list.removeAttribute("role"));
  }

  // The theme takes the focus from a menu button that is pressed, and tells nobody whether its menu
  // is open. A link of the contents leads to a place behind the open menu, so it closes it.
  function mind(button, dialog, stands) {
    if (!button || !dialog) return;
    let followed = false;
    const tell = () => button.setAttribute("aria-expanded", String(dialog.open || stands()));
    // Before the theme's own listeners, one of which stops all others.
    window.addEventListener("click", (event) => {
      if (!button.contains(event.target)) return;
      setTimeout(() => { if (!dialog.open) button.focus({ preventScroll: true }); tell(); });
    }, true);
    dialog.addEventListener("click", (event) => {
      followed = Boolean(event.target.closest("a[href^='#']"));
      if (followed) dialog.close();
    });
    dialog.addEventListener("close", () => {
      if (!followed) button.focus({ preventScroll: true });
      followed = false;
      tell();
    });
    window.addEventListener("resize", tell);
    tell();
  }

  function mindMenus() {
    const [find, at] = [(name) => document.querySelector(name), (id) => document.getElementById(id)];
    // On a wide screen, the menu stands beside the text until it is folded.
    const stands = () => window.matchMedia("(min-width: 992px)").matches
      && !at("pst-primary-sidebar").classList.contains("pst-sidebar-hidden");
    mind(find(".primary-toggle"), at("pst-primary-sidebar-modal"), stands);
    mind(find(".secondary-toggle"), at("pst-secondary-sidebar-modal"), () => false);
  }

  // For browsers whose style sheets cannot open what is folded.
  function unfoldOnPaper() {
    const folded = [...document.querySelectorAll("details:not([open])")];
    folded.forEach((part) => { part.open = true; });
    window.addEventListener("afterprint", () => folded.forEach((part) => { part.open = false; }), { once: true });
  }
  window.addEventListener("beforeprint", unfoldOnPaper);

  window.addEventListener("load", async () => {
    nameAsShown();
    dropFalseLists();
    mindMenus();
    await window.MathJax?.startup?.promise;
    letScroll();
    window.addEventListener("resize", letScroll);
  });
})();
