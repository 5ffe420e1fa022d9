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
  }

  // A list of references whose entries do not say that they are items of a list is none.
  function dropFalseLists() {
    document.querySelectorAll(".citation-list[role=list]")
      .forEach((list) => list.removeAttribute("role"));
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
    await window.MathJax?.startup?.promise;
    letScroll();
    window.addEventListener("resize", letScroll);
  });
})();
