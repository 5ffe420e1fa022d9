// Everything on the page within reach of the keyboard and of screen readers.
(() => {
  const SCROLLED = "mjx-container, pre, .math, .output, .cell_output, .pst-scrollable-table-container";

  // What is wider than the column scrolls by the arrow keys, once Tab can get there.
  function letScroll() {
    for (const part of document.querySelectorAll(SCROLLED)) {
      const scrolls = part.scrollWidth > part.clientWidth && getComputedStyle(part).overflowX !== "visible";
      if (scrolls && !part.hasAttribute("tabindex")) part.tabIndex = 0;
    }
  }

  // The theme calls the button "Search", but shows "Search Ctrl+K": what is shown is the name.
  function nameAsShown() {
    document.querySelectorAll(".search-button-field").forEach((button) => button.removeAttribute("aria-label"));
  }

  window.addEventListener("load", async () => {
    nameAsShown();
    await window.MathJax?.startup?.promise;
    letScroll();
    window.addEventListener("resize", letScroll);
  });
})();
