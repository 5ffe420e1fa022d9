// Jupyter widgets that work in the page. Their manager weighs 2 MB, so it is fetched only when the
// first widget of the page comes near the window. No module, so that it also works from a file.
(() => {
  const NEAR = "800px";
  const KIND = "application/vnd.jupyter.widget";
  const STATE = document.currentScript.dataset.state;
  const MANAGER = new URL("vendor/html-manager/embed.js", document.currentScript.src).href;

  function load(address) {
    return new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: address });
      script.addEventListener("load", resolve);
      script.addEventListener("error", reject);
      document.head.append(script);
    });
  }

  // The manager looks for the state of the widgets in the page.
  async function bringState() {
    if (!STATE) return;
    await load(STATE);
    const script = Object.assign(document.createElement("script"), { type: `${KIND}-state+json` });
    script.textContent = JSON.stringify(window.widgetState);
    document.head.append(script);
  }

  // The manager speaks to version 2 of MathJax; the page has version 3.
  function answerAsVersion2(MathJax) {
    if (MathJax?.typesetPromise && !MathJax.Hub) {
      MathJax.Hub = { Queue: ([, , element]) => MathJax.typesetPromise([element]) };
    }
  }

  // The manager writes a slider's label beside it and leaves the handle, which is what has the
  // focus, without a name.
  function nameHandles() {
    document.querySelectorAll(".noUi-handle:not([aria-label])").forEach((handle) => {
      const label = handle.closest(".widget-slider")?.querySelector(".widget-label");
      if (label?.textContent) handle.setAttribute("aria-label", label.textContent);
    });
  }

  const observer = new IntersectionObserver(async (entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    await window.MathJax?.startup?.promise;
    answerAsVersion2(window.MathJax);
    await bringState();
    await load(MANAGER);
    new MutationObserver(nameHandles).observe(document.body, { childList: true, subtree: true });
    // The manager draws when the window has loaded, which was before it came: say it again.
    window.dispatchEvent(new Event("load"));
  }, { rootMargin: NEAR });

  window.addEventListener("load", () => {
    document.querySelectorAll(`script[type="${KIND}-view+json"]`)
      .forEach((view) => observer.observe(view.parentElement));
  }, { once: true });
})();
